//! Inspector sessions: a debugger attached to a worker that is deployed.
//!
//! A session has a process of its own, of the version that serves, so that a breakpoint holds up nobody. Requests reach it
//! when they name the session; the debugger attaches on the control host with a key that only who began the session knows.
//! Nothing listens while there is none. [`Sessions`](sessions::Sessions) knows which there are and when one is over, and
//! is pure; `api` begins and ends them, `attach` is the debugger's side.

#![forbid(unsafe_code)]

mod api;
mod attach;
mod describe;
mod sessions;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_api::{Api, Operation};
use hearth_gateway::{Inspected, Inspections};
use hearth_supervisor::{Inspection, Supervisor};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

pub use describe::describe;

use sessions::Sessions;

/// How often it is looked whether a session is still used.
const LOOK: Duration = Duration::from_secs(5);

/// The inspector sessions of a server. Clones are the same.
#[derive(Clone)]
pub struct Inspector(Arc<Inner>);

struct Inner {
    api: Api,
    supervisor: Supervisor,
    sessions: Mutex<Sessions<Arc<Process>>>,
    closing: CancellationToken,
}

/// The process of a session.
struct Process {
    inspection: Inspection,
    /// The session is over.
    over: CancellationToken,
}

impl Inspector {
    /// No session yet. All of them end with `closing`.
    pub fn new(api: Api, supervisor: Supervisor, closing: CancellationToken) -> Self {
        Self(Arc::new(Inner { api, supervisor, sessions: Mutex::default(), closing }))
    }

    /// The operations below `/client/v4`.
    pub fn operations(&self) -> Vec<Operation> {
        api::operations(self)
    }

    /// The addresses for debuggers, on the control host. They need no token: each holds a key.
    pub fn attachments(&self) -> Vec<Operation> {
        attach::operations(self)
    }

    /// Ends a session when its process has ended, it is told to, or nobody uses it.
    fn keep(&self, id: String, process: Arc<Process>) {
        let inspector = self.clone();
        tokio::spawn(async move {
            let over = process.over.clone();
            let idle = async {
                loop {
                    tokio::time::sleep(LOOK).await;
                    let instance = process.inspection.instance();
                    let (in_flight, served) = (instance.in_flight(), instance.served());
                    if inspector.0.sessions.lock().look(&id, in_flight, served, Instant::now()) {
                        return;
                    }
                }
            };
            tokio::select! {
                _ = process.inspection.ended() => {}
                () = over.cancelled() => {}
                () = inspector.0.closing.cancelled() => {}
                () = idle => {}
            }
            over.cancel();
            inspector.0.sessions.lock().remove(&id);
        });
    }
}

impl Inspections for Inspector {
    fn find(&self, id: &str) -> Option<Inspected> {
        let sessions = self.0.sessions.lock();
        sessions.get(id).map(|session| Inspected(Arc::clone(session.process.inspection.instance())))
    }
}
