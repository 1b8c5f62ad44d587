-- Which tokens of people are programs', and what they are renewed with.
CREATE TABLE oauth_grants (
    token          TEXT PRIMARY KEY REFERENCES tokens (id) ON DELETE CASCADE,
    client         TEXT NOT NULL,
    scopes         TEXT NOT NULL,          -- JSON
    renewal        BLOB UNIQUE,            -- digest of what renews it; NULL: it is not renewed
    renewal_before BLOB,                   -- and of the one before: who shows that has a copy
    renewed_on     INTEGER,
    renews_until   INTEGER
) STRICT;

CREATE INDEX oauth_grants_before ON oauth_grants (renewal_before);
