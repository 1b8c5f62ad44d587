-- Classes of Durable Objects with everything stored by their objects, which lies elsewhere, under the id. The id stays
-- when the class gets another name or another worker.
CREATE TABLE object_namespaces (
    id         TEXT PRIMARY KEY,
    worker     TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    class      TEXT NOT NULL,
    sqlite     INTEGER NOT NULL,
    created_on INTEGER NOT NULL,
    UNIQUE (worker, class)
) STRICT;

-- Classes that another worker is to give: `exports` with the state `expecting-transfer`.
CREATE TABLE object_transfers (
    worker TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    class  TEXT NOT NULL,
    source TEXT NOT NULL, -- the other worker's name in lower case
    sqlite INTEGER NOT NULL,
    PRIMARY KEY (worker, class)
) STRICT, WITHOUT ROWID;
