//! Hearth's side of the jailer, for async code.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{WaitId, WaitIdOptions, waitid};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};

use crate::config::{
    Command, Context, Error, Exit, Folder, InstancePaths, Layers, Limits, Result, Signal, Spawned, Tier,
};
use crate::start::JailerHandle;
use crate::wire::{self, Done, News, Order, Request, Spawn, Started};

type Answer = std::result::Result<Done, String>;

/// How long [`Jailer::seal`] waits for the debug socket: workerd binds it last, after its other sockets listen.
const SEAL_PATIENCE: Duration = Duration::from_secs(5);
const SEAL_INTERVAL: Duration = Duration::from_millis(1);

/// Who waits for the jailer's news; `None` once it is gone.
type Waiting = Mutex<Option<Waiters>>;

#[derive(Debug, Default)]
struct Waiters {
    /// Orders, by their numbers.
    answers: HashMap<u64, oneshot::Sender<Answer>>,
    /// Instances, by their ids.
    ends: HashMap<String, watch::Sender<Option<Exit>>>,
}

/// Gives orders to the jailer. When the last clone is dropped, the jailer and all instances end.
#[derive(Clone, Debug)]
pub struct Jailer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    socket: Arc<UnixStream>,
    waiting: Arc<Waiting>,
    next: AtomicU64,
    layers: Layers,
    tier: Tier,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The task that listens holds the socket too.
        let _ = rustix::net::shutdown(&*self.socket, rustix::net::Shutdown::Both);
    }
}

impl JailerHandle {
    /// Connects it to the async runtime, in whose context it must be called.
    ///
    /// # Errors
    /// When the runtime cannot watch the socket.
    pub fn into_async(self) -> io::Result<Jailer> {
        let Self { socket, process, layers, tier } = self;
        rustix::io::ioctl_fionbio(&socket, true).step("connecting to the jailer")?;
        // Only watched as a stream; messages go through `wire`, which knows that they have boundaries.
        let socket = UnixStream::from_std(net::UnixStream::from(socket)).step("connecting to the jailer")?;
        let socket = Arc::new(socket);
        let waiting = Arc::new(Mutex::new(Some(Waiters::default())));
        tokio::spawn(listen(Arc::clone(&socket), Arc::clone(&waiting), process));
        let next = AtomicU64::new(0);
        Ok(Jailer(Arc::new(Inner { socket, waiting, next, layers, tier })))
    }
}

