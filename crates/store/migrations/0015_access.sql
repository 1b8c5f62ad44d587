-- Access at the gateway. What the documents say is the affair of hearth-access.
CREATE TABLE access_apps (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    aud        TEXT NOT NULL UNIQUE,      -- whom tokens of it are for
    document   TEXT NOT NULL,
    created_on INTEGER NOT NULL,
    updated_on INTEGER NOT NULL,
    revoked_on INTEGER NOT NULL           -- tokens that were issued before open nothing; 0: none were revoked
) STRICT;

CREATE INDEX access_apps_of_account ON access_apps (account);

CREATE TABLE access_policies (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    app        TEXT REFERENCES access_apps (id) ON DELETE CASCADE,  -- NULL: applications share it
    document   TEXT NOT NULL,
    created_on INTEGER NOT NULL,
    updated_on INTEGER NOT NULL
) STRICT;

CREATE INDEX access_policies_of_account ON access_policies (account);

CREATE TABLE access_app_policies (        -- in which order an application asks its policies
    app      TEXT NOT NULL REFERENCES access_apps (id) ON DELETE CASCADE,
    policy   TEXT NOT NULL REFERENCES access_policies (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    PRIMARY KEY (app, policy)
) STRICT, WITHOUT ROWID;

CREATE TABLE access_tokens (              -- service tokens
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    client_id  TEXT NOT NULL UNIQUE,
    digest     BLOB NOT NULL,             -- SHA-256 of the secret
    duration   TEXT NOT NULL,
    expires_on INTEGER NOT NULL,
    created_on INTEGER NOT NULL,
    updated_on INTEGER NOT NULL
) STRICT;

CREATE INDEX access_tokens_of_account ON access_tokens (account);

CREATE TABLE access_keys (                -- which sign what workers are shown
    id         TEXT PRIMARY KEY,
    key_id     TEXT NOT NULL,
    sealed     BLOB NOT NULL,             -- PKCS #8, base64
    created_on INTEGER NOT NULL
) STRICT;
