//! Analytics Engine of one installation.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::response::Response;
use hearth_api::Operation;
use hearth_model::AccountId;
use hearth_space::{Kind, Space};
use http::Request;
use parking_lot::Mutex;
use tokio::time::MissedTickBehavior;

use crate::engine::{Engine, QueryError};
use crate::format::Answer;
use crate::inbox::Inbox;
use crate::point::Point;
use crate::writer::{Writer, Written, forget};
use crate::{api, files, wire};

/// How long Cloudflare keeps points: three months.
const KEPT: Duration = Duration::from_hours(92 * 24);

/// How often what is too old is looked for.
const CLEAN_EVERY: Duration = Duration::from_hours(1);

/// What an operator may set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the points lie; made if it is not there.
    pub folder: PathBuf,
    /// Who may still write how much.
    pub space: Space,
    /// How long points are kept.
    pub kept: Duration,
}

impl Config {
    /// Cloudflare's retention, without a quota.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, space: Space::unbounded(), kept: KEPT }
    }
}

/// What could not be started; the text is for the operator.
#[derive(Debug, thiserror::Error)]
#[error("Analytics Engine: {0}")]
pub struct OpenError(#[from] io::Error);

/// How many points came to what, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Written.
    pub kept: u64,
    /// Over one of Cloudflare's limits.
    pub invalid: u64,
    /// For lack of room in memory, on the disk or in the quota.
    pub lost: u64,
}

/// Analytics Engine. Clones are the same.
#[derive(Clone)]
pub struct Analytics(Arc<Inner>);

struct Inner {
    config: Config,
    inbox: Arc<Inbox>,
    counts: Arc<Written>,
    engine: Engine,
    writing: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Analytics {
    /// Opens the folder and starts its threads.
    ///
    /// # Errors
    /// The folder cannot be made or read, or the system refuses a thread.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        std::fs::create_dir_all(&config.folder)?;
        for account in accounts(&config.folder)? {
            let path = files::path(&config.folder, &account);
            let resource = files::resource(&account);
            config.space.opened(&resource, &account, Kind::Analytics);
            config.space.found(&resource, path.metadata().map_or(0, |found| found.len()));
        }
        let (inbox, counts) = (Arc::new(Inbox::default()), Arc::new(Written::default()));
        let writer = Writer::new(config.folder.clone(), config.space.clone(), Arc::clone(&counts));
        let waiting = Arc::clone(&inbox);
        let writing =
            std::thread::Builder::new().name("analytics-write".into()).spawn(move || writer.run(&waiting))?;
        let engine = Engine::start()?;
        Ok(Self(Arc::new(Inner { config, inbox, counts, engine, writing: Mutex::new(Some(writing)) })))
    }

    /// Answers a request that workerd makes on a binding of an account to a dataset.
    pub async fn serve(&self, account: &AccountId, dataset: &str, request: Request<Body>) -> Response {
        wire::serve(self, account, dataset, request).await
    }

    /// Its operations of Cloudflare's API.
    pub fn operations(&self) -> Vec<Operation> {
        api::operations(self)
    }

    /// Hands points to the writer. What finds no room is dropped and counted.
    pub(crate) fn write(&self, account: &AccountId, dataset: &str, points: Vec<Point>) {
        if points.is_empty() {
            return;
        }
        self.0.config.space.opened(&files::resource(account), account, Kind::Analytics);
        let lost = self.0.inbox.offer(account, dataset, now(), points);
        self.0.counts.lost.fetch_add(lost, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self, count: u64) {
        self.0.counts.invalid.fetch_add(count, Ordering::Relaxed);
    }

    /// Answers a query on an account's points.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn query(&self, account: &AccountId, text: String) -> Result<Answer, QueryError> {
        self.0.engine.ask(files::path(&self.0.config.folder, account), text, now()).await
    }

    /// What became of points since the start.
    pub fn counts(&self) -> Counts {
        let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let Written { kept, invalid, lost } = &*self.0.counts;
        Counts { kept: read(kept), invalid: read(invalid), lost: read(lost) }
    }

    /// Deletes what is too old, again and again, until it is dropped.
    pub async fn keep_cleaning(self) {
        let mut ticks = tokio::time::interval(CLEAN_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let this = self.clone();
            // It does not panic, and what it could not do it says itself.
            let _ = tokio::task::spawn_blocking(move || this.clean()).await;
        }
    }

    fn clean(&self) {
        let Config { folder, space, kept } = &self.0.config;
        let before = now() - i64::try_from(kept.as_secs()).unwrap_or(i64::MAX);
        let accounts = accounts(folder).unwrap_or_else(|error| {
            tracing::error!(%error, "old data points are not deleted");
            Vec::new()
        });
        for account in accounts {
            match forget(&files::path(folder, &account), before) {
                Ok(bytes) => space.holds(&files::resource(&account), bytes),
                Err(error) => tracing::warn!(%error, %account, "old data points are not deleted"),
            }
        }
    }

    /// Waits until what has arrived by now can be queried.
    pub async fn settle(&self) {
        let inbox = Arc::clone(&self.0.inbox);
        // Waiting does not panic.
        let _ = tokio::task::spawn_blocking(move || inbox.settle()).await;
    }

    /// Writes a copy of every account's points into a folder, which is made: a folder that [`Self::open`] opens.
    ///
    /// # Errors
    /// Something cannot be read or written.
    pub async fn snapshot(&self, to: &Path) -> io::Result<()> {
        let (this, to) = (self.clone(), to.to_owned());
        self.settle().await;
        let copy = move || {
            std::fs::create_dir_all(&to)?;
            for account in accounts(&this.0.config.folder)? {
                let from = files::path(&this.0.config.folder, &account);
                let Some(from) = files::open_to_read(&from).map_err(io::Error::other)? else { continue };
                let to = files::path(&to, &account);
                from.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map_err(io::Error::other)?;
            }
            Ok(())
        };
        tokio::task::spawn_blocking(copy).await.map_err(io::Error::other)?
    }

    /// Writes what has arrived and ends. Nothing may be written after it.
    pub async fn stop(&self) {
        self.0.inbox.close();
        let writing = self.0.writing.lock().take();
        if let Some(writing) = writing {
            // A writer that panicked has said so.
            let _ = tokio::task::spawn_blocking(move || writing.join()).await;
        }
    }
}

/// The accounts that have a file.
fn accounts(folder: &Path) -> io::Result<Vec<AccountId>> {
    let mut accounts = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let account = name.to_str().and_then(|name| name.strip_suffix(".db")?.parse().ok());
        accounts.extend(account);
    }
    Ok(accounts)
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
