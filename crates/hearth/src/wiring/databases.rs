//! D1 → jail: an engine is this very program in a jail of its own.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hearth_d1::api::{Endpoints, TransferConfig};
use hearth_d1::history::{History, HistoryConfig};
use hearth_d1::insights::Insights;
use hearth_d1::wire::Wire;
use hearth_d1::{D1, D1Error, Ended, Process, Spawn, Started};
use hearth_jail::{Command, Exit, Folder, Jailer, Limits, Program, Signal, UsageReader};
use hearth_space::Space;
use hearth_store::Store;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::watch;

use crate::assemble::{D1_FOLDER, D1_HISTORY_FOLDER};

/// The subcommand of an engine.
pub const ENGINE: &str = "d1-engine";

/// What an engine sees its database's folder as.
const FOLDER: &str = "db";

/// SQLite stops at 128 MiB by itself; results and requests stand beside it.
const LIMITS: Limits = Limits {
    memory_bytes: 384 << 20,
    pids: 4,
    cpu_cores: Some(1.0),
    nofile: 64,
    // Cloudflare's largest database.
    fsize_bytes: 10 << 30,
};

/// How often commits are taken into the history at the latest.
const KEEP_EVERY: Duration = Duration::from_mins(1);

/// How often memory is looked at where the kernel does not limit it.
const LOOK: Duration = Duration::from_millis(50);

/// Bytes of what an engine says on its way down; a tenant may have made it say more.
const LAST_WORDS: usize = 4 << 10;

/// All of D1.
pub struct Databases {
    d1: D1,
    history: History,
    insights: Insights,
}

impl Databases {
    /// The databases of a data folder. Must be called in a runtime.
    ///
    /// # Errors
    /// What was counted of their queries cannot be read.
    pub fn open(data_dir: &Path, space: Space, jailer: Jailer, run_dir: PathBuf) -> io::Result<Self> {
        let history = History::new(HistoryConfig {
            folder: data_dir.join(D1_HISTORY_FOLDER),
            limits: hearth_d1::history::Limits::default(),
            every: KEEP_EVERY,
        });
        let engines = Jailed { jailer, run_dir, next: AtomicU64::new(0) };
        let config = hearth_d1::Config { space, ..hearth_d1::Config::new(data_dir.join(D1_FOLDER)) };
        let insights = Insights::open(data_dir.join("d1-insights.json"))?;
        let d1 = D1::counted(config, Arc::new(engines), Arc::new(history.clone()), insights.clone());
        Ok(Self { d1, history, insights })
    }

    /// What REST calls. What an interrupted deletion left behind is removed.
    ///
    /// # Errors
    /// The metadata or the data folder cannot be read or written.
    pub async fn endpoints(&self, store: Store, data_dir: &Path, scheme: String) -> io::Result<Endpoints> {
        let transfers = TransferConfig::new(data_dir.join("d1-transfers"), scheme);
        let parts = (self.d1.clone(), self.history.clone(), self.insights.clone());
        let endpoints = Endpoints::new(store, parts.0, parts.1, parts.2, transfers)?;
        endpoints.sweep().await?;
        Ok(endpoints)
    }

    /// What runs the SQL.
    pub fn d1(&self) -> D1 {
        self.d1.clone()
    }

    /// What has to be done now and then, until it is dropped.
    pub fn upkeep(&self, endpoints: Endpoints) -> impl Future<Output = ()> + Send + 'static {
        let (history, insights) = (self.history.clone(), self.insights.clone());
        async move {
            tokio::join!(history.keep(), insights.keep(), endpoints.keep());
        }
    }

    /// Stops the engines; what only memory knew is written down.
    pub async fn stop(&self) {
        self.d1.shut_down().await;
        self.history.settle().await;
        if let Err(error) = self.insights.save().await {
            tracing::error!(%error, "the counts of D1's queries cannot be written");
        }
    }

    /// The binding's service.
    pub fn wire(&self) -> Wire {
        Wire::new(self.d1.clone())
    }
}

