-- Which API a worker belongs to: names are unique within each. A table's UNIQUE cannot be changed, so it is made anew,
-- as SQLite says it should be: others refer to it by its name, which stays.
CREATE TABLE new_workers (
    id                 TEXT PRIMARY KEY,
    account            TEXT NOT NULL REFERENCES accounts (id),
    dialect            TEXT NOT NULL DEFAULT 'workers',
    dialect_settings   TEXT NOT NULL DEFAULT '{}',  -- what the dialect keeps of it
    access             TEXT NOT NULL DEFAULT 'open',
    name               TEXT NOT NULL,
    folded             TEXT NOT NULL,     -- the name in lower case
    created_on         INTEGER NOT NULL,
    modified_on        INTEGER NOT NULL,
    tags               TEXT NOT NULL DEFAULT '[]',
    logpush            INTEGER NOT NULL DEFAULT 0,
    observability      TEXT,
    tail_consumers     TEXT,
    subdomain_enabled  INTEGER NOT NULL DEFAULT 0,
    previews_enabled   INTEGER NOT NULL DEFAULT 0,
    migration_tag      TEXT,
    last_deployed_from TEXT,
    last_version       INTEGER NOT NULL DEFAULT 0,
    last_deployment    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, dialect, folded)
) STRICT;

INSERT INTO new_workers (id, account, name, folded, created_on, modified_on, tags, logpush, observability, tail_consumers,
                         subdomain_enabled, previews_enabled, migration_tag, last_deployed_from, last_version,
                         last_deployment)
SELECT id, account, name, folded, created_on, modified_on, tags, logpush, observability, tail_consumers,
       subdomain_enabled, previews_enabled, migration_tag, last_deployed_from, last_version, last_deployment
FROM workers;

DROP TABLE workers;
ALTER TABLE new_workers RENAME TO workers;

-- `<name>.<base-domain>` has one owner, whichever of these made it.
CREATE UNIQUE INDEX workers_on_hosts ON workers (account, folded) WHERE dialect IN ('workers', 'deploy');

-- A version's own name, where its dialect gives it one: it stands in hosts, in lower case.
ALTER TABLE versions ADD COLUMN label TEXT;
CREATE UNIQUE INDEX versions_by_label ON versions (worker, label) WHERE label IS NOT NULL;
DROP INDEX versions_published;
CREATE INDEX versions_published ON versions (worker, number DESC, id, alias, label);

-- Who shows one of these passes a gateway rule that asks for it.
CREATE TABLE worker_tokens (
    id         TEXT PRIMARY KEY,
    worker     TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,  -- SHA-256 of the token
    created_on INTEGER NOT NULL
) STRICT;

CREATE INDEX worker_tokens_by_worker ON worker_tokens (worker);
