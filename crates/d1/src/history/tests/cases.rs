//! What happens seldom: files that do not fit together, a crash in the middle of a restore or a compaction.

use super::*;

/// A log that does not fit to the history, as when somebody put an old copy of a database in its place: the database is
/// served, and what was kept is set aside rather than mixed with it.
#[tokio::test]
async fn a_history_that_does_not_fit_is_set_aside() {
    let mut bench = Bench::new();
    let config = HistoryConfig {
        folder: bench.path().join("all"),
        limits: Limits::default(),
        every: Duration::from_mins(1),
    };
    let (history, id) = (History::new(config), DatabaseId::random());
    let (file, wal) = (database(bench.path()), log(bench.path()));
    bench.commit("CREATE TABLE t(id INTEGER PRIMARY KEY, data BLOB)");
    assert_eq!(history.opened(id, &file, &wal).await.unwrap(), 1);
    bench.commit("INSERT INTO t(data) VALUES (x'01')");
    let position = Position { generation: 1, frame: committed(&wal) };
    let beyond = Position { frame: position.frame + 1, ..position };
    history.committed(id, position);
    assert!(history.folding(id, &wal, beyond).await.is_err(), "nothing is folded that is not kept");
    history.folding(id, &wal, position).await.unwrap();
    assert_eq!(history.known().await.unwrap(), [id]);

    bench.connection = None;
    assert_eq!(history.opened(id, &file, &wal).await.unwrap(), 1, "as it was");
    File::options().write(true).open(&wal).unwrap().set_len(wal::HEADER as u64).unwrap();
    assert_eq!(history.opened(id, &file, &wal).await.unwrap(), 1);
    let folders = || fs::read_dir(bench.path().join("all")).unwrap().count();
    assert_eq!(folders(), 2);
    history.forget(id).await.unwrap();
    assert_eq!(folders(), 0);
}

/// A compaction that a crash cut off leaves files that the base has taken the place of, and drafts.
#[test]
fn what_a_compaction_left_behind_does_not_count() {
    let mut bench = Bench::new();
    bench.commit("CREATE TABLE t(id INTEGER PRIMARY KEY, data BLOB)");
    for _ in 0..3 {
        bench.commit("INSERT INTO t(data) VALUES (randomblob(9000))");
        bench.fold();
    }
    bench.commit("INSERT INTO t(data) VALUES (x'05')");
    bench.keep();
    let history = bench.path().join("history");
    let there = files(bench.path());
    let limits = Limits { max_bytes: 12_000, ..Limits::default() };
    for _ in 0..2 {
        let generation = bench.keeper().generation();
        let before: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(&history)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        there.compact(generation, 0, bench.clock, &limits).unwrap();
        let points = there.points().unwrap();
        let first = points[0].position;
        assert!(first > GENESIS, "something was put into the base");
        for (path, bytes) in before {
            fs::write(path, bytes).unwrap();
        }
        fs::write(there.temporary("base"), "half").unwrap();
        bench.reopen();
        assert_eq!(there.points().unwrap(), points);
        bench.past.retain(|(position, ..)| *position >= first);
        bench.check_all();
        bench.commit("INSERT INTO t(data) VALUES (randomblob(20000))");
        bench.fold();
    }
    let generation = bench.keeper().generation();
    there.compact(generation, 0, bench.clock, &Limits::default()).unwrap();
    let names: Vec<_> = fs::read_dir(history).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let bases = names.iter().filter(|name| name.to_string_lossy().starts_with("base-")).count();
    assert_eq!(
        (bases, names.iter().any(|name| name.to_string_lossy().ends_with(".tmp"))),
        (1, false),
        "{names:?}"
    );
    assert_eq!(names.len(), there.generations().unwrap().len() + 1, "{names:?}");
}

