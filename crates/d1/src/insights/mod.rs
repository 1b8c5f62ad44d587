//! What ran on the databases: counts for each hour, and for each kind of query ([`normalize`]) in it.
//!
//! It is measured where the pool answers, so what workers run counts as what comes by REST does. What it keeps is
//! bounded; over the bound, the oldest hours go, and of one hour the queries beyond the first hundred are counted
//! together. It is written down now and then: after a crash the last minutes are missing.

mod normalize;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use self::normalize::normalize;
use crate::engine::statements;
use crate::{Answer, DatabaseId, Shape};

/// Hours that are kept: 31 days, as far as wrangler asks.
const HOURS: u32 = 31 * 24;
/// Kinds of queries that are told apart in one hour of one database.
const KINDS: usize = 100;
/// Kinds of queries of all hours and databases together.
const TOTAL: usize = 50_000;
/// Requests that wait to be counted; under more load, some are not.
const WAITING: usize = 4096;
/// Largest results that are looked into, in bytes; of larger ones, the rows that were returned are not counted.
const LARGEST: usize = 1 << 20;
/// How often the counts are written down.
const EVERY: Duration = Duration::from_mins(5);

/// Sums over runs of one kind of query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// How often it ran.
    pub count: u64,
    /// Milliseconds in SQLite.
    pub duration_ms: f64,
    /// Rows that were looked at.
    pub rows_read: u64,
    /// Rows that were written.
    pub rows_written: u64,
    /// Rows that were given back.
    pub rows_returned: u64,
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.duration_ms += other.duration_ms;
        self.rows_read += other.rows_read;
        self.rows_written += other.rows_written;
        self.rows_returned += other.rows_returned;
    }
}

/// Sums over an hour or several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// Queries that wrote nothing.
    pub read_queries: u64,
    /// Queries that wrote.
    pub write_queries: u64,
    /// Rows that were looked at.
    pub rows_read: u64,
    /// Rows that were written.
    pub rows_written: u64,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Hour {
    overview: Overview,
    kinds: HashMap<String, Figures>,
}

/// By database, by the hours since 1970.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Counts(HashMap<String, BTreeMap<u32, Hour>>);

/// One statement that ran.
#[derive(Debug, Clone, PartialEq)]
struct Ran {
    kind: String,
    figures: Figures,
}

impl Counts {
    fn add(&mut self, id: DatabaseId, hour: u32, ran: Vec<Ran>) {
        let hours = self.0.entry(id.to_string()).or_default();
        let hour = hours.entry(hour).or_default();
        for Ran { kind, figures } in ran {
            if figures.rows_written > 0 {
                hour.overview.write_queries += figures.count;
            } else {
                hour.overview.read_queries += figures.count;
            }
            hour.overview.rows_read += figures.rows_read;
            hour.overview.rows_written += figures.rows_written;
            let known = hour.kinds.len() < KINDS || hour.kinds.contains_key(&kind);
            // wrangler passes over the query without a text.
            hour.kinds.entry(if known { kind } else { String::new() }).or_default().add(&figures);
        }
    }

    /// Forgets what is older than what is kept, and the oldest hours as long as there is too much.
    fn trim(&mut self, now: u32) {
        let mut first = now.saturating_sub(HOURS);
        loop {
            for hours in self.0.values_mut() {
                *hours = hours.split_off(&first);
            }
            self.0.retain(|_, hours| !hours.is_empty());
            let total: usize = self.0.values().flat_map(BTreeMap::values).map(|hour| hour.kinds.len()).sum();
            let oldest = self.0.values().filter_map(|hours| hours.keys().next()).min();
            match oldest {
                Some(oldest) if total > TOTAL && *oldest < now => first = oldest + 1,
                _ => return,
            }
        }
    }
}

struct Run {
    id: DatabaseId,
    queries: Bytes,
    shape: Shape,
    results: Bytes,
    whole: Figures,
}

/// The counts of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Insights {
    counts: Arc<Mutex<Counts>>,
    file: PathBuf,
    runs: mpsc::Sender<Run>,
}

