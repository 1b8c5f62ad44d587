//! Group commit: whoever finds nobody committing has a thread do it, and that takes whatever waits, in one transaction,
//! until nothing does. So one writer pays for its own sync, and many share one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, OptionalExtension, params};

use super::Shared;
use super::cache::{Cached, MAX_CACHED};
use super::connections::database;
use super::namespace::{Namespace, New, Next, Step, Write};
use crate::rules::Key;
use crate::store::EngineError;

/// Expired keys that one commit reclaims, so that writers do not wait long.
const EXPIRE_AT_ONCE: i64 = 1000;
/// Bytes written to the log after which it is copied into the database.
const CHECKPOINT_AFTER: usize = 16 << 20;
/// What a small write adds to the log: a leaf and the usage, a page each.
const PAGES_OF_A_WRITE: usize = 8 << 10;

/// Bytes that have to go away before it is looked whether the file can be made smaller.
const SHRINK_AFTER: usize = 4 << 20;
/// Free pages (4 KiB each) that are left to what comes; and a quarter of the file, until it is worth to move pages.
const SPARE_PAGES: i64 = 512;
/// Free pages that one commit gives back, so that writers do not wait long, and what that adds to the log at most.
const SHRINK_AT_ONCE: i64 = 512;
const BYTES_OF_A_SHRINK: usize = 2 * 4096 * SHRINK_AT_ONCE as usize;

/// Commits after which a namespace stands in line again.
const TURNS: u32 = 8;

/// What a transaction did beside the rows.
#[derive(Default)]
struct Effects {
    /// Files that no row names any more.
    freed: Vec<String>,
    /// Keys that hold something else now.
    written: Vec<(Key, Option<Cached>)>,
    /// When the first of the new values expires.
    expires: Option<i64>,
    /// After reclaiming: when the next one expires.
    next_expiry: Option<i64>,
    /// Whether there is more to reclaim.
    is_more: bool,
    /// Bytes that the namespace has now, where that changed.
    bytes: Option<u64>,
    /// Bytes of entries that went away.
    gone: usize,
    /// Whether free pages were given back, and whether more are to be.
    shrunk: Option<bool>,
}

/// Takes the active role off a namespace if its thread panics, so that its writers are told instead of waiting for
/// ever.
struct Active<'a>(&'a Namespace, bool);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.abandon();
        }
    }
}

/// Commits what waits, until nothing does.
pub(super) fn drain(shared: &Arc<Shared>, namespace: &Arc<Namespace>) {
    let mut active = Active(namespace, false);
    for turn in 1_u32.. {
        match namespace.next() {
            Next::Rest => break,
            Next::Destroy(write) => {
                let outcome = destroy(shared, namespace);
                let _ = write.done.send(outcome);
            }
            Next::Commit(batch) => {
                let bytes = commit(shared, namespace, batch);
                let logged = namespace.logged.fetch_add(bytes, Ordering::Relaxed) + bytes;
                if logged >= CHECKPOINT_AFTER {
                    namespace.logged.store(0, Ordering::Relaxed);
                    checkpoint(shared, namespace);
                }
            }
        }
        // A namespace that never rests would keep the thread from the others.
        if turn % TURNS == 0 && shared.drain(namespace).is_ok() {
            break;
        }
    }
    active.1 = true;
}

/// Commits a batch and acknowledges it. Returns about how many bytes that wrote.
fn commit(shared: &Arc<Shared>, namespace: &Arc<Namespace>, mut batch: Vec<Write>) -> usize {
    let mut bytes = PAGES_OF_A_WRITE * batch.len() + batch.iter().map(Write::bytes).sum::<usize>();
    match write(shared, namespace, &mut batch) {
        Ok(effects) => {
            if let Some(bytes) = effects.bytes {
                shared.space.holds(&namespace.id, bytes);
            }
            for (key, holds) in effects.written {
                shared.cache.wrote(namespace.number, key.as_str(), holds);
            }
            if let Some(next) = effects.next_expiry {
                namespace.next_expiry.store(next, Ordering::Relaxed);
            }
            if let Some(at) = effects.expires {
                namespace.expires_at(at);
            }
            for write in batch {
                let _ = write.done.send(Ok(()));
            }
            for file in namespace.unlinkable(effects.freed) {
                shared.files.remove(&namespace.id, &file);
            }
            if effects.is_more {
                shared.expire(namespace);
            }
            match effects.shrunk {
                Some(true) => {
                    bytes += BYTES_OF_A_SHRINK;
                    shared.shrink(namespace, true);
                }
                // The file is cut when the log is copied into it.
                Some(false) => bytes += CHECKPOINT_AFTER,
                None => {}
            }
            if effects.gone > 0
                && namespace.freed.fetch_add(effects.gone, Ordering::Relaxed) + effects.gone >= SHRINK_AFTER
            {
                namespace.freed.store(0, Ordering::Relaxed);
                shared.shrink(namespace, false);
            }
        }
        Err(error) => {
            tracing::error!(%error, namespace = namespace.id, "KV writes failed");
            for write in batch {
                let _ = write.done.send(Err(error.clone()));
            }
        }
    }
    bytes
}

