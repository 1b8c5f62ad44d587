//! The listener of an instance's `tail.sock`.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use capnp_rpc::new_client;
use capnp_rpc::rpc_twoparty_capnp::Side;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::io::AsyncReadExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::inbox::{self, Inbox, Ready};
use super::{Trace, TraceSink, decode};
use crate::schema::trace_capnp::{EventOutcome, trace};
use crate::schema::worker_interface_capnp::{event_dispatcher, workerd_bootstrap};
use crate::{Body, BoxError, RpcThreads, serve, vat};

/// Limit of what one received message may make us read, in 8-byte words. workerd records up to 256 KiB of an
/// invocation, and JSON makes no more than six bytes of one.
const TRAVERSAL_LIMIT_WORDS: usize = (8 << 20) / 8;

/// How long the connections of a process that has ended are read on: what it sent is in the kernel already.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long traces may lie until they are read. A worker under load ends an invocation every few microseconds, and
/// reading each for itself would take the time of half a request.
const REST: Duration = Duration::from_millis(2);

/// Receives the traces of any number of processes.
pub struct TailReceiver {
    threads: RpcThreads,
    ready: Ready,
    open: TaskTracker,
}

/// Stops a listener when dropped. What its process has sent by then is still read.
#[must_use = "dropping it stops the listener"]
pub struct TailHandle {
    _guard: DropGuard,
}

/// Where traces come from that no process sends.
pub struct TraceSource(Arc<Inbox>);

impl TraceSource {
    /// Leaves a trace to the sink if it wants it. Never waits: what does not fit is dropped and counted.
    pub fn offer(&self, trace: Trace) {
        if let Some(mark) = self.0.wants(trace.is_quiet()) {
            let offered = self.0.offer(mark, trace.bytes(), || Ok::<_, std::convert::Infallible>(trace));
            offered.unwrap_or_else(|never| match never {});
        }
    }
}

impl TailReceiver {
    /// Starts the threads on which traces are read and taken.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            threads: RpcThreads::unhurried("tails", REST)?,
            ready: inbox::start()?,
            open: TaskTracker::new(),
        })
    }

    /// Receives the traces of one process, whose `tails` names an `external` with `capnpConnectHost` on this listener.
    /// `admits` says of a connection whether it is that process's.
    /// Must be called inside a tokio runtime.
    pub fn serve(
        &self,
        listener: UnixListener,
        admits: impl Fn(&UnixStream) -> bool + Send + Sync + 'static,
        sink: Arc<dyn TraceSink>,
    ) -> TailHandle {
        let stop = CancellationToken::new();
        let (threads, until) = (self.threads.clone(), stop.clone());
        let inbox = Inbox::new(sink, self.ready.clone(), self.open.token());
        tokio::spawn(async move {
            let accepting = serve::accept(listener, admits, |stream| {
                let (threads, inbox, stop) = (threads.clone(), Arc::clone(&inbox), until.clone());
                tokio::spawn(serve::connection(stream, until.clone(), move |request| {
                    answer(request, threads.clone(), Arc::clone(&inbox), stop.clone())
                }));
            });
            until.run_until_cancelled(accepting).await;
        });
        TailHandle { _guard: stop.drop_guard() }
    }

    /// Takes traces that no process sends, of whoever else knows what ran: they go the way of all others.
    pub fn source(&self, sink: Arc<dyn TraceSink>) -> TraceSource {
        TraceSource(Inbox::new(sink, self.ready.clone(), self.open.token()))
    }

    /// Waits until every listener has stopped, every [`TraceSource`] is gone, and every sink has taken what its process sent.
    pub async fn finished(&self) {
        self.open.close();
        self.open.wait().await;
    }
}

/// workerd opens one connection for all of a process's traces.
async fn answer(
    mut request: Request<Incoming>,
    threads: RpcThreads,
    inbox: Arc<Inbox>,
    stop: CancellationToken,
) -> Result<Response<Body>, BoxError> {
    if request.method() != Method::CONNECT {
        return Ok(serve::plain(StatusCode::METHOD_NOT_ALLOWED, "This socket takes traces only.\n"));
    }
    Ok(serve::tunnel(&mut request, move |stream, already_read| {
        threads.spawn(move || async move {
            if let Err(error) = receive(stream, already_read, inbox, stop).await {
                tracing::warn!(%error, "traces of a process cannot be received");
            }
        });
    }))
}

async fn receive(
    stream: std::os::unix::net::UnixStream,
    already_read: Bytes,
    inbox: Arc<Inbox>,
    stop: CancellationToken,
) -> io::Result<()> {
    let (reader, writer) = UnixStream::from_std(stream)?.into_split();
    let reader = io::Cursor::new(already_read).chain(reader);
    let dispatcher: event_dispatcher::Client = new_client(Dispatcher { inbox });
    let bootstrap: workerd_bootstrap::Client = new_client(Bootstrap { dispatcher });
    let system = vat::system(reader, writer, Side::Server, Some(bootstrap.client), TRAVERSAL_LIMIT_WORDS);
    let ended = async {
        stop.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        result = system => if let Err(error) = result {
            tracing::debug!(error = vat::readable(&error), "a process's tail ended");
        },
        () = ended => tracing::debug!("a process's tail goes on after its end, and is cut"),
    }
    Ok(())
}

/// Gives every event the same dispatcher: a trace says itself what it belongs to.
struct Bootstrap {
    dispatcher: event_dispatcher::Client,
}

impl workerd_bootstrap::Server for Bootstrap {
    async fn start_event(
        self: Rc<Self>,
        _: workerd_bootstrap::StartEventParams,
        mut results: workerd_bootstrap::StartEventResults,
    ) -> Result<(), capnp::Error> {
        results.get().set_dispatcher(self.dispatcher.clone());
        Ok(())
    }
}

struct Dispatcher {
    inbox: Arc<Inbox>,
}

impl Dispatcher {
    fn take(&self, trace: trace::Reader<'_>) -> capnp::Result<()> {
        let Some(mark) = self.inbox.wants(decode::is_quiet(trace)?) else { return Ok(()) };
        let bytes = trace.total_size()?.word_count as usize * 8;
        self.inbox.offer(mark, bytes, || decode::decode(trace))
    }
}

impl event_dispatcher::Server for Dispatcher {
    async fn send_traces(
        self: Rc<Self>,
        params: event_dispatcher::SendTracesParams,
        mut results: event_dispatcher::SendTracesResults,
    ) -> Result<(), capnp::Error> {
        for trace in params.get()?.get_traces()? {
            if let Err(error) = self.take(trace) {
                tracing::warn!(%error, "a trace cannot be read");
            }
        }
        results.get().init_result().set_outcome(EventOutcome::Ok);
        Ok(())
    }
}
