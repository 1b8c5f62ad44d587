-- How the latest runs of a worker's cron triggers ended.
CREATE TABLE scheduled_runs (
    id           INTEGER PRIMARY KEY,
    worker       TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    cron         TEXT NOT NULL,
    scheduled_on INTEGER NOT NULL,
    started_on   INTEGER NOT NULL,
    duration_ms  INTEGER NOT NULL,
    outcome      TEXT NOT NULL,
    error        TEXT
) STRICT;

CREATE INDEX scheduled_runs_of_worker ON scheduled_runs (worker, id DESC);
