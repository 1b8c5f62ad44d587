-- Tokens that are limited to R2, as those that S3 clients sign with are.
ALTER TABLE tokens ADD COLUMN policies   TEXT;     -- array of R2 policies; NULL: `accounts` says what it may touch
ALTER TABLE tokens ADD COLUMN not_before INTEGER;
ALTER TABLE tokens ADD COLUMN expires_on INTEGER;
