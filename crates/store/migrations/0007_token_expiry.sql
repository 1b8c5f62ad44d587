-- Until when an access token of a worker opens, in microseconds since 1970; without it, until it is revoked.
ALTER TABLE worker_tokens ADD COLUMN expires_on INTEGER;
