//! Parked processes: jailed, with their sockets bound, waiting on stdin for what they will run.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hearth_jail::{
    Command, Exit, Folder, InstancePaths, Jailer, Limits as JailLimits, Program, Signal, UsageReader,
    receive_sockets,
};
use parking_lot::Mutex;
use rand::Rng;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::net::unix::pipe;
use tokio::net::{UnixListener, UnixSocket};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::services::{InstanceSockets, Peer};
use crate::storage::Anchor;
use crate::workerd::config::SOCKETS;

/// A full unix backlog fails, it does not wait (workerd.md 9: 128 entries lost 627 of 1,000 parallel calls).
const BACKLOG: u32 = 4096;

/// Memory of a process that is only parked or probed, in bytes: what a worker of the default size may use.
pub(crate) const PARKED_MEMORY: u64 = 320 << 20;

/// Largest file that a process may write whose worker has nowhere to keep one, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Largest file of one that has Durable Objects, in bytes: an object may hold 10 GB on Cloudflare. A parked one has it
/// too, since without privileges a limit can only be lowered.
const MAX_OBJECT: u64 = 12 << 30;

/// How long the next spare waits while others are ready: the one just taken is starting, and a spawn beside it costs it
/// half of its cores.
pub(crate) const COURTESY: Duration = Duration::from_millis(60);

/// The pause after a spawn that failed.
const RETRY: Duration = Duration::from_secs(1);

/// A parked process.
pub(crate) struct Spare {
    pub id: String,
    pub dir: PathBuf,
    pub paths: InstancePaths,
    pub stdin: pipe::Sender,
    pub stdout: pipe::Receiver,
    pub stderr: pipe::Receiver,
    pub control: pipe::Receiver,
    pub sockets: InstanceSockets,
    pub usage: UsageReader,
    pub exit: watch::Receiver<Option<Exit>>,
    /// Holds the locks of its storage.
    pub anchor: Anchor,
}

/// Where the inspector of a process listens that has one: on a loopback device that is its own.
pub(crate) const INSPECTOR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9229);

/// What a parked process can come to run: fixed when it is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Workers as users write them. workerd itself refuses experimental flags.
    Plain,
    /// Also what of ours needs `--experimental`. A probe never runs here, so users' experimental flags do not either.
    Experimental,
}

/// Starts parked processes, and knows how.
pub(crate) struct Nursery {
    config: Arc<Config>,
    jailer: Jailer,
}

impl Nursery {
    pub(crate) fn new(config: Arc<Config>, jailer: Jailer) -> Self {
        Self { config, jailer }
    }

    /// Starts one process and parks it. `folders` are what it sees besides its own.
    pub(crate) async fn spawn(&self, flavour: Flavour, folders: Vec<Folder>) -> io::Result<Spare> {
        self.spawn_with(flavour, folders, None).await
    }

