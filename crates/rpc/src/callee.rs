//! Connections to callees' debug ports. An event has one for itself while it lasts.
//!
//! One that an event leaves as it found it serves the next: opening one costs the callee as much as a call, and what
//! is cut off in the middle costs it C++ exceptions. It is kept for a moment only, since a process that was told to
//! leave waits for its connections, and for a bounded number of events, since a peer keeps an entry for every reflected
//! call until its connection ends (see [`crate::tail_calls`]).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use capnp_rpc::rpc_twoparty_capnp::Side;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::schema::worker_interface_capnp::{event_dispatcher, workerd_debug_port};
use crate::vat;

/// How long a connection without an event is kept.
const IDLE: Duration = Duration::from_millis(500);

/// Connections without an event that are kept for one callee.
const MAX_IDLE: usize = 8;

/// Events that one connection serves.
const MAX_EVENTS: u32 = 128;

thread_local! {
    /// Connections without an event, by socket. They cannot leave their thread.
    static KEPT: RefCell<Kept> = RefCell::default();
}

#[derive(Default)]
struct Kept {
    by_socket: HashMap<PathBuf, Vec<(Instant, Open)>>,
    swept: bool,
}

/// An open connection. Closes when dropped.
struct Open {
    debug_port: workerd_debug_port::Client,
    alive: Rc<Cell<bool>>,
    events: u32,
    _open: oneshot::Sender<()>,
}

/// A connection that belongs to one event. Dropping it closes it, with all that the event still holds of the callee,
/// unless [`Self::ended`] was called.
pub(crate) struct Connection {
    socket: PathBuf,
    open: Option<Open>,
    ended: Cell<bool>,
}

/// An entrypoint of a worker, as [`crate::DebugPort`] and the router name it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) service: &'a str,
    pub(crate) entrypoint: Option<&'a str>,
    pub(crate) props_json: Option<&'a str>,
}

impl Open {
    async fn new(socket: &Path) -> io::Result<Self> {
        let (reader, writer) = UnixStream::connect(socket).await?.into_split();
        let mut system = vat::system(reader, writer, Side::Client, None, vat::CALLS_LIMIT_WORDS);
        let debug_port = system.bootstrap(Side::Server);
        let disconnector = system.get_disconnector();
        let (open, closed) = oneshot::channel::<()>();
        let alive = Rc::new(Cell::new(true));
        let lives = Rc::clone(&alive);
        tokio::task::spawn_local(async move {
            tokio::select! {
                result = &mut system => if let Err(error) = result {
                    tracing::debug!(error = vat::readable(&error), "connection to a callee ended");
                },
                // Disconnecting, rather than dropping, fails what others still hold of this connection.
                _ = closed => {
                    let _ = tokio::join!(disconnector, system);
                }
            }
            lives.set(false);
        });
        Ok(Self { debug_port, alive, events: 0, _open: open })
    }
}

impl Connection {
    /// One that is kept, or a new one.
    pub(crate) async fn open(socket: &Path) -> io::Result<Self> {
        let open = match take(socket).await {
            Some(open) => open,
            None => Open::new(socket).await?,
        };
        Ok(Self { socket: socket.to_owned(), open: Some(open), ended: Cell::new(false) })
    }

    /// Says that the event holds nothing of the callee any more, or lets go of it with what it has dropped.
    pub(crate) fn ended(&self) {
        self.ended.set(true);
    }

    /// Begins an event. Everything is pipelined: nothing waits for the callee here.
    pub(crate) fn start_event(&self, target: Target<'_>, cf_json: Option<&str>) -> event_dispatcher::Client {
        let open = self.open.as_ref().expect("taken only when it is dropped");
        let mut request = open.debug_port.get_entrypoint_request();
        let mut params = request.get();
        params.set_service(target.service);
        if let Some(entrypoint) = target.entrypoint {
            params.set_entrypoint(entrypoint);
        }
        if let Some(props) = target.props_json {
            params.init_props().set_json(props);
        }
        let mut request = request.send().pipeline.get_entrypoint().start_event_request();
        if let Some(cf) = cf_json {
            request.get().set_cf_blob_json(cf);
        }
        request.send().pipeline.get_dispatcher()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        open.events += 1;
        if self.ended.get() && open.events < MAX_EVENTS && open.alive.get() {
            // Gone when the thread ends: then there is nothing to keep it for.
            let _ =
                KEPT.try_with(|kept| keep(&mut kept.borrow_mut(), std::mem::take(&mut self.socket), open));
        }
    }
}

async fn take(socket: &Path) -> Option<Open> {
    let any = KEPT.with_borrow(|kept| kept.by_socket.contains_key(socket));
    if !any {
        return None;
    }
    // Lets a connection learn that its process has just died: the event would be lost on it.
    tokio::task::yield_now().await;
    KEPT.with_borrow_mut(|kept| {
        let idle = kept.by_socket.get_mut(socket)?;
        let found = std::iter::from_fn(|| idle.pop()).map(|(_, open)| open).find(|open| open.alive.get());
        if idle.is_empty() {
            kept.by_socket.remove(socket);
        }
        found
    })
}

fn keep(kept: &mut Kept, socket: PathBuf, open: Open) {
    let idle = kept.by_socket.entry(socket).or_default();
    if idle.len() < MAX_IDLE {
        idle.push((Instant::now(), open));
    }
    if !kept.swept {
        kept.swept = true;
        tokio::task::spawn_local(sweep());
    }
}

/// Closes what has waited long enough, until nothing waits.
async fn sweep() {
    loop {
        tokio::time::sleep(IDLE / 2).await;
        let (old, more) = KEPT.with_borrow_mut(|kept| {
            let mut old = Vec::new();
            kept.by_socket.retain(|_, idle| {
                old.extend(idle.extract_if(.., |(since, _)| since.elapsed() >= IDLE));
                !idle.is_empty()
            });
            kept.swept = !kept.by_socket.is_empty();
            (old, kept.swept)
        });
        drop(old);
        if !more {
            return;
        }
    }
}