/// Hears the jailer out.
async fn listen(socket: Arc<UnixStream>, waiting: Arc<Waiting>, process: OwnedFd) {
    loop {
        let news = match socket.readable().await {
            Ok(()) => socket.try_io(Interest::READABLE, || wire::receive::<News>(&*socket)),
            Err(error) => Err(error),
        };
        match news {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(Some((News::Answer { number, result }, _))) => {
                let asker = lock(&waiting).as_mut().and_then(|waiting| waiting.answers.remove(&number));
                if let Some(asker) = asker {
                    // Whoever asked may have given up.
                    let _ = asker.send(result);
                }
            }
            Ok(Some((News::Exit(exit), _))) => {
                let end = lock(&waiting).as_mut().and_then(|waiting| waiting.ends.remove(&exit.id));
                if let Some(end) = end {
                    end.send_replace(Some(exit));
                }
            }
            Ok(Some((News::Ready(_), _))) => {}
            Ok(None) => break,
            Err(error) => {
                tracing::error!(%error, "the jailer cannot be understood");
                break;
            }
        }
    }
    lock(&waiting).take();
    // Else a zombie stays until Hearth ends.
    let _ =
        tokio::task::spawn_blocking(move || waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED))
            .await;
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, Option<Waiters>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Jailer {
    /// The tier that is in use.
    pub fn tier(&self) -> Tier {
        self.0.tier
    }

    /// Where the instance of a host folder sees what is in it.
    pub fn paths(&self, dir: &Path) -> InstancePaths {
        InstancePaths::of(self.0.layers, dir)
    }

    /// Starts a process and waits until its program executes. A failure leaves nothing; the instance's folder is gone.
    ///
    /// # Errors
    /// When the command is unusable or a step fails; the text says which.
    pub async fn spawn(&self, command: Command) -> io::Result<Spawned> {
        let Command { id, program, dir, args, stdio, fds, folders, limits, device, loopback } = command;
        let fds = stdio.iter().chain(&fds).chain(&device).chain(&loopback);
        let fds: Vec<BorrowedFd<'_>> = fds.map(AsFd::as_fd).collect();
        let exit = self.expect_end(&id)?;
        let (device, loopback) = (device.is_some(), loopback.is_some());
        let spawn = Spawn { id: id.clone(), program, dir, args, folders, limits, device, loopback };
        match self.ask(Order::Spawn(spawn), &fds).await {
            Ok(Done::Started(Started { pid, uid, usage })) => Ok(Spawned { pid, uid, usage, exit }),
            Ok(Done::Yes | Done::NotYet) => Err(Error::Gone.into()),
            Err(error) => {
                lock(&self.0.waiting).as_mut().and_then(|waiting| waiting.ends.remove(&id));
                Err(error)
            }
        }
    }

    /// Before the spawn, so that no end is missed.
    fn expect_end(&self, id: &str) -> Result<watch::Receiver<Option<Exit>>> {
        let mut waiting = lock(&self.0.waiting);
        match waiting.as_mut().ok_or(Error::Gone)?.ends.entry(id.to_owned()) {
            Entry::Occupied(_) => Err(Error::Invalid(format!("the id {id:?} is taken"))),
            Entry::Vacant(place) => Ok(place.insert(watch::Sender::new(None)).subscribe()),
        }
    }

    /// Changes what an instance may use. Open files and file size can only be lowered without privileges.
    ///
    /// # Errors
    /// When there is no such instance, or it uses more memory than the new limit.
    pub async fn set_limits(&self, id: &str, limits: Limits) -> io::Result<()> {
        self.ask(Order::SetLimits { id: id.into(), limits }, &[]).await.map(drop)
    }

    /// Whether instances can run one of [`Config::toolchains`](crate::Config::toolchains): they need a root of their own.
    pub fn has_toolchains(&self) -> bool {
        self.0.layers.root && self.0.layers.network
    }

    /// Whether an instance can have a loopback device that is its own: [`Command::loopback`].
    pub fn has_loopback(&self) -> bool {
        self.0.layers.network
    }

    /// Whether a running instance can be shown a folder; where not, it has those of its [`Command`] only.
    pub fn shows_later(&self) -> bool {
        self.0.layers.root || !self.0.layers.landlock
    }

    /// Shows a host folder to a running instance. When the instance has a uid of its own, files of Hearth's own uid
    /// appear as its own: what it writes belongs to Hearth, and an instance of another uid can be shown it next. On a
    /// file system that cannot do that, the files change their owner as long as the instance runs. The caller sees to it
    /// that only one instance at a time is shown a folder to write to.
    ///
    /// # Errors
    /// When there is no such instance or folder, the name is taken, or the tier cannot do it
    /// ([`shows_later`](Self::shows_later)).
    pub async fn show(&self, id: &str, folder: Folder) -> io::Result<()> {
        self.ask(Order::Show { id: id.into(), folder }, &[]).await.map(drop)
    }

    /// Takes a shown folder away. What the instance has open there stays usable for it.
    ///
    /// # Errors
    /// When there is no such instance or folder.
    pub async fn hide(&self, id: &str, name: &str) -> io::Result<()> {
        self.ask(Order::Hide { id: id.into(), name: name.into() }, &[]).await.map(drop)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When there is no such instance (any more).
    pub async fn kill(&self, id: &str, signal: Signal) -> io::Result<()> {
        self.ask(Order::Kill { id: id.into(), signal }, &[]).await.map(drop)
    }

    /// Closes `debug/` for an instance that has bound its debug socket, and checks that `debug.sock` is a socket. Until
    /// then nothing may connect to it: it could be a link to somewhere else.
    ///
    /// # Errors
    /// When there is none after some seconds, it is no socket, or the instance holds a file there open for writing: it is not to be trusted.
    pub async fn seal(&self, id: &str) -> io::Result<()> {
        let start = Instant::now();
        while let Done::NotYet = self.ask(Order::Seal { id: id.into() }, &[]).await? {
            if start.elapsed() > SEAL_PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the instance binds no debug socket"));
            }
            tokio::time::sleep(SEAL_INTERVAL).await;
        }
        Ok(())
    }

    async fn ask(&self, order: Order, fds: &[BorrowedFd<'_>]) -> io::Result<Done> {
        Ok(self.exchange(order, fds).await?)
    }

    async fn exchange(&self, order: Order, fds: &[BorrowedFd<'_>]) -> Result<Done> {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        lock(&self.0.waiting).as_mut().ok_or(Error::Gone)?.answers.insert(number, sender);
        let request = Request { number, order };
        let sent = loop {
            self.0.socket.writable().await.step("talking to the jailer")?;
            match self.0.socket.try_io(Interest::WRITABLE, || wire::send(&*self.0.socket, &request, fds)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => break sent,
            }
        };
        if let Err(error) = sent {
            lock(&self.0.waiting).as_mut().and_then(|waiting| waiting.answers.remove(&number));
            return match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Err(Error::Gone),
                _ => Err(error).step("talking to the jailer"),
            };
        }
        answer.await.map_err(|_| Error::Gone)?.map_err(Error::Remote)
    }
}
