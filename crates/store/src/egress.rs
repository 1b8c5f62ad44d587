//! Egress rules: JSON documents whose meaning is the egress crate's.

use hearth_model::{AccountId, WorkerId};
use serde_json::Value;

use crate::{Result, Store};

/// Whom a document of rules is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EgressScope {
    /// Everybody.
    Installation,
    /// The workers of one account.
    Account(AccountId),
    /// One worker.
    Worker(WorkerId),
}

/// All documents that apply to one worker, from the widest to the narrowest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EgressRules {
    /// The installation's.
    pub installation: Option<Value>,
    /// The account's.
    pub account: Option<Value>,
    /// The worker's own.
    pub worker: Option<Value>,
}

impl Store {
    /// The document of one scope, if it was set.
    pub async fn egress_rules(&self, scope: &EgressScope) -> Result<Option<Value>> {
        unimplemented!()
    }

    /// Sets the document of one scope, or removes it.
    ///
    /// # Errors
    /// Account or worker not found.
    pub async fn set_egress_rules(&self, scope: &EgressScope, rules: Option<Value>) -> Result<()> {
        unimplemented!()
    }

    /// The documents that apply to a worker.
    ///
    /// # Errors
    /// Worker not found.
    pub async fn egress_rules_for(&self, worker: WorkerId) -> Result<EgressRules> {
        unimplemented!()
    }
}
