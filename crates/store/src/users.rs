//! People. How they prove who they are is the affair of `hearth-signin`; what they may do follows from their
//! memberships, or from being an operator of the installation.

use jiff::Timestamp;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::{Entity, Listing, Page, Result, Store, StoreError, UserId, rows};

const LONGEST_EMAIL: usize = 254;
const LONGEST_NAME: usize = 100;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Unique without regard to case.
    pub email: String,
    /// What they are called; may be empty.
    pub name: String,
    /// Whether they answer for the installation: every account, its settings and its people.
    pub is_operator: bool,
    /// Whether nothing of theirs opens anything for now.
    pub suspended: bool,
    /// When they were made known.
    pub created_on: Timestamp,
    /// When something of this changed last.
    pub modified_on: Timestamp,
    /// When they, or a token of theirs, called last, to a quarter of an hour; None: nobody has seen them yet.
    pub last_seen_on: Option<Timestamp>,
}

/// What changes of a person; None stays.
#[derive(Debug, Clone, Default)]
pub struct UserChanges {
    /// See [`User::name`].
    pub name: Option<String>,
    /// See [`User::is_operator`].
    pub is_operator: Option<bool>,
    /// See [`User::suspended`].
    pub suspended: Option<bool>,
}

impl Store {
    /// Makes a person known.
    ///
    /// # Errors
    /// Invalid when the address is none or the name too long; conflict when the address is somebody's.
    pub async fn create_user(&self, email: &str, name: &str, is_operator: bool) -> Result<User> {
        let mut transaction = self.write().await?;
        let user = insert(&mut transaction, email, name, is_operator).await?;
        transaction.commit().await?;
        Ok(user)
    }

    /// A person.
    ///
    /// # Errors
    /// Not found.
    pub async fn user(&self, id: &UserId) -> Result<User> {
        find(&mut *self.read().await?, id).await
    }

    /// The person with that address, if there is one.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        by_email(&mut *self.read().await?, email).await
    }

    /// All people, by address.
    pub async fn users(&self, page: Page) -> Result<Listing<User>> {
        let mut connection = self.read().await?;
        let total: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&mut *connection).await?;
        let (limit, offset) = page.bounds();
        let found = sqlx::query("SELECT * FROM users ORDER BY email LIMIT ? OFFSET ?")
            .bind(limit)
            .bind(offset)
            .fetch_all(&mut *connection)
            .await?;
        let items = found.iter().map(user_of).collect::<Result<_>>()?;
        Ok(Listing { items, total: total.unsigned_abs() })
    }

    /// Changes a person.
    ///
    /// # Errors
    /// Not found; invalid when the name is too long; conflict when the last operator would be none any more.
    pub async fn update_user(&self, id: &UserId, changes: UserChanges) -> Result<User> {
        let mut transaction = self.write().await?;
        let before = find(&mut transaction, id).await?;
        let after = User {
            name: changes.name.map_or_else(|| Ok(before.name.clone()), |name| checked_name(&name))?,
            is_operator: changes.is_operator.unwrap_or(before.is_operator),
            suspended: changes.suspended.unwrap_or(before.suspended),
            modified_on: rows::now(),
            ..before.clone()
        };
        if is_able(&before) && !is_able(&after) {
            keep_an_operator(&mut transaction, id).await?;
        }
        let sql = "UPDATE users SET name = ?, is_operator = ?, suspended = ?, modified_on = ? WHERE id = ?";
        sqlx::query(sql)
            .bind(&after.name)
            .bind(after.is_operator)
            .bind(after.suspended)
            .bind(after.modified_on.as_microsecond())
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.inner.tokens.forget();
        Ok(after)
    }

    /// Forgets a person, with their memberships and all that opened something for them.
    ///
    /// # Errors
    /// Not found; conflict when it is the last operator, or the last owner of an account.
    pub async fn delete_user(&self, id: &UserId) -> Result<()> {
        let mut transaction = self.write().await?;
        let user = find(&mut transaction, id).await?;
        if is_able(&user) {
            keep_an_operator(&mut transaction, id).await?;
        }
        let owned: Vec<String> =
            sqlx::query_scalar("SELECT id FROM memberships WHERE user = ? AND role = 'owner'")
                .bind(id.as_str())
                .fetch_all(&mut *transaction)
                .await?;
        for membership in owned {
            crate::members::keep_an_owner(&mut transaction, &membership).await?;
        }
        sqlx::query("DELETE FROM users WHERE id = ?").bind(id.as_str()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        self.inner.tokens.forget();
        Ok(())
    }
}

