-- What workers bind and what has data of its own: KV namespaces, R2 buckets, D1 databases. The data lies elsewhere,
-- under the id.
CREATE TABLE resources (
    id          TEXT NOT NULL,
    kind        TEXT NOT NULL,
    account     TEXT NOT NULL REFERENCES accounts (id),
    name        TEXT NOT NULL,
    created_on  INTEGER NOT NULL,
    modified_on INTEGER NOT NULL,
    settings    TEXT NOT NULL,
    PRIMARY KEY (kind, id),
    UNIQUE (kind, account, name)
) STRICT, WITHOUT ROWID;
