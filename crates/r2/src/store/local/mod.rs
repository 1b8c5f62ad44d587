//! The embedded engine: for each bucket a folder with an index in SQLite, and files.
//!
//! Small contents lie in the index. A large one becomes a file: it is written in `incoming/` while its name is written
//! down as pending, synced, moved to `objects/`, the folder synced, and then one transaction makes an object of it. A
//! crash before that leaves a file that the next start removes, since it is pending; a replaced or deleted object's files
//! become pending in the very transaction that takes it away.
//!
//! Small objects that were read lately are in memory as well (`cache`), and read from there without a hop to the pool.

mod cache;
mod crypt;
mod faults;
mod files;
mod index;
mod ingest;
mod list;
mod open;
mod pool;
mod read;
mod schema;
mod snapshot;
#[cfg(test)]
mod tests;
mod writes;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use rand::RngCore;
use tokio::sync::Semaphore;

use super::body::Incoming;
use super::engine::Engine;
use super::error::{R2Error, Result};
use super::registry::Config;
use super::rules::LockRule;
use super::types::{
    Checksums, CompleteOptions, Conditional, Found, GetOptions, ListOptions, ListUploads, Listing,
    MIN_PART_BYTES, Object, Part, PartOptions, PartTag, PutOptions, StorageClass, Upload, UploadOptions,
    Usage,
};
use index::{Effects, Index};
use ingest::{Stored, Wanted, ingest};
use open::Indexes;
use pool::Pool;
use schema::Meta;
use writes::{Completion, Content};

/// The embedded engine. Cheap to clone.
#[derive(Clone)]
pub struct Local {
    indexes: Arc<Indexes>,
    pool: Pool,
    uploads: Arc<Semaphore>,
    inline_bytes: usize,
    min_part: u64,
}

impl Local {
    /// An engine on a folder, which is made if it is not there.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn open(config: &Config) -> Result<Self> {
        std::fs::create_dir_all(&config.root)?;
        let pool = Pool::new(config.threads, config.waiting);
        Ok(Self {
            indexes: Arc::new(Indexes::new(config, pool.clone())),
            pool,
            uploads: Arc::new(Semaphore::new(config.uploads)),
            inline_bytes: config.inline_bytes,
            min_part: MIN_PART_BYTES,
        })
    }

    async fn index(&self, bucket: &str) -> Result<Arc<Index>> {
        self.indexes.get(bucket).await
    }

    /// A place among the bodies that are taken in at once; the body waits in its socket until there is one.
    async fn upload_place(&self) -> Result<tokio::sync::OwnedSemaphorePermit> {
        Arc::clone(&self.uploads).acquire_owned().await.map_err(R2Error::internal)
    }
}

/// 32 random hex digits.
fn random_name() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

#[async_trait]
impl Engine for Local {
    async fn create_bucket(&self, bucket: &str) -> Result<()> {
        self.indexes.create(bucket).await
    }

    async fn close_bucket(&self, bucket: &str) -> Result<()> {
        let index = self.index(bucket).await?;
        self.pool.run(move || index.close()).await
    }

    async fn reclaim_bucket(&self, bucket: &str) -> Result<()> {
        self.indexes.reclaim(bucket).await
    }

    async fn retain_buckets(&self, known: &[String]) -> Result<()> {
        self.indexes.retain(known.to_vec()).await
    }

