//! The file: SQLite. Its calls block.

use std::collections::HashMap;
use std::path::Path;

use hearth_model::AccountId;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row, params, params_from_iter};
use serde_json::Value;
use uuid::Uuid;

use crate::entry::{Actor, Entry};
use crate::log::LogError;
use crate::query::{Filter, Scope};

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    BEGIN IMMEDIATE;
    CREATE TABLE entries (
        number        INTEGER PRIMARY KEY AUTOINCREMENT,
        id            TEXT NOT NULL UNIQUE,
        at            INTEGER NOT NULL,
        account       TEXT,
        actor_kind    TEXT NOT NULL,
        actor_id      TEXT,
        email         TEXT,
        token_id      TEXT,
        token_name    TEXT,
        ip            TEXT,
        agent         TEXT,
        operation     TEXT NOT NULL,
        title         TEXT NOT NULL,
        product       TEXT NOT NULL,
        method        TEXT NOT NULL,
        path          TEXT NOT NULL,
        resource_type TEXT NOT NULL,
        resource_id   TEXT,
        status        INTEGER NOT NULL,
        code          INTEGER,
        before        TEXT,
        after         TEXT,
        bytes         INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX entries_of_account ON entries (account, number);
    CREATE INDEX entries_by_time ON entries (at);
    PRAGMA user_version = 1;
    COMMIT;";

/// The newest form of the file that is known.
const FORMAT: i64 = 1;

/// Bytes of a row beside its texts: numbers, and its places in three indexes.
const ROW: u64 = 200;

/// Rows that go at a time when there are too many.
const GOING: i64 = 500;

pub(crate) struct File {
    connection: Connection,
    /// What is kept, by account.
    bytes: HashMap<Option<String>, u64>,
}

impl File {
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        let connection = Connection::open(path)?;
        let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if format > FORMAT {
            return Err(LogError::TooNew { found: format, known: FORMAT });
        }
        if format == 0 {
            connection.execute_batch(SCHEMA)?;
        }
        // What an answer waits for is on the disk.
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 4194304;")?;
        let mut bytes = HashMap::new();
        {
            let mut sums = connection.prepare("SELECT account, sum(bytes) FROM entries GROUP BY account")?;
            let mut rows = sums.query([])?;
            while let Some(row) = rows.next()? {
                bytes.insert(row.get(0)?, row.get::<_, i64>(1)? as u64);
            }
        }
        Ok(Self { connection, bytes })
    }

    /// Another connection, to read beside the one that writes.
    pub(crate) fn reader(path: &Path) -> Result<Connection, LogError> {
        Ok(Connection::open(path)?)
    }

    pub(crate) fn add(&mut self, entries: &[Entry]) -> Result<(), LogError> {
        let transaction = self.connection.transaction()?;
        let mut added: HashMap<Option<String>, u64> = HashMap::new();
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO entries (id, at, account, actor_kind, actor_id, email, token_id, token_name, ip, agent,
                 operation, title, product, method, path, resource_type, resource_id, status, code, before, after,
                 bytes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
                 ?21, ?22)",
            )?;
            for entry in entries {
                let account = entry.account.as_ref().map(|id| id.as_str().to_owned());
                let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
                let (before, after) = (text(&entry.before), text(&entry.after));
                let bytes = size(entry, before.as_deref(), after.as_deref());
                let actor = &entry.actor;
                insert.execute(params![
                    entry.id.to_string(),
                    entry.at,
                    account,
                    actor.kind,
                    actor.id,
                    actor.email,
                    actor.token_id,
                    actor.token_name,
                    actor.ip,
                    actor.agent,
                    entry.operation,
                    entry.title,
                    entry.product,
                    entry.method,
                    entry.path,
                    entry.resource_type,
                    entry.resource_id,
                    entry.status,
                    entry.code,
                    before,
                    after,
                    bytes as i64,
                ])?;
                *added.entry(account).or_default() += bytes;
            }
        }
        transaction.commit()?;
        for (account, bytes) in added {
            *self.bytes.entry(account).or_default() += bytes;
        }
        Ok(())
    }

    /// Removes what is older than a moment, and then of whoever has most, until no more than so many bytes are left.
    pub(crate) fn prune(&mut self, oldest: i64, most: u64) -> Result<(), LogError> {
        let old = "DELETE FROM entries WHERE number IN (SELECT number FROM entries WHERE at < ?1 ORDER BY at LIMIT ?2)
                   RETURNING account, bytes";
        while self.remove(old, &[Sql::Integer(oldest), Sql::Integer(GOING)])? {}
        while self.bytes.values().sum::<u64>() > most {
            let Some((account, _)) = self.bytes.iter().max_by_key(|(_, bytes)| **bytes) else { break };
            let account = account.clone().map_or(Sql::Null, Sql::Text);
            let of = "DELETE FROM entries WHERE number IN
                      (SELECT number FROM entries WHERE account IS ?1 ORDER BY number LIMIT ?2)
                      RETURNING account, bytes";
            if !self.remove(of, &[account, Sql::Integer(GOING)])? {
                break;
            }
        }
        Ok(())
    }

    fn remove(&mut self, statement: &str, values: &[Sql]) -> Result<bool, LogError> {
        let mut removed = false;
        let mut statement = self.connection.prepare_cached(statement)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            removed = true;
            let (account, bytes): (Option<String>, i64) = (row.get(0)?, row.get(1)?);
            if let Some(kept) = self.bytes.get_mut(&account) {
                *kept = kept.saturating_sub(bytes as u64);
            }
        }
        Ok(removed)
    }
}

