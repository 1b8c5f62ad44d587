//! The history against a real SQLite: whatever was committed, and wherever it was cut off, every point gives the
//! database back as it was.

mod cases;

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tempfile::TempDir;

use super::files::{Files, GENESIS};
use super::keeper::Keeper;
use super::plan::{At, Limits, resolve};
use super::{History, HistoryConfig, restore, segment, wal};
use crate::{Archive, DatabaseId, Position};

/// A database with its history and what it held at every commit.
struct Bench {
    folder: TempDir,
    connection: Option<Connection>,
    keeper: Option<Keeper>,
    /// Position, time and content after every commit.
    past: Vec<(Position, i64, Vec<Row>)>,
    clock: i64,
}

type Row = (i64, Vec<u8>);

/// After everything.
const END: Position = Position { generation: u32::MAX, frame: u32::MAX };

const MINUTE: i64 = 60_000_000;

fn database(folder: &Path) -> PathBuf {
    folder.join("d1/database.db")
}

fn log(folder: &Path) -> PathBuf {
    folder.join("d1/database.db-wal")
}

fn files(folder: &Path) -> Files {
    Files::new(folder.join("history"))
}

fn load(folder: &Path) -> std::io::Result<Keeper> {
    Keeper::load(files(folder), database(folder), log(folder))
}

fn open(folder: &Path) -> Connection {
    let connection = Connection::open(database(folder)).unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    connection.pragma_update(None, "cache_size", 4).unwrap();
    connection
}

fn content(connection: &Connection) -> Vec<Row> {
    let Ok(mut statement) = connection.prepare("SELECT id, data FROM t ORDER BY id") else {
        return Vec::new();
    };
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

/// The content of a whole database file, which must be sound.
fn content_of(file: &Path) -> Vec<Row> {
    let connection = Connection::open(file).unwrap();
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    content(&connection)
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("d1")).unwrap();
        let mut bench =
            Self { folder, connection: None, keeper: None, past: Vec::new(), clock: 100 * MINUTE };
        bench.reopen();
        bench
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn keeper(&mut self) -> &mut Keeper {
        self.keeper.as_mut().unwrap()
    }

    fn check_all_but_first(&mut self) {
        self.past.remove(0);
        self.check_all();
    }

    /// As after a crash of everything: the log stays as it is.
    fn reopen(&mut self) {
        self.connection = None;
        self.keeper = Some(load(self.path()).unwrap());
        self.connection = Some(open(self.path()));
    }

    fn commit(&mut self, sql: &str) {
        self.connection.as_ref().unwrap().execute_batch(&format!("BEGIN;{sql};COMMIT")).unwrap();
        let frame = committed(&log(self.path()));
        let position = Position { generation: self.keeper().generation(), frame };
        let content = content(self.connection.as_ref().unwrap());
        self.clock += 7_000_000;
        self.past.push((position, self.clock, content));
    }

    fn keep(&mut self) {
        let frame = committed(&log(self.path()));
        let generation = self.keeper().generation();
        let times: Vec<_> =
            self.past.iter().filter(|(at, ..)| at.generation == generation).cloned().collect();
        let time_of = |frame| times.iter().find(|(at, ..)| at.frame >= frame).map_or(0, |(_, time, _)| *time);
        self.keeper().keep(frame, time_of).unwrap();
    }

    fn fold(&mut self) {
        self.keep();
        if committed(&log(self.path())) == 0 {
            return;
        }
        let connection = self.connection.as_ref().unwrap();
        let busy: i64 =
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
        assert_eq!(busy, 0);
        let next = self.keeper().generation() + 1;
        self.keeper().folded(next);
    }

    fn built(&self, position: Position) -> Vec<Row> {
        let to = tempfile::tempdir().unwrap();
        let file = to.path().join("built.db");
        files(self.path()).build(position, &file).unwrap();
        let length = fs::metadata(&file).unwrap().len();
        let header = fs::read(&file).unwrap();
        let pages = header.get(28..32).map_or(0, |size| u32::from_be_bytes(size.try_into().unwrap()));
        assert_eq!(length, u64::from(pages) * 4096, "as long as its header says");
        content_of(&file)
    }

    fn check_all(&self) {
        let points = files(self.path()).points().unwrap();
        for (position, _, content) in &self.past {
            let found = resolve(&points, END, At::Bookmark(*position)).unwrap();
            assert_eq!(&self.built(found), content, "{position}");
        }
    }
}