fn is_able(user: &User) -> bool {
    user.is_operator && !user.suspended
}

/// Refuses when nobody but this person answers for the installation. The admin token would still do.
async fn keep_an_operator(connection: &mut SqliteConnection, but: &UserId) -> Result<()> {
    let others: i64 =
        sqlx::query_scalar("SELECT count(*) FROM users WHERE is_operator = 1 AND suspended = 0 AND id <> ?")
            .bind(but.as_str())
            .fetch_one(connection)
            .await?;
    if others == 0 {
        let text = "this is the installation's last operator: make another one first";
        return Err(StoreError::conflict(Entity::User, text));
    }
    Ok(())
}

pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    email: &str,
    name: &str,
    is_operator: bool,
) -> Result<User> {
    let email = checked_email(email)?;
    if by_email(connection, &email).await?.is_some() {
        return Err(StoreError::conflict(Entity::User, format!("`{email}` is a user already")));
    }
    let now = rows::now();
    let user = User {
        id: UserId::random(),
        email,
        name: checked_name(name)?,
        is_operator,
        suspended: false,
        created_on: now,
        modified_on: now,
        last_seen_on: None,
    };
    let sql =
        "INSERT INTO users (id, email, name, is_operator, created_on, modified_on) VALUES (?, ?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(user.id.as_str())
        .bind(&user.email)
        .bind(&user.name)
        .bind(user.is_operator)
        .bind(now.as_microsecond())
        .bind(now.as_microsecond())
        .execute(connection)
        .await?;
    Ok(user)
}

pub(crate) async fn find(connection: &mut SqliteConnection, id: &UserId) -> Result<User> {
    let row = sqlx::query("SELECT * FROM users WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::not_found(Entity::User, id))?;
    user_of(&row)
}

pub(crate) async fn by_email(connection: &mut SqliteConnection, email: &str) -> Result<Option<User>> {
    let row = sqlx::query("SELECT * FROM users WHERE email = ?")
        .bind(email.trim())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(user_of).transpose()
}

/// An address as far as it can be told by looking: whether mail reaches it, only mail tells.
fn checked_email(text: &str) -> Result<String> {
    let email = text.trim();
    let well = email.split_once('@').is_some_and(|(local, host)| {
        !local.is_empty()
            && !host.is_empty()
            && !host.contains('@')
            && !host.starts_with('.')
            && !host.ends_with('.')
    });
    let clean = !email.chars().any(|c| c.is_whitespace() || c.is_control() || "<>\"'`,;".contains(c));
    if !well || !clean || email.len() > LONGEST_EMAIL {
        return Err(StoreError::invalid(Entity::User, format!("{text:?} is not an e-mail address")));
    }
    Ok(email.to_owned())
}

fn checked_name(text: &str) -> Result<String> {
    let name = text.trim();
    if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        let text = format!("a person's name has at most {LONGEST_NAME} bytes and no control characters");
        return Err(StoreError::invalid(Entity::User, text));
    }
    Ok(name.to_owned())
}

pub(crate) fn user_of(row: &SqliteRow) -> Result<User> {
    Ok(User {
        id: rows::parsed(row, "id")?,
        email: rows::text(row, "email")?,
        name: rows::text(row, "name")?,
        is_operator: rows::flag(row, "is_operator")?,
        suspended: rows::flag(row, "suspended")?,
        created_on: rows::time(row, "created_on")?,
        modified_on: rows::time(row, "modified_on")?,
        last_seen_on: rows::time_option(row, "last_seen_on")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_by_looking() {
        for good in ["a@b", "Ann.Lee+x@corp.example", " a@b "] {
            assert_eq!(checked_email(good).unwrap(), good.trim());
        }
        for bad in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@.b", "a@b.", "<a@b>", "a\n@b"] {
            assert!(checked_email(bad).is_err(), "{bad:?}");
        }
    }
}
