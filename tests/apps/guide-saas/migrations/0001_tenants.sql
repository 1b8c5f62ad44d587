CREATE TABLE tenants (id TEXT PRIMARY KEY, subdomain TEXT, custom_domain TEXT);
INSERT INTO tenants VALUES ('t1', 'acme', 'notes.acme.example'), ('t2', 'globex', NULL);
CREATE TABLE notes (id INTEGER PRIMARY KEY, tenant_id TEXT, text TEXT);
INSERT INTO notes (tenant_id, text) VALUES ('t1', 'of Acme'), ('t2', 'of Globex'), ('t1', 'also of Acme');
CREATE TABLE bills (message TEXT PRIMARY KEY, tenant TEXT, amount INTEGER);