/// Every order in which a crash can leave the steps of a restore leads to the restored database, once it is decided,
/// and to the old one before.
#[test]
fn a_restore_is_done_or_not() {
    for crash in ["before", "decided", "log removed", "replaced"] {
        let mut bench = Bench::new();
        bench.commit("CREATE TABLE t(id INTEGER PRIMARY KEY, data BLOB); INSERT INTO t(data) VALUES (x'01')");
        let (first, _, old) = bench.past[0].clone();
        bench.commit("INSERT INTO t(data) VALUES (x'02')");
        let new = bench.past[1].2.clone();
        bench.keep();
        bench.connection = None;
        let there = files(bench.path());
        there.build(first, &there.candidate()).unwrap();
        let generation = bench.keeper().generation() + 1;
        let last = bench.keeper().last().position;
        let head = segment::Head { generation, page_size: 4096, salts: [0, 0], previous: last };
        if crash != "before" {
            let mut writer = segment::Writer::create(&there.restore(generation), head).unwrap();
            let image = fs::read(there.candidate()).unwrap();
            writer
                .append(|pages| {
                    for (number, page) in (1..).zip(image.chunks(4096)) {
                        pages.add(number, page)?;
                    }
                    let db_pages = (image.len() / 4096) as u32;
                    Ok(segment::End { frame: 1, db_pages, time: bench.clock })
                })
                .unwrap();
        }
        if crash == "log removed" || crash == "replaced" {
            fs::remove_file(log(bench.path())).unwrap();
        }
        if crash == "replaced" {
            fs::rename(there.candidate(), database(bench.path())).unwrap();
        }
        bench.reopen();
        let found = content(bench.connection.as_ref().unwrap());
        assert_eq!(found, if crash == "before" { new.clone() } else { old.clone() }, "{crash}");
        bench.check_all();
        assert!(!there.candidate().exists() && there.pending().unwrap().is_none());
    }
}

#[test]
fn a_database_that_had_no_history_begins_with_what_it_has() {
    let mut bench = Bench::new();
    bench.commit("CREATE TABLE t(id INTEGER PRIMARY KEY, data BLOB); INSERT INTO t(data) VALUES (x'01')");
    bench.fold();
    files(bench.path()).remove().unwrap();
    bench.reopen();
    bench.commit("INSERT INTO t(data) VALUES (x'02')");
    bench.keep();
    assert_eq!(bench.built(GENESIS), bench.past[0].2);
    bench.check_all_but_first();
}

/// The state is only as good as the chain of segments: one that is missing is noticed, not skipped.
#[test]
fn a_missing_segment_is_noticed() {
    let mut bench = Bench::new();
    bench.commit("CREATE TABLE t(id INTEGER PRIMARY KEY, data BLOB)");
    bench.fold();
    let missing = bench.keeper().generation();
    bench.commit("INSERT INTO t(data) VALUES (x'01')");
    bench.fold();
    bench.commit("INSERT INTO t(data) VALUES (x'02')");
    bench.keep();
    let there = files(bench.path());
    let last = bench.keeper().last().position;
    fs::remove_file(there.segment(missing)).unwrap();
    let error = there.build(last, &bench.path().join("built")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert!(there.points().is_err());
}

/// A log that was begun again without being emptied has frames of the one before behind its own.
#[test]
fn frames_of_an_earlier_log_do_not_count() {
    let bench = Bench::new();
    let connection = bench.connection.as_ref().unwrap();
    connection.execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES (randomblob(90000))").unwrap();
    let before = committed(&log(bench.path()));
    let _: i64 = connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get(0)).unwrap();
    connection.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    let after = committed(&log(bench.path()));
    assert!(after < before && i64::from(after) == recovered(connection), "{before} {after}");
}

/// An uncommitted transaction that spilled into the log is not part of the history.
#[test]
fn what_is_not_committed_is_not_kept() {
    let mut bench = Bench::new();
    bench.commit("CREATE TABLE t(id INTEGER PRIMARY KEY, data BLOB); INSERT INTO t(data) VALUES (x'01')");
    let kept = committed(&log(bench.path()));
    let connection = bench.connection.take().unwrap();
    connection
        .execute_batch(
            "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
             INSERT INTO t(data) SELECT randomblob(4000) FROM n",
        )
        .unwrap();
    let length = fs::metadata(log(bench.path())).unwrap().len();
    assert!(length > u64::from(kept + 100) * 4120, "it has spilled: {length}");
    assert_eq!(committed(&log(bench.path())), kept);
    connection.execute_batch("ROLLBACK").unwrap();
    bench.connection = Some(connection);
    bench.commit("INSERT INTO t(data) VALUES (x'02')");
    bench.keep();
    bench.check_all();
}
