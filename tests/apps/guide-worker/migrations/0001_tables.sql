CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO users (name) VALUES ('alice'), ('bob');
CREATE TABLE posts (id TEXT PRIMARY KEY, words INTEGER);
