//! Which buckets there are: known from the start on and kept in memory, so that serving asks no database.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_model::AccountId;
use hearth_space::{Kind, Space};
use hearth_store::{Entity, Resource, ResourceKind, Store, StoreError};
use parking_lot::RwLock;
use rand::RngCore;
use serde_json::json;

use super::bucket::Bucket;
use super::engine::Engine;
use super::error::{R2Error, Result};
use super::local::Local;
use super::rules::BucketSettings;
use crate::notify::{Ears, Listeners};

/// How R2 is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder that holds a folder for each bucket.
    pub root: PathBuf,
    /// Threads that work on indexes and files at once.
    pub threads: usize,
    /// Operations that may wait for a thread; more are refused as [`R2Error::Unavailable`].
    pub waiting: usize,
    /// Indexes that are kept open while nobody uses them; each costs a few descriptors and some 150 KB.
    pub open_indexes: usize,
    /// Bodies that are taken in at once, over all buckets; each costs up to 3 MiB while it lasts.
    pub uploads: usize,
    /// Contents of at most so many bytes lie in the index instead of in files.
    pub inline_bytes: usize,
    /// Bytes of memory for small objects that were read lately, over all buckets.
    pub cache_bytes: usize,
    /// Says how much may be written, and hears what is there. Default: as much as there is.
    pub space: Space,
}

impl Config {
    /// The defaults, with the data in `root`.
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            threads: 16,
            waiting: 4096,
            open_indexes: 64,
            uploads: 256,
            inline_bytes: 64 << 10,
            cache_bytes: 64 << 20,
            space: Space::unbounded(),
        }
    }
}

/// Every bucket of the installation.
#[derive(Clone)]
pub struct R2(Arc<Inner>);

struct Inner {
    store: Store,
    engine: Arc<dyn Engine>,
    local: Local,
    space: Space,
    buckets: RwLock<HashMap<AccountId, BTreeMap<String, Arc<Bucket>>>>,
    ears: Ears,
    /// Woken when lifecycle rules were changed.
    sweep: tokio::sync::Notify,
    /// Held while a bucket is made, changed or deleted, so that memory follows the store in its order.
    changing: tokio::sync::Mutex<()>,
}

