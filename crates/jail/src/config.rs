//! What a caller says and hears: configuration, commands, limits, ends.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::privileges::User;
use crate::usage::UsageReader;

/// The first outside uid of instances when nothing else is configured: far above what distributions and container
/// runtimes hand out.
pub const DEFAULT_BASE_UID: u32 = 1_900_000_000;

/// The uid and gid of the process that faces the network, where it is started as root and nothing else is configured.
pub const DEFAULT_UID: u32 = DEFAULT_BASE_UID - 1;

/// How the jailer works. All paths are absolute.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder for what lives as long as Hearth; instance folders are `<run_dir>/i/<id>`. Only one Hearth uses it.
    pub run_dir: PathBuf,
    /// The file of [`Program::Runtime`].
    pub runtime: PathBuf,
    /// The file of [`Program::Helper`]; `None` is the program that calls [`start`](crate::start).
    pub helper: Option<PathBuf>,
    /// Whom the process that faces the network becomes, see [`settle`](crate::settle); `None` if it stays who it is.
    pub user: Option<User>,
    /// The tier to use; `None` takes the best that the machine offers.
    pub tier: Option<Tier>,
    /// Names the data folder among all of the machine. It names the parent cgroup, so that the left-overs of an
    /// earlier run are found. Letters, digits and `-` only.
    pub installation: String,
    /// Instances get the uids from here upwards, when the jailer is root.
    pub base_uid: u32,
    /// Further programs that instances can run, each with a root of its own. In the full tier only.
    pub toolchains: Vec<Toolchain>,
}

/// A program that is not Hearth's or workerd's, with all that its instances see of the host. Paths inside are absolute.
#[derive(Debug, Clone, Default)]
pub struct Toolchain {
    /// Which one it is.
    pub program: Option<Program>,
    /// Its file on the host; none where it is in a folder that is shown.
    pub path: Option<PathBuf>,
    /// Where its file is inside.
    pub inside: PathBuf,
    /// Files and folders of the host that are shown, read-only, and where.
    pub shown: Vec<(PathBuf, PathBuf)>,
    /// Libraries that it may load later: what they are loaded with is shown too.
    pub modules: Vec<PathBuf>,
    /// Small files that are written, and what stands in them.
    pub files: Vec<(PathBuf, String)>,
    /// Links, and where they lead.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Its environment.
    pub env: Vec<(String, String)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            run_dir: PathBuf::new(),
            runtime: PathBuf::new(),
            helper: None,
            user: None,
            tier: None,
            installation: String::new(),
            base_uid: DEFAULT_BASE_UID,
            toolchains: Vec::new(),
        }
    }
}

/// What an instance runs. Each has a system call policy of its own, `policy/<name>.seccomp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Program {
    /// workerd, with a worker's code. It sees the sockets in its folder's `in/` and binds one in `debug/`.
    Runtime,
    /// Hearth itself, for work on tenants' data that must not be done beside the master key. It can make no socket: it
    /// has those that it is given. It can make none of its memory executable.
    Helper,
    /// Node.js, with a function's code.
    Node,
    /// Python, with a function's code.
    Python,
    /// A function that was compiled: it is in a folder that the instance sees, `/data/app/function`. It is executed when a
    /// byte comes on its stdin, so the folder can be shown to it later.
    Compiled,
    /// The Go toolchain, which compiles functions. It alone may start further processes.
    Go,
}

impl Program {
    /// Whether it is one of [`Config::toolchains`].
    pub(crate) fn is_toolchain(self) -> bool {
        !matches!(self, Self::Runtime | Self::Helper)
    }

    /// The folder on the stage with the root of its instances.
    pub(crate) fn root(self) -> &'static str {
        match self {
            Self::Runtime | Self::Helper => "root",
            Self::Node => "root-node",
            Self::Python => "root-python",
            Self::Compiled => "root-compiled",
            Self::Go => "root-go",
        }
    }
}

