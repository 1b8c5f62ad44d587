INSERT INTO accounts (id, balance) VALUES ('account1', 250), ('account2', 0);