impl R2 {
    /// Takes up the buckets that the metadata store knows, with their data in a folder of this machine.
    ///
    /// # Errors
    /// What the store or the engine fails with.
    pub async fn open(store: Store, config: &Config) -> Result<Self> {
        let local = Local::open(config)?;
        let engine: Arc<dyn Engine> = Arc::new(local.clone());
        let ears = Ears::default();
        let mut buckets: HashMap<AccountId, BTreeMap<String, Arc<Bucket>>> = HashMap::new();
        let mut known = Vec::new();
        for resource in store.all_resources(ResourceKind::R2Bucket).await? {
            let bucket = bucket_of(&engine, &ears, resource)?;
            known.push(bucket.id.clone());
            buckets.entry(bucket.account.clone()).or_default().insert(bucket.name.clone(), Arc::new(bucket));
        }
        engine.retain_buckets(&known).await?;
        let inner = Inner {
            store,
            engine,
            local,
            space: config.space.clone(),
            ears,
            buckets: RwLock::new(buckets),
            sweep: tokio::sync::Notify::new(),
            changing: tokio::sync::Mutex::new(()),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Says who takes event notifications to queues. The first one stays.
    pub fn listen(&self, listeners: Arc<dyn Listeners>) {
        self.0.ears.open(listeners);
    }

    /// The name of an account's queue; None for one that is not there.
    pub(crate) fn queue_name(&self, account: &AccountId, queue: &str) -> Option<String> {
        self.0.ears.name(account, queue)
    }

    /// An account's bucket.
    ///
    /// # Errors
    /// [`R2Error::NoSuchBucket`].
    pub fn bucket(&self, account: &AccountId, name: &str) -> Result<Arc<Bucket>> {
        let buckets = self.0.buckets.read();
        buckets.get(account).and_then(|owned| owned.get(name)).cloned().ok_or(R2Error::NoSuchBucket)
    }

    /// An account's buckets, by name.
    pub fn buckets(&self, account: &AccountId) -> Vec<Arc<Bucket>> {
        self.0.buckets.read().get(account).map(|owned| owned.values().cloned().collect()).unwrap_or_default()
    }

    /// Every bucket, of all accounts.
    pub fn all(&self) -> Vec<Arc<Bucket>> {
        self.0.buckets.read().values().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Makes a bucket.
    ///
    /// # Errors
    /// A name that cannot be one, or that the account has.
    pub async fn create_bucket(
        &self,
        account: &AccountId,
        name: &str,
        settings: BucketSettings,
    ) -> Result<Arc<Bucket>> {
        check_name(name)?;
        let _changing = self.0.changing.lock().await;
        if self.bucket(account, name).is_ok() {
            return Err(R2Error::BucketExists);
        }
        let mut id = [0; 16];
        rand::rng().fill_bytes(&mut id);
        let id = hex::encode(id);
        // First the folder: a bucket that is known can be used.
        self.0.engine.create_bucket(&id).await?;
        self.0.space.opened(&id, account, Kind::R2);
        let settings = json!(settings);
        let made = self.0.store.create_resource(ResourceKind::R2Bucket, account, &id, name, settings).await;
        match made {
            Ok(resource) => self.remember(resource),
            Err(error) => {
                self.0.space.closed(&id);
                self.0.engine.reclaim_bucket(&id).await?;
                Err(error.into())
            }
        }
    }

    /// Deletes an empty bucket and reclaims its space.
    ///
    /// # Errors
    /// No such bucket; not empty.
    pub async fn delete_bucket(&self, account: &AccountId, name: &str) -> Result<()> {
        let _changing = self.0.changing.lock().await;
        let bucket = self.bucket(account, name)?;
        self.0.engine.close_bucket(&bucket.id).await?;
        if let Err(error) = self.0.store.delete_resource(ResourceKind::R2Bucket, account, &bucket.id).await {
            self.0.engine.create_bucket(&bucket.id).await?;
            return Err(error.into());
        }
        if let Some(owned) = self.0.buckets.write().get_mut(account) {
            owned.remove(name);
        }
        self.0.space.closed(&bucket.id);
        self.0.engine.reclaim_bucket(&bucket.id).await
    }

    /// Changes a bucket's settings to what `change` makes of them; an error of `change` changes nothing.
    ///
    /// # Errors
    /// No such bucket; what `change` refuses.
    pub async fn change_settings<E: From<R2Error>>(
        &self,
        account: &AccountId,
        name: &str,
        change: impl FnOnce(&mut BucketSettings) -> Result<(), E>,
    ) -> Result<Arc<Bucket>, E> {
        let _changing = self.0.changing.lock().await;
        let bucket = self.bucket(account, name)?;
        let mut settings = BucketSettings::clone(&bucket.settings);
        change(&mut settings)?;
        let settings = json!(settings);
        let changed = self
            .0
            .store
            .change_resource(ResourceKind::R2Bucket, account, &bucket.id, |kept| *kept = settings)
            .await;
        Ok(self.remember(changed.map_err(R2Error::from)?)?)
    }

    /// Wakes the sweep of lifecycle rules: for after a change of them.
    pub fn sweep_soon(&self) {
        self.0.sweep.notify_one();
    }

    /// Waits until the sweep is woken.
    pub(crate) async fn sweep_wanted(&self) {
        self.0.sweep.notified().await;
    }

    /// Copies every bucket's data to a folder that is not there yet, while it is in use: each bucket as of one moment.
    ///
    /// # Errors
    /// A folder that cannot be written, or is there already.
    pub async fn snapshot(&self, to: &Path) -> Result<()> {
        self.0.local.snapshot(to).await
    }

    fn remember(&self, resource: Resource) -> Result<Arc<Bucket>> {
        let bucket = Arc::new(bucket_of(&self.0.engine, &self.0.ears, resource)?);
        let mut buckets = self.0.buckets.write();
        buckets.entry(bucket.account.clone()).or_default().insert(bucket.name.clone(), Arc::clone(&bucket));
        Ok(bucket)
    }
}

/// R2's rule for names (developers.cloudflare.com/r2/api/error-codes, 10005).
fn check_name(name: &str) -> Result<()> {
    let inner = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    let good = (3..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if good { Ok(()) } else { Err(R2Error::InvalidBucketName) }
}

fn bucket_of(engine: &Arc<dyn Engine>, ears: &Ears, resource: Resource) -> Result<Bucket> {
    let settings = serde_json::from_value(resource.settings)
        .map_err(|error| R2Error::internal(format_args!("settings of bucket {}: {error}", resource.id)))?;
    Ok(Bucket {
        engine: Arc::clone(engine),
        account: resource.account,
        id: resource.id,
        name: resource.name,
        created_on: resource.created_on,
        settings: Arc::new(settings),
        ears: ears.clone(),
    })
}

impl From<StoreError> for R2Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what: Entity::Resource(_), .. } => Self::NoSuchBucket,
            StoreError::Conflict { what: Entity::Resource(_), .. } => Self::BucketExists,
            other => Self::internal(other),
        }
    }
}
