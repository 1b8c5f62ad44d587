//! Who belongs to which account, and as what.

use hearth_model::{AccountId, Role};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::{Account, Entity, MembershipId, Result, Store, StoreError, User, UserId, accounts, rows, users};

/// A person's place in an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Its id.
    pub id: MembershipId,
    /// In which account.
    pub account: AccountId,
    /// Whose.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// Since when.
    pub created_on: Timestamp,
}

impl Store {
    /// Makes a person a member. Somebody with that address who is not known yet is made known.
    ///
    /// # Errors
    /// Account not found; invalid when the address is none; conflict when they are a member already.
    pub async fn add_member(
        &self,
        account: &AccountId,
        email: &str,
        role: Role,
    ) -> Result<(Membership, User)> {
        let mut transaction = self.write().await?;
        accounts::find(&mut transaction, account).await?;
        let user = match users::by_email(&mut transaction, email).await? {
            Some(user) => user,
            None => users::insert(&mut transaction, email, "", false).await?,
        };
        let present = sqlx::query("SELECT 1 FROM memberships WHERE account = ? AND user = ?")
            .bind(account.as_str())
            .bind(user.id.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
        if present.is_some() {
            let text = format!("`{}` is a member of this account already", user.email);
            return Err(StoreError::conflict(Entity::Membership, text));
        }
        let membership = Membership {
            id: MembershipId::random(),
            account: account.clone(),
            user: user.id.clone(),
            role,
            created_on: rows::now(),
        };
        sqlx::query("INSERT INTO memberships (id, account, user, role, created_on) VALUES (?, ?, ?, ?, ?)")
            .bind(membership.id.as_str())
            .bind(account.as_str())
            .bind(user.id.as_str())
            .bind(role.as_str())
            .bind(membership.created_on.as_microsecond())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.inner.tokens.forget();
        Ok((membership, user))
    }

    /// An account's members, by address.
    pub async fn members(&self, account: &AccountId) -> Result<Vec<(Membership, User)>> {
        let found = sqlx::query(
            "SELECT u.*, m.id AS membership, m.account, m.user, m.role, m.created_on AS since
             FROM memberships m JOIN users u ON u.id = m.user WHERE m.account = ? ORDER BY u.email",
        )
        .bind(account.as_str())
        .fetch_all(&mut *self.read().await?)
        .await?;
        found.iter().map(|row| Ok((membership_of(row)?, users::user_of(row)?))).collect()
    }

    /// One of an account's members.
    ///
    /// # Errors
    /// Not found when it is not that account's.
    pub async fn member(&self, account: &AccountId, id: &MembershipId) -> Result<(Membership, User)> {
        let members = self.members(account).await?;
        let found = members.into_iter().find(|(membership, _)| membership.id == *id);
        found.ok_or_else(|| StoreError::not_found(Entity::Membership, id))
    }

    /// What a person is, in which accounts; by the accounts' names.
    pub async fn memberships(&self, user: &UserId) -> Result<Vec<(Membership, Account)>> {
        let found = sqlx::query(
            "SELECT a.*, m.id AS membership, m.account, m.user, m.role, m.created_on AS since
             FROM memberships m JOIN accounts a ON a.id = m.account WHERE m.user = ? ORDER BY a.name",
        )
        .bind(user.as_str())
        .fetch_all(&mut *self.read().await?)
        .await?;
        found.iter().map(|row| Ok((membership_of(row)?, accounts::account_of(row)?))).collect()
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// Not found when it is not that account's; conflict when nobody would own the account any more.
    pub async fn set_role(&self, account: &AccountId, id: &MembershipId, role: Role) -> Result<()> {
        let mut transaction = self.write().await?;
        if role != Role::Owner && role_of(&mut transaction, account, id).await? == Role::Owner {
            keep_an_owner(&mut transaction, id.as_str()).await?;
        }
        let done = sqlx::query("UPDATE memberships SET role = ? WHERE account = ? AND id = ?")
            .bind(role.as_str())
            .bind(account.as_str())
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found(Entity::Membership, id));
        }
        transaction.commit().await?;
        self.inner.tokens.forget();
        Ok(())
    }

