//! Reclaims: what has expired, and what a crash left. One thread that looks and never holds anybody up.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::connections::{database, io as failed};
use super::namespace::Namespace;
use super::{Shared, reader, remove_from_disk};
use crate::store::EngineError;

/// The keeper's thread; it ends some time after this is dropped.
pub(super) struct Keeper(
    #[expect(dead_code, reason = "dropping it tells the thread to end")] flume::Sender<()>,
);

impl Keeper {
    pub(super) fn start(shared: &Arc<Shared>, every: Duration) -> io::Result<Self> {
        let (sender, closed) = flume::bounded::<()>(0);
        // What is there before anything is written under this engine.
        let names = names(shared)?;
        let shared = Arc::downgrade(shared);
        std::thread::Builder::new().name("kv-keeper".to_owned()).spawn(move || {
            collect(&shared, names);
            while matches!(closed.recv_timeout(every), Err(flume::RecvTimeoutError::Timeout)) {
                let Some(shared) = shared.upgrade() else { return };
                sweep(&shared);
            }
        })?;
        Ok(Self(sender))
    }
}

/// Ids of which the folder has something.
fn names(shared: &Shared) -> io::Result<HashSet<String>> {
    let mut names = HashSet::new();
    for entry in fs::read_dir(&shared.folder)? {
        let name = entry?.file_name();
        if let Some((id, _)) = name.to_str().and_then(|name| name.rsplit_once('.')) {
            names.insert(id.to_owned());
        }
    }
    Ok(names)
}

/// Goes through everything once, after a start.
fn collect(shared: &Weak<Shared>, names: HashSet<String>) {
    for id in names {
        let Some(shared) = shared.upgrade() else { return };
        let outcome = match shared.namespace(&id) {
            Ok(namespace) => check(&shared, &namespace),
            Err(_) => {
                tracing::info!(namespace = id, "removing what is left of a deleted KV namespace");
                remove_from_disk(&shared.folder, &id)
            }
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, namespace = id, "a KV namespace cannot be checked for leftovers");
        }
    }
}

/// Learns when a namespace's next key expires, and reclaims what was left: files that no row names, and free pages.
fn check(shared: &Arc<Shared>, namespace: &Arc<Namespace>) -> Result<(), EngineError> {
    reader::with(shared, namespace, (), |connection| {
        let free: i64 =
            connection.query_row("PRAGMA freelist_count", [], |row| row.get(0)).map_err(database)?;
        if free > 0 {
            shared.shrink(namespace, false);
        }
        let next: Option<i64> = connection
            .query_row("SELECT min(expires) FROM entries WHERE expires IS NOT NULL", [], |row| row.get(0))
            .map_err(database)?;
        namespace.expires_at(next.unwrap_or(i64::MAX));
        let mut named = connection.prepare("SELECT 1 FROM entries WHERE file = ?1").map_err(database)?;
        let files = match fs::read_dir(shared.files.folder(&namespace.id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(failed)?,
        };
        for file in files {
            let name = file.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if !shared.files.is_of_this_run(&name) && !named.exists([&name]).map_err(database)? {
                shared.files.remove(&namespace.id, &name);
            }
        }
        Ok(())
    })
}

/// Has every namespace reclaim in which something has expired.
fn sweep(shared: &Arc<Shared>) {
    let now = shared.now();
    let due = |namespace: &&Arc<Namespace>| namespace.next_expiry.load(Ordering::Relaxed) <= now;
    let due: Vec<_> = shared.namespaces.read().values().filter(due).cloned().collect();
    for namespace in due {
        shared.expire(&namespace);
    }
}
