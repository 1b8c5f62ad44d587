//! Push consumers: a queue's messages go to a worker's handler, in batches.
//!
//! `verdict` (pure) reads what the handler said, `pace` (pure) decides how many batches run at a time and when to rest,
//! `pump` carries out: one task for each queue that has a worker for its consumer.

mod pace;
mod pump;
#[cfg(test)]
mod tests;
mod verdict;

use async_trait::async_trait;
use hearth_model::AccountId;
use hearth_supervisor::{QueueBatch, QueueEnded};

pub(crate) use pump::Pump;

/// Why a batch came to no end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// It never got to the handler: no worker, no deployment, no handler, no process. The text is for the log.
    NotDelivered(String),
    /// The handler may have run: its process ended, or its answer did not come.
    Failed(String),
}

/// Runs a worker's `queue` handler.
#[async_trait]
pub trait Workers: Send + Sync + 'static {
    /// Runs it in the version that serves, and waits for its end.
    ///
    /// # Errors
    /// [`Undone`].
    async fn deliver(
        &self,
        account: &AccountId,
        script: &str,
        batch: &QueueBatch,
    ) -> Result<QueueEnded, Undone>;
}
