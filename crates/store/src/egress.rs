//! Egress rules: JSON documents whose meaning is the egress crate's.

use hearth_model::{AccountId, WorkerId};
use serde_json::Value;
use sqlx::SqliteConnection;

use crate::{Result, Store, accounts, rows, workers};

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
        find(&mut *self.read().await?, scope).await
    }

    /// Sets the document of one scope, or removes it.
    ///
    /// # Errors
    /// Account or worker not found.
    pub async fn set_egress_rules(&self, scope: &EgressScope, rules: Option<Value>) -> Result<()> {
        let mut transaction = self.write().await?;
        let (account, worker) = match scope {
            EgressScope::Installation => (None, None),
            EgressScope::Account(id) => {
                (Some(accounts::find(&mut transaction, id).await?.id.to_string()), None)
            }
            EgressScope::Worker(id) => {
                (None, Some(workers::find(&mut transaction, *id).await?.id.to_string()))
            }
        };
        sqlx::query("DELETE FROM egress_rules WHERE scope = ?")
            .bind(key(scope))
            .execute(&mut *transaction)
            .await?;
        if let Some(rules) = rules {
            sqlx::query("INSERT INTO egress_rules (scope, account, worker, rules) VALUES (?, ?, ?, ?)")
                .bind(key(scope))
                .bind(account)
                .bind(worker)
                .bind(rules.to_string())
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// The documents that apply to a worker.
    ///
    /// # Errors
    /// Worker not found.
    pub async fn egress_rules_for(&self, worker: WorkerId) -> Result<EgressRules> {
        let mut connection = self.read().await?;
        let account = workers::find(&mut connection, worker).await?.account;
        Ok(EgressRules {
            installation: find(&mut connection, &EgressScope::Installation).await?,
            account: find(&mut connection, &EgressScope::Account(account)).await?,
            worker: find(&mut connection, &EgressScope::Worker(worker)).await?,
        })
    }
}

fn key(scope: &EgressScope) -> String {
    match scope {
        EgressScope::Installation => "installation".to_owned(),
        EgressScope::Account(id) => format!("account {id}"),
        EgressScope::Worker(id) => format!("worker {id}"),
    }
}

async fn find(connection: &mut SqliteConnection, scope: &EgressScope) -> Result<Option<Value>> {
    let row = sqlx::query("SELECT rules FROM egress_rules WHERE scope = ?")
        .bind(key(scope))
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(|row| rows::json(row, "rules")).transpose()
}
