//! What ran on the databases: counts for each hour, and for each kind of query in it, as the engines tell them.
//!
//! It is counted where the pool answers, so what workers run counts as what comes by REST does. What it keeps is
//! bounded; over the bound, the oldest hours go, and of one hour the queries beyond the first hundred are counted
//! together. It is written down now and then: after a crash the last minutes are missing.

use std::collections::{BTreeMap, HashMap};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::DatabaseId;
use crate::engine::ran::{self, Sums};

/// Hours that are kept: 31 days, as far as wrangler asks.
const HOURS: u32 = 31 * 24;
/// Kinds of queries that are told apart in one hour of one database.
const KINDS: usize = 100;
/// Kinds of queries of all hours and databases together.
const TOTAL: usize = 50_000;
/// Longest text of a kind, in bytes.
const LONGEST: usize = 1000;
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

impl From<Sums> for Figures {
    fn from(sums: Sums) -> Self {
        Self {
            count: sums.count.into(),
            duration_ms: sums.duration_us as f64 / 1000.0,
            rows_read: sums.rows_read,
            rows_written: sums.rows_written,
            rows_returned: sums.rows_returned,
        }
    }
}

/// By database, by the hours since 1970.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Counts(HashMap<String, BTreeMap<u32, Hour>>);

impl Counts {
    fn add<'a>(&mut self, id: &str, hour: u32, ran: impl Iterator<Item = (&'a str, Figures)>) {
        // For every query: nothing is copied that is there already.
        if !self.0.contains_key(id) {
            self.0.insert(id.to_owned(), BTreeMap::new());
        }
        let Some(hours) = self.0.get_mut(id) else { return };
        let hour = hours.entry(hour).or_default();
        for (kind, figures) in ran {
            let kind = if kind.len() > LONGEST { "" } else { kind };
            if figures.rows_written > 0 {
                hour.overview.write_queries += figures.count;
            } else {
                hour.overview.read_queries += figures.count;
            }
            hour.overview.rows_read += figures.rows_read;
            hour.overview.rows_written += figures.rows_written;
            match hour.kinds.get_mut(kind) {
                Some(sum) => sum.add(&figures),
                None => {
                    // wrangler passes over the query without a text.
                    let kind = if hour.kinds.len() < KINDS { kind } else { "" };
                    hour.kinds.entry(kind.to_owned()).or_default().add(&figures);
                }
            }
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

/// The counts of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Insights {
    counts: Arc<Mutex<Counts>>,
    file: PathBuf,
}

impl Insights {
    /// The counts that are kept in `file`.
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
        Ok(Self { counts: Arc::new(Mutex::new(counts)), file })
    }

    /// Counts what a request on a database ran, in the engine's words ([`ran`]). They are a tenant's to write, and so of no
    /// consequence but for what he is shown of his own database.
    pub fn ran(&self, id: &str, ran: &[u8]) {
        let kinds = ran::read(ran).map(|(kind, sums)| (kind, Figures::from(sums)));
        self.counts.lock().add(id, hour_of(SystemTime::now()), kinds);
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

fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    let path = file.with_extension("tmp");
    // Queries are tenants' own.
    let mut draft = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path)?;
    draft.write_all(text)?;
    std::fs::rename(path, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(rows_read: u64, rows_written: u64) -> Figures {
        Figures { count: 1, duration_ms: 0.5, rows_read, rows_written, rows_returned: 1 }
    }

    #[test]
    fn it_is_bounded() {
        let mut counts = Counts::default();
        for hour in 0..2000 {
            for database in 0..2_u8 {
                let id: DatabaseId =
                    format!("00000000-0000-4000-8000-0000000000{database:02}").parse().unwrap();
                let kinds: Vec<_> = (0..150).map(|kind| format!("q{kind}")).collect();
                let ran = kinds.iter().zip(0..).map(|(kind, at)| (kind.as_str(), figures(1, at % 2)));
                counts.add(&id.to_string(), hour, ran);
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
        insights.counts.lock().add(&id.to_string(), hour, [("SELECT ?", figures(7, 0))].into_iter());
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
