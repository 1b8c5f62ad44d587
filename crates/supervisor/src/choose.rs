//! Which of a worker's processes a request goes to.

use std::sync::Arc;

use hearth_model::{VersionId, WorkerId};

use crate::instance::{Instance, InstanceKey};
use crate::lease::{AcquireError, Lease};
use crate::supervisor::Shared;

/// Who serves a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keys {
    /// The key that is started when nobody serves.
    pub usual: InstanceKey,
    /// The fronts of a worker with storage that is busy; they come and go by the plan.
    pub beside: Option<InstanceKey>,
}

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Any process of the version.
    Any,
    /// The one that has the worker's storage, if it has any. It does not leave as soon as the worker is less busy.
    Host,
    /// The same, for something that may stay long and do little.
    Lasting,
}

impl Shared {
    /// A place in a process of the version; starts one if none runs.
    pub(crate) async fn lease(
        &self,
        worker: WorkerId,
        version: VersionId,
        need: Need,
    ) -> Result<Lease, AcquireError> {
        // A process may begin to drain between the choice and the lease; the next one does not.
        loop {
            let instance = self.instance(worker, version, need).await?;
            if instance.turns.is_some() {
                match self.turn(instance.key).await? {
                    Some(lease) => return Ok(lease),
                    None => continue,
                }
            }
            if instance.in_flight() >= self.config.max_in_flight {
                let text = "This worker has too many requests in flight.".to_owned();
                return Err(AcquireError::Overloaded(text));
            }
            if let Some(lease) = Lease::take(instance) {
                return Ok(if need == Need::Lasting { lease.lasts() } else { lease });
            }
        }
    }

    /// One that serves, of those who run the version; starts it when there is none.
    pub(crate) async fn instance(
        &self,
        worker: WorkerId,
        version: VersionId,
        need: Need,
    ) -> Result<Arc<Instance>, AcquireError> {
        loop {
            let keys = self.owners.keys(worker, version);
            if let Some(instance) = self.serving(keys, need) {
                return Ok(instance);
            }
            match self.wait_for(keys.usual).await {
                // Another one has the storage now.
                Err(_) if self.owners.keys(worker, version) != keys => {}
                found => return found,
            }
        }
    }

    /// Of the processes that serve, the one that is busy with least. A front only when it has less than the host: what it
    /// asks of objects takes longer.
    fn serving(&self, keys: Keys, need: Need) -> Option<Arc<Instance>> {
        let groups = self.groups.read();
        let least = |key: InstanceKey| {
            let serving = groups.get(&key)?.serving.read();
            serving.iter().min_by_key(|instance| instance.busy_with()).cloned()
        };
        let usual = least(keys.usual);
        let beside = keys.beside.filter(|_| need == Need::Any).and_then(least);
        // Of two equal ones the first.
        usual.into_iter().chain(beside).min_by_key(|instance| instance.busy_with())
    }
}