impl Insights {
    /// The counts that are kept in `file`. Must be called in a runtime: the counting is done in the background.
    ///
    /// # Errors
    /// The file cannot be read. One that holds something else is begun anew.
    pub fn open(file: PathBuf) -> io::Result<Self> {
        let counts: Counts = match std::fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::error!(file = %file.display(), %error, "the counts of D1's queries are lost");
                Counts::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Counts::default(),
            Err(error) => return Err(error),
        };
        let (runs, waiting) = mpsc::channel(WAITING);
        let insights = Self { counts: Arc::new(Mutex::new(counts)), file, runs };
        tokio::spawn(count(waiting, Arc::clone(&insights.counts)));
        Ok(insights)
    }

    /// Counts a request that was answered. Quick: under more load than can be counted, it is passed over.
    pub fn ran(&self, id: DatabaseId, queries: Bytes, shape: Shape, answer: &Answer) {
        let whole = Figures {
            count: u64::from(answer.summary.statements),
            duration_ms: answer.summary.duration_us as f64 / 1000.0,
            rows_read: answer.summary.rows_read,
            rows_written: answer.summary.rows_written,
            rows_returned: 0,
        };
        let results = if answer.results.len() > LARGEST { Bytes::new() } else { answer.results.clone() };
        let _ = self.runs.try_send(Run { id, queries, shape, results, whole });
    }

    /// Writes the counts down every few minutes, until it is dropped.
    pub async fn keep(self) {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = self.save().await {
                tracing::error!(%error, "the counts of D1's queries cannot be written");
            }
        }
    }

    /// Writes the counts down.
    ///
    /// # Errors
    /// The file's.
    pub async fn save(&self) -> io::Result<()> {
        let text = {
            let mut counts = self.counts.lock();
            counts.trim(hour_of(SystemTime::now()));
            serde_json::to_vec(&*counts)?
        };
        let file = self.file.clone();
        tokio::task::spawn_blocking(move || replace(&file, &text)).await.map_err(io::Error::other)?
    }

    /// Forgets a database.
    pub fn forget(&self, id: DatabaseId) {
        self.counts.lock().0.remove(&id.to_string());
    }

    /// The sums of each hour of a span, both ends included, over the databases that `wanted` says; hours since 1970.
    pub fn overview(&self, from: u32, to: u32, wanted: impl Fn(&str) -> bool) -> BTreeMap<u32, Overview> {
        let mut found: BTreeMap<u32, Overview> = BTreeMap::new();
        for (_, hours) in self.counts.lock().0.iter().filter(|(id, _)| wanted(id)) {
            for (hour, counted) in hours.range(from..=to) {
                let sum = found.entry(*hour).or_default();
                sum.read_queries += counted.overview.read_queries;
                sum.write_queries += counted.overview.write_queries;
                sum.rows_read += counted.overview.rows_read;
                sum.rows_written += counted.overview.rows_written;
            }
        }
        found
    }

    /// The sums of each kind of query over a span, both ends included, by database.
    pub fn kinds(&self, from: u32, to: u32, wanted: impl Fn(&str) -> bool) -> Vec<(String, String, Figures)> {
        let mut found: HashMap<(&str, &str), Figures> = HashMap::new();
        let counts = self.counts.lock();
        for (id, hours) in counts.0.iter().filter(|(id, _)| wanted(id)) {
            for (kind, figures) in hours.range(from..=to).flat_map(|(_, hour)| &hour.kinds) {
                found.entry((id, kind)).or_default().add(figures);
            }
        }
        found.into_iter().map(|((id, kind), figures)| (id.to_owned(), kind.to_owned(), figures)).collect()
    }
}

/// The hours since 1970.
pub fn hour_of(time: SystemTime) -> u32 {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    u32::try_from(seconds / 3600).unwrap_or(u32::MAX)
}

async fn count(mut waiting: mpsc::Receiver<Run>, counts: Arc<Mutex<Counts>>) {
    while let Some(run) = waiting.recv().await {
        let ran = read(&run);
        counts.lock().add(run.id, hour_of(SystemTime::now()), ran);
    }
}

#[derive(Deserialize)]
struct Query {
    sql: String,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    results: Rows,
    meta: Meta,
}

/// Objects, or columns and rows; how many there are is all that counts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Rows {
    Objects(Vec<IgnoredAny>),
    Table { rows: Vec<IgnoredAny> },
}