fn write(
    shared: &Arc<Shared>,
    namespace: &Arc<Namespace>,
    batch: &mut [Write],
) -> Result<Effects, EngineError> {
    let adds = batch.iter().flat_map(|write| &write.steps).any(|step| matches!(step, Step::Put { .. }));
    let Some(connection) = shared.connections.take(namespace.number, &namespace.id, adds)? else {
        // Nothing was ever written: there is nothing to delete either.
        return Ok(Effects { next_expiry: Some(i64::MAX), ..Effects::default() });
    };
    let done = transaction(&connection, batch.iter().flat_map(|write| &write.steps));
    match &done {
        Ok(_) => keep_files(batch),
        // Nothing of it can be in the log: the values' files go, which makes room.
        Err((_, EngineError::Full)) => {}
        // Whether a commit that failed comes to light after a crash, nobody knows. If it does, its files are there;
        // if not, the next start collects them.
        Err((Stage::Commit, _)) => keep_files(batch),
        Err((Stage::Steps, _)) => {}
    }
    match done {
        Ok(effects) => {
            shared.connections.give(namespace.number, connection);
            Ok(effects)
        }
        Err((_, error)) => {
            shared.connections.close(connection);
            Err(error)
        }
    }
}

fn keep_files(batch: &mut [Write]) {
    for step in batch.iter_mut().flat_map(|write| &mut write.steps) {
        if let Step::Put { value: New::File(staged), .. } = step {
            staged.keep();
        }
    }
}

/// Where a transaction failed.
enum Stage {
    Steps,
    Commit,
}

fn transaction<'a>(
    connection: &Connection,
    steps: impl Iterator<Item = &'a Step>,
) -> Result<Effects, (Stage, EngineError)> {
    let run = || -> rusqlite::Result<Effects> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut effects = Effects::default();
        let (mut keys, mut bytes) = (0, 0);
        for step in steps {
            let (more_keys, more_bytes) = apply(connection, step, &mut effects)?;
            keys += more_keys;
            bytes += more_bytes;
        }
        if (keys, bytes) != (0, 0) {
            let bytes: i64 = connection
                .prepare_cached("UPDATE usage SET keys = keys + ?1, bytes = bytes + ?2 RETURNING bytes")?
                .query_row([keys, bytes], |row| row.get(0))?;
            effects.bytes = u64::try_from(bytes).ok();
        }
        Ok(effects)
    };
    let effects = run().map_err(|error| (Stage::Steps, database(error)))?;
    let commit = || connection.prepare_cached("COMMIT")?.execute([]);
    commit().map_err(|error| (Stage::Commit, database(error)))?;
    Ok(effects)
}

/// Makes one change; how many keys and bytes there are more.
fn apply(connection: &Connection, step: &Step, effects: &mut Effects) -> rusqlite::Result<(i64, i64)> {
    match step {
        Step::Put { key, value, attributes } => {
            let old = find(connection, key)?;
            let (held, file, length) = match value {
                New::Inline(value) => (Some(&value[..]), None, value.len() as i64),
                New::File(staged) => (None, Some(&staged.name), staged.length as i64),
            };
            let metadata = attributes.metadata.as_deref();
            let size = size(key.as_str().len(), metadata.map_or(0, str::len)) + length;
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO entries (key, expires, size, file, metadata, value)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    key.as_str().as_bytes(),
                    attributes.expiration,
                    size,
                    file,
                    metadata,
                    held
                ])?;
            let cached = match value {
                New::Inline(value) if value.len() <= MAX_CACHED => {
                    Some(Cached::Present(value.clone(), attributes.clone()))
                }
                _ => None,
            };
            effects.written.push((key.clone(), cached));
            if let Some(at) = attributes.expiration {
                effects.expires = Some(effects.expires.map_or(at, |first| first.min(at)));
            }
            let (old_keys, old_bytes) = effects.free(old);
            Ok((1 - old_keys, size - old_bytes))
        }
        Step::Delete(key) => {
            let Some(old) = find(connection, key)? else { return Ok((0, 0)) };
            remove(connection, key.as_str().as_bytes())?;
            effects.written.push((key.clone(), Some(Cached::Absent)));
            let (keys, bytes) = effects.free(Some(old));
            Ok((-keys, -bytes))
        }
        Step::Expire { now } => expire(connection, *now, effects),
        Step::Shrink { begun } => {
            effects.shrunk = shrink(connection, *begun)?;
            Ok((0, 0))
        }
        // It is never part of a commit (`Namespace::next`).
        Step::Destroy => Ok((0, 0)),
    }
}

