-- People, and what they are in which account.
CREATE TABLE users (
    id          TEXT PRIMARY KEY,
    email       TEXT NOT NULL UNIQUE COLLATE NOCASE,
    name        TEXT NOT NULL,
    is_operator INTEGER NOT NULL,             -- answers for the installation: every account and its people
    suspended   INTEGER NOT NULL DEFAULT 0,
    created_on  INTEGER NOT NULL,
    modified_on INTEGER NOT NULL
) STRICT;

CREATE TABLE memberships (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    user       TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role       TEXT NOT NULL,
    created_on INTEGER NOT NULL,
    UNIQUE (account, user)
) STRICT;

CREATE INDEX memberships_of_user ON memberships (user);
