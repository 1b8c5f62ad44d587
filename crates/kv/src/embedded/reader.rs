//! Reads, each on a connection of its own, so that none waits for a commit.

use std::fs::File;
use std::io;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Shared;
use super::connections::{database, io as failed};
use super::namespace::Namespace;
use crate::rules::Key;
use crate::store::{Attributes, EngineError, Listed, Listing, Query, Usage};

/// How often a row is read again because its file was replaced in between.
const ATTEMPTS: usize = 8;

/// What a row holds.
pub(super) enum Held {
    Inline(Bytes),
    File { file: File, length: u64 },
}

/// Runs `read` on the namespace's database; `nothing` when there is none yet.
pub(super) fn with<T>(
    shared: &Shared,
    namespace: &Namespace,
    nothing: T,
    read: impl FnOnce(&Connection) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    if namespace.is_dead() {
        return Err(EngineError::NoNamespace);
    }
    let Some(connection) = shared.connections.take(namespace.number, &namespace.id, false)? else {
        return Ok(nothing);
    };
    let done = read(&connection);
    if done.is_err() || namespace.is_dead() {
        shared.connections.close(connection);
    } else {
        shared.connections.give(namespace.number, connection);
    }
    done
}

/// What a key holds now.
pub(super) fn get(
    shared: &Shared,
    namespace: &Namespace,
    connection: &Connection,
    key: &Key,
) -> Result<Option<(Held, Attributes)>, EngineError> {
    for _ in 0..ATTEMPTS {
        let Some(row) = find(connection, key, shared.now()).map_err(database)? else { return Ok(None) };
        match row {
            Found { inline: Some(value), attributes, .. } => {
                return Ok(Some((Held::Inline(value.into()), attributes)));
            }
            Found { file: Some(name), attributes, .. } => {
                match File::open(shared.files.folder(&namespace.id).join(&name)) {
                    Ok(file) => {
                        let length = file.metadata().map_err(failed)?.len();
                        return Ok(Some((Held::File { file, length }, attributes)));
                    }
                    // The value was replaced between the two reads.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(failed(error)),
                }
            }
            Found { .. } => return Err(EngineError::Failed("a row holds neither value nor file".into())),
        }
    }
    Err(EngineError::Failed(format!("the file of a value of {} is missing", namespace.id)))
}

struct Found {
    inline: Option<Vec<u8>>,
    file: Option<String>,
    attributes: Attributes,
}

fn find(connection: &Connection, key: &Key, now: i64) -> rusqlite::Result<Option<Found>> {
    connection
        .prepare_cached(
            "SELECT expires, metadata, value, file FROM entries
             WHERE key = ?1 AND (expires IS NULL OR expires > ?2)",
        )?
        .query_row(params![key.as_str().as_bytes(), now], |row| {
            Ok(Found { attributes: attributes(row)?, inline: row.get(2)?, file: row.get(3)? })
        })
        .optional()
}

/// Of a row that begins with `expires, metadata`.
fn attributes(row: &Row<'_>) -> rusqlite::Result<Attributes> {
    Ok(Attributes { expiration: row.get(0)?, metadata: row.get(1)? })
}

/// What several keys hold, whole.
pub(super) fn get_many(
    shared: &Shared,
    namespace: &Namespace,
    connection: &Connection,
    keys: &[Key],
    most: u64,
) -> Result<Vec<Option<(Bytes, Attributes)>>, EngineError> {
    let mut left = most;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let Some((held, attributes)) = get(shared, namespace, connection, key)? else {
            found.push(None);
            continue;
        };
        let length = match &held {
            Held::Inline(value) => value.len() as u64,
            Held::File { length, .. } => *length,
        };
        left = left.checked_sub(length).ok_or(EngineError::TooMuch)?;
        let value = match held {
            Held::Inline(value) => value,
            Held::File { mut file, length } => {
                let mut value = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
                io::Read::read_to_end(&mut file, &mut value).map_err(failed)?;
                value.into()
            }
        };
        found.push(Some((value, attributes)));
    }
    Ok(found)
}

/// One page of keys.
pub(super) fn list(connection: &Connection, query: &Query, now: i64) -> rusqlite::Result<Listing> {
    let (from, to) = bounds(query);
    let mut statement = connection.prepare_cached(
        "SELECT expires, metadata, key FROM entries
         WHERE key >= ?1 AND key < ?2 AND (expires IS NULL OR expires > ?3) ORDER BY key LIMIT ?4",
    )?;
    let mut rows = statement.query(params![from, to, now, query.limit as i64 + 1])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        if keys.len() == query.limit {
            return Ok(Listing { keys, complete: false });
        }
        let key = String::from_utf8_lossy(row.get_ref(2)?.as_blob()?).into_owned();
        keys.push(Listed { key: Key::stored(key), attributes: attributes(row)? });
    }
    Ok(Listing { keys, complete: true })
}

/// The first key of a page, and the first one that is not in the list any more.
fn bounds(query: &Query) -> (Vec<u8>, Vec<u8>) {
    let prefix = query.prefix.as_bytes();
    let from = match &query.after {
        // Nothing lies between a key and the same with a zero behind it.
        Some(after) => [after.as_bytes(), &[0]].concat().max(prefix.to_vec()),
        None => prefix.to_vec(),
    };
    // No byte of UTF-8 is 255, so that adding one to the last never overflows and 255 lies behind every key.
    let mut to = prefix.to_vec();
    match to.last_mut() {
        Some(last) => *last += 1,
        None => to.push(255),
    }
    (from, to)
}

/// What the namespace takes.
pub(super) fn usage(connection: &Connection) -> rusqlite::Result<Usage> {
    connection.prepare_cached("SELECT keys, bytes FROM usage")?.query_row([], |row| {
        let count = |at| row.get::<_, i64>(at).map(|count| u64::try_from(count).unwrap_or(0));
        Ok(Usage { keys: count(0)?, bytes: count(1)? })
    })
}
