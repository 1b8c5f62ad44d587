-- The guide's transaction takes these tables for granted. The check is ours: it makes a transfer fail half way.
CREATE TABLE accounts (
  id TEXT PRIMARY KEY,
  balance INTEGER NOT NULL CHECK (balance >= 0)
);
CREATE TABLE transactions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  from_id TEXT NOT NULL REFERENCES accounts (id),
  to_id TEXT NOT NULL REFERENCES accounts (id),
  amount INTEGER NOT NULL
);
