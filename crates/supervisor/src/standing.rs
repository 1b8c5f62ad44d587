//! Versions that run unasked, that are sent away, and how long others stay.

use std::time::Duration;

use hearth_model::{Launch, VersionId, WorkerId};

use crate::instance::InstanceKey;
use crate::plan::{Event, Serial};
use crate::supervisor::{Shared, Supervisor};

/// How long it may take until the processes of a version take no more work.
const PATIENCE: Duration = Duration::from_secs(5);

impl Supervisor {
    /// Keeps a version of a worker running though nobody asks for it, in place of what was kept before. Its memory counts
    /// against the budget; beyond that the oldest of all that are kept is no longer, and the log says so, by `title`.
    pub fn pin(&self, worker: WorkerId, version: VersionId, title: String) {
        self.shared.pinned.lock().insert(worker, title);
        self.shared.tell(Event::Pinned(worker, Some(InstanceKey::fused(worker, version))));
    }

    /// Keeps no version of a worker running any more.
    pub fn unpin(&self, worker: WorkerId) {
        if self.shared.pinned.lock().remove(&worker).is_some() {
            self.shared.tell(Event::Pinned(worker, None));
        }
    }

    /// How long an unused process of a worker stays while memory lasts; None: as long as everybody's.
    pub fn set_idle_timeout(&self, worker: WorkerId, timeout: Option<Duration>) {
        self.shared.tell(Event::Patience(worker, timeout));
    }

    /// Sends the processes of a version away; the next request starts one. What they do they finish.
    pub async fn suspend(&self, worker: WorkerId, version: VersionId) {
        self.shared.tell(Event::Stopped(InstanceKey::fused(worker, version)));
        let gone = async {
            let mut left = std::pin::pin!(self.shared.left.notified());
            loop {
                left.as_mut().enable();
                if !self.is_running(worker, version) {
                    return;
                }
                left.as_mut().await;
                left.set(self.shared.left.notified());
            }
        };
        // One that is being started at this moment drains once it has.
        let _ = tokio::time::timeout(PATIENCE, gone).await;
    }

    /// How many processes of some workers serve: with requests in them, and without.
    pub fn count(&self, of: impl Fn(WorkerId) -> bool) -> (usize, usize) {
        let running = self.shared.running.lock();
        let serving = running.values().map(|running| &running.instance);
        let serving = serving.filter(|instance| of(instance.key.worker) && !instance.is_draining());
        let (active, idle): (Vec<_>, Vec<_>) = serving.partition(|instance| instance.in_flight() > 0);
        (active.len(), idle.len())
    }

    /// Whether a process of this version serves.
    pub fn is_running(&self, worker: WorkerId, version: VersionId) -> bool {
        self.shared.serves(InstanceKey::fused(worker, version))
    }
}

impl Shared {
    /// A process takes no more work, since nobody has used it for long.
    pub(crate) fn say_suspended(&self, serial: Serial) {
        if let Some(running) = self.running(serial) {
            tracing::info!("suspended {} due to inactivity", running.title);
        }
    }

    /// A version is no longer kept running.
    pub(crate) fn say_unpinned(&self, key: InstanceKey) {
        let title = self.pinned.lock().remove(&key.worker).unwrap_or_else(|| key.to_string());
        tracing::warn!("{title} is no longer kept running: the memory budget is used up");
    }
}

/// What the log calls a version: by its tag, or the first digits of its id.
pub(crate) fn title(launch: &Launch) -> String {
    match launch.tag.as_str() {
        "" => format!("{}:{}", launch.name, launch.version.prefix()),
        tag => format!("{}:{tag}", launch.name),
    }
}
