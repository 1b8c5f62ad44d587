//! Processes of functions before they have their code: jailed, with the harness loaded, waiting on stdin.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use hearth_jail::{
    Command, Exit, Folder, Jailer, Limits as JailLimits, Program, Signal, UsageReader, receive_device,
};
use hearth_model::FunctionRuntime;
use parking_lot::Mutex;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Control, News};
use crate::Config;
use crate::spare::{COURTESY, listen, own, unguessable};

/// Memory of a process that is only parked, in bytes: no runtime needs as much.
const PARKED_MEMORY: u64 = 512 << 20;

/// Largest file, in bytes: as much as `/tmp` has room for.
const MAX_FILE: u64 = 64 << 20;

/// Open files of a process.
const OPEN_FILES: u64 = 4096;

/// A parked process.
pub(crate) struct Parked {
    pub id: String,
    pub dir: PathBuf,
    pub stdin: pipe::Sender,
    pub stdout: pipe::Receiver,
    pub stderr: pipe::Receiver,
    pub control: Control,
    /// The other end of its network device.
    pub device: OwnedFd,
    pub usage: UsageReader,
    pub exit: watch::Receiver<Option<Exit>>,
    /// What it uses without any code, in bytes.
    pub baseline: u64,
}

/// The parked processes of all runtimes. Those of one begin to be kept when the first is wanted.
pub(crate) struct Parks {
    config: Arc<Config>,
    jailer: Jailer,
    ready: Mutex<BTreeMap<FunctionRuntime, Vec<Parked>>>,
    /// Those that somebody sees to already.
    filling: Mutex<BTreeSet<FunctionRuntime>>,
    stop: CancellationToken,
}

