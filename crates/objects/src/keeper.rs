//! Looks after the folders: reads alarms when a process has gone, starts workers when one is due, removes what no worker
//! has any more, counts what the others hold.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hearth_model::{AccountId, NamespaceId, WorkerId, Workflow};
use hearth_space::Kind;
use hearth_store::StoreError;
use rand::Rng;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::folder::{self, Found};
use crate::{Keeper, Objects, Wake};

/// Time between looks at what is stored by processes that run, and at folders without a namespace.
const ROUND: Duration = Duration::from_secs(30);

/// The wait before a folder is looked at again that a process still had.
const AGAIN: Duration = Duration::from_millis(500);

/// Such waits until it is given up: a process that runs on will say when it has gone.
const TRIES: u32 = 40;

/// Workers that are started for alarms at a time.
const STARTS: usize = 4;

/// When more are due than are started at a time, they begin within this time: after a restart all that were missed are.
const JITTER: Duration = Duration::from_secs(2);

/// A folder that somebody has.
pub(crate) struct Owned {
    /// Its name.
    pub folder: String,
    account: AccountId,
    worker: WorkerId,
}

/// What there is to know.
#[derive(Debug, Clone, Copy)]
pub(crate) enum News {
    /// A worker's process has gone.
    Left(WorkerId),
    /// Namespaces have changed.
    Changed,
    /// An alarm was found.
    Found,
}

impl Keeper {
    /// Reads what is there, and keeps it until told to stop.
    pub async fn keep(mut self, wake: Arc<dyn Wake>, stop: CancellationToken) {
        let objects = self.objects.clone();
        objects.first_look().await;
        let starts = Arc::new(Semaphore::new(STARTS));
        let mut round = tokio::time::interval(ROUND);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let next = objects.0.state.lock().alarms.next();
            tokio::select! {
                () = stop.cancelled() => return,
                news = self.inbox.recv() => match news {
                    Some(News::Left(worker)) => objects.look_later(worker),
                    Some(News::Changed) => objects.tidy().await,
                    Some(News::Found) => {}
                    None => return,
                },
                _ = round.tick() => {
                    objects.measure().await;
                    objects.tidy().await;
                }
                () = sleep_until(next) => {
                    let due = objects.0.state.lock().alarms.take_due(now_ms());
                    let many = due.len() > STARTS;
                    for worker in due {
                        let (objects, wake, starts) = (objects.clone(), Arc::clone(&wake), Arc::clone(&starts));
                        tokio::spawn(async move { objects.start(worker, &*wake, &starts, many).await });
                    }
                }
            }
        }
    }
}

