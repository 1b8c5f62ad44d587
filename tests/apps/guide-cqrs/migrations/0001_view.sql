CREATE TABLE order_view (id TEXT PRIMARY KEY, total REAL, status TEXT NOT NULL DEFAULT 'open');
