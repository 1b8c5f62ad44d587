//! Runs a tool in a jail: it sees the folders that it is given, reaches at most the hosts that it is given, and is ended
//! when it takes too long.

use std::any::Any;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hearth_jail::{Command, ExitCause, Folder, Jailer, Limits, Program, Signal, receive_device};
use rand::Rng;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::net::unix::pipe;

use crate::network::{Network, WayOut};

/// What a tool may use: a compiler of a large dependency takes as much.
const LIMITS: Limits =
    Limits { memory_bytes: 2 << 30, pids: 256, cpu_cores: None, nofile: 16_384, fsize_bytes: 1 << 30 };

/// Of what a tool prints, so many bytes are read.
const MAX_OUTPUT: usize = 256 << 10;

/// One run of a tool.
pub(crate) struct Tool<'a> {
    pub program: Program,
    pub args: Vec<String>,
    pub folders: Vec<Folder>,
    pub patience: Duration,
    pub way_out: Option<Arc<dyn WayOut>>,
    pub jailer: &'a Jailer,
    pub run_dir: &'a Path,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub success: bool,
    /// It was ended because it took too long.
    pub late: bool,
    /// It used more memory than it may.
    pub oom: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Tool<'_> {
    /// Runs it to its end.
    pub(crate) async fn run(self) -> io::Result<Ran> {
        let name = rand::rng().sample_iter(rand::distr::Alphanumeric).take(10).map(char::from);
        let id: String = "tool-".chars().chain(name).collect();
        let (child_stdout, stdout) = pair()?;
        let (child_stderr, stderr) = pair()?;
        let (_, child_stdin) = pipe::pipe()?;
        let (device, child_device) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let command = Command {
            id: id.clone(),
            program: self.program,
            dir: self.run_dir.join("i").join(&id),
            args: self.args,
            // Its stdin ends at once.
            stdio: [child_stdin.into_blocking_fd()?, child_stdout, child_stderr],
            fds: Vec::new(),
            folders: self.folders,
            limits: LIMITS,
            device: self.way_out.is_some().then_some(child_device),
            loopback: None,
        };
        let mut spawned = self.jailer.spawn(command).await?;
        let _network = match self.way_out {
            Some(way_out) => Some(Network::serve(receive_device(&device)?, way_out)?),
            None => None,
        };
        let printed = async { tokio::join!(read(stdout), read(stderr)) };
        let (stdout, stderr, late) = match tokio::time::timeout(self.patience, printed).await {
            Ok((stdout, stderr)) => (stdout, stderr, false),
            Err(_) => (String::new(), String::new(), true),
        };
        if late {
            let _ = self.jailer.kill(&id, Signal::Kill).await;
        }
        let exit = spawned.exit.wait_for(Option::is_some).await.ok().and_then(|exit| exit.clone());
        Ok(Ran {
            success: exit.as_ref().is_some_and(|exit| exit.cause == ExitCause::Exited(0)),
            late,
            oom: exit.is_some_and(|exit| exit.oom),
            stdout,
            stderr,
        })
    }
}

fn pair() -> io::Result<(std::os::fd::OwnedFd, pipe::Receiver)> {
    let (sender, receiver) = pipe::pipe()?;
    Ok((sender.into_blocking_fd()?, receiver))
}

/// All that is printed, as far as it is kept.
async fn read(mut stream: impl AsyncRead + Unpin) -> String {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let room = MAX_OUTPUT.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..read.min(room)]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// A way out to some hosts only.
pub(crate) struct Only {
    pub hosts: BTreeSet<String>,
    pub inner: Arc<dyn WayOut>,
}

#[async_trait]
impl WayOut for Only {
    async fn connect(&self, host: &str, port: u16) -> io::Result<(TcpStream, Box<dyn Any + Send>)> {
        if !self.hosts.contains(host) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.inner.connect(host, port).await
    }

    async fn knows(&self, name: &str) -> bool {
        self.hosts.contains(name) && self.inner.knows(name).await
    }
}
