//! Namespaces of Durable Objects: which class of which worker has stored objects. The objects lie elsewhere, under the
//! namespace's id.

use hearth_model::{AccountId, Namespace, NamespaceChange, NamespaceId, Stranger, WorkerId, WorkerName};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::{Entity, Listing, Page, Result, Store, StoreError, rows};

/// A namespace with the worker that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedNamespace {
    /// The namespace.
    pub namespace: Namespace,
    /// Its worker.
    pub worker: WorkerId,
    /// That worker's name.
    pub script: WorkerName,
    /// The account.
    pub account: AccountId,
}

/// A binding to a namespace of another worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Borrowed {
    /// The worker that has the binding.
    pub borrower: WorkerId,
    /// That worker's name.
    pub borrower_name: WorkerName,
    /// The namespace.
    pub namespace: NamespaceId,
    /// The namespace's class.
    pub class: String,
}

const OWNED: &str = "SELECT n.id, n.class, n.sqlite, n.worker, w.name AS script, w.account
     FROM object_namespaces n JOIN workers w ON w.id = n.worker";

/// Bindings of other workers of an account (`?2`) to a worker's namespaces (`?1`). `CROSS` keeps the order in which SQLite
/// goes through the tables: it would else begin with every version of the account, also for a worker that has no namespace,
/// as most.
const BORROWED: &str = "SELECT DISTINCT w.id AS borrower, w.name, w.folded, n.id AS namespace, n.class
    FROM object_namespaces n
    CROSS JOIN workers w
    CROSS JOIN versions v ON v.worker = w.id
    LEFT JOIN deployments d ON d.worker = w.id AND d.number = w.last_deployment
    JOIN json_each(v.document, '$.bindings') b
    WHERE n.worker = ?1 AND n.id = json_extract(b.value, '$.namespace_id')
      AND w.id <> ?1 AND w.account = ?2 AND (v.number = w.last_version OR instr(d.split, v.id) > 0)
    ORDER BY w.folded, n.class";

impl Store {
    /// The namespaces of a worker, by class.
    pub async fn namespaces_of(&self, worker: WorkerId) -> Result<Vec<Namespace>> {
        of_worker(&mut *self.read().await?, worker).await
    }

    /// An account's namespaces, by worker and class.
    pub async fn namespaces(&self, account: &AccountId, page: Page) -> Result<Listing<OwnedNamespace>> {
        let mut connection = self.read().await?;
        let (limit, offset) = page.bounds();
        let sql = format!("{OWNED} WHERE w.account = ? ORDER BY w.folded, n.class LIMIT ? OFFSET ?");
        let items = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(account.as_str())
            .bind(limit)
            .bind(offset)
            .fetch_all(&mut *connection)
            .await?;
        let total = sqlx::query(
            "SELECT count(*) AS n FROM object_namespaces n JOIN workers w ON w.id = n.worker WHERE w.account = ?",
        )
        .bind(account.as_str())
        .fetch_one(&mut *connection)
        .await?;
        Ok(Listing {
            items: items.iter().map(owned_of).collect::<Result<_>>()?,
            total: rows::count(&total, "n")?,
        })
    }

    /// Every namespace, of all accounts.
    pub async fn all_namespaces(&self) -> Result<Vec<OwnedNamespace>> {
        let all = sqlx::query(OWNED).fetch_all(&mut *self.read().await?).await?;
        all.iter().map(owned_of).collect()
    }

    /// One namespace of an account; None when there is none of that id.
    pub async fn namespace(&self, account: &AccountId, id: NamespaceId) -> Result<Option<OwnedNamespace>> {
        let sql = format!("{OWNED} WHERE n.id = ? AND w.account = ?");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id.to_string())
            .bind(account.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        row.as_ref().map(owned_of).transpose()
    }

    /// The bindings that other workers of the account have to namespaces of this one, in a deployed version or their
    /// newest one; by name and class.
    pub async fn borrowed_namespaces(&self, account: &AccountId, worker: WorkerId) -> Result<Vec<Borrowed>> {
        let all = sqlx::query(BORROWED)
            .bind(worker.to_string())
            .bind(account.as_str())
            .fetch_all(&mut *self.read().await?)
            .await?;
        let borrowed = |row: &SqliteRow| {
            Ok(Borrowed {
                borrower: rows::parsed(row, "borrower")?,
                borrower_name: rows::parsed(row, "name")?,
                namespace: rows::parsed(row, "namespace")?,
                class: row.try_get("class")?,
            })
        };
        all.iter().map(borrowed).collect()
    }

    /// The namespace of a class of the account's worker of that name.
    pub async fn namespace_by_class(
        &self,
        account: &AccountId,
        script: &str,
        class: &str,
    ) -> Result<Option<OwnedNamespace>> {
        let sql =
            format!("{OWNED} WHERE w.account = ? AND w.dialect = 'workers' AND w.folded = ? AND n.class = ?");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(account.as_str())
            .bind(script.to_ascii_lowercase())
            .bind(class)
            .fetch_optional(&mut *self.read().await?)
            .await?;
        row.as_ref().map(owned_of).transpose()
    }