    /// The same with an inspector that listens inside, and sockets that reach it.
    pub(crate) async fn spawn_inspected(&self, flavour: Flavour) -> io::Result<(Spare, Vec<TcpStream>)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let spare = self.spawn_with(flavour, Vec::new(), Some(theirs)).await?;
        match receive_sockets(&ours) {
            Ok(sockets) => Ok((spare, sockets)),
            Err(error) => {
                self.discard(spare).await;
                Err(error)
            }
        }
    }

    async fn spawn_with(
        &self,
        flavour: Flavour,
        folders: Vec<Folder>,
        loopback: Option<OwnedFd>,
    ) -> io::Result<Spare> {
        let id = unguessable();
        let stores = !folders.is_empty();
        let dir = self.config.run_dir.join("i").join(&id);
        let [bindings, egress, rpc, tail] = tokio::task::block_in_place(|| make_folder(&dir))?;
        let listening = SOCKETS
            .iter()
            .map(|name| listen(&dir.join("out").join(format!("{name}.sock"))).and_then(own))
            .collect::<io::Result<Vec<_>>>()?;

        let (stdin, child_stdin) = pipe::pipe()?;
        let (child_stdout, stdout) = pipe::pipe()?;
        let (child_stderr, stderr) = pipe::pipe()?;
        let (child_control, control) = pipe::pipe()?;
        let paths = self.jailer.paths(&dir);
        let mut fds = vec![child_control.into_blocking_fd()?];
        fds.extend(listening);
        let (anchor, anchored) = Anchor::pair()?;
        fds.push(anchored);

        let command = Command {
            id: id.clone(),
            program: Program::Runtime,
            dir: dir.clone(),
            args: arguments(&paths, flavour, loopback.is_some()),
            stdio: [
                child_stdin.into_blocking_fd()?,
                child_stdout.into_blocking_fd()?,
                child_stderr.into_blocking_fd()?,
            ],
            fds,
            folders,
            // The limit on files can be lowered for most, and never raised: what may be shown storage later has the high one.
            limits: self.limits(PARKED_MEMORY, self.jailer.shows_later() || stores),
            device: None,
            loopback,
        };
        let spawned = self.jailer.spawn(command).await?;
        let peer = Peer { pid: spawned.pid, uid: spawned.uid };
        Ok(Spare {
            id,
            dir,
            paths,
            stdin,
            stdout,
            stderr,
            control,
            sockets: InstanceSockets { bindings, egress, rpc, tail, peer },
            usage: spawned.usage,
            exit: spawned.exit,
            anchor,
        })
    }

    /// Ends a process that nobody wants, and waits until it is gone.
    pub(crate) async fn discard(&self, mut spare: Spare) {
        if self.jailer.kill(&spare.id, Signal::Kill).await.is_ok() {
            // Its end is certain; one whose news is lost is not waited for.
            let _ = spare.exit.wait_for(Option::is_some).await;
        }
    }

    /// The jail's limits for a process that may use so many bytes of memory, and has storage or not.
    pub(crate) fn limits(&self, memory_bytes: u64, stores: bool) -> JailLimits {
        JailLimits {
            memory_bytes,
            pids: self.config.tasks,
            cpu_cores: None,
            nofile: self.config.open_files,
            fsize_bytes: if stores { MAX_OBJECT } else { MAX_FILE },
        }
    }
}

/// Characters of a process's name: 59 bits, and the longest that a socket's path has room for.
const NAME: usize = 10;

/// The name of a process and of its folder. Where all processes have Hearth's own uid, in the reduced tier without root,
/// nothing else keeps one from connecting to another's sockets: the kernel lets them neither list the folder above nor
/// read what lists sockets, and names no socket's path to them.
pub(crate) fn unguessable() -> String {
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(NAME).map(char::from).collect()
}

/// The command line of every process. Descriptor 3 is the control pipe, the sockets follow in their order, then the
/// anchor, of which workerd knows nothing.
fn arguments(paths: &InstancePaths, flavour: Flavour, inspected: bool) -> Vec<String> {
    let mut args = ["serve", "-b", "-", "--control-fd=3"].map(String::from).to_vec();
    if flavour == Flavour::Experimental {
        args.push("--experimental".to_owned());
    }
    if inspected {
        // On a unix socket it would wait for ever for the number of its port.
        args.push(format!("--inspector-addr={INSPECTOR}"));
    }
    for (index, name) in SOCKETS.iter().enumerate() {
        args.push(format!("--socket-fd={name}={}", index + 4));
    }
    args.push(format!("--debug-port=unix:{}", paths.debug.join("debug.sock").display()));
    args
}

/// The folder of a process, with what it connects to: bindings, egress, rpc, tail.
fn make_folder(dir: &Path) -> io::Result<[UnixListener; 4]> {
    for part in ["in", "out", "debug"] {
        std::fs::create_dir_all(dir.join(part))?;
    }
    let socket = |name: &str| listen(&dir.join("in").join(name));
    Ok([socket("bindings.sock")?, socket("egress.sock")?, socket("rpc.sock")?, socket("tail.sock")?])
}

pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    socket.listen(BACKLOG)
}