impl Effects {
    /// Takes note of a row that is gone: how many keys and bytes it was.
    fn free(&mut self, old: Option<(i64, Option<String>)>) -> (i64, i64) {
        let Some((size, file)) = old else { return (0, 0) };
        if file.is_none() {
            self.gone += usize::try_from(size).unwrap_or(0);
        }
        self.freed.extend(file);
        (1, size)
    }
}

/// Bytes that count for an entry beside its value's.
fn size(key: usize, metadata: usize) -> i64 {
    (key + metadata) as i64
}

fn find(connection: &Connection, key: &Key) -> rusqlite::Result<Option<(i64, Option<String>)>> {
    connection
        .prepare_cached("SELECT size, file FROM entries WHERE key = ?1")?
        .query_row([key.as_str().as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

fn remove(connection: &Connection, key: &[u8]) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM entries WHERE key = ?1")?.execute([key])?;
    Ok(())
}

fn expire(connection: &Connection, now: i64, effects: &mut Effects) -> rusqlite::Result<(i64, i64)> {
    let expired: Vec<(Vec<u8>, i64, Option<String>)> = connection
        .prepare_cached("SELECT key, size, file FROM entries WHERE expires <= ?1 ORDER BY expires LIMIT ?2")?
        .query_map([now, EXPIRE_AT_ONCE], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let (mut keys, mut bytes) = (0, 0);
    for (key, size, file) in expired {
        remove(connection, &key)?;
        if let Ok(key) = String::from_utf8(key) {
            effects.written.push((Key::stored(key), None));
        }
        let (more_keys, more_bytes) = effects.free(Some((size, file)));
        keys -= more_keys;
        bytes -= more_bytes;
    }
    effects.is_more |= -keys == EXPIRE_AT_ONCE;
    let next: Option<i64> = connection
        .prepare_cached("SELECT min(expires) FROM entries WHERE expires IS NOT NULL")?
        .query_row([], |row| row.get(0))?;
    effects.next_expiry = Some(next.unwrap_or(i64::MAX));
    Ok((keys, bytes))
}

/// Gives free pages back, if there are many or it has `begun`: whether there are more. None when nothing was done.
fn shrink(connection: &Connection, begun: bool) -> rusqlite::Result<Option<bool>> {
    let pages = |pragma: &str| connection.prepare_cached(pragma)?.query_row([], |row| row.get::<_, i64>(0));
    let free = pages("PRAGMA freelist_count")?;
    let least = if begun { SPARE_PAGES } else { SPARE_PAGES.max(pages("PRAGMA page_count")? / 4) };
    if free <= least {
        return Ok(begun.then_some(false));
    }
    let most = SHRINK_AT_ONCE.min(free - SPARE_PAGES);
    connection.execute_batch(&format!("PRAGMA incremental_vacuum({most})"))?;
    let left = pages("PRAGMA freelist_count")?;
    // A file that cannot be made smaller has as many as before.
    Ok((left < free).then_some(left > SPARE_PAGES))
}

/// Copies the log into the database, as far as no reader needs it. Failing is harmless: the log grows.
fn checkpoint(shared: &Shared, namespace: &Namespace) {
    let Ok(Some(connection)) = shared.connections.take(namespace.number, &namespace.id, false) else {
        return;
    };
    match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        Ok(()) => shared.connections.give(namespace.number, connection),
        Err(error) => {
            tracing::warn!(%error, namespace = namespace.id, "a KV namespace's log cannot be written back");
            shared.connections.close(connection);
        }
    }
}

/// Removes everything that a namespace has on disk.
fn destroy(shared: &Shared, namespace: &Namespace) -> Result<(), EngineError> {
    shared.connections.forget(namespace.number);
    super::remove_from_disk(&shared.folder, &namespace.id)
}
