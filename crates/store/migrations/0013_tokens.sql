-- Tokens of people and of accounts, with rights of every kind.
ALTER TABLE tokens ADD COLUMN user         TEXT REFERENCES users (id) ON DELETE CASCADE;     -- whose; NULL with the next:
ALTER TABLE tokens ADD COLUMN account      TEXT REFERENCES accounts (id) ON DELETE CASCADE;  -- the installation's
ALTER TABLE tokens ADD COLUMN disabled     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN condition    TEXT;      -- from where it may be used; NULL: from anywhere
ALTER TABLE tokens ADD COLUMN modified_on  INTEGER;   -- NULL: never
ALTER TABLE tokens ADD COLUMN last_used_on INTEGER;   -- within a quarter of an hour; NULL: never

-- What was limited to R2 says so in the words of the other rights.
UPDATE tokens SET policies = (
    SELECT json_group_array(json_object(
        'id', p.value ->> '$.id',
        'permissions', json((
            SELECT json_group_array(CASE r.value
                WHEN 'storage_read' THEN 'r2_storage.read' WHEN 'storage_write' THEN 'r2_storage.write'
                WHEN 'item_read' THEN 'r2_items.read' ELSE 'r2_items.write' END)
            FROM json_each(p.value, '$.permissions') r)),
        'resources', json((
            SELECT json_group_array('com.cloudflare.api.account.' || coalesce(
                r.value ->> '$.account',
                (r.value ->> '$.bucket.account') || '/com.cloudflare.edge.r2.bucket.' || (r.value ->> '$.bucket.bucket')))
            FROM json_each(p.value, '$.resources') r))))
    FROM json_each(tokens.policies) p)
WHERE policies IS NOT NULL;

-- What was for whole accounts has each right in them.
UPDATE tokens SET policies = json_array(
    json_object(
        'id', lower(hex(randomblob(16))),
        'permissions', json('["account_settings.write","members.write","account_tokens.write","audit_logs.write",'
            || '"access.write","workers.write","workers_tail.write","observability.write","analytics.write",'
            || '"kv.write","r2_storage.write","r2_items.write","d1.write","queues.write","pages.write"]'),
        'resources', json((
            SELECT json_group_array('com.cloudflare.api.account.' || a.value) FROM json_each(tokens.accounts) a))),
    json_object(
        'id', lower(hex(randomblob(16))),
        'permissions', json('["zones.write","workers_routes.write","cache_purge.write"]'),
        'resources', json((
            SELECT json_group_array('com.cloudflare.api.account.' || a.value || '/zone.*')
            FROM json_each(tokens.accounts) a))))
WHERE accounts IS NOT NULL AND policies IS NULL;

ALTER TABLE tokens DROP COLUMN accounts;

CREATE INDEX tokens_of_user ON tokens (user);
CREATE INDEX tokens_of_account ON tokens (account);

ALTER TABLE users ADD COLUMN last_seen_on INTEGER;  -- within a quarter of an hour; NULL: nobody has seen them yet
