//! What a process finds at the other end of its sockets; the binary plugs it in.

use std::any::Any;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use hearth_jail::Folder;
use hearth_model::{AccountId, Binding, Launch, VersionId, WorkerId, WorkerName};
use tokio::net::{UnixListener, UnixStream};

use crate::{AcquireError, CallMemory, Ending, InstanceKey, Role, Visit};

/// Gives a version's code and settings when a process starts.
#[async_trait]
pub trait CodeSource: Send + Sync + 'static {
    /// Everything that the version needs to run.
    ///
    /// # Errors
    /// [`AcquireError::NoSuchVersion`], or [`AcquireError::Internal`] when it cannot be read.
    async fn launch(&self, version: VersionId) -> Result<Launch, AcquireError>;

    /// Whose a worker is, as far as its account's share of the processes goes; None: nobody's that is known. It does not
    /// block.
    fn account(&self, worker: WorkerId) -> Option<AccountId> {
        let _ = worker;
        None
    }

    /// What a function's process sees beside its code: its dependencies, or the program that was made of it.
    ///
    /// # Errors
    /// As [`Self::launch`], and [`AcquireError::Refused`] when it cannot be made of the code.
    async fn folders(&self, launch: &Launch) -> Result<Vec<Folder>, AcquireError> {
        let _ = launch;
        Ok(Vec::new())
    }
}

/// Who a process is, for the services that it reaches.
#[derive(Debug)]
pub struct Identity {
    /// Worker, version and role.
    pub key: InstanceKey,
    /// The account.
    pub account: AccountId,
    /// The worker's name.
    pub name: WorkerName,
    /// The version's bindings, secrets without their text.
    pub bindings: Vec<Binding>,
    /// Whether it runs on the storage of Durable Objects.
    pub stores: bool,
}

impl Identity {
    pub(crate) fn of(key: InstanceKey, launch: &Launch) -> Arc<Self> {
        Arc::new(Self {
            key,
            account: launch.account.clone(),
            name: launch.name.clone(),
            bindings: launch.bindings.iter().map(Binding::redacted).collect(),
            stores: key.role == Role::Fused && launch.has_storage(),
        })
    }
}

/// A process, as the kernel names whoever connects to a socket.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    pub(crate) pid: i32,
    pub(crate) uid: u32,
}

impl Peer {
    /// Whether a connection is this process's. Folders and names keep others away already; where all processes have one
    /// uid, a name that came out would open what belongs to another worker.
    pub fn admits(&self, stream: &UnixStream) -> bool {
        let admitted = hearth_jail::peer_is(stream, self.pid, self.uid).unwrap_or(false);
        if !admitted {
            tracing::warn!(pid = self.pid, "somebody else connected to a process's socket");
        }
        admitted
    }
}

/// The sockets that Hearth listens on for one process, and for it alone: which socket a call arrives on says who
/// calls.
#[derive(Debug)]
pub struct InstanceSockets {
    /// KV, R2, D1, queues, ….
    pub bindings: UnixListener,
    /// `fetch`, WebSockets and `connect()`.
    pub egress: UnixListener,
    /// Calls to other workers.
    pub rpc: UnixListener,
    /// Traces of its invocations.
    pub tail: UnixListener,
    /// Who may connect to them.
    pub peer: Peer,
}

/// Serves the sockets of instances.
pub trait Services: Send + Sync + 'static {
    /// Begins to serve one instance; dropping the answer ends it.
    fn attach(&self, identity: Arc<Identity>, sockets: InstanceSockets) -> Box<dyn Any + Send + Sync>;

    /// Begins to serve a function's process, whose network device this is; dropping the answer ends it.
    fn attach_function(&self, identity: Arc<Identity>, device: OwnedFd) -> Box<dyn Any + Send + Sync>;

    /// Takes in how a call of a function ended that came over its host or a route, with what its process has used.
    fn visited(&self, identity: &Arc<Identity>, visit: Visit, ending: Ending, memory: CallMemory);
}
