//! What Durable Objects and workflows leave behind: alarms that are due while their worker does not run, folders whose namespace is
//! gone, how much is stored, and copies of it.
//!
//! workerd itself keeps the objects (workerd.md 3): `<namespace>/<object>.sqlite`, facets beside it, and the alarms of the
//! namespace in `<namespace>/metadata.sqlite`. It runs the alarms of those that it has open; here is known when it must be
//! started for one. Instances of workflows are objects too: one folder has those of all of a worker's workflows, a
//! namespace in each folder below.

#![forbid(unsafe_code)]

mod alarms;
mod api;
mod describe;
mod folder;
mod keeper;
mod snapshot;

pub use describe::describe;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use hearth_model::{NamespaceId, WorkerId};
use hearth_space::Space;
use hearth_store::Store;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};

use alarms::Alarms;
use keeper::News;

/// Folders that are read at a time.
const READERS: usize = 4;

/// Starts workers.
#[async_trait]
pub trait Wake: Send + Sync + 'static {
    /// Sees that a process of the worker runs; one that is deployed nowhere needs none.
    ///
    /// # Errors
    /// Why none does, for the operator.
    async fn wake(&self, worker: WorkerId) -> Result<(), String>;
}

/// How objects are kept.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder of all namespaces.
    pub folder: PathBuf,
    /// What they hold counts there.
    pub space: Space,
}

/// The stored objects of all workers. Clones are the same.
#[derive(Clone)]
pub struct Objects(Arc<Inner>);

struct Inner {
    store: Store,
    config: Config,
    state: Mutex<State>,
    readers: Semaphore,
    news: mpsc::UnboundedSender<News>,
}

#[derive(Default)]
struct State {
    alarms: Alarms,
    /// Processes of each worker that run.
    live: HashMap<WorkerId, usize>,
    /// Bytes of each folder by its name, as of the last look.
    sizes: HashMap<String, u64>,
}

/// Held as long as a process runs: dropped, its worker's alarms are ours.
pub struct Stay {
    objects: Objects,
    worker: WorkerId,
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut state = self.objects.0.state.lock();
        if let Some(count) = state.live.get_mut(&self.worker) {
            *count -= 1;
            if *count == 0 {
                state.live.remove(&self.worker);
            }
        }
        self.objects.tell(News::Left(self.worker));
    }
}

impl Objects {
    /// The objects in a folder. Nothing happens before [`Self::keep`].
    pub fn new(store: Store, config: Config) -> (Self, Keeper) {
        let (news, inbox) = mpsc::unbounded_channel();
        let readers = Semaphore::new(READERS);
        let inner = Inner { store, config, state: Mutex::default(), readers, news };
        let objects = Self(Arc::new(inner));
        (objects.clone(), Keeper { objects, inbox })
    }

    /// Says that a process of the worker runs, until what is returned is dropped.
    pub fn enter(&self, worker: WorkerId) -> Stay {
        *self.0.state.lock().live.entry(worker).or_default() += 1;
        Stay { objects: self.clone(), worker }
    }

    /// Says that namespaces were made, moved or deleted.
    pub fn changed(&self) {
        self.tell(News::Changed);
    }

    /// Bytes that a namespace's objects took when it was last looked.
    pub fn bytes(&self, namespace: NamespaceId) -> Option<u64> {
        self.0.state.lock().sizes.get(&namespace.to_string()).copied()
    }

    fn tell(&self, news: News) {
        // The keeper ends with the server only.
        let _ = self.0.news.send(news);
    }

    fn folder_of(&self, namespace: NamespaceId) -> PathBuf {
        self.folder(&namespace.to_string())
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.0.config.folder.join(name)
    }
}

/// Does what is to be done about objects, as long as it runs.
pub struct Keeper {
    objects: Objects,
    inbox: mpsc::UnboundedReceiver<News>,
}
