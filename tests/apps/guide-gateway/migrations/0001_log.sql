CREATE TABLE log (id INTEGER PRIMARY KEY, user TEXT, method TEXT, path TEXT, status INTEGER);
