CREATE TABLE recommendations (tag TEXT, country TEXT, title TEXT);
INSERT INTO recommendations VALUES ('tea', NULL, 'Cup'), ('tea', 'DE', 'Stövchen'), ('coffee', NULL, 'Mill');
CREATE TABLE stock (variant TEXT PRIMARY KEY, count INTEGER);
INSERT INTO stock VALUES ('green', 3), ('black', 0);
