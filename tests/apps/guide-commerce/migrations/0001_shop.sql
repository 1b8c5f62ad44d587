CREATE TABLE products (id TEXT PRIMARY KEY, title TEXT, price INTEGER, category TEXT, sales_rank INTEGER);
INSERT INTO products VALUES
  ('tea', 'Tea', 20, 'kitchen', 3), ('cup', 'Cup', 5, 'kitchen', 2), ('pot', 'Pot', 40, 'kitchen', 1), ('pen', 'Pen', 2, 'office', 9);
CREATE TABLE stock (product_id TEXT PRIMARY KEY, count INTEGER);
INSERT INTO stock VALUES ('tea', 10), ('cup', 1), ('pot', 5), ('pen', 100);
CREATE TABLE orders (id TEXT PRIMARY KEY, user_id TEXT, total INTEGER, status TEXT, data TEXT);
CREATE TABLE order_items (order_id TEXT, product_id TEXT);
CREATE TABLE payments (order_id TEXT, amount INTEGER, method TEXT);
CREATE TABLE transactions (order_id TEXT, steps TEXT, outcome TEXT);
