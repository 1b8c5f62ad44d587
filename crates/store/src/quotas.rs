//! What accounts may have at most.

use std::collections::HashMap;
use std::sync::PoisonError;

use hearth_model::{AccountId, Quota, Quotas};
use sqlx::SqliteConnection;

use crate::{Entity, Result, Store, StoreError, accounts, rows};

impl Store {
    /// Says what holds for accounts of which nothing else is set.
    pub fn set_default_quotas(&self, quotas: Quotas) {
        *self.inner.default_quotas.write().unwrap_or_else(PoisonError::into_inner) = quotas;
    }

    /// What holds for accounts of which nothing else is set.
    pub fn default_quotas(&self) -> Quotas {
        self.inner.default_quotas.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is set for one account.
    pub async fn account_quotas(&self, account: &AccountId) -> Result<Quotas> {
        own(&mut *self.read().await?, account).await
    }

    /// What is set for accounts, by account.
    pub async fn all_account_quotas(&self) -> Result<HashMap<AccountId, Quotas>> {
        let all = sqlx::query("SELECT account, quotas FROM account_quotas")
            .fetch_all(&mut *self.read().await?)
            .await?;
        all.iter().map(|row| Ok((rows::parsed(row, "account")?, rows::json(row, "quotas")?))).collect()
    }

    /// Sets them for one account, all of them. What it has already, it keeps.
    ///
    /// # Errors
    /// Account not found.
    pub async fn set_account_quotas(&self, account: &AccountId, quotas: &Quotas) -> Result<()> {
        let mut transaction = self.write().await?;
        accounts::find(&mut transaction, account).await?;
        let statement = if *quotas == Quotas::default() {
            sqlx::query("DELETE FROM account_quotas WHERE account = ?").bind(account.as_str())
        } else {
            sqlx::query("INSERT OR REPLACE INTO account_quotas (account, quotas) VALUES (?, ?)")
                .bind(account.as_str())
                .bind(rows::to_json(quotas)?)
        };
        statement.execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }
}

/// Refuses a further worker of an account that has as many as it may. In the transaction that makes it, so that two at a
/// time are not one too many.
///
/// # Errors
/// [`StoreError::Quota`].
pub(crate) async fn check_workers(
    connection: &mut SqliteConnection,
    account: &AccountId,
    defaults: &Quotas,
) -> Result<()> {
    let quotas = own(connection, account).await?.over(defaults);
    let Some(limit) = quotas.limit(Quota::Workers) else { return Ok(()) };
    let row = sqlx::query("SELECT count(*) AS n FROM workers WHERE account = ?")
        .bind(account.as_str())
        .fetch_one(connection)
        .await?;
    if rows::count(&row, "n")? < limit {
        return Ok(());
    }
    Err(StoreError::Quota {
        what: Entity::Worker,
        reason: format!(
            "the account has as many workers as it may, {limit}: delete one, or ask the operator for more"
        ),
    })
}

async fn own(connection: &mut SqliteConnection, account: &AccountId) -> Result<Quotas> {
    let row = sqlx::query("SELECT quotas FROM account_quotas WHERE account = ?")
        .bind(account.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().map(|row| rows::json(row, "quotas")).transpose()?.unwrap_or_default())
}
