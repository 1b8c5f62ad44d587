//! Puts what has arrived into the files, one transaction for each account and round, and takes out what is too old.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hearth_model::AccountId;
use hearth_space::Space;
use rusqlite::{Connection, params_from_iter};

use crate::files;
use crate::inbox::{Arrived, Inbox};
use crate::point::COLUMNS;

/// How long points wait for others to share their transaction.
const GATHER: Duration = Duration::from_millis(200);

/// Files that are kept open.
const OPEN: usize = 16;

/// Rows that one transaction of the clean-up deletes, so that points do not wait for it.
const DELETED_AT_ONCE: usize = 10_000;

/// Pages that are given back to the disk after each of these.
const FREED_AT_ONCE: usize = 2_000;

/// What became of points.
#[derive(Debug, Default)]
pub struct Written {
    /// In the files.
    pub kept: AtomicU64,
    /// Over a limit of their own.
    pub invalid: AtomicU64,
    /// For lack of room: in memory, on the disk or in the quota.
    pub lost: AtomicU64,
}

/// The writer of all files.
pub struct Writer {
    folder: PathBuf,
    space: Space,
    counts: Arc<Written>,
    /// The least recently used first.
    open: VecDeque<(AccountId, Connection)>,
}

impl Writer {
    /// A writer into a folder.
    pub fn new(folder: PathBuf, space: Space, counts: Arc<Written>) -> Self {
        Self { folder, space, counts, open: VecDeque::new() }
    }

    /// Writes until the inbox is closed and empty.
    pub fn run(mut self, inbox: &Inbox) {
        while let Some(batches) = inbox.take(GATHER) {
            for (account, batch) in batches {
                let count = batch.points.len() as u64;
                match self.write(&account, batch.points) {
                    Ok(()) => self.counts.kept.fetch_add(count, Ordering::Relaxed),
                    Err(error) => {
                        tracing::warn!(%error, %account, count, "data points are lost");
                        self.open.retain(|(open, _)| *open != account);
                        self.counts.lost.fetch_add(count, Ordering::Relaxed)
                    }
                };
            }
            inbox.done();
        }
    }

    fn write(&mut self, account: &AccountId, points: Vec<Arrived>) -> Result<(), WriteError> {
        let resource = files::resource(account);
        let bytes: usize = points.iter().map(|arrived| arrived.point.size()).sum();
        // What the index and half-full pages add to the points themselves.
        let admitted = self.space.admit(&resource, bytes as u64 * 2)?;
        let connection = self.connection(account)?;
        insert(connection, &points)?;
        let size = files::size(connection)?;
        self.space.holds(&resource, size);
        drop(admitted);
        Ok(())
    }

    fn connection(&mut self, account: &AccountId) -> rusqlite::Result<&mut Connection> {
        let found = self.open.iter().position(|(open, _)| open == account);
        let entry = match found.and_then(|at| self.open.remove(at)) {
            Some(entry) => entry,
            None => {
                if self.open.len() >= OPEN {
                    self.open.pop_front();
                }
                (account.clone(), files::open_to_write(&files::path(&self.folder, account))?)
            }
        };
        self.open.push_back(entry);
        let last = self.open.len() - 1;
        Ok(&mut self.open[last].1)
    }
}

#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Refused(#[from] hearth_space::Refusal),
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
}

fn insert(connection: &mut Connection, points: &[Arrived]) -> rusqlite::Result<()> {
    let columns: Vec<String> = files::value_columns().collect();
    let marks: Vec<String> = (1..=4 + columns.len()).map(|number| format!("?{number}")).collect();
    let sql = format!(
        "INSERT INTO points (dataset, timestamp, sample_interval, index1, {}) VALUES ({})",
        columns.join(", "),
        marks.join(", ")
    );
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    {
        let mut ids: HashMap<&str, i64> = HashMap::new();
        let mut statement = transaction.prepare_cached(&sql)?;
        for Arrived { dataset, timestamp, point } in points {
            let id = match ids.get(&**dataset) {
                Some(id) => *id,
                None => {
                    transaction.execute("INSERT OR IGNORE INTO datasets (name) VALUES (?1)", [&**dataset])?;
                    let id = files::dataset(&transaction, dataset)?.unwrap_or_default();
                    ids.insert(dataset, id);
                    id
                }
            };
            let head = [id.into(), (*timestamp).into(), 1_i64.into(), point.index.clone().into()];
            // What is empty takes no room.
            let blob = |at: usize| point.blobs.get(at).filter(|blob| !blob.is_empty()).cloned().into();
            let double = |at: usize| point.doubles.get(at).filter(|double| **double != 0.0).copied().into();
            let values = (0..COLUMNS).map(blob).chain((0..COLUMNS).map(double));
            let row: Vec<rusqlite::types::Value> = head.into_iter().chain(values).collect();
            statement.execute(params_from_iter(row))?;
        }
    }
    transaction.commit()
}

