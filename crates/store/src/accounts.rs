//! Accounts and their host labels.

use hearth_model::{AccountId, Dialect};
use jiff::Timestamp;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::{Entity, Listing, Page, Result, Store, StoreError, rows};

/// Longest name, in bytes.
const LONGEST_NAME: usize = 100;
/// The name of the account that the first start makes. Its workers are served right below a base domain.
pub const DEFAULT_ACCOUNT: &str = "default";

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// What wrangler knows as the account's workers.dev subdomain: a DNS label, unique in the installation.
    pub subdomain: String,
    /// Whether it is the default account.
    pub is_default: bool,
    /// When it was made.
    pub created_on: Timestamp,
}

impl Account {
    /// The label in `<worker>.<label>.<base-domain>`; None for the default account, whose workers have no such
    /// part.
    pub fn host_label(&self) -> Option<&str> {
        (!self.is_default).then_some(self.subdomain.as_str())
    }
}

impl Store {
    /// All accounts, the default one first, then by name.
    pub async fn accounts(&self, page: Page) -> Result<Listing<Account>> {
        let mut connection = self.read().await?;
        let (limit, offset) = page.bounds();
        let items = sqlx::query("SELECT * FROM accounts ORDER BY is_default DESC, name LIMIT ? OFFSET ?")
            .bind(limit)
            .bind(offset)
            .fetch_all(&mut *connection)
            .await?;
        let total = sqlx::query("SELECT count(*) AS n FROM accounts").fetch_one(&mut *connection).await?;
        Ok(Listing {
            items: items.iter().map(account_of).collect::<Result<_>>()?,
            total: rows::count(&total, "n")?,
        })
    }

    /// One account.
    ///
    /// # Errors
    /// Not found.
    pub async fn account(&self, id: &AccountId) -> Result<Account> {
        find(&mut *self.read().await?, id).await
    }

    /// The default account.
    ///
    /// # Errors
    /// Not found before [`Store::bootstrap`].
    pub async fn default_account(&self) -> Result<Account> {
        default(&mut *self.read().await?)
            .await?
            .ok_or_else(|| StoreError::not_found(Entity::Account, DEFAULT_ACCOUNT))
    }

    /// Makes an account. Its subdomain is its name as a DNS label: lower case, other characters as `-`.
    ///
    /// # Errors
    /// Conflict when the name or the label is taken, by an account or by a worker of the default account; invalid
    /// when no label can be made of the name.
    pub async fn create_account(&self, name: &str) -> Result<Account> {
        let mut transaction = self.write().await?;
        let account = insert(&mut transaction, name, false).await?;
        transaction.commit().await?;
        Ok(account)
    }

