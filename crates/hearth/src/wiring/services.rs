//! Supervisor → RPC, egress and the log: what an instance finds behind its sockets.

use std::any::Any;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use hearth_egress::{Direct, Egress, Origin, Policy};
use hearth_functions::{Audience, Call, Functions, Network, Whose};
use hearth_gateway::RouteTable;
use hearth_model::{VersionId, WorkerId};
use hearth_objects::Stay;
use hearth_observe::{Hub, Subject};
use hearth_rpc::{RpcThreads, TailHandle, TailReceiver, TraceSource};
use hearth_store::{EgressRules, Store};
use hearth_supervisor::{CallMemory, Ending, Identity, InstanceSockets, Peer, Services, Supervisor, Visit};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::bindings::{Bindings, Capabilities};
use super::calls::Calls;
use super::functions::trace_of;
use super::logs::WorkerLog;
use super::losses::Losses;

/// Serves the sockets of every instance.
pub struct Attach {
    store: Store,
    pub(super) egress: Arc<Egress>,
    table: Arc<RouteTable>,
    threads: RpcThreads,
    tails: TailReceiver,
    hub: Hub,
    losses: Arc<Losses>,
    /// Whether what workers report comes to the log.
    logged: bool,
    capabilities: Capabilities,
    /// Set once the supervisor is there, which itself is made with this.
    supervisor: OnceLock<Supervisor>,
    /// Set once they are there.
    functions: OnceLock<Functions>,
    ways_out: Mutex<HashMap<u64, Weak<WayOut>>>,
    function_ways_out: Mutex<HashMap<u64, Weak<FunctionWayOut>>>,
    /// Where the calls of functions go that somebody watches or has watched, by their versions.
    seen: Mutex<HashMap<VersionId, (WorkerId, TraceSource)>>,
    next: AtomicU64,
    /// Invocations whose traces came faster than they were taken.
    lost: Arc<AtomicU64>,
}

/// The way out of one instance.
struct WayOut {
    identity: Arc<Identity>,
    handle: OnceLock<hearth_egress::ServeHandle>,
}

/// The way out of one function's process.
struct FunctionWayOut {
    store: Store,
    egress: Arc<Egress>,
    identity: Arc<Identity>,
    /// Made with the function's rules when it first goes out: most calls never do.
    direct: tokio::sync::OnceCell<Direct>,
}

impl FunctionWayOut {
    async fn direct(&self) -> &Direct {
        let make = || async { self.egress.direct(origin(&self.store, &self.identity).await) };
        self.direct.get_or_init(make).await
    }
}

#[async_trait::async_trait]
impl hearth_functions::WayOut for FunctionWayOut {
    async fn connect(&self, host: &str, port: u16) -> std::io::Result<(TcpStream, Box<dyn Any + Send>)> {
        let (stream, held) = self.direct().await.connect(host, port).await?;
        Ok((stream, Box::new(held)))
    }

    async fn knows(&self, name: &str) -> bool {
        self.direct().await.knows(name).await
    }
}

/// Everything that serves one instance; dropping it ends that.
struct Attached {
    _bindings: Bindings,
    _calls: hearth_rpc::ServeHandle,
    _tail: TailHandle,
    _way_out: Arc<WayOut>,
    /// Of a worker with Durable Objects.
    _stay: Option<Stay>,
    opening: JoinHandle<()>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.opening.abort();
    }
}

impl Attach {
    /// Services over these parts.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn new(
        store: Store,
        egress: Arc<Egress>,
        table: Arc<RouteTable>,
        threads: RpcThreads,
        capabilities: Capabilities,
        hub: Hub,
        logged: bool,
    ) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            losses: Arc::new(Losses { hub: hub.clone(), table: Arc::clone(&table) }),
            store,
            egress,
            table,
            tails: TailReceiver::new()?,
            threads,
            capabilities,
            hub,
            logged,
            supervisor: OnceLock::new(),
            functions: OnceLock::new(),
            ways_out: Mutex::default(),
            function_ways_out: Mutex::default(),
            seen: Mutex::default(),
            next: 0.into(),
            lost: Arc::default(),
        }))
    }

    /// Says which supervisor answers calls, before it starts anything.
    pub fn begin(&self, supervisor: Supervisor) {
        // Set twice would be the same one again.
        let _ = self.supervisor.set(supervisor);
    }

    /// Says who remembers what functions are called for.
    pub fn begin_functions(&self, functions: Functions) {
        // Set twice would be the same ones again.
        let _ = self.functions.set(functions);
    }

    /// Invocations whose traces were lost, since the start.
    pub fn lost_traces(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Who is told of invocations whose process has died.
    pub fn losses(&self) -> Arc<Losses> {
        Arc::clone(&self.losses)
    }

    /// Waits until what the processes logged is written, once all of them are gone.
    pub async fn logged(&self) {
        self.seen.lock().clear();
        self.tails.finished().await;
    }

    /// Reads the egress rules anew for every instance that runs.
    pub async fn reload_egress(&self) {
        let ways: Vec<_> = {
            let mut ways = self.ways_out.lock();
            ways.retain(|_, way| way.strong_count() > 0);
            ways.values().filter_map(Weak::upgrade).collect()
        };
        for way in ways {
            if let Some(handle) = way.handle.get() {
                handle.set_origin(origin(&self.store, &way.identity).await);
            }
        }
        let ways: Vec<_> = {
            let mut ways = self.function_ways_out.lock();
            ways.retain(|_, way| way.strong_count() > 0);
            ways.values().filter_map(Weak::upgrade).collect()
        };
        for way in ways {
            if let Some(direct) = way.direct.get() {
                direct.set_origin(origin(&self.store, &way.identity).await);
            }
        }
    }

    /// Whether a version is one that requests go to.
    fn serves(&self, worker: WorkerId, version: VersionId) -> bool {
        let served = self.table.worker(worker);
        let split = served.as_ref().and_then(|served| served.worker.split.as_ref());
        split.is_some_and(|split| split.shares().iter().any(|(serving, _)| *serving == version))
    }

    /// Where what is reported of somebody's invocations goes.
    fn sink(&self, subject: Subject) -> WorkerLog {
        WorkerLog { watch: self.hub.watch(subject), logged: self.logged, lost: Arc::clone(&self.lost) }
    }

    fn open_way_out(
        &self,
        identity: &Arc<Identity>,
        listener: tokio::net::UnixListener,
        peer: Peer,
    ) -> (Arc<WayOut>, JoinHandle<()>) {
        let way = Arc::new(WayOut { identity: Arc::clone(identity), handle: OnceLock::new() });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.ways_out.lock().insert(number, Arc::downgrade(&way));
        let (store, egress, opened) = (self.store.clone(), Arc::clone(&self.egress), Arc::clone(&way));
        // Until the rules are read, connections wait in the socket's backlog: none leaves by rules that are not its own.
        let opening = tokio::spawn(async move {
            let origin = origin(&store, &opened.identity).await;
            let _ = opened.handle.set(egress.serve(listener, move |stream| peer.admits(stream), origin));
        });
        (way, opening)
    }
}