/// Deletes an account's points from before `before` (seconds since 1970), and datasets that are left with none. Gives
/// the bytes that are still in use.
///
/// # Errors
/// The file cannot be read or written.
pub fn forget(path: &Path, before: i64) -> rusqlite::Result<u64> {
    let connection = files::open_to_write(path)?;
    let datasets: Vec<i64> = {
        let mut statement = connection.prepare("SELECT id FROM datasets")?;
        statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
    };
    for dataset in datasets {
        loop {
            let deleted = connection.execute(
                "DELETE FROM points WHERE rowid IN
                 (SELECT rowid FROM points WHERE dataset = ?1 AND timestamp < ?2 LIMIT ?3)",
                (dataset, before, DELETED_AT_ONCE as i64),
            )?;
            if deleted > 0 {
                files::give_back(&connection, FREED_AT_ONCE)?;
            }
            if deleted < DELETED_AT_ONCE {
                break;
            }
        }
        connection.execute(
            "DELETE FROM datasets WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM points WHERE dataset = ?1)",
            [dataset],
        )?;
    }
    files::size(&connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::Point;

    fn arrived(dataset: &str, timestamp: i64) -> Arrived {
        let point = Point { index: "i".into(), blobs: vec!["b".into()], doubles: vec![2.5] };
        Arrived { dataset: dataset.into(), timestamp, point }
    }

    #[test]
    fn what_is_too_old_goes_and_takes_its_dataset_along() {
        let folder = tempfile::tempdir().unwrap();
        let account = AccountId::random();
        let mut writer = Writer::new(folder.path().to_owned(), Space::unbounded(), Arc::default());
        writer.write(&account, vec![arrived("old", 10), arrived("both", 10), arrived("both", 100)]).unwrap();
        let path = files::path(folder.path(), &account);
        let large = |_| Arrived {
            point: Point { blobs: vec!["x".repeat(16_000)], ..arrived("old", 10).point },
            ..arrived("old", 10)
        };
        writer.write(&account, (0..100).map(large).collect()).unwrap();
        let kept = forget(&path, 100).unwrap();
        assert!(kept < 100_000, "{kept}");
        let connection = files::open_to_read(&path).unwrap().unwrap();
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        assert!(pages < 30, "the file gives its room back: {pages} pages");
        assert_eq!(files::datasets(&connection).unwrap(), ["both"]);
        let left: i64 = connection.query_row("SELECT count(*) FROM points", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 1);
        // The writer goes on with what it has open.
        writer.write(&account, vec![arrived("old", 200)]).unwrap();
        assert_eq!(files::datasets(&connection).unwrap(), ["both", "old"]);
    }

    #[test]
    fn a_quota_that_is_used_up_loses_points_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let config = hearth_space::Config {
            folder: folder.path().to_owned(),
            account_quota: Some(200 << 10),
            reserve: Some(0),
        };
        let space = Space::new(config).unwrap();
        let account = AccountId::random();
        space.opened(&files::resource(&account), &account, hearth_space::Kind::Analytics);
        let mut writer = Writer::new(folder.path().to_owned(), space.clone(), Arc::default());
        let refused =
            (0..2000).find(|_| writer.write(&account, (0..20).map(|at| arrived("d", at)).collect()).is_err());
        assert!(refused.is_some(), "{}", space.used(&account));
        assert!(space.used(&account) <= 200 << 10);
    }
}