impl Parks {
    pub(crate) fn new(config: Arc<Config>, jailer: Jailer, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { config, jailer, ready: Mutex::default(), filling: Mutex::default(), stop })
    }

    /// A parked process that lives, and sees these folders.
    pub(crate) async fn take(
        self: &Arc<Self>,
        runtime: FunctionRuntime,
        folders: Vec<Folder>,
    ) -> io::Result<Parked> {
        let taken = {
            let mut ready = self.ready.lock();
            let ready = ready.entry(runtime).or_default();
            std::iter::from_fn(|| ready.pop()).find(|parked| parked.exit.borrow().is_none())
        };
        let mut parked = match taken {
            Some(parked) => parked,
            None => self.spawn(runtime).await?,
        };
        if self.filling.lock().insert(runtime) {
            let parks = Arc::clone(self);
            tokio::spawn(async move {
                parks.fill(runtime).await;
                parks.filling.lock().remove(&runtime);
            });
        }
        for folder in folders {
            self.jailer.show(&parked.id, folder).await?;
        }
        if runtime == FunctionRuntime::Go {
            // The jail waits for it: the program is there now.
            parked.stdin.write_all(b"g").await?;
            return self.loaded(parked, runtime).await;
        }
        Ok(parked)
    }

    /// How many wait to be taken.
    pub(crate) fn ready(&self) -> usize {
        self.ready.lock().values().map(Vec::len).sum()
    }

    async fn fill(&self, runtime: FunctionRuntime) {
        loop {
            // The one just taken is starting, and a spawn beside it costs it half of its cores.
            if self.stop.run_until_cancelled(tokio::time::sleep(COURTESY)).await.is_none() {
                return;
            }
            let wants = |ready: &Vec<Parked>| ready.len() < self.config.function_spares;
            if !self.ready.lock().get(&runtime).is_none_or(wants) {
                return;
            }
            match self.spawn(runtime).await {
                Ok(parked) => self.ready.lock().entry(runtime).or_default().push(parked),
                Err(error) => {
                    tracing::error!(%error, runtime = runtime.name(), "cannot start a parked process");
                    return;
                }
            }
        }
    }

    async fn spawn(&self, runtime: FunctionRuntime) -> io::Result<Parked> {
        let id = unguessable();
        let dir = self.config.run_dir.join("i").join(&id);
        let listening = tokio::task::block_in_place(|| {
            std::fs::create_dir_all(dir.join("out"))?;
            own(listen(&dir.join("out").join("http.sock"))?)
        })?;
        let (stdin, child_stdin) = pipe::pipe()?;
        let (child_stdout, stdout) = pipe::pipe()?;
        let (child_stderr, stderr) = pipe::pipe()?;
        let (child_control, control) = pipe::pipe()?;
        let (device, child_device) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let (program, args) = program(runtime);
        let command = Command {
            id: id.clone(),
            program,
            dir: dir.clone(),
            args,
            stdio: [
                child_stdin.into_blocking_fd()?,
                child_stdout.into_blocking_fd()?,
                child_stderr.into_blocking_fd()?,
            ],
            fds: vec![child_control.into_blocking_fd()?, listening],
            folders: Vec::new(),
            limits: self.limits(PARKED_MEMORY),
            device: Some(child_device),
            loopback: None,
        };
        let spawned = self.jailer.spawn(command).await?;
        let parked = Parked {
            id,
            dir,
            stdin,
            stdout,
            stderr,
            control: Control::new(control),
            device: receive_device(&device)?,
            usage: spawned.usage,
            exit: spawned.exit,
            baseline: 0,
        };
        // A compiled function has its harness in itself.
        if runtime == FunctionRuntime::Go { Ok(parked) } else { self.loaded(parked, runtime).await }
    }

    /// Waits until the harness is loaded, and measures what that takes.
    async fn loaded(&self, mut parked: Parked, runtime: FunctionRuntime) -> io::Result<Parked> {
        let loaded = tokio::time::timeout(self.config.start_timeout, parked.control.next()).await;
        match loaded {
            Ok(Ok((News::Parked, _))) => {}
            other => {
                let words = last_words(&parked.stderr);
                self.discard(parked).await;
                return Err(io::Error::other(format!(
                    "the harness of {} does not load: {words} ({:?})",
                    runtime.name(),
                    other.map(|said| said.map(|(news, _)| news))
                )));
            }
        }
        parked.baseline = parked.usage.read()?.memory_bytes;
        Ok(parked)
    }

    /// The jail's limits for a process that may use so many bytes of memory.
    pub(crate) fn limits(&self, memory_bytes: u64) -> JailLimits {
        JailLimits {
            memory_bytes,
            pids: self.config.tasks,
            cpu_cores: None,
            nofile: OPEN_FILES,
            fsize_bytes: MAX_FILE,
        }
    }

    /// Ends a process that nobody wants, and waits until it is gone.
    pub(crate) async fn discard(&self, mut parked: Parked) {
        if self.jailer.kill(&parked.id, Signal::Kill).await.is_ok() {
            let _ = parked.exit.wait_for(Option::is_some).await;
        }
    }

    /// Ends all of them.
    pub(crate) async fn close(&self) {
        let all = std::mem::take(&mut *self.ready.lock());
        for parked in all.into_values().flatten() {
            self.discard(parked).await;
        }
    }
}

/// What runs, and its arguments. The harness lies where the toolchain of the runtime says.
fn program(runtime: FunctionRuntime) -> (Program, Vec<String>) {
    let args = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect();
    match runtime {
        FunctionRuntime::Nodejs => (Program::Node, args(&["--no-warnings", "/runtime/harness.cjs"])),
        // Isolated, without the machine's packages, and writing no bytecode.
        FunctionRuntime::Python => (Program::Python, args(&["-I", "-S", "-B", "/runtime/harness.py"])),
        FunctionRuntime::Go => (Program::Compiled, Vec::new()),
    }
}

/// What a process that did not come up has printed so far.
fn last_words(stderr: &pipe::Receiver) -> String {
    let mut bytes = [0; 2048];
    let read = stderr.try_read(&mut bytes).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..read]).trim().to_owned()
}
