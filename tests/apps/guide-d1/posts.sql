INSERT INTO posts_fts (title, content) VALUES
  ('Workers', 'What Cloudflare calls a worker; all workers answer requests.'),
  ('Databases', 'SQLite; every statement ends.'),
  ('Cloudflare', 'Only one of the two words.');