/// Restores a stopped database; what comes back is where it was.
fn restore_to(bench: &mut Bench, target: Position) -> Position {
    bench.connection = None;
    let candidate = bench.path().join("candidate");
    let points = files(bench.path()).points().unwrap();
    let target = resolve(&points, END, At::Bookmark(target)).unwrap();
    files(bench.path()).build(target, &candidate).unwrap();
    let keeper = load(bench.path()).unwrap();
    restore::restore(&keeper, &candidate, bench.clock).unwrap();
    let before = keeper.last().position;
    bench.reopen();
    before
}

/// Frames of its log that SQLite goes by.
fn recovered(connection: &Connection) -> i64 {
    // Reads the log, which opening alone does not.
    let _: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1)).unwrap()
}

/// Frames that are committed in a log.
fn committed(log: &Path) -> u32 {
    File::open(log)
        .ok()
        .and_then(|file| wal::committed(BufReader::new(file)).unwrap())
        .map_or(0, |found| found.frames)
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u8, u16),
    Delete(u8),
    Shrink,
    Keep,
    Fold,
    Crash,
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..40_u8, 0..9000_u16).prop_map(|(rows, size)| Step::Insert(rows, size)),
        2 => any::<u8>().prop_map(Step::Delete),
        1 => Just(Step::Shrink),
        2 => Just(Step::Keep),
        2 => Just(Step::Fold),
        2 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..most)
}

