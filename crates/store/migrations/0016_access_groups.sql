-- Groups of Access: rules that have a name. What the documents say is the affair of hearth-access.
CREATE TABLE access_groups (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    document   TEXT NOT NULL,
    created_on INTEGER NOT NULL,
    updated_on INTEGER NOT NULL
) STRICT;

CREATE INDEX access_groups_of_account ON access_groups (account);

CREATE TABLE access_rotation (            -- one row at most: how long a key signs where somebody has said so
    only TEXT PRIMARY KEY CHECK (only = 'only'),
    days INTEGER NOT NULL
) STRICT;