/// What a row takes, or about that.
fn size(entry: &Entry, before: Option<&str>, after: Option<&str>) -> u64 {
    let actor = &entry.actor;
    let optional = [
        actor.id.as_deref(),
        actor.email.as_deref(),
        actor.token_id.as_deref(),
        actor.token_name.as_deref(),
        actor.ip.as_deref(),
        actor.agent.as_deref(),
        entry.resource_id.as_deref(),
        before,
        after,
    ];
    let texts = optional.into_iter().flatten().chain([
        entry.operation.as_str(),
        &entry.title,
        &entry.product,
        &entry.path,
        &entry.resource_type,
    ]);
    ROW + texts.map(|text| text.len() as u64).sum::<u64>()
}

/// Conditions of a filter, with their values.
fn conditions(filter: &Filter) -> (String, Vec<Sql>) {
    let (mut texts, mut values) = (vec!["1".to_owned()], Vec::new());
    let mut need = |text: &str, value: Option<Sql>| {
        if let Some(value) = value {
            values.push(value);
            texts.push(text.replace('?', &format!("?{}", values.len())));
        }
    };
    let text = |value: &Option<String>| value.clone().map(Sql::Text);
    match &filter.scope {
        Scope::Account(id) => need("account = ?", Some(Sql::Text(id.as_str().to_owned()))),
        Scope::Installation => need("account IS ?", Some(Sql::Null)),
        Scope::Everything => {}
    }
    need("at >= ?", filter.since.map(Sql::Integer));
    need("at < ?", filter.before.map(Sql::Integer));
    need("id = ?", text(&filter.id));
    need("email = ? COLLATE NOCASE", text(&filter.email));
    need("ip = ?", text(&filter.ip));
    need("token_id = ?", text(&filter.token_id));
    need("method = ?", text(&filter.method));
    need("resource_id = ?", text(&filter.resource));
    need("resource_type = ?", text(&filter.resource_type));
    match filter.action.as_deref() {
        Some("create") => need("method = ?", Some(Sql::Text("POST".to_owned()))),
        Some("delete") => need("method = ?", Some(Sql::Text("DELETE".to_owned()))),
        Some("update") => need("method IN ('PUT', 'PATCH', ?)", Some(Sql::Null)),
        _ => need("operation = ?", text(&filter.action)),
    }
    need("(status < 400) = ?", filter.done.map(|done| Sql::Integer(done.into())));
    (texts.join(" AND "), values)
}

/// Entries with their numbers: those beyond `after` of what fits the filter, and of these `limit`, `skip` of them not.
pub(crate) fn find(
    connection: &Connection,
    filter: &Filter,
    after: Option<i64>,
    skip: u64,
    limit: u64,
) -> Result<Vec<(i64, Entry)>, LogError> {
    let (mut text, mut values) = conditions(filter);
    let (order, beyond) = if filter.ascending { ("ASC", ">") } else { ("DESC", "<") };
    if let Some(after) = after {
        values.push(Sql::Integer(after));
        text += &format!(" AND number {beyond} ?{}", values.len());
    }
    let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let (limit, skip) = (bound(limit), bound(skip));
    let statement =
        format!("SELECT * FROM entries WHERE {text} ORDER BY number {order} LIMIT {limit} OFFSET {skip}");
    let mut statement = connection.prepare_cached(&statement)?;
    let rows = statement.query_map(params_from_iter(values), read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many entries fit a filter.
pub(crate) fn count(connection: &Connection, filter: &Filter) -> Result<u64, LogError> {
    let (text, values) = conditions(filter);
    let statement = format!("SELECT count(*) FROM entries WHERE {text}");
    let number: i64 =
        connection.prepare_cached(&statement)?.query_row(params_from_iter(values), |row| row.get(0))?;
    Ok(number as u64)
}

fn read(row: &Row<'_>) -> rusqlite::Result<(i64, Entry)> {
    let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
    let entry = Entry {
        id: row.get::<_, String>("id")?.parse().unwrap_or(Uuid::nil()),
        at: row.get("at")?,
        account: row.get::<_, Option<String>>("account")?.and_then(|id| id.parse::<AccountId>().ok()),
        actor: Actor {
            kind: row.get("actor_kind")?,
            id: row.get("actor_id")?,
            email: row.get("email")?,
            token_id: row.get("token_id")?,
            token_name: row.get("token_name")?,
            ip: row.get("ip")?,
            agent: row.get("agent")?,
        },
        operation: row.get("operation")?,
        title: row.get("title")?,
        product: row.get("product")?,
        method: row.get("method")?,
        path: row.get("path")?,
        resource_type: row.get("resource_type")?,
        resource_id: row.get("resource_id")?,
        status: row.get("status")?,
        code: row.get("code")?,
        before: json(row.get("before")?),
        after: json(row.get("after")?),
    };
    Ok((row.get("number")?, entry))
}