/// How strong the isolation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Plain processes that die with Hearth, with limits on open files and file size. For development.
    None,
    /// A uid of its own where Hearth is root, landlock, seccomp, no capabilities; everything else of full that the
    /// machine allows. Abstract sockets and signals are shut out by landlock (Linux 6.12), TCP by seccomp. Memory may
    /// have to be polled, see [`UsageReader::memory_is_limited`].
    ///
    /// Landlock does not forbid to connect to a unix socket whose path is known. Where Hearth is root, the uid does; else
    /// every socket on the machine that Hearth's user may connect to is open to instances that find out its path, those
    /// of other instances but for their unguessable names.
    Reduced,
    /// Own namespaces with an empty read-only root and no network, seccomp, no capabilities, and a cgroup from before
    /// the first instruction.
    Full,
}

impl Tier {
    /// One sentence for people.
    pub fn guarantees(self) -> &'static str {
        match self {
            Self::Full => {
                "Each worker sees an empty file system, no network device and no other process; the kernel holds its \
                 memory, CPU and process limits."
            }
            Self::Reduced => {
                "Each worker is kept to its own files and to unix sockets by landlock and seccomp; limits may be \
                 polled, and kernel surfaces are shared."
            }
            Self::None => "Workers are plain processes that can do what Hearth can do. For development only.",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Reduced => "reduced",
            Self::None => "none",
        })
    }
}

/// The single protections. A tier is a set of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers {
    /// A mount namespace with a root of its own. Needs `namespaces`.
    pub root: bool,
    /// That root, and all in it but `debug/` and writable folders, is read-only. Needs `root`.
    pub read_only: bool,
    /// A process namespace. Needs `namespaces`.
    pub processes: bool,
    /// A network namespace without devices. Needs `namespaces`.
    pub network: bool,
    /// User, ipc and uts namespaces.
    pub namespaces: bool,
    /// A plain uid of its own, when the jailer is root.
    pub uid: bool,
    /// All capabilities given up for good, and `no_new_privs`.
    pub capabilities: bool,
    /// The system call policy.
    pub seccomp: bool,
    /// Only its own files. Left out where `root` does the same.
    pub landlock: bool,
    /// Only the descriptors that it is given: the jailer has none of Hearth's, an instance none of the jailer's.
    pub descriptors: bool,
    /// `debug/` is closed once its socket is there, see [`Jailer::seal`](crate::Jailer::seal).
    pub seal: bool,
    /// A cgroup with memory, CPU and process limits.
    pub cgroup: bool,
    /// Limits on open files, file size and core files.
    pub rlimits: bool,
}

impl Layers {
    /// Everything.
    pub const ALL: Self = Self {
        root: true,
        read_only: true,
        processes: true,
        network: true,
        namespaces: true,
        uid: true,
        capabilities: true,
        seccomp: true,
        landlock: true,
        descriptors: true,
        seal: true,
        cgroup: true,
        rlimits: true,
    };

    /// What [`Tier::None`] keeps.
    pub(crate) const PLAIN: Self = Self {
        root: false,
        read_only: false,
        processes: false,
        network: false,
        namespaces: false,
        uid: false,
        capabilities: false,
        seccomp: false,
        landlock: false,
        descriptors: true,
        seal: true,
        cgroup: false,
        rlimits: true,
    };

    /// What is in both.
    pub(crate) fn and(self, other: Self) -> Self {
        let namespaces = self.namespaces && other.namespaces;
        let root = namespaces && self.root && other.root;
        Self {
            namespaces,
            root,
            read_only: root && self.read_only && other.read_only,
            processes: namespaces && self.processes && other.processes,
            network: namespaces && self.network && other.network,
            uid: self.uid && other.uid,
            capabilities: self.capabilities && other.capabilities,
            seccomp: self.seccomp && other.seccomp,
            landlock: self.landlock && other.landlock,
            descriptors: self.descriptors && other.descriptors,
            seal: self.seal && other.seal,
            cgroup: self.cgroup && other.cgroup,
            rlimits: self.rlimits && other.rlimits,
        }
    }
}

/// Where an instance sees its folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstancePaths {
    /// What the host calls `<dir>/in`.
    pub hearth: PathBuf,
    /// What the host calls `<dir>/debug`.
    pub debug: PathBuf,
    /// Parent of the folders that are shown.
    pub data: PathBuf,
}

impl InstancePaths {
    pub(crate) fn of(layers: Layers, dir: &Path) -> Self {
        if layers.root {
            Self { hearth: "/run/hearth".into(), debug: "/run/debug".into(), data: "/data".into() }
        } else {
            Self { hearth: dir.join("in"), debug: dir.join("debug"), data: dir.join("data") }
        }
    }
}

