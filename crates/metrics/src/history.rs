//! What workers did in each minute, kept over restarts: a SQLite file that is written once a minute.

use std::path::Path;
use std::sync::Arc;

use hearth_model::AccountId;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};

use crate::usage::Counts;

/// How long minutes are kept, in minutes: 30 days.
const KEPT_MINUTES: i64 = 30 * 24 * 60;

/// Most rows that are kept, whatever their age: about 150 MB.
const MAX_ROWS: i64 = 1_000_000;

/// Buckets of a minute's latencies; the bounds are the caller's.
pub const LATENCY_BUCKETS: usize = 13;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    BEGIN IMMEDIATE;
    CREATE TABLE workers (id INTEGER PRIMARY KEY, account TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (account, name));
    CREATE TABLE minutes (
        worker INTEGER NOT NULL,
        minute INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        errors INTEGER NOT NULL,
        disconnects INTEGER NOT NULL,
        subrequests INTEGER NOT NULL,
        wall_us INTEGER NOT NULL,
        cpu_us INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        cold_starts INTEGER NOT NULL,
        deaths INTEGER NOT NULL,
        memory INTEGER NOT NULL,
        latency BLOB NOT NULL,
        PRIMARY KEY (worker, minute)
    ) WITHOUT ROWID;
    CREATE INDEX minutes_time ON minutes (minute);
    PRAGMA user_version = 1;
    COMMIT;";

/// Of namespaces, by the hour. It came later than the other tables.
const NAMESPACES: &str = "
    CREATE TABLE IF NOT EXISTS namespaces (
        hour INTEGER NOT NULL,
        account TEXT NOT NULL,
        namespace TEXT NOT NULL,
        reads INTEGER NOT NULL,
        writes INTEGER NOT NULL,
        deletes INTEGER NOT NULL,
        lists INTEGER NOT NULL,
        PRIMARY KEY (account, hour, namespace)
    ) WITHOUT ROWID;";

/// What went wrong; the text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file.
    #[error("the minutes' file: {0}")]
    Database(#[from] rusqlite::Error),
}

/// What a worker did in a minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Minute {
    /// Requests that were answered, or that their client left.
    pub requests: u64,
    /// Of those, answered with 5xx.
    pub errors: u64,
    /// Of those, left by their client before an answer.
    pub disconnects: u64,
    /// Requests that the worker made to the outside.
    pub subrequests: u64,
    /// Sum of the requests' durations, in microseconds.
    pub wall_us: u64,
    /// CPU time of its processes, in microseconds.
    pub cpu_us: u64,
    /// Bytes of response bodies.
    pub bytes: u64,
    /// Processes that were started.
    pub cold_starts: u64,
    /// Processes that ended and were not told to.
    pub deaths: u64,
    /// Memory of its processes at the minute's end, in bytes.
    pub memory: u64,
    /// Requests by duration; the bounds are the gateway's.
    pub latency: [u64; LATENCY_BUCKETS],
}

impl Minute {
    /// Whether nothing happened that is worth a row.
    pub fn is_idle(&self) -> bool {
        self.requests == 0 && self.cold_starts == 0 && self.deaths == 0 && self.cpu_us < 10_000
    }

    /// Adds what happened in another minute; of memory the larger one counts.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.disconnects += other.disconnects;
        self.subrequests += other.subrequests;
        self.wall_us += other.wall_us;
        self.cpu_us += other.cpu_us;
        self.bytes += other.bytes;
        self.cold_starts += other.cold_starts;
        self.deaths += other.deaths;
        self.memory = self.memory.max(other.memory);
        for (to, from) in self.latency.iter_mut().zip(other.latency) {
            *to += from;
        }
    }
}