/// Copies every database into a folder that is not there yet, each as of one moment. What time travel keeps stays
/// behind: a restored database begins a history of its own.
///
/// # Errors
/// A database that cannot be copied.
pub async fn copy_databases(d1: &D1, to: &Path) -> Result<(), D1Error> {
    for id in d1.known().await? {
        let file = d1.file(id);
        let folder = to.join(id.to_string());
        std::fs::create_dir_all(&folder)?;
        d1.snapshot(id, &folder.join(file.file_name().unwrap_or_default())).await?;
    }
    Ok(())
}

/// Starts engines in jails.
struct Jailed {
    jailer: Jailer,
    run_dir: PathBuf,
    next: AtomicU64,
}

#[async_trait]
impl Spawn for Jailed {
    async fn spawn(&self, folder: Option<&Path>) -> io::Result<Started> {
        let id = format!("d1-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let dir = self.run_dir.join("i").join(&id);
        let seen = self.jailer.paths(&dir).data.join(FOLDER);
        let (ours, theirs) = UnixStream::pair()?;
        let theirs = theirs.into_std()?;
        theirs.set_nonblocking(false)?;
        let (said, says) = io::pipe()?;
        let command = Command {
            id: id.clone(),
            program: Program::Helper,
            dir,
            args: vec![ENGINE.to_owned()],
            stdio: [theirs.into(), OwnedFd::from(std::fs::File::create("/dev/null")?), says.into()],
            fds: Vec::new(),
            folders: folder.map(shown).into_iter().collect(),
            limits: LIMITS,
            device: None,
            loopback: None,
        };
        let spawned = self.jailer.spawn(command).await?;
        let over = Arc::new(AtomicBool::new(false));
        let process = Engine {
            id: id.clone(),
            jailer: self.jailer.clone(),
            exit: spawned.exit,
            seen,
            over: Arc::clone(&over),
        };
        if !spawned.usage.memory_is_limited() {
            tokio::spawn(watch_memory(id.clone(), self.jailer.clone(), spawned.usage, over));
        }
        tokio::spawn(hear(id, said.into()));
        let folder = folder.map(|_| process.seen.clone());
        Ok(Started { socket: ours, process: Box::new(process), folder })
    }

    fn shows_later(&self) -> bool {
        self.jailer.shows_later()
    }
}

fn shown(folder: &Path) -> Folder {
    Folder { host: folder.to_owned(), name: FOLDER.to_owned(), writable: true, executable: false }
}

/// An engine's process.
struct Engine {
    id: String,
    jailer: Jailer,
    exit: watch::Receiver<Option<Exit>>,
    seen: PathBuf,
    /// Whether it was killed for its memory, by ourselves.
    over: Arc<AtomicBool>,
}

#[async_trait]
impl Process for Engine {
    async fn show(&self, folder: &Path) -> io::Result<PathBuf> {
        self.jailer.show(&self.id, shown(folder)).await?;
        Ok(self.seen.clone())
    }

    async fn kill(&self) -> Ended {
        // One that has gone already cannot be killed, and that is what was wanted.
        let _ = self.jailer.kill(&self.id, Signal::Kill).await;
        let mut exit = self.exit.clone();
        let oom = match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.as_ref().is_some_and(|exit| exit.oom),
            // Without the jailer none of them lives.
            Err(_) => false,
        };
        if oom || self.over.load(Ordering::Relaxed) { Ended::Memory } else { Ended::Other }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.exit.borrow().is_some() {
            return;
        }
        let (jailer, id) = (self.jailer.clone(), self.id.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = jailer.kill(&id, Signal::Kill).await;
            });
        }
    }
}

async fn watch_memory(id: String, jailer: Jailer, usage: UsageReader, over: Arc<AtomicBool>) {
    // Unreadable, it has gone.
    while let Ok(now) = usage.read() {
        if now.memory_bytes > LIMITS.memory_bytes {
            over.store(true, Ordering::Relaxed);
            let _ = jailer.kill(&id, Signal::Kill).await;
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Puts the first of what an engine says into the operator's log; then nobody reads it any more.
async fn hear(id: String, said: OwnedFd) {
    let Ok(said) = pipe::Receiver::from_owned_fd(said) else { return };
    let mut text = Vec::new();
    if said.take(LAST_WORDS as u64).read_to_end(&mut text).await.is_ok() && !text.is_empty() {
        tracing::warn!(engine = %id, "{}", String::from_utf8_lossy(&text).trim_end().escape_debug());
    }
}
