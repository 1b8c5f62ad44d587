CREATE TABLE outbox (kind TEXT, recipient TEXT, text TEXT);
CREATE TABLE failed_messages (body TEXT, error TEXT, timestamp TEXT);