/// Which minutes are asked for.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Whose.
    pub account: AccountId,
    /// Of one worker only.
    pub worker: Option<String>,
    /// The first minute since 1970.
    pub from: i64,
    /// The last one.
    pub to: i64,
    /// Minutes that are put together; 0: all of them.
    pub step: i64,
    /// Whether workers are put together.
    pub together: bool,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The worker's name; empty when they are put together.
    pub worker: String,
    /// Where the minutes that were put together begin; the filter's first one when all were.
    pub minute: i64,
    /// Their sum.
    pub sum: Minute,
    /// CPU time for each request, in microseconds, with how many requests had it on average: of each minute.
    pub cpu_us: Vec<(u64, u64)>,
}

/// What was asked of a namespace in an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceHour {
    /// The hour since 1970.
    pub hour: i64,
    /// The namespace's id.
    pub namespace: String,
    /// How often each of [`crate::ACTIONS`] was done.
    pub counts: Counts,
}

/// The minutes. Clones are the same. Its calls block: they belong on a thread that may.
#[derive(Clone)]
pub struct History(Arc<Mutex<Connection>>);

impl History {
    /// Opens the file, and makes it if it is not there.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        let connection = Connection::open(path)?;
        let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if format == 0 {
            connection.execute_batch(SCHEMA)?;
        }
        connection.execute_batch(NAMESPACES)?;
        // A minute more or less: the disk need not be waited for.
        connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304;")?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Adds what workers of accounts did in a minute since 1970. What the minute has already stays: a server that was
    /// started again within it adds to that.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&self, minute: i64, workers: &[(AccountId, String, Minute)]) -> Result<(), HistoryError> {
        let mut connection = self.0.lock();
        let transaction = connection.transaction()?;
        for (account, name, sum) in workers.iter().filter(|(_, _, sum)| !sum.is_idle()) {
            let id = worker(&transaction, account, name)?;
            let mut all = *sum;
            let known = transaction
                .prepare_cached("SELECT * FROM minutes WHERE worker = ?1 AND minute = ?2")?
                .query_row([id, minute], read)
                .optional()?;
            all.add(&known.unwrap_or_default());
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO minutes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
                )?
                .execute(params![
                    id,
                    minute,
                    all.requests as i64,
                    all.errors as i64,
                    all.disconnects as i64,
                    all.subrequests as i64,
                    all.wall_us as i64,
                    all.cpu_us as i64,
                    all.bytes as i64,
                    all.cold_starts as i64,
                    all.deaths as i64,
                    all.memory as i64,
                    all.latency.iter().flat_map(|count| count.to_le_bytes()).collect::<Vec<u8>>(),
                ])?;
        }
        transaction.execute("DELETE FROM minutes WHERE minute < ?1", [minute - KEPT_MINUTES])?;
        forget_oldest(&transaction)?;
        Ok(transaction.commit()?)
    }

    /// Adds what was asked of namespaces in an hour since 1970.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add_namespaces(
        &self,
        hour: i64,
        namespaces: &[(AccountId, String, Counts)],
    ) -> Result<(), HistoryError> {
        let mut connection = self.0.lock();
        let transaction = connection.transaction()?;
        for (account, namespace, [reads, writes, deletes, lists]) in namespaces {
            transaction
                .prepare_cached(
                    "INSERT INTO namespaces VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET
                     reads = reads + ?4, writes = writes + ?5, deletes = deletes + ?6, lists = lists + ?7",
                )?
                .execute(params![
                    hour,
                    account.as_str(),
                    namespace,
                    *reads as i64,
                    *writes as i64,
                    *deletes as i64,
                    *lists as i64
                ])?;
        }
        transaction.execute("DELETE FROM namespaces WHERE hour < ?1", [hour - KEPT_MINUTES / 60])?;
        Ok(transaction.commit()?)
    }

    /// What was asked of an account's namespaces, or of one, in the hours from `from` to `to`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn namespaces(
        &self,
        account: &AccountId,
        namespace: Option<&str>,
        (from, to): (i64, i64),
    ) -> Result<Vec<NamespaceHour>, HistoryError> {
        let connection = self.0.lock();
        let mut statement = connection.prepare_cached(
            "SELECT hour, namespace, reads, writes, deletes, lists FROM namespaces
             WHERE account = ?1 AND hour BETWEEN ?2 AND ?3 AND (?4 IS NULL OR namespace = ?4)",
        )?;
        let read = |row: &rusqlite::Row<'_>| {
            let number = |at: usize| row.get::<_, i64>(at).map(|number| u64::try_from(number).unwrap_or(0));
            let counts = [number(2)?, number(3)?, number(4)?, number(5)?];
            Ok(NamespaceHour { hour: row.get(0)?, namespace: row.get(1)?, counts })
        };
        let rows = statement.query_map(params![account.as_str(), from, to, namespace], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What an account's workers did, in the order of time.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn groups(&self, filter: &Filter) -> Result<Vec<Group>, HistoryError> {
        let connection = self.0.lock();
        let mut statement = connection.prepare_cached(
            "SELECT minutes.*, workers.name FROM workers JOIN minutes ON minutes.worker = workers.id
             WHERE workers.account = ?1 AND (?2 IS NULL OR workers.name = ?2)
             AND minutes.minute BETWEEN ?3 AND ?4",
        )?;
        let mut rows =
            statement.query(params![filter.account.as_str(), filter.worker, filter.from, filter.to])?;
        let mut groups: std::collections::BTreeMap<(i64, String), Group> = Default::default();
        while let Some(row) = rows.next()? {
            let (minute, sum) = (row.get::<_, i64>(1)?, read(row)?);
            let worker: String = if filter.together { String::new() } else { row.get(13)? };
            let minute = match filter.step {
                0 => filter.from,
                step => minute - minute.rem_euclid(step),
            };
            let group = groups.entry((minute, worker.clone())).or_insert_with(|| Group {
                worker,
                minute,
                sum: Minute::default(),
                cpu_us: Vec::new(),
            });
            group.sum.add(&sum);
            group.cpu_us.extend(sum.cpu_us.checked_div(sum.requests).map(|each| (each, sum.requests)));
        }
        Ok(groups.into_values().collect())
    }
}

