//! The caller's side of RPC: what a caller's workerd finds at the other end of its `CONNECT`.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use capnp_rpc::new_client;
use capnp_rpc::rpc_twoparty_capnp::Side;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use crate::callee::{Connection, Target};
use crate::namespace::{self, Turns};
use crate::object::Object;
use crate::router::{Callee, RouteError, Router};
use crate::schema::worker_interface_capnp::{event_dispatcher, js_rpc_session, workerd_bootstrap};
use crate::vat;

/// How long the news may take that a process is gone which takes no connections any more.
const NEWS: Duration = Duration::from_secs(2);

/// Serves one caller's Cap'n Proto connection on the current thread until it ends or `stop` does.
pub(crate) async fn serve(
    stream: std::os::unix::net::UnixStream,
    already_read: bytes::Bytes,
    binding: String,
    router: Arc<dyn Router>,
    stop: CancellationToken,
) -> io::Result<()> {
    let (reader, writer) = UnixStream::from_std(stream)?.into_split();
    let reader = io::Cursor::new(already_read).chain(reader);
    let bootstrap: workerd_bootstrap::Client =
        new_client(Bootstrap { binding: binding.into(), router, turns: Rc::default() });
    let system = vat::system(reader, writer, Side::Server, Some(bootstrap.client), vat::CALLS_LIMIT_WORDS);
    tokio::select! {
        result = system => if let Err(error) = result {
            tracing::debug!(error = vat::readable(&error), "connection of a caller ended");
        },
        () = stop.cancelled() => {}
    }
    Ok(())
}

struct Bootstrap {
    binding: Rc<str>,
    router: Arc<dyn Router>,
    turns: Rc<Turns>,
}

impl workerd_bootstrap::Server for Bootstrap {
    async fn start_event(
        self: Rc<Self>,
        params: workerd_bootstrap::StartEventParams,
        mut results: workerd_bootstrap::StartEventResults,
    ) -> Result<(), capnp::Error> {
        let params = params.get()?;
        let cf_json =
            if params.has_cf_blob_json() { Some(params.get_cf_blob_json()?.to_string()?) } else { None };
        let (binding, router) = (self.binding.clone(), self.router.clone());
        let event = Event { binding, router, turns: self.turns.clone(), cf_json };
        results.get().set_dispatcher(new_client(event));
        Ok(())
    }
}

/// An event not delivered yet. It is routed when it is delivered, so a caller that only begins one holds nothing.
pub(crate) struct Event {
    binding: Rc<str>,
    router: Arc<dyn Router>,
    /// Of the events for one Durable Object.
    pub(crate) turns: Rc<Turns>,
    cf_json: Option<String>,
}

/// What an event holds while it runs.
pub(crate) struct Running {
    pub(crate) connection: Connection,
    callee: Callee,
}

impl Event {
    pub(crate) async fn route(&self, object: Option<&Object>) -> Result<Running, capnp::Error> {
        let mut again = true;
        loop {
            let routed = self.router.route(&self.binding, object).await;
            let callee = routed.map_err(|error| refused(&self.binding, &error))?;
            match Connection::open(&callee.debug_socket).await {
                Ok(connection) => return Ok(Running { connection, callee }),
                // The process went after it was chosen. It has seen nothing of the event, so another may have it.
                Err(error) if again => {
                    tracing::debug!(%error, binding = &*self.binding, "callee is gone, routing again");
                    again = false;
                    // The router chooses it once more until it has heard of its end, which is on its way.
                    let _ = tokio::time::timeout(NEWS, callee.leaving).await;
                }
                Err(error) => {
                    tracing::warn!(%error, binding = &*self.binding, "callee cannot be reached");
                    return Err(capnp::Error::disconnected(
                        "jsg.Error: The worker that this service binding calls is not running.".to_owned(),
                    ));
                }
            }
        }
    }

    pub(crate) fn dispatcher(&self, running: &Running) -> event_dispatcher::Client {
        let callee = &running.callee;
        let target = Target {
            service: &callee.service,
            entrypoint: callee.entrypoint.as_deref(),
            props_json: callee.props_json.as_deref(),
        };
        running.connection.start_event(target, self.cf_json.as_deref())
    }
}

/// workerd makes an `Error` with this message of it in the caller (`jsg.Error:` names the class).
fn refused(binding: &str, error: &RouteError) -> capnp::Error {
    tracing::info!(binding, message = error.message, internal = error.internal, "call refused");
    capnp::Error::failed(format!("jsg.Error: {}", error.message))
}

impl event_dispatcher::Server for Event {
    /// Returns at once with a `session` that lasts as long as the event: the caller lets go of it to end the event, and
    /// it resolves to null when the callee has ended it. A call that lasted instead would be cancelled by the caller
    /// every time, and capnp-rpc 0.27 never returns a call that was cancelled: both sides would keep it for ever.
    async fn js_rpc_session(
        self: Rc<Self>,
        _: event_dispatcher::JsRpcSessionParams,
        mut results: event_dispatcher::JsRpcSessionResults,
    ) -> Result<(), capnp::Error> {
        if self.router.is_namespace(&self.binding) {
            return namespace::session(self, results);
        }
        let running = self.route(None).await?;
        let sent = self.dispatcher(&running).js_rpc_session_request().send();
        results.get().set_top_level(sent.pipeline.get_top_level());
        results.set_pipeline()?;
        let response = sent.promise.await?;
        let session = response.get()?.get_session()?;
        results.get().set_session(capnp_rpc::new_future_client(running.until_ended(session)));
        Ok(())
    }
}

impl Running {
    /// Holds the event until the callee has ended it. It ends by being let go of, which the callee knows from its side
    /// too: as between two workers on one connection.
    pub(crate) fn until_ended<T>(
        self,
        session: js_rpc_session::Client,
    ) -> impl Future<Output = Result<T, capnp::Error>> {
        self.connection.ended();
        async move {
            let ended = vat::resolved_to_null(session.client).await;
            drop(self);
            Err(ended.err().unwrap_or_else(vat::null))
        }
    }
}