/// What one instance may use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory in bytes, swap included; 0 is no limit.
    pub memory_bytes: u64,
    /// Processes and threads; 0 is no limit.
    pub pids: u64,
    /// CPU time per time; `None` is no limit.
    pub cpu_cores: Option<f64>,
    /// Open files; never more than Hearth's own hard limit.
    pub nofile: u64,
    /// Size of one file in bytes; 0 is no limit.
    pub fsize_bytes: u64,
}

/// A host folder that an instance sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Its absolute path on the host. It and what is in it belong to Hearth's uid.
    pub host: PathBuf,
    /// Its name in [`InstancePaths::data`].
    pub name: String,
    /// Whether the instance may change what is in it.
    pub writable: bool,
    /// Whether the instance may execute and load what is in it.
    pub executable: bool,
}

/// One process to start. Its environment is empty.
#[derive(Debug)]
pub struct Command {
    /// Unique among those that run: letters, digits, `-` and `_`.
    pub id: String,
    /// What it runs.
    pub program: Program,
    /// Its folder on the host, inside [`Config::run_dir`]. The jailer removes it at the end. That of
    /// [`Program::Runtime`] exists, with `in/` and `debug/`.
    pub dir: PathBuf,
    /// Arguments after the program's name.
    pub args: Vec<String>,
    /// stdin, stdout, stderr.
    pub stdio: [OwnedFd; 3],
    /// Appear as 3, 4, 5… inside. At most 200.
    pub fds: Vec<OwnedFd>,
    /// What it sees from its first instruction. More can be shown later in some tiers, see
    /// [`Jailer::show`](crate::Jailer::show).
    pub folders: Vec<Folder>,
    /// What it may use.
    pub limits: Limits,
    /// Where its network device is sent, see [`receive_device`](crate::receive_device); without it there is none. With a
    /// device there are a loopback one beside it and routes for everything.
    pub device: Option<OwnedFd>,
    /// For [`Program::Runtime`] that a debugger is to be attached to, instead of a device: where sockets are sent that
    /// belong to its network namespace, see [`receive_sockets`](crate::receive_sockets). It may then listen on its loopback
    /// device, which is the only one, and nobody but who holds these sockets can reach it there.
    pub loopback: Option<OwnedFd>,
}

/// A process that runs.
#[derive(Debug)]
pub struct Spawned {
    /// Its pid as Hearth sees it.
    pub pid: i32,
    /// Its uid as Hearth sees it.
    pub uid: u32,
    /// Reads what it uses.
    pub usage: UsageReader,
    /// Becomes `Some` when it has ended, and closes with `None` when the jailer is gone, and every instance with it.
    pub exit: watch::Receiver<Option<Exit>>,
}

/// What can be sent to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// SIGTERM. A program that has no handler for it ignores it: it is the first process of its namespace.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitCause {
    /// It left with this code.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
}

/// News of an end. The instance's cgroup, mounts and folder are gone by then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// [`Command::id`].
    pub id: String,
    /// How it ended.
    pub cause: ExitCause,
    /// The kernel killed something in it for its memory limit.
    pub oom: bool,
}

/// Why the jailer did not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration or a command is not usable; the text says why.
    #[error("{0}")]
    Invalid(String),
    /// The machine does not offer the tier that was asked for.
    #[error("the tier {wanted} is not available: {missing}")]
    Unavailable {
        /// What was asked for.
        wanted: Tier,
        /// What is missing.
        missing: String,
    },
    /// A step failed.
    #[error("{step}: {source}")]
    Step {
        /// What was tried.
        step: String,
        /// What the system said.
        source: io::Error,
    },
    /// The jailer refused or failed; its words.
    #[error("jailer: {0}")]
    Remote(String),
    /// The jailer process is gone, and every instance with it.
    #[error("the jailer has ended")]
    Gone,
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Step { ref source, .. } => io::Error::new(source.kind(), error),
            Error::Gone => io::Error::new(io::ErrorKind::BrokenPipe, error),
            other => io::Error::other(other),
        }
    }
}

/// Names the step that failed.
pub(crate) trait Context<T> {
    fn step(self, step: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn step(self, step: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::Step { step: step.into(), source: source.into() })
    }
}
