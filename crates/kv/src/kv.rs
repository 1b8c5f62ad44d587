//! Workers KV of one installation: its engine, and who owns which namespace.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hearth_api::Operation;
use hearth_space::Space;
use hearth_store::{ResourceKind, Store};
use http::{Request, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::embedded::{Clock, Config, Embedded};
use crate::rules::{Key, MAX_BULK_BYTES};
use crate::store::{Attributes, Engine, EngineError, Usage};
use crate::{api, wire};

/// Calls that may hold many MiB in memory at a time: large bulk calls and multipart uploads.
const LARGE_CALLS: usize = 8;
/// How long such a call waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of values that a bulk get may always hold.
const SMALL_BULK: u64 = 1 << 20;

/// What a bulk get found, with the right to hold it in memory.
pub(crate) type Found = (Vec<Option<(Bytes, Attributes)>>, Option<OwnedSemaphorePermit>);

/// Workers KV. Clones are the same.
#[derive(Clone)]
pub struct Kv(Arc<Inner>);

struct Inner {
    store: Store,
    engine: Arc<dyn Engine>,
    clock: Clock,
    space: Space,
    large: Arc<Semaphore>,
}

impl Kv {
    /// Opens the embedded engine with the namespaces that the store knows.
    ///
    /// # Errors
    /// The store or the folder cannot be read; the text is for the operator.
    pub async fn open(config: Config, store: Store) -> Result<Self, EngineError> {
        let known = store.all_resources(ResourceKind::KvNamespace).await;
        let known = known.map_err(|error| EngineError::Failed(error.to_string()))?;
        let (clock, space) = (Arc::clone(&config.clock), config.space.clone());
        let open = move || Embedded::open(config, known.into_iter().map(|namespace| namespace.id));
        let engine = match tokio::task::spawn_blocking(open).await {
            Ok(Ok(engine)) => engine,
            Ok(Err(error)) => return Err(EngineError::Failed(error.to_string())),
            Err(error) => return Err(EngineError::Failed(error.to_string())),
        };
        Ok(Self::over(store, Arc::new(engine), clock, space))
    }

    /// KV over any engine, which knows the store's namespaces already. `space` hears of namespaces that are made and
    /// deleted from now on; what they hold is the engine's to say.
    pub fn over(store: Store, engine: Arc<dyn Engine>, clock: Clock, space: Space) -> Self {
        let large = Arc::new(Semaphore::new(LARGE_CALLS));
        Self(Arc::new(Inner { store, engine, clock, space, large }))
    }

    /// Answers a request that workerd makes on a binding to `namespace`.
    pub async fn serve(&self, namespace: &str, request: Request<Body>) -> Response<Body> {
        wire::serve(self, namespace, request).await
    }

    /// Its operations of Cloudflare's API.
    pub fn operations(&self) -> Vec<Operation> {
        api::operations(self)
    }

    /// What a namespace takes on disk, but for the engine's own share. Cheap: it is kept, not counted.
    ///
    /// # Errors
    /// There is no such namespace, or the engine fails.
    pub async fn usage(&self, namespace: &str) -> Result<Usage, EngineError> {
        self.0.engine.usage(namespace).await
    }

    /// Writes a consistent copy of every namespace into an empty folder, while all else goes on. The copy is a folder
    /// that the embedded engine opens.
    ///
    /// # Errors
    /// The folder is not empty, or something cannot be written.
    pub async fn snapshot(&self, to: &Path) -> Result<(), EngineError> {
        self.0.engine.snapshot(to).await
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn space(&self) -> &Space {
        &self.0.space
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        self.0.engine.as_ref()
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        (self.0.clock)()
    }

    /// Waits for the right to hold many MiB.
    ///
    /// # Errors
    /// Others have it for too long.
    pub(crate) async fn large_call(&self) -> Result<OwnedSemaphorePermit, EngineError> {
        let turn = Arc::clone(&self.0.large).acquire_owned();
        match tokio::time::timeout(PATIENCE, turn).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(EngineError::Overloaded),
        }
    }

    /// Reads several values. What is small is simply read; for what is not, memory is bounded.
    pub(crate) async fn get_many(&self, namespace: &str, keys: Vec<Key>) -> Result<Found, EngineError> {
        match self.engine().get_many(namespace, keys.clone(), SMALL_BULK).await {
            Err(EngineError::TooMuch) => {
                let permit = self.large_call().await?;
                let found = self.engine().get_many(namespace, keys, MAX_BULK_BYTES).await?;
                Ok((found, Some(permit)))
            }
            other => Ok((other?, None)),
        }
    }
}

/// Bytes that keep a permit as long as they are held.
pub(crate) struct Held {
    text: Vec<u8>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Held {
    pub(crate) fn bytes(text: Vec<u8>, permit: Option<OwnedSemaphorePermit>) -> Bytes {
        Bytes::from_owner(Self { text, _permit: permit })
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}
