-- What an account may have at most, where that is not as the configuration says: a JSON object.
CREATE TABLE account_quotas (
    account TEXT PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    quotas  TEXT NOT NULL
) STRICT;
