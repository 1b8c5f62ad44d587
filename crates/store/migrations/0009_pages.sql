-- Secrets that the versions to come will have: of a Pages project, for each of its environments.
CREATE TABLE project_secrets (
    worker      TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    environment TEXT NOT NULL,
    name        TEXT NOT NULL,
    key_id      TEXT NOT NULL,
    sealed      BLOB NOT NULL,
    PRIMARY KEY (worker, environment, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX project_secrets_by_key ON project_secrets (key_id);

-- Files that a Pages project has uploaded. A client's word for a content is its project's own: what lies in the account's
-- folder of assets is called by what it is.
CREATE TABLE project_files (
    worker     TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    hash       TEXT NOT NULL,  -- the client's word
    content    TEXT NOT NULL,
    size       INTEGER NOT NULL,
    media_type TEXT,           -- NULL: responses have none
    used_on    INTEGER NOT NULL,
    PRIMARY KEY (worker, hash)
) STRICT, WITHOUT ROWID;