impl Default for Rows {
    fn default() -> Self {
        Self::Objects(Vec::new())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta {
    duration: f64,
    rows_read: u64,
    rows_written: u64,
}

/// What the statements of a request did. The engine's results are a tenant's to write, so what does not fit together is
/// counted as one.
fn read(run: &Run) -> Vec<Ran> {
    let queries: Vec<Query> = match run.queries.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => serde_json::from_slice(&run.queries).unwrap_or_default(),
        _ => serde_json::from_slice(&run.queries).map(|query| vec![query]).unwrap_or_default(),
    };
    let texts: Vec<&str> = match run.shape {
        Shape::PerQuery => queries.iter().map(|query| query.sql.as_str()).collect(),
        Shape::PerStatement => queries.iter().flat_map(|query| statements::all(&query.sql)).collect(),
    };
    let outcomes: Vec<Outcome> = serde_json::from_slice(&run.results).unwrap_or_default();
    if outcomes.len() != texts.len() {
        let kind = texts.iter().map(|text| normalize(text)).collect::<Vec<_>>().join("; ");
        return vec![Ran { kind: normalize(&kind), figures: run.whole }];
    }
    texts
        .iter()
        .zip(outcomes)
        .map(|(text, Outcome { results, meta })| {
            let rows = match results {
                Rows::Objects(rows) | Rows::Table { rows } => rows.len() as u64,
            };
            let figures = Figures {
                count: 1,
                duration_ms: meta.duration,
                rows_read: meta.rows_read,
                rows_written: meta.rows_written,
                rows_returned: rows,
            };
            Ran { kind: normalize(text), figures }
        })
        .collect()
}

fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    let draft = file.with_extension("tmp");
    std::fs::write(&draft, text)?;
    std::fs::rename(draft, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(rows_read: u64, rows_written: u64) -> Figures {
        Figures { count: 1, duration_ms: 0.5, rows_read, rows_written, rows_returned: 1 }
    }

    fn run(queries: &str, shape: Shape, results: &str) -> Run {
        let id = DatabaseId::random();
        let (queries, results) = (queries.to_owned().into(), results.to_owned().into());
        Run { id, queries, shape, results, whole: Figures { count: 2, ..Figures::default() } }
    }

    #[test]
    fn each_statement_is_counted_with_what_it_did() {
        let results = r#"[{"success":true,"results":[{"a":1},{"a":2}],"meta":{"duration":0.5,"rows_read":2}},
            {"success":true,"results":{"columns":["a"],"rows":[[1]]},"meta":{"duration":1,"rows_written":3}}]"#;
        let ran = read(&run(
            r#"{"sql":"SELECT 1; INSERT INTO t VALUES ('a;b')","params":[]}"#,
            Shape::PerStatement,
            results,
        ));
        let first = Figures { count: 1, duration_ms: 0.5, rows_read: 2, rows_written: 0, rows_returned: 2 };
        let second = Figures { count: 1, duration_ms: 1.0, rows_read: 0, rows_written: 3, rows_returned: 1 };
        assert_eq!(
            ran,
            [
                Ran { kind: "SELECT ?".into(), figures: first },
                Ran { kind: "INSERT INTO t VALUES (?)".into(), figures: second }
            ]
        );
        let batch = read(&run(r#"[{"sql":"SELECT 1;"},{"sql":"SELECT b"}]"#, Shape::PerQuery, results));
        assert_eq!(batch.iter().map(|ran| ran.kind.as_str()).collect::<Vec<_>>(), ["SELECT ?", "SELECT b"]);
    }

    #[test]
    fn what_does_not_fit_together_is_counted_as_one() {
        for results in ["", "[]", "[{}]", "garbage"] {
            let ran = read(&run(r#"[{"sql":"SELECT 1"},{"sql":"SELECT b"}]"#, Shape::PerQuery, results));
            let whole = Figures { count: 2, ..Figures::default() };
            assert_eq!(ran, [Ran { kind: "SELECT ?; SELECT b".into(), figures: whole }]);
        }
    }

    #[test]
    fn it_is_bounded() {
        let mut counts = Counts::default();
        for hour in 0..2000 {
            for database in 0..2_u8 {
                let id: DatabaseId =
                    format!("00000000-0000-4000-8000-0000000000{database:02}").parse().unwrap();
                let ran =
                    (0..150).map(|kind| Ran { kind: format!("q{kind}"), figures: figures(1, kind % 2) });
                counts.add(id, hour, ran.collect());
            }
        }
        counts.trim(2000);
        let hours: Vec<_> = counts.0.values().flat_map(BTreeMap::values).collect();
        assert!(hours.iter().all(|hour| hour.kinds.len() <= KINDS + 1));
        assert!(hours.iter().map(|hour| hour.kinds.len()).sum::<usize>() <= TOTAL);
        assert!(
            hours.iter().all(|hour| hour.overview.read_queries == 75 && hour.overview.write_queries == 75)
        );
        assert_eq!(hours.iter().map(|hour| hour.kinds[""].count).min(), Some(50));
        assert!(counts.0.values().all(|hours| hours.contains_key(&1999)), "the newest stay");
    }

    #[tokio::test]
    async fn counts_outlive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("counts.json");
        let insights = Insights::open(file.clone()).unwrap();
        let id = DatabaseId::random();
        let hour = hour_of(SystemTime::now());
        let ran = vec![Ran { kind: "SELECT ?".into(), figures: figures(7, 0) }];
        insights.counts.lock().add(id, hour, ran);
        insights.save().await.unwrap();
        let again = Insights::open(file.clone()).unwrap();
        assert_eq!(
            again.kinds(hour, hour, |_| true),
            [(id.to_string(), "SELECT ?".to_owned(), figures(7, 0))]
        );
        assert_eq!(again.overview(hour, hour, |_| true)[&hour].rows_read, 7);
        assert!(again.overview(hour, hour, |_| false).is_empty());
        assert!(again.kinds(0, hour - 1, |_| true).is_empty());
        again.forget(id);
        assert!(again.kinds(hour, hour, |_| true).is_empty());
        std::fs::write(&file, "garbage").unwrap();
        assert!(Insights::open(file).unwrap().kinds(hour, hour, |_| true).is_empty());
    }
}
