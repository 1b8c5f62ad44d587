//! What the API asks of the data plane.

use async_trait::async_trait;
use hearth_model::{AccountId, CodeUpdate, Launch, ProbeError, Probed, WorkerId};
use serde_json::Value;

/// The data plane, as the API sees it.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Starts a candidate aside from all traffic, without real bindings, and says what it exports.
    ///
    /// # Errors
    /// [`ProbeError::Invalid`] with workerd's text, which is for the caller; stack positions stand in it as
    /// `at index.js:2:5`, where wrangler finds and source-maps them. [`ProbeError::Unavailable`] is ours.
    async fn probe(&self, candidate: Launch) -> Result<Probed, ProbeError>;

    /// The store has changed. When this returns the data plane has followed: the caller's next request is served by
    /// what it has just deployed.
    async fn changed(&self, change: Change);

    /// What an account has now of what it may have a certain number of.
    fn used(&self, account: &AccountId) -> Used;

    /// Whether a document of egress rules can be read.
    ///
    /// # Errors
    /// What is wrong with it, for the caller.
    fn check_egress_rules(&self, rules: &Value) -> Result<(), String>;
}

/// What an account has now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Processes that serve its workers.
    pub instances: u64,
    /// Bytes of memory of these.
    pub memory: u64,
    /// Bytes of what it keeps.
    pub storage: u64,
    /// Requests that came in within the last minute, or about that.
    pub requests: u64,
}

/// What has changed in the store.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// A worker: its versions, its deployment, or where it is served.
    Worker(WorkerId),
    /// A worker has another deployment, whose code its Durable Objects are to get like this.
    Deployed(WorkerId, CodeUpdate),
    /// A worker was deleted.
    WorkerGone(WorkerId),
    /// Routes.
    Routes,
    /// Custom domains.
    Domains,
    /// Settings of a worker that are part of no version: what of its logs is kept, and who is told of its invocations.
    Settings(WorkerId),
    /// Egress rules of the installation, an account or a worker.
    Egress,
    /// What an account may have at most.
    Quotas,
    /// An account was deleted, which had no worker and no resource any more.
    AccountGone,
    /// An account's host label: all its workers have other hosts now.
    Accounts,
}