fn worker(connection: &Connection, account: &AccountId, name: &str) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO workers (account, name) VALUES (?1, ?2)")?
        .execute([account.as_str(), name])?;
    connection
        .prepare_cached("SELECT id FROM workers WHERE account = ?1 AND name = ?2")?
        .query_row([account.as_str(), name], |row| row.get(0))
}

/// Deletes the oldest rows where there are too many, and workers that have none any more.
fn forget_oldest(connection: &Connection) -> rusqlite::Result<()> {
    let rows: i64 = connection.query_row("SELECT count(*) FROM minutes", [], |row| row.get(0))?;
    if rows > MAX_ROWS {
        let oldest = "SELECT minute FROM minutes ORDER BY minute LIMIT 1 OFFSET ?1";
        let from: i64 = connection.query_row(oldest, [rows - MAX_ROWS * 9 / 10], |row| row.get(0))?;
        connection.execute("DELETE FROM minutes WHERE minute < ?1", [from])?;
    }
    connection.execute(
        "DELETE FROM workers WHERE NOT EXISTS (SELECT 1 FROM minutes WHERE minutes.worker = workers.id)",
        [],
    )?;
    Ok(())
}

/// A row of `minutes`.
fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Minute> {
    let number = |at: usize| row.get::<_, i64>(at).map(|number| u64::try_from(number).unwrap_or(0));
    let mut latency = [0; LATENCY_BUCKETS];
    for (to, from) in latency.iter_mut().zip(row.get_ref(12)?.as_blob()?.chunks_exact(8)) {
        *to = from.try_into().map_or(0, u64::from_le_bytes);
    }
    Ok(Minute {
        requests: number(2)?,
        errors: number(3)?,
        disconnects: number(4)?,
        subrequests: number(5)?,
        wall_us: number(6)?,
        cpu_us: number(7)?,
        bytes: number(8)?,
        cold_starts: number(9)?,
        deaths: number(10)?,
        memory: number(11)?,
        latency,
    })
}