    /// What the account's worker `script` expects that `source` gives it of this class: the worker, and the namespace
    /// as it shall be there, under an id that means nothing yet.
    pub async fn expected_namespace(
        &self,
        account: &AccountId,
        script: &str,
        source: &WorkerName,
        class: &str,
    ) -> Result<Option<Stranger>> {
        let row = sqlx::query(
            "SELECT t.worker, t.sqlite FROM object_transfers t JOIN workers w ON w.id = t.worker
             WHERE w.account = ? AND w.dialect = 'workers' AND w.folded = ? AND t.source = ? AND t.class = ?",
        )
        .bind(account.as_str())
        .bind(script.to_ascii_lowercase())
        .bind(source.folded())
        .bind(class)
        .fetch_optional(&mut *self.read().await?)
        .await?;
        let stranger = |row: &SqliteRow| {
            let sqlite = rows::flag(row, "sqlite")?;
            let namespace = Namespace { id: NamespaceId::random(), class: class.to_owned(), sqlite };
            Ok(Stranger { worker: rows::parsed(row, "worker")?, namespace })
        };
        row.as_ref().map(stranger).transpose()
    }
}

/// The namespaces of a worker, by class.
pub(crate) async fn of_worker(connection: &mut SqliteConnection, worker: WorkerId) -> Result<Vec<Namespace>> {
    let all = sqlx::query("SELECT id, class, sqlite FROM object_namespaces WHERE worker = ? ORDER BY class")
        .bind(worker.to_string())
        .fetch_all(connection)
        .await?;
    all.iter().map(namespace_of).collect()
}

/// Carries changes out, in their order.
///
/// # Errors
/// Conflict when a namespace is no longer where the changes found it: somebody else moved it meanwhile.
pub(crate) async fn change(
    connection: &mut SqliteConnection,
    worker: WorkerId,
    changes: &[NamespaceChange],
) -> Result<()> {
    for change in changes {
        let one = match change {
            NamespaceChange::Create(Namespace { id, class, sqlite }) => sqlx::query(
                "INSERT INTO object_namespaces (id, worker, class, sqlite, created_on) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT DO NOTHING",
            )
            .bind(id.to_string())
            .bind(worker.to_string())
            .bind(class)
            .bind(*sqlite)
            .bind(rows::now().as_microsecond()),
            NamespaceChange::Rename { id, to } => {
                sqlx::query("UPDATE OR IGNORE object_namespaces SET class = ? WHERE id = ? AND worker = ?")
                    .bind(to)
                    .bind(id.to_string())
                    .bind(worker.to_string())
            }
            NamespaceChange::Delete(id) => {
                sqlx::query("DELETE FROM object_namespaces WHERE id = ? AND worker = ?")
                    .bind(id.to_string())
                    .bind(worker.to_string())
            }
            NamespaceChange::Take { id, from, class } => hand_over(id, *from, worker, class),
            NamespaceChange::Give { id, to, class } => {
                sqlx::query("DELETE FROM object_transfers WHERE worker = ? AND class = ?")
                    .bind(to.to_string())
                    .bind(class)
                    .execute(&mut *connection)
                    .await?;
                hand_over(id, worker, *to, class)
            }
            NamespaceChange::Expect { class, from, sqlite } => sqlx::query(
                "INSERT OR REPLACE INTO object_transfers (worker, class, source, sqlite) VALUES (?, ?, ?, ?)",
            )
            .bind(worker.to_string())
            .bind(class)
            .bind(from)
            .bind(*sqlite),
        };
        if one.execute(&mut *connection).await?.rows_affected() == 0 {
            let text = "a class of Durable Objects was changed by somebody else meanwhile; try again";
            return Err(StoreError::conflict(Entity::Worker, text.to_owned()));
        }
    }
    Ok(())
}

fn hand_over<'q>(
    id: &NamespaceId,
    from: WorkerId,
    to: WorkerId,
    class: &'q str,
) -> sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
    sqlx::query("UPDATE OR IGNORE object_namespaces SET worker = ?, class = ? WHERE id = ? AND worker = ?")
        .bind(to.to_string())
        .bind(class)
        .bind(id.to_string())
        .bind(from.to_string())
}

fn namespace_of(row: &SqliteRow) -> Result<Namespace> {
    Ok(Namespace {
        id: rows::parsed(row, "id")?,
        class: row.try_get("class")?,
        sqlite: rows::flag(row, "sqlite")?,
    })
}

fn owned_of(row: &SqliteRow) -> Result<OwnedNamespace> {
    Ok(OwnedNamespace {
        namespace: namespace_of(row)?,
        worker: rows::parsed(row, "worker")?,
        script: rows::parsed(row, "script")?,
        account: rows::parsed(row, "account")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_has_no_namespaces_costs_no_look_at_versions() {
        let folder = tempfile::tempdir().unwrap();
        let steps = Store::open(folder.path()).await.unwrap().plan(BORROWED).await;
        assert!(steps[0].starts_with("SEARCH n USING INDEX"), "{steps:?}");
    }
}