impl Services for Attach {
    fn attach(&self, identity: Arc<Identity>, sockets: InstanceSockets) -> Box<dyn Any + Send + Sync> {
        let supervisor =
            self.supervisor.get().expect("the supervisor is set before it starts anything").clone();
        let (way_out, opening) = self.open_way_out(&identity, sockets.egress, sockets.peer);
        let calls = Calls {
            caller: Arc::clone(&identity),
            table: Arc::clone(&self.table),
            sites: self.capabilities.assets.clone(),
            supervisor: supervisor.clone(),
            losses: Arc::clone(&self.losses) as _,
        };
        let (worker, stores) = (identity.key.worker, identity.stores);
        let capabilities = self.capabilities.clone();
        let peer = sockets.peer;
        let sink = self.sink(subject(&identity));
        let admits = move |stream: &_| peer.admits(stream);
        Box::new(Attached {
            _bindings: Bindings::serve(
                sockets.bindings,
                peer,
                Arc::clone(&identity),
                capabilities,
                supervisor,
            ),
            _calls: hearth_rpc::serve(sockets.rpc, admits, Arc::new(calls), &self.threads),
            _tail: self.tails.serve(sockets.tail, admits, Arc::new(sink)),
            _way_out: way_out,
            _stay: stores.then(|| self.capabilities.objects.enter(worker)),
            opening,
        })
    }

    fn attach_function(&self, identity: Arc<Identity>, device: OwnedFd) -> Box<dyn Any + Send + Sync> {
        let way_out = Arc::new(FunctionWayOut {
            store: self.store.clone(),
            egress: Arc::clone(&self.egress),
            identity,
            direct: tokio::sync::OnceCell::new(),
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.function_ways_out.lock().insert(number, Arc::downgrade(&way_out));
        match Network::serve(device, way_out) {
            Ok(network) => Box::new(network),
            Err(error) => {
                tracing::error!(%error, "a function has no network: its device cannot be watched");
                Box::new(())
            }
        }
    }

    fn visited(&self, identity: &Arc<Identity>, visit: Visit, ending: Ending, memory: CallMemory) {
        if let Some(functions) = self.functions.get() {
            functions.visited(identity, visit, ending, memory);
        }
    }
}

impl Audience for Attach {
    fn seen(&self, whose: Whose<'_>, call: Call<'_>) {
        let mut seen = self.seen.lock();
        if !seen.contains_key(&whose.version) {
            seen.retain(|version, (function, _)| self.serves(*function, *version));
            let subject = Subject {
                account: whose.account.clone(),
                worker: whose.function,
                name: whose.name.clone(),
                version: whose.version,
            };
            let source = self.tails.source(Arc::new(self.sink(subject)));
            seen.insert(whose.version, (whose.function, source));
        }
        if let Some((_, source)) = seen.get(&whose.version) {
            source.offer(trace_of(call));
        }
    }
}

/// Whose invocations a process reports.
fn subject(identity: &Identity) -> Subject {
    Subject {
        account: identity.account.clone(),
        worker: identity.key.worker,
        name: identity.name.clone(),
        version: identity.key.version,
    }
}

/// Who goes out, with the rules that its account and the worker itself have. Rules that cannot be read open nothing.
async fn origin(store: &Store, identity: &Identity) -> Arc<Origin> {
    let rules = store.egress_rules_for(identity.key.worker).await.unwrap_or_else(|error| {
        tracing::error!(%error, worker = %identity.name, "egress rules cannot be read: nothing is opened");
        EgressRules::default()
    });
    let mut policy = Policy::default();
    for document in [rules.account, rules.worker].into_iter().flatten() {
        policy.extend(parse_policy(document));
    }
    Arc::new(Origin {
        account: identity.account.to_string(),
        worker_id: identity.key.worker.to_string(),
        worker: identity.name.to_string(),
        version: identity.key.version.to_string(),
        policy: Arc::new(policy),
    })
}

/// The rules of a stored document, which was checked when it was set.
pub fn parse_policy(document: Value) -> Policy {
    serde_json::from_value(document).unwrap_or_else(|error| {
        tracing::error!(%error, "stored egress rules are not valid: they open nothing");
        Policy::default()
    })
}
