-- Ids are text as the API shows them, times are microseconds since 1970 (UTC), objects are JSON text.

CREATE TABLE accounts (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE COLLATE NOCASE,
    subdomain  TEXT NOT NULL UNIQUE,
    is_default INTEGER NOT NULL,
    created_on INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX accounts_one_default ON accounts (is_default) WHERE is_default = 1;

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    email      TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,  -- SHA-256 of the token
    accounts   TEXT,                  -- array of account ids; NULL: the installation
    is_admin   INTEGER NOT NULL,
    created_on INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX tokens_one_admin ON tokens (is_admin) WHERE is_admin = 1;

CREATE TABLE workers (
    id                 TEXT PRIMARY KEY,
    account            TEXT NOT NULL REFERENCES accounts (id),
    name               TEXT NOT NULL,
    folded             TEXT NOT NULL,     -- the name in lower case
    created_on         INTEGER NOT NULL,
    modified_on        INTEGER NOT NULL,
    tags               TEXT NOT NULL DEFAULT '[]',
    logpush            INTEGER NOT NULL DEFAULT 0,
    observability      TEXT,
    tail_consumers     TEXT,
    subdomain_enabled  INTEGER NOT NULL DEFAULT 0,
    previews_enabled   INTEGER NOT NULL DEFAULT 0,
    migration_tag      TEXT,
    last_deployed_from TEXT,
    last_version       INTEGER NOT NULL DEFAULT 0,
    last_deployment    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, folded)
) STRICT;

CREATE TABLE versions (
    worker       TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    number       INTEGER NOT NULL,
    id           TEXT NOT NULL UNIQUE,
    created_on   INTEGER NOT NULL,
    alias        TEXT,
    document     TEXT NOT NULL,
    PRIMARY KEY (worker, number)
) STRICT;

-- Start-up reads this index and not the documents.
CREATE INDEX versions_published ON versions (worker, number DESC, id, alias);

CREATE TABLE version_blobs (
    version TEXT NOT NULL REFERENCES versions (id) ON DELETE CASCADE,
    hash    TEXT NOT NULL,
    PRIMARY KEY (version, hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX version_blobs_by_hash ON version_blobs (hash);

CREATE TABLE version_secrets (
    version TEXT NOT NULL REFERENCES versions (id) ON DELETE CASCADE,
    name    TEXT NOT NULL,
    key_id  TEXT NOT NULL,
    sealed  BLOB NOT NULL,
    PRIMARY KEY (version, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX version_secrets_by_key ON version_secrets (key_id);

CREATE TABLE version_services (
    version TEXT NOT NULL REFERENCES versions (id) ON DELETE CASCADE,
    service TEXT NOT NULL,  -- the callee's name in lower case
    PRIMARY KEY (version, service)
) STRICT, WITHOUT ROWID;

CREATE INDEX version_services_by_service ON version_services (service);

CREATE TABLE deployments (
    worker       TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    number       INTEGER NOT NULL,
    id           TEXT NOT NULL UNIQUE,
    created_on   INTEGER NOT NULL,
    source       TEXT NOT NULL,
    author_email TEXT NOT NULL,
    annotations  TEXT NOT NULL,
    split        TEXT NOT NULL,  -- array of [version, percent]
    PRIMARY KEY (worker, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE zones (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    account    TEXT NOT NULL REFERENCES accounts (id),
    created_on INTEGER NOT NULL
) STRICT;

CREATE INDEX zones_by_account ON zones (account);

CREATE TABLE routes (
    id        TEXT PRIMARY KEY,
    zone      TEXT NOT NULL REFERENCES zones (id) ON DELETE CASCADE,
    pattern   TEXT NOT NULL,
    canonical TEXT NOT NULL UNIQUE,  -- one spelling of all patterns that match the same requests
    worker    TEXT REFERENCES workers (id) ON DELETE CASCADE
) STRICT;

CREATE INDEX routes_by_zone ON routes (zone);
CREATE INDEX routes_by_worker ON routes (worker);

CREATE TABLE domains (
    id               TEXT PRIMARY KEY,
    hostname         TEXT NOT NULL UNIQUE,
    zone             TEXT NOT NULL REFERENCES zones (id) ON DELETE CASCADE,
    worker           TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    enabled          INTEGER NOT NULL,
    previews_enabled INTEGER NOT NULL,
    created_on       INTEGER NOT NULL
) STRICT;

CREATE INDEX domains_by_zone ON domains (zone);
CREATE INDEX domains_by_worker ON domains (worker);

CREATE TABLE schedules (
    worker      TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    cron        TEXT NOT NULL,
    position    INTEGER NOT NULL,
    created_on  INTEGER NOT NULL,
    modified_on INTEGER NOT NULL,
    PRIMARY KEY (worker, cron)
) STRICT, WITHOUT ROWID;

CREATE TABLE egress_rules (
    scope   TEXT PRIMARY KEY,  -- 'installation', 'account <id>' or 'worker <id>'
    account TEXT REFERENCES accounts (id) ON DELETE CASCADE,
    worker  TEXT REFERENCES workers (id) ON DELETE CASCADE,
    rules   TEXT NOT NULL
) STRICT;

CREATE INDEX egress_rules_by_account ON egress_rules (account);
CREATE INDEX egress_rules_by_worker ON egress_rules (worker);
