//! Cron triggers, stored; what runs them is elsewhere.

use hearth_model::WorkerId;
use jiff::Timestamp;

use crate::{Result, Store};

/// A cron trigger of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The expression, as it was given.
    pub cron: String,
    /// When it was first set.
    pub created_on: Timestamp,
    /// When it was last set.
    pub modified_on: Timestamp,
}

impl Store {
    /// The cron triggers of a worker, in the order given.
    pub async fn schedules(&self, worker: WorkerId) -> Result<Vec<Schedule>> {
        unimplemented!()
    }

    /// Makes these the cron triggers of a worker. Repeated expressions count once.
    ///
    /// # Errors
    /// Worker not found.
    pub async fn replace_schedules(&self, worker: WorkerId, crons: Vec<String>) -> Result<Vec<Schedule>> {
        unimplemented!()
    }
}