pub(crate) fn own(listener: UnixListener) -> io::Result<OwnedFd> {
    Ok(listener.into_std()?.into())
}

/// Keeps parked processes of one flavour ready and hands them out.
struct Pool {
    nursery: Arc<Nursery>,
    ready: tokio::sync::Mutex<mpsc::Receiver<Spare>>,
    filling: Mutex<Option<JoinHandle<()>>>,
}

impl Pool {
    /// Begins to keep `count` ready, until told to stop. A spare that dies while parked is replaced when it is about
    /// to be taken.
    fn start(nursery: Arc<Nursery>, flavour: Flavour, count: usize, stop: CancellationToken) -> Self {
        let (sender, receiver) = mpsc::channel(count.max(1));
        let filling = tokio::spawn(fill(Arc::clone(&nursery), flavour, sender, stop));
        Self { nursery, ready: tokio::sync::Mutex::new(receiver), filling: Mutex::new(Some(filling)) }
    }

    /// A parked process that lives. None: the pool is closed.
    async fn take(&self) -> Option<Spare> {
        let mut ready = self.ready.lock().await;
        loop {
            let spare = ready.recv().await?;
            if spare.exit.borrow().is_none() {
                return Some(spare);
            }
        }
    }

    /// How many wait to be taken. Who holds the lock waits for the next one: there is none.
    fn ready(&self) -> usize {
        self.ready.try_lock().map_or(0, |ready| ready.len())
    }

    /// Ends the parked processes, once the pool was told to stop.
    async fn close(&self) {
        let filling = self.filling.lock().take();
        if let Some(filling) = filling {
            // It does not panic, and ends because it was told to.
            let _ = filling.await;
        }
        let mut ready = self.ready.lock().await;
        while let Some(spare) = ready.recv().await {
            self.nursery.discard(spare).await;
        }
    }
}

/// The pools of both flavours.
pub(crate) struct Pools {
    plain: Pool,
    /// Begun when the first one is wanted: many installations never need one.
    experimental: OnceLock<Pool>,
    nursery: Arc<Nursery>,
    count: usize,
    stop: CancellationToken,
}

impl Pools {
    /// Begins to keep `count` plain ones ready, and as many of the others once one is wanted.
    pub(crate) fn start(nursery: Arc<Nursery>, count: usize, stop: CancellationToken) -> Self {
        let plain = Pool::start(Arc::clone(&nursery), Flavour::Plain, count, stop.clone());
        Self { plain, experimental: OnceLock::new(), nursery, count, stop }
    }

    /// A parked process that lives. None: the pools are closed.
    pub(crate) async fn take(&self, flavour: Flavour) -> Option<Spare> {
        let pool = match flavour {
            Flavour::Plain => &self.plain,
            Flavour::Experimental => self.experimental.get_or_init(|| {
                Pool::start(Arc::clone(&self.nursery), flavour, self.count, self.stop.clone())
            }),
        };
        pool.take().await
    }

    /// How many wait to be taken.
    pub(crate) fn ready(&self) -> usize {
        self.plain.ready() + self.experimental.get().map_or(0, Pool::ready)
    }

    /// Ends the parked processes, once the pools were told to stop.
    pub(crate) async fn close(&self) {
        self.plain.close().await;
        if let Some(pool) = self.experimental.get() {
            pool.close().await;
        }
    }
}

async fn fill(nursery: Arc<Nursery>, flavour: Flavour, sender: mpsc::Sender<Spare>, stop: CancellationToken) {
    while let Some(Ok(place)) = stop.run_until_cancelled(sender.reserve()).await {
        let others_are_ready = sender.capacity() + 1 < sender.max_capacity();
        if others_are_ready && stop.run_until_cancelled(tokio::time::sleep(COURTESY)).await.is_none() {
            return;
        }
        match nursery.spawn(flavour, Vec::new()).await {
            Ok(spare) => place.send(spare),
            Err(error) => {
                tracing::error!(%error, "cannot start a parked process; trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