/// Pending when there is nothing to wait for. In steps, since the clock of the wall may be set.
async fn sleep_until(at_ms: Option<i64>) {
    let Some(at) = at_ms else { return std::future::pending().await };
    while let Ok(left) = u64::try_from(at - now_ms())
        && left > 0
    {
        tokio::time::sleep(Duration::from_millis(left).min(ROUND)).await;
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Objects {
    async fn first_look(&self) {
        match self.owned().await {
            Ok(all) => {
                let workers: HashSet<WorkerId> = all.iter().map(|owned| owned.worker).collect();
                self.adopt(&all);
                for worker in workers {
                    self.look_later(worker);
                }
            }
            Err(error) => {
                tracing::error!(%error, "alarms of stopped workers are not known until they run again")
            }
        }
    }

    fn look_later(&self, worker: WorkerId) {
        let objects = self.clone();
        tokio::spawn(async move {
            for _ in 0..TRIES {
                match objects.look(worker).await {
                    Ok(true) => return objects.tell(News::Found),
                    Ok(false) => tokio::time::sleep(AGAIN).await,
                    Err(error) => {
                        return tracing::error!(%error, %worker, "alarms cannot be read");
                    }
                }
            }
        });
    }

    /// Reads the worker's earliest alarm. False: a process that is about to go still has a folder.
    async fn look(&self, worker: WorkerId) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        let mut earliest: Option<i64> = None;
        for name in self.folders_of(worker).await? {
            let path = self.folder(&name);
            match self.blocking(move || folder::look(&path)).await? {
                // One that runs runs its alarms too, and says when it has gone.
                Found::Busy => return Ok(self.0.state.lock().live.contains_key(&worker)),
                Found::Read { earliest: found, bytes } => {
                    earliest = [earliest, found].into_iter().flatten().min();
                    self.counted(name, bytes);
                }
            }
        }
        let mut state = self.0.state.lock();
        if state.live.contains_key(&worker) {
            state.alarms.forget(worker);
        } else {
            state.alarms.found(worker, earliest);
        }
        Ok(true)
    }

    async fn start(&self, worker: WorkerId, wake: &dyn Wake, starts: &Semaphore, many: bool) {
        if many {
            let pause = rand::rng().random_range(Duration::ZERO..JITTER);
            tokio::time::sleep(pause).await;
        }
        let Ok(_permit) = starts.acquire().await else { return };
        if self.0.state.lock().live.contains_key(&worker) {
            return;
        }
        tracing::debug!(%worker, "started for an alarm");
        if let Err(error) = wake.wake(worker).await {
            tracing::warn!(error, %worker, "a worker cannot be started for its alarm; trying again");
            self.0.state.lock().alarms.failed(worker, now_ms());
            self.tell(News::Found);
        }
    }

    /// Removes the folders of namespaces that are gone.
    async fn tidy(&self) {
        if let Err(error) = self.try_tidy().await {
            tracing::error!(%error, "folders of deleted Durable Objects are not removed");
        }
    }

    async fn try_tidy(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let root = self.0.config.folder.clone();
        // Names first: what is made after this look is not in it.
        let names = self.blocking(move || folder::names(&root)).await?;
        let all = self.owned().await?;
        let kept: HashSet<&str> = all.iter().map(|owned| owned.folder.as_str()).collect();
        self.adopt(&all);
        let ours = |name: &&String| name.parse::<NamespaceId>().is_ok() || Workflow::owner_of(name).is_some();
        for name in names.iter().filter(ours).filter(|name| !kept.contains(name.as_str())) {
            let path = self.folder(name);
            if self.blocking(move || folder::remove(&path)).await? {
                self.0.state.lock().sizes.remove(name);
                self.0.config.space.closed(name);
                tracing::info!(folder = name, "the storage of deleted Durable Objects is removed");
            }
        }
        Ok(())
    }

    fn adopt(&self, all: &[Owned]) {
        for owned in all {
            self.0.config.space.opened(&owned.folder, &owned.account, Kind::DurableObjects);
        }
    }

    /// All folders that somebody has.
    pub(crate) async fn owned(&self) -> Result<Vec<Owned>, StoreError> {
        let namespaces = self.0.store.all_namespaces().await?.into_iter().map(|owned| Owned {
            folder: owned.namespace.id.to_string(),
            account: owned.account,
            worker: owned.worker,
        });
        let workflows = self.0.store.workers_with_workflows().await?;
        let workflows = workflows.into_iter().map(|(account, worker)| Owned {
            folder: Workflow::folder(worker),
            account,
            worker,
        });
        Ok(namespaces.chain(workflows).collect())
    }

    /// The names of a worker's folders.
    async fn folders_of(&self, worker: WorkerId) -> Result<Vec<String>, StoreError> {
        let namespaces = self.0.store.namespaces_of(worker).await?;
        let mut folders: Vec<String> = namespaces.iter().map(|namespace| namespace.id.to_string()).collect();
        if !self.0.store.workflows_of(worker).await?.is_empty() {
            folders.push(Workflow::folder(worker));
        }
        Ok(folders)
    }

    /// Looks at what those hold that are being written to.
    async fn measure(&self) {
        let live: Vec<WorkerId> = self.0.state.lock().live.keys().copied().collect();
        for worker in live {
            if let Err(error) = self.measure_worker(worker).await {
                tracing::warn!(%error, %worker, "what Durable Objects hold is not counted");
            }
        }
    }

    async fn measure_worker(&self, worker: WorkerId) -> Result<(), StoreError> {
        for name in self.folders_of(worker).await? {
            let path = self.folder(&name);
            match self.blocking(move || folder::size(&path)).await {
                Ok(bytes) => self.counted(name, bytes),
                Err(error) => tracing::warn!(%error, folder = name, "a folder cannot be read"),
            }
        }
        Ok(())
    }

    fn counted(&self, folder: String, bytes: u64) {
        self.0.config.space.holds(&folder, bytes);
        self.0.state.lock().sizes.insert(folder, bytes);
    }

    /// Runs what blocks, a few at a time.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let _permit = self.0.readers.acquire().await.map_err(io::Error::other)?;
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }
}
