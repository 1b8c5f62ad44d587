//! space ← metadata, code, assets, KV, queues, R2, D1: whose each resource is, and what it holds.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use hearth_assets::Contents;
use hearth_d1::{D1, DatabaseId};
use hearth_kv::Kv;
use hearth_model::AccountId;
use hearth_queues::Queues;
use hearth_r2::R2;
use hearth_space::{Kind, Space};
use hearth_store::{ResourceKind, Store, StoreError};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Says whose the resources are that there are.
///
/// # Errors
/// The metadata cannot be read.
pub async fn register(space: &Space, store: &Store) -> Result<(), StoreError> {
    for (resources, kind) in [
        (ResourceKind::KvNamespace, Kind::Kv),
        (ResourceKind::R2Bucket, Kind::R2),
        (ResourceKind::D1Database, Kind::D1),
        (ResourceKind::Queue, Kind::Queues),
    ] {
        for resource in store.all_resources(resources).await? {
            space.opened(&resource.id, &resource.account, kind);
        }
    }
    Ok(())
}

/// Whose workers have other versions. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct CodeChanged(Arc<(Mutex<HashSet<Whose>>, Notify)>);

/// None: of whichever account.
type Whose = Option<AccountId>;

impl CodeChanged {
    pub fn tell(&self, whose: Whose) {
        self.0.0.lock().insert(whose);
        self.0.1.notify_one();
    }
}

/// How long changes of code are gathered before it is counted anew.
const GATHER: Duration = Duration::from_secs(1);

/// Counts what accounts' code takes, now and after each change. It is not asked for before a deployment, which quotas of
/// workers bound.
pub async fn count_code(space: Space, store: Store, changed: CodeChanged) {
    let mut known: HashSet<AccountId> = HashSet::new();
    let mut wanted = HashSet::from([None]);
    loop {
        if wanted.contains(&None) {
            wanted = HashSet::from([None]);
        }
        for whose in wanted {
            let mut bytes = match store.code_bytes(whose.as_ref()).await {
                Ok(bytes) => bytes,
                Err(error) => {
                    tracing::warn!(%error, "what code takes is not counted");
                    continue;
                }
            };
            known.extend(bytes.keys().cloned());
            for account in known.iter().filter(|account| whose.as_ref().is_none_or(|only| only == *account)) {
                let resource = format!("code-{account}");
                space.opened(&resource, account, Kind::Code);
                space.wrote(&resource, bytes.remove(account).unwrap_or(0));
            }
        }
        changed.0.1.notified().await;
        tokio::time::sleep(GATHER).await;
        wanted = std::mem::take(&mut *changed.0.0.lock());
    }
}

/// Looks at what each resource holds, one after the other and beside the traffic: until it has come to one, its writes
/// are held against a smaller sum.
pub async fn measure(space: Space, store: Store, kv: Kv, queues: Queues, r2: R2, d1: D1, assets: Contents) {
    let looked = tokio::task::spawn_blocking(move || {
        let accounts = assets.accounts()?;
        accounts.iter().try_for_each(|account| assets.folder(account)?.measure())
    });
    if let Ok(Err(error)) = looked.await {
        tracing::error!(%error, "what accounts have of assets is not counted");
    }
    let namespaces = store.all_resources(ResourceKind::KvNamespace).await.unwrap_or_else(|error| {
        tracing::error!(%error, "what KV namespaces hold is not counted");
        Vec::new()
    });
    for namespace in namespaces {
        match kv.usage(&namespace.id).await {
            Ok(usage) => space.found(&namespace.id, usage.bytes),
            Err(error) => {
                tracing::warn!(%error, id = namespace.id, "what a KV namespace holds is not counted")
            }
        }
    }
    for queue in store.all_resources(ResourceKind::Queue).await.unwrap_or_default() {
        match queues.usage(&queue.id).await {
            Ok(bytes) => space.found(&queue.id, bytes),
            Err(error) => tracing::warn!(%error, id = queue.id, "what a queue holds is not counted"),
        }
    }
    for bucket in r2.all() {
        match bucket.usage().await {
            Ok(usage) => space.found(bucket.id(), usage.bytes + usage.upload_bytes),
            Err(error) => tracing::warn!(%error, id = bucket.id(), "what an R2 bucket holds is not counted"),
        }
    }
    let databases: Vec<DatabaseId> = d1.known().await.unwrap_or_else(|error| {
        tracing::error!(%error, "what D1 databases hold is not counted");
        Vec::new()
    });
    for database in databases {
        // What is still in a log may be in the file too, and free pages are in both: it counts as too much rather than
        // too little until the database is first asked.
        let file = d1.file(database);
        let mut log = file.clone().into_os_string();
        log.push("-wal");
        let mut bytes = 0;
        for path in [file, log.into()] {
            // Of one that nothing was written to there is neither.
            bytes += tokio::fs::metadata(path).await.map_or(0, |found| found.len());
        }
        space.found(&database.to_string(), bytes);
    }
}