    /// Ends a membership.
    ///
    /// # Errors
    /// Not found when it is not that account's; conflict when nobody would own the account any more.
    pub async fn remove_member(&self, account: &AccountId, id: &MembershipId) -> Result<()> {
        let mut transaction = self.write().await?;
        if role_of(&mut transaction, account, id).await? == Role::Owner {
            keep_an_owner(&mut transaction, id.as_str()).await?;
        }
        sqlx::query("DELETE FROM memberships WHERE id = ?")
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.inner.tokens.forget();
        Ok(())
    }
}

/// What a person is, in which accounts; by the accounts' names.
pub(crate) async fn roles(
    connection: &mut SqliteConnection,
    user: &UserId,
) -> Result<Vec<(AccountId, Role)>> {
    let sql = "SELECT m.account, m.role FROM memberships m JOIN accounts a ON a.id = m.account
               WHERE m.user = ? ORDER BY a.name";
    let found = sqlx::query(sql).bind(user.as_str()).fetch_all(connection).await?;
    found.iter().map(|row| Ok((rows::parsed(row, "account")?, rows::parsed(row, "role")?))).collect()
}

async fn role_of(connection: &mut SqliteConnection, account: &AccountId, id: &MembershipId) -> Result<Role> {
    let row = sqlx::query("SELECT role FROM memberships WHERE account = ? AND id = ?")
        .bind(account.as_str())
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::not_found(Entity::Membership, id))?;
    rows::parsed(&row, "role")
}

/// Refuses when a membership is the only one that owns its account.
pub(crate) async fn keep_an_owner(connection: &mut SqliteConnection, id: &str) -> Result<()> {
    let others: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM memberships WHERE role = 'owner' AND id <> ?1
         AND account = (SELECT account FROM memberships WHERE id = ?1)",
    )
    .bind(id)
    .fetch_one(connection)
    .await?;
    if others == 0 {
        let text = "this is the account's last owner: make another one first";
        return Err(StoreError::conflict(Entity::Membership, text));
    }
    Ok(())
}

fn membership_of(row: &SqliteRow) -> Result<Membership> {
    Ok(Membership {
        id: rows::from_text(row.try_get("membership")?, "membership")?,
        account: rows::parsed(row, "account")?,
        user: rows::parsed(row, "user")?,
        role: rows::parsed(row, "role")?,
        created_on: rows::time(row, "since")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UserChanges;

    #[tokio::test]
    async fn an_account_and_an_installation_keep_somebody_who_answers_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let account = store.bootstrap(None).await.unwrap().account.id;
        let (ann, _) = store.add_member(&account, "ann@corp.test", Role::Owner).await.unwrap();
        assert!(store.add_member(&account, "ANN@corp.test", Role::Viewer).await.is_err(), "a member already");
        assert!(store.set_role(&account, &ann.id, Role::Admin).await.is_err(), "the last owner");
        assert!(store.remove_member(&account, &ann.id).await.is_err(), "the last owner");
        assert!(store.delete_user(&ann.user).await.is_err(), "the last owner");

        let (bob, user) = store.add_member(&account, "bob@corp.test", Role::Owner).await.unwrap();
        store.set_role(&account, &ann.id, Role::Viewer).await.unwrap();
        let roles: Vec<Role> =
            store.members(&account).await.unwrap().iter().map(|(own, _)| own.role).collect();
        assert_eq!(roles, [Role::Viewer, Role::Owner]);
        assert_eq!(store.memberships(&user.id).await.unwrap()[0].0, bob);
        store.remove_member(&account, &ann.id).await.unwrap();
        assert!(store.member(&account, &ann.id).await.is_err());

        let operator = store.create_user("op@corp.test", "Op", true).await.unwrap();
        let suspended = UserChanges { suspended: Some(true), ..UserChanges::default() };
        assert!(store.update_user(&operator.id, suspended).await.is_err(), "the last operator");
        assert!(store.delete_user(&operator.id).await.is_err(), "the last operator");
    }
}