fn run(bench: &mut Bench, steps: &[Step]) {
    bench.commit("PRAGMA auto_vacuum=0; CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, data BLOB)");
    for step in steps {
        match step {
            Step::Insert(rows, size) => bench.commit(&format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
                 INSERT INTO t(data) SELECT randomblob({size}) FROM n"
            )),
            Step::Delete(share) => bench.commit(&format!("DELETE FROM t WHERE id % 256 <= {share}")),
            Step::Shrink => {
                bench.commit("DELETE FROM t");
                bench.connection.as_ref().unwrap().execute_batch("VACUUM").unwrap();
                let frame = committed(&log(bench.path()));
                bench.past.last_mut().unwrap().0.frame = frame;
            }
            Step::Keep => bench.keep(),
            Step::Fold => bench.fold(),
            Step::Crash => bench.reopen(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn every_commit_can_be_had_again(steps in steps(14)) {
        let mut bench = Bench::new();
        run(&mut bench, &steps);
        bench.keep();
        bench.check_all();
    }

    /// Half of a segment is on disk when the power goes; the log is still there, since it is folded only after that.
    #[test]
    fn what_a_crash_cuts_off_is_taken_from_the_log_again(steps in steps(10), cut in 0.0..1.0_f64) {
        let mut bench = Bench::new();
        run(&mut bench, &steps);
        bench.fold();
        bench.commit("INSERT INTO t(data) VALUES (randomblob(5000))");
        bench.keep();
        bench.commit("INSERT INTO t(data) VALUES (randomblob(3000))");
        bench.keep();
        let generation = bench.keeper().generation();
        let segment = files(bench.path()).segment(generation);
        let length = fs::metadata(&segment).unwrap().len();
        let keep = (length as f64 * cut) as u64;
        File::options().write(true).open(&segment).unwrap().set_len(keep).unwrap();
        bench.reopen();
        bench.check_all();
    }

    /// Any byte of the newest segment is lost, as when the head of a record came to the disk and its pages did not.
    #[test]
    fn what_is_damaged_at_the_end_is_taken_from_the_log_again(steps in steps(8), place in 0.0..1.0_f64) {
        let mut bench = Bench::new();
        run(&mut bench, &steps);
        bench.fold();
        bench.commit("INSERT INTO t(data) VALUES (randomblob(5000))");
        bench.commit("INSERT INTO t(data) VALUES (randomblob(5000))");
        bench.keep();
        let segment = files(bench.path()).segment(bench.keeper().generation());
        let mut bytes = fs::read(&segment).unwrap();
        let at = ((bytes.len() - 1) as f64 * place) as usize;
        bytes[at] ^= 0x55;
        fs::write(&segment, bytes).unwrap();
        bench.reopen();
        bench.check_all();
    }

    #[test]
    fn a_restore_can_be_undone_and_travelled_beyond(
        first in steps(6), second in steps(6), choice in any::<prop::sample::Index>()
    ) {
        let mut bench = Bench::new();
        run(&mut bench, &first);
        bench.keep();
        let (target, _, wanted) = choice.get(&bench.past).clone();
        let before = restore_to(&mut bench, target);
        prop_assert_eq!(&content_of(&database(bench.path())), &wanted);
        let generation = bench.keeper().generation() - 1;
        bench.past.push((Position { generation, frame: 1 }, bench.clock, wanted));
        run(&mut bench, &second);
        bench.keep();
        bench.check_all();
        let undone = bench.past.iter().rposition(|(at, ..)| *at <= before).unwrap();
        restore_to(&mut bench, before);
        prop_assert_eq!(&content_of(&database(bench.path())), &bench.past[undone].2);
    }

    /// The log as SQLite writes it, cut anywhere and damaged anywhere: what is read is what SQLite itself recovers.
    #[test]
    fn a_log_is_read_as_sqlite_reads_it(
        steps in steps(8), cut in 0.0..1.5_f64, damage in prop::option::of((any::<bool>(), 0.0..1.0_f64))
    ) {
        let mut bench = Bench::new();
        run(&mut bench, &steps);
        bench.connection = None;
        let Ok(mut bytes) = fs::read(log(bench.path())) else { return Ok(()) };
        bytes.truncate((bytes.len() as f64 * cut) as usize);
        if let (Some((in_header, place)), false) = (damage, bytes.is_empty()) {
            let reach = if in_header { bytes.len().min(wal::HEADER) } else { bytes.len() };
            let at = ((reach - 1) as f64 * place) as usize;
            bytes[at] ^= 0x10;
        }
        fs::write(log(bench.path()), bytes).unwrap();
        prop_assert_eq!(i64::from(committed(&log(bench.path()))), recovered(&open(bench.path())));
    }

    #[test]
    fn no_bytes_upset_the_reader_of_a_log(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert_eq!(wal::committed(bytes.as_slice()).unwrap(), None);
    }

    #[test]
    fn compaction_keeps_every_minute_and_every_later_commit(steps in steps(14), age in 0..3_i64) {
        let mut bench = Bench::new();
        // After a crash, times are those of the log's file, not of the test's clock.
        let steps: Vec<Step> =
            steps.into_iter().map(|step| if matches!(step, Step::Crash) { Step::Keep } else { step }).collect();
        run(&mut bench, &steps);
        bench.fold();
        run(&mut bench, &steps);
        bench.fold();
        let limits = Limits { fine: Duration::from_mins(1), ..Limits::default() };
        let now = bench.clock + age * MINUTE;
        let generation = bench.keeper().generation();
        files(bench.path()).compact(generation, 0, now, &limits).unwrap();
        let points = files(bench.path()).points().unwrap();
        for minute in 99..bench.clock / MINUTE + 2 {
            let end = minute * MINUTE + MINUTE - 1;
            let found = resolve(&points, END, At::Time(end)).unwrap();
            let wanted = bench.past.iter().rev().find(|(_, time, _)| *time <= end);
            prop_assert_eq!(&bench.built(found), &wanted.map_or(Vec::new(), |(_, _, content)| content.clone()));
        }
    }

    /// With no room at all, everything but the last state goes; that one is still right.
    #[test]
    fn over_the_limit_the_oldest_goes(steps in steps(14)) {
        let mut bench = Bench::new();
        run(&mut bench, &steps);
        bench.fold();
        let limits = Limits { max_bytes: 1, ..Limits::default() };
        let generation = bench.keeper().generation();
        files(bench.path()).compact(generation, 0, bench.clock, &limits).unwrap();
        bench.commit("INSERT INTO t(data) VALUES (randomblob(5000))");
        bench.keep();
        let points = files(bench.path()).points().unwrap();
        prop_assert_eq!(points.len(), 2);
        let [.., before, last] = &bench.past[..] else { unreachable!("two commits at least") };
        prop_assert_eq!(&bench.built(points[0].position), &before.2);
        prop_assert_eq!(&bench.built(points[1].position), &last.2);
        prop_assert!(resolve(&points, points[1].position, At::Bookmark(GENESIS)).is_err());
        bench.reopen();
        prop_assert_eq!(files(bench.path()).points().unwrap(), points);
    }
}
