-- The blob that lists a version's static assets; NULL: it has none. And whether there is code.
ALTER TABLE versions ADD COLUMN assets TEXT;
ALTER TABLE versions ADD COLUMN code INTEGER NOT NULL DEFAULT 1;
DROP INDEX versions_published;
CREATE INDEX versions_published ON versions (worker, number DESC, id, alias, label, assets, code);

-- What lies in an account's folder of assets, by what clients call it.
CREATE TABLE asset_contents (
    account    TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    hash       TEXT NOT NULL,
    size       INTEGER NOT NULL,
    media_type TEXT,  -- NULL: responses have none
    PRIMARY KEY (account, hash)
) STRICT, WITHOUT ROWID;

-- Uploads that may still become a version's assets.
CREATE TABLE asset_sessions (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    worker     TEXT NOT NULL,  -- the name in lower case; it need not exist yet
    files      TEXT NOT NULL,  -- the blob with what was announced
    expires_on INTEGER NOT NULL
) STRICT;

CREATE INDEX asset_sessions_by_end ON asset_sessions (expires_on);
