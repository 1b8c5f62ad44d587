-- How people prove who they are, and what keeps them signed in. Of what a browser or a letter carries only a digest.
CREATE TABLE passwords (
    user    TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash    TEXT NOT NULL,                -- argon2id, as a PHC string
    set_on  INTEGER NOT NULL
) STRICT;

CREATE TABLE invitations (                -- one-time links to set a password, one for each person
    user       TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    digest     BLOB NOT NULL UNIQUE,
    expires_on INTEGER NOT NULL
) STRICT;

CREATE TABLE totp (
    user      TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    key_id    TEXT NOT NULL,
    sealed    BLOB NOT NULL,              -- the secret that the authenticator shares
    confirmed INTEGER NOT NULL,           -- until then it is not asked for
    last_step INTEGER NOT NULL            -- codes of this time step and of those before it are spent
) STRICT;

CREATE TABLE recovery_codes (
    user   TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    digest BLOB NOT NULL,
    PRIMARY KEY (user, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    digest     BLOB PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    user       TEXT REFERENCES users (id) ON DELETE CASCADE,
    token      TEXT REFERENCES tokens (id) ON DELETE CASCADE,
    created_on INTEGER NOT NULL,
    seen_on    INTEGER NOT NULL,          -- to the minute
    expires_on INTEGER NOT NULL,
    address    TEXT NOT NULL,             -- where it was begun
    agent      TEXT NOT NULL,
    groups     TEXT NOT NULL,             -- JSON: what the provider of single sign-on said
    CHECK ((user IS NULL) <> (token IS NULL))
) STRICT;

CREATE INDEX sessions_of_user ON sessions (user);

CREATE TABLE providers (                  -- of single sign-on by OpenID Connect
    id       TEXT PRIMARY KEY,
    settings TEXT NOT NULL,               -- JSON, the affair of hearth-signin
    key_id   TEXT,
    sealed   BLOB                         -- the secret of the client that we are there, if it has one
) STRICT;

CREATE TABLE identities (                 -- who somebody is to a provider
    provider TEXT NOT NULL REFERENCES providers (id) ON DELETE CASCADE,
    subject  TEXT NOT NULL,
    user     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (provider, subject)
) STRICT;

CREATE INDEX identities_of_user ON identities (user);

CREATE TABLE passkeys (
    id         TEXT PRIMARY KEY,          -- the credential's, base64url
    user       TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    public_key BLOB NOT NULL,             -- COSE
    counter    INTEGER NOT NULL,
    created_on INTEGER NOT NULL,
    used_on    INTEGER
) STRICT;

CREATE INDEX passkeys_of_user ON passkeys (user);
