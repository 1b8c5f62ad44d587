//! Namespaces of Durable Objects: which class of which worker has stored objects. The objects lie elsewhere, under the
//! namespace's id.

use std::collections::HashSet;

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

const OWNED: &str = "SELECT n.id, n.class, n.sqlite, n.worker, w.name AS script, w.account
     FROM object_namespaces n JOIN workers w ON w.id = n.worker";

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

/// Which worker (`borrower`) has a binding to which other worker's (`lender`) namespace, in the versions that serve.
const BORROWED: &str = "SELECT DISTINCT v.worker AS borrower, n.worker AS lender
     FROM workers w
     JOIN deployments d ON d.worker = w.id AND d.number = w.last_deployment
     JOIN json_each(d.split) s
     JOIN versions v ON v.id = json_extract(s.value, '$[0]')
     JOIN json_each(v.document, '$.bindings') b
     JOIN object_namespaces n ON n.id = json_extract(b.value, '$.namespace_id') AND n.worker <> v.worker";

impl Store {
    /// Whether another worker, as it is deployed, has a binding to a namespace of this one.
    pub async fn lends_objects(&self, worker: WorkerId) -> Result<bool> {
        let sql = format!("{BORROWED} WHERE n.worker = ? LIMIT 1");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(worker.to_string())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        Ok(row.is_some())
    }

    /// The other workers to whose namespaces a worker, as it is deployed, has bindings.
    pub async fn object_lenders(&self, worker: WorkerId) -> Result<Vec<WorkerId>> {
        let sql = format!("{BORROWED} WHERE v.worker = ?");
        let all = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(worker.to_string())
            .fetch_all(&mut *self.read().await?)
            .await?;
        all.iter().map(|row| rows::parsed(row, "lender")).collect()
    }

    /// All workers to whose namespaces others, as they are deployed, have bindings.
    pub async fn all_object_lenders(&self) -> Result<HashSet<WorkerId>> {
        let all = sqlx::query(BORROWED).fetch_all(&mut *self.read().await?).await?;
        all.iter().map(|row| rows::parsed(row, "lender")).collect()
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