    async fn usage(&self, bucket: &str) -> Result<Usage> {
        let index = self.index(bucket).await?;
        index
            .read(|connection| {
                let mut statement =
                    connection.prepare_cached("SELECT objects, bytes, uploads, upload_bytes FROM totals")?;
                let totals: [i64; 4] = statement
                    .query_row([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
                let [objects, bytes, uploads, upload_bytes] =
                    totals.map(|total| u64::try_from(total).unwrap_or(0));
                Ok(Usage { objects, bytes, uploads, upload_bytes })
            })
            .await
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Object> {
        let index = self.index(bucket).await?;
        read::head(&index, key).await
    }

    async fn get(&self, bucket: &str, key: &str, options: GetOptions) -> Result<Found> {
        let index = self.index(bucket).await?;
        read::get(&index, &self.pool, key, options).await
    }

    async fn put(
        &self,
        bucket: &str,
        key: &str,
        options: PutOptions,
        body: Incoming,
        locks: Vec<LockRule>,
    ) -> Result<Object> {
        let index = self.index(bucket).await?;
        let _place = self.upload_place().await?;
        let version = random_name();
        let mut admitted = index.folder.admit(body.length.unwrap_or(0))?;
        let wanted = Wanted {
            file: version.clone(),
            inline: Some(self.inline_bytes),
            expected: &options.expected,
            customer_key: options.customer_key.as_ref(),
            finish: options.finish,
            admitted: &mut admitted,
        };
        let ingested = ingest(&index, &self.pool, wanted, body).await?;
        let (etag, checksums) = match &options.customer_key {
            Some(_) => (random_name(), Checksums::default()),
            None => (hex::encode(ingested.digests.md5), ingest::checksums(&ingested.digests)),
        };
        let object = Object {
            key: key.to_owned(),
            version,
            size: ingested.size,
            etag,
            uploaded: schema::now(),
            http: options.http,
            custom: options.custom,
            checksums,
            storage_class: options.storage_class.unwrap_or_default(),
            customer_key_md5: options.customer_key.as_ref().map(super::types::CustomerKey::md5),
            extra: ingested.extra,
            parts: None,
        };
        let content = match ingested.content {
            Stored::Bytes(bytes) => Content::Bytes(bytes),
            Stored::File(draft) => Content::File(draft),
        };
        let only_if = options.only_if;
        index
            .write(move |connection, effects: &mut Effects| {
                writes::put(connection, effects, object, content, &only_if, &locks)
            })
            .await
    }

    async fn delete(
        &self,
        bucket: &str,
        keys: Vec<String>,
        only_if: Conditional,
        locks: Vec<LockRule>,
    ) -> Result<()> {
        let index = self.index(bucket).await?;
        index
            .write(move |connection, effects| {
                keys.iter().try_for_each(|key| writes::delete(connection, effects, key, &only_if, &locks))
            })
            .await
    }

    async fn list(&self, bucket: &str, options: ListOptions) -> Result<Listing> {
        let index = self.index(bucket).await?;
        index.read(move |connection| list::page(connection, &options)).await
    }

    async fn create_upload(&self, bucket: &str, key: &str, options: UploadOptions) -> Result<Upload> {
        let index = self.index(bucket).await?;
        // A row; it takes room all the same.
        let _admitted = index.folder.admit(0)?;
        let customer_key_md5 = options.customer_key.as_ref().map(super::types::CustomerKey::md5);
        let upload = Upload {
            id: random_name(),
            key: key.to_owned(),
            initiated: schema::now(),
            storage_class: options.storage_class.unwrap_or_default(),
            customer_key_md5: customer_key_md5.clone(),
            extra: options.extra.clone(),
        };
        let meta = Meta {
            http: options.http,
            custom: options.custom,
            customer_key_md5,
            extra: options.extra,
            ..Meta::default()
        };
        index
            .write(move |connection, effects| {
                writes::create_upload(connection, effects, &upload, &meta)?;
                Ok(upload)
            })
            .await
    }

    async fn upload_part(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: u32,
        options: PartOptions,
        body: Incoming,
    ) -> Result<Part> {
        let index = self.index(bucket).await?;
        let (key, upload) = (key.to_owned(), upload.to_owned());
        let begun = {
            let (key, upload) = (key.clone(), upload.clone());
            index.read(move |connection| writes::open_upload(connection, &key, &upload)).await?.0
        };
        crypt::check_key(begun.customer_key_md5.as_deref(), options.customer_key.as_ref())?;
        let mut admitted = index.folder.admit(body.length.unwrap_or(0))?;
        let _place = self.upload_place().await?;
        let wanted = Wanted {
            file: random_name(),
            inline: None,
            expected: &options.expected,
            customer_key: options.customer_key.as_ref(),
            finish: options.finish,
            admitted: &mut admitted,
        };
        let ingested = ingest(&index, &self.pool, wanted, body).await?;
        let Stored::File(draft) = ingested.content else {
            return Err(R2Error::internal("a part is not in a file"));
        };
        let etag =
            if options.customer_key.is_some() { random_name() } else { hex::encode(ingested.digests.md5) };
        let part = Part { number, etag, size: ingested.size, uploaded: schema::now(), extra: ingested.extra };
        index
            .write(move |connection, effects| {
                writes::put_part(connection, effects, &key, &upload, &part, draft)?;
                Ok(part)
            })
            .await
    }

    async fn complete_upload(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        parts: Vec<PartTag>,
        options: CompleteOptions,
        locks: Vec<LockRule>,
    ) -> Result<Object> {
        let index = self.index(bucket).await?;
        let completion = Completion {
            key: key.to_owned(),
            upload: upload.to_owned(),
            version: random_name(),
            named: parts,
            options,
            locks,
            min_part: self.min_part,
        };
        index.write(move |connection, effects| writes::complete(connection, effects, completion)).await
    }

    async fn abort_upload(&self, bucket: &str, key: &str, upload: &str) -> Result<()> {
        let index = self.index(bucket).await?;
        let (key, upload) = (key.to_owned(), upload.to_owned());
        index.write(move |connection, effects| writes::abort(connection, effects, &key, &upload)).await
    }

    async fn list_parts(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        after: u32,
        limit: usize,
    ) -> Result<(Upload, Vec<Part>)> {
        let index = self.index(bucket).await?;
        let (key, upload) = (key.to_owned(), upload.to_owned());
        index
            .read(move |connection| {
                let (begun, _) = writes::open_upload(connection, &key, &upload)?;
                let parts = writes::parts(connection, &upload, after, limit)?;
                Ok((begun, parts.into_iter().map(|(part, _)| part).collect()))
            })
            .await
    }

    async fn list_uploads(&self, bucket: &str, options: ListUploads) -> Result<Vec<Upload>> {
        let index = self.index(bucket).await?;
        index.read(move |connection| list::uploads(connection, &options)).await
    }

    async fn set_storage_class(
        &self,
        bucket: &str,
        key: &str,
        version: &str,
        class: StorageClass,
    ) -> Result<()> {
        let index = self.index(bucket).await?;
        let (key, version) = (key.to_owned(), version.to_owned());
        index
            .write(move |connection, effects| writes::set_class(connection, effects, &key, &version, class))
            .await
    }

    async fn forget_uploads(&self, bucket: &str, before: Timestamp) -> Result<()> {
        let index = self.index(bucket).await?;
        index.write(move |connection, _| writes::forget_uploads(connection, before.as_millisecond())).await
    }
}