/// The value below which a share of all lies, from values with their weights; 0 of none.
pub fn quantile(values: &[(u64, u64)], share: f64) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let all: u64 = sorted.iter().map(|(_, weight)| weight).sum();
    let wanted = (all as f64 * share).ceil() as u64;
    let mut passed = 0;
    for (value, weight) in &sorted {
        passed += weight;
        if passed >= wanted.max(1) {
            return *value;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(account: &AccountId) -> Filter {
        Filter { account: account.clone(), worker: None, from: 0, to: i64::MAX, step: 1, together: false }
    }

    #[test]
    fn minutes_outlive_a_restart_and_are_put_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("minutes.db");
        let (account, other) = (AccountId::random(), AccountId::random());
        let some =
            |requests| Minute { requests, errors: 1, memory: requests, cpu_us: 10, ..Minute::default() };
        let history = History::open(&path).unwrap();
        let mine = |name: &str, minute| (account.clone(), name.to_owned(), minute);
        history
            .add(100, &[mine("a", some(2)), mine("b", some(3)), (other.clone(), "a".into(), some(50))])
            .unwrap();
        history.add(101, &[mine("a", some(4)), mine("idle", Minute::default())]).unwrap();
        drop(history);
        let history = History::open(&path).unwrap();
        history.add(101, &[mine("a", some(1))]).unwrap();

        let groups = history.groups(&filter(&account)).unwrap();
        let seen: Vec<_> = groups.iter().map(|g| (g.minute, g.worker.as_str(), g.sum.requests)).collect();
        assert_eq!(seen, [(100, "a", 2), (100, "b", 3), (101, "a", 5)]);
        assert_eq!((groups[2].sum.errors, groups[2].sum.memory), (2, 4));

        let all = history.groups(&Filter { step: 0, together: true, ..filter(&account) }).unwrap();
        assert_eq!((all.len(), all[0].sum.requests), (1, 10));
        let one = Filter { worker: Some("b".into()), from: 100, to: 100, ..filter(&account) };
        assert_eq!(history.groups(&one).unwrap().len(), 1);
        assert_eq!(history.groups(&filter(&other)).unwrap()[0].sum.requests, 50);
    }

    #[test]
    fn what_is_older_than_a_month_goes() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::open(&folder.path().join("minutes.db")).unwrap();
        let account = AccountId::random();
        let minute = Minute { requests: 1, ..Minute::default() };
        history.add(10, &[(account.clone(), "old".into(), minute)]).unwrap();
        history.add(11 + KEPT_MINUTES, &[(account.clone(), "new".into(), minute)]).unwrap();
        let left = history.groups(&filter(&account)).unwrap();
        assert_eq!(left.iter().map(|group| group.worker.as_str()).collect::<Vec<_>>(), ["new"]);
        let workers: i64 =
            history.0.lock().query_row("SELECT count(*) FROM workers", [], |row| row.get(0)).unwrap();
        assert_eq!(workers, 1);
    }

    #[test]
    fn namespaces_are_added_up_by_the_hour() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::open(&folder.path().join("minutes.db")).unwrap();
        let (account, other) = (AccountId::random(), AccountId::random());
        let of = |account: &AccountId, counts| vec![(account.clone(), "n".to_owned(), counts)];
        history.add_namespaces(5, &of(&account, [1, 2, 3, 4])).unwrap();
        history.add_namespaces(5, &of(&account, [1, 0, 0, 0])).unwrap();
        history.add_namespaces(6, &of(&other, [9, 9, 9, 9])).unwrap();
        let found = history.namespaces(&account, None, (0, i64::MAX)).unwrap();
        assert_eq!(found, [NamespaceHour { hour: 5, namespace: "n".into(), counts: [2, 2, 3, 4] }]);
        assert!(history.namespaces(&account, Some("m"), (0, 9)).unwrap().is_empty());
        assert!(history.namespaces(&account, None, (6, 9)).unwrap().is_empty());
    }

    #[test]
    fn quantiles_are_weighted() {
        let values = [(10, 1), (20, 8), (1000, 1)];
        assert_eq!((quantile(&values, 0.5), quantile(&values, 0.99), quantile(&[], 0.5)), (20, 1000, 0));
    }
}