    /// Gives an account another name. Its subdomain stays.
    ///
    /// # Errors
    /// Not found; invalid when the name is empty or too long; conflict when it is another account's.
    pub async fn rename_account(&self, id: &AccountId, name: &str) -> Result<Account> {
        let mut transaction = self.write().await?;
        let account = find(&mut transaction, id).await?;
        let name = name.trim();
        if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            let text = format!("an account's name has 1 to {LONGEST_NAME} bytes and no control characters");
            return Err(StoreError::invalid(Entity::Account, text));
        }
        let taken: i64 = sqlx::query_scalar("SELECT count(*) FROM accounts WHERE name = ? AND id <> ?")
            .bind(name)
            .bind(id.as_str())
            .fetch_one(&mut *transaction)
            .await?;
        if taken > 0 {
            return Err(StoreError::conflict(Entity::Account, format!("an account named `{name}` exists")));
        }
        sqlx::query("UPDATE accounts SET name = ? WHERE id = ?")
            .bind(name)
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Account { name: name.to_owned(), ..account })
    }

    /// Ends an account that has nothing any more, with its members' places and its tokens.
    ///
    /// # Errors
    /// Not found; conflict for the default account, and with what is in the way.
    pub async fn delete_account(&self, id: &AccountId) -> Result<()> {
        let mut transaction = self.write().await?;
        if find(&mut transaction, id).await?.is_default {
            return Err(StoreError::conflict(Entity::Account, "the default account stays"));
        }
        let kinds = sqlx::query(
            "SELECT 'workers and functions' AS what, count(*) AS n FROM workers WHERE account = ?1
             UNION ALL SELECT 'zones', count(*) FROM zones WHERE account = ?1
             UNION ALL SELECT kind, count(*) FROM resources WHERE account = ?1 GROUP BY kind",
        )
        .bind(id.as_str())
        .fetch_all(&mut *transaction)
        .await?;
        let mut left = Vec::new();
        for kind in &kinds {
            match rows::count(kind, "n")? {
                0 => {}
                n => left.push(format!("{n} {}", rows::text(kind, "what")?.replace('_', " "))),
            }
        }
        if !left.is_empty() {
            let text = format!("the account still has {}: delete these first", left.join(", "));
            return Err(StoreError::conflict(Entity::Account, text));
        }
        sqlx::query("DELETE FROM accounts WHERE id = ?").bind(id.as_str()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        self.inner.tokens.forget();
        Ok(())
    }

    /// Gives an account another workers.dev subdomain.
    ///
    /// # Errors
    /// Not found; invalid when it is no DNS label; conflict as in [`Store::create_account`].
    pub async fn set_account_subdomain(&self, id: &AccountId, label: &str) -> Result<Account> {
        let mut transaction = self.write().await?;
        let account = find(&mut transaction, id).await?;
        let subdomain = label.to_ascii_lowercase();
        if !is_label(&subdomain) {
            return Err(StoreError::invalid(
                Entity::Account,
                format!("`{label}` is not a subdomain: use 1 to 63 letters, digits and hyphens"),
            ));
        }
        if account.subdomain != subdomain {
            check_free(&mut transaction, &subdomain, account.is_default).await?;
            sqlx::query("UPDATE accounts SET subdomain = ? WHERE id = ?")
                .bind(&subdomain)
                .bind(id.as_str())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(Account { subdomain, ..account })
    }

    /// Whether an account other than the default one could take a workers.dev subdomain.
    pub async fn subdomain_is_free(&self, label: &str) -> Result<bool> {
        let label = label.to_ascii_lowercase();
        match check_free(&mut *self.read().await?, &label, false).await {
            Ok(()) => Ok(is_label(&label)),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

pub(crate) async fn find(connection: &mut SqliteConnection, id: &AccountId) -> Result<Account> {
    let row = sqlx::query("SELECT * FROM accounts WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::not_found(Entity::Account, id))?;
    account_of(&row)
}

pub(crate) async fn default(connection: &mut SqliteConnection) -> Result<Option<Account>> {
    let row = sqlx::query("SELECT * FROM accounts WHERE is_default = 1").fetch_optional(connection).await?;
    row.as_ref().map(account_of).transpose()
}

pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    name: &str,
    is_default: bool,
) -> Result<Account> {
    let name = name.trim();
    let subdomain = label_from(name);
    if !is_label(&subdomain) || name.len() > LONGEST_NAME {
        return Err(StoreError::invalid(
            Entity::Account,
            format!("`{name}` is no name for an account: it must have letters or digits for a host label"),
        ));
    }
    let taken = sqlx::query("SELECT 1 FROM accounts WHERE name = ?")
        .bind(name)
        .fetch_optional(&mut *connection)
        .await?;
    if taken.is_some() {
        return Err(StoreError::conflict(Entity::Account, format!("an account named `{name}` exists")));
    }
    check_free(connection, &subdomain, is_default).await?;
    let account = Account {
        id: AccountId::random(),
        name: name.to_owned(),
        subdomain,
        is_default,
        created_on: rows::now(),
    };
    sqlx::query("INSERT INTO accounts (id, name, subdomain, is_default, created_on) VALUES (?, ?, ?, ?, ?)")
        .bind(account.id.as_str())
        .bind(&account.name)
        .bind(&account.subdomain)
        .bind(account.is_default)
        .bind(account.created_on.as_microsecond())
        .execute(connection)
        .await?;
    Ok(account)
}

/// `<version>.<worker>.<base>` of the default account and `<worker>.<account>.<base>` look alike, so a label is either
/// an account's or a worker's of the default account.
async fn check_free(connection: &mut SqliteConnection, label: &str, for_default: bool) -> Result<()> {
    if label == Dialect::PAGES_LABEL && !for_default {
        return Err(StoreError::conflict(
            Entity::Account,
            format!("the label `{label}` is reserved: hosts of Pages projects end in it"),
        ));
    }
    // Whose it is, is nobody else's business.
    let accounts: i64 = sqlx::query_scalar("SELECT count(*) FROM accounts WHERE subdomain = ?")
        .bind(label)
        .fetch_one(&mut *connection)
        .await?;
    if accounts > 0 {
        return Err(StoreError::conflict(Entity::Account, format!("the subdomain `{label}` is taken")));
    }
    let workers: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM workers w JOIN accounts a ON a.id = w.account
         WHERE a.is_default = 1 AND w.folded = ? AND w.dialect IN ('workers', 'deploy')",
    )
    .bind(label)
    .fetch_one(connection)
    .await?;
    if workers > 0 && !for_default {
        let text =
            format!("the label `{label}` is taken: a worker or function of the default account has it");
        return Err(StoreError::conflict(Entity::Account, text));
    }
    Ok(())
}

/// Whether this is the host label of an account other than the default one.
pub(crate) async fn is_label_of_one(connection: &mut SqliteConnection, label: &str) -> Result<bool> {
    let query = "SELECT count(*) FROM accounts WHERE subdomain = ? AND is_default = 0";
    let found: i64 = sqlx::query_scalar(query).bind(label).fetch_one(connection).await?;
    Ok(found > 0)
}

fn label_from(name: &str) -> String {
    let mapped: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let parts: Vec<&str> = mapped.split('-').filter(|part| !part.is_empty()).collect();
    let joined: String = parts.join("-").chars().take(63).collect();
    joined.trim_end_matches('-').to_owned()
}

fn is_label(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(legal)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

pub(crate) fn account_of(row: &SqliteRow) -> Result<Account> {
    Ok(Account {
        id: rows::parsed(row, "id")?,
        name: rows::text(row, "name")?,
        subdomain: rows::text(row, "subdomain")?,
        is_default: rows::flag(row, "is_default")?,
        created_on: rows::time(row, "created_on")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_made_of_names() {
        for (name, label) in [
            ("default", "default"),
            ("Team A & B", "team-a-b"),
            ("  x_y.z ", "x-y-z"),
            ("团队", ""),
            (&"a".repeat(80), &"a".repeat(63)),
        ] {
            assert_eq!(label_from(name), label);
            assert_eq!(is_label(&label_from(name)), !label.is_empty());
        }
        for bad in ["", "-a", "a-", "a.b", "A", "a_b"] {
            assert!(!is_label(bad), "{bad}");
        }
    }
}
