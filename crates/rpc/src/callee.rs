//! One connection to a callee's debug port. Each event has its own, so that what the event still holds when it ends
//! goes with it, and an idle caller keeps nothing of the callee.

use std::path::Path;

use capnp_rpc::rpc_twoparty_capnp::Side;
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use crate::schema::worker_interface_capnp::{event_dispatcher, workerd_debug_port};
use crate::vat;

/// Closes the connection when dropped.
pub(crate) struct Connection {
    debug_port: workerd_debug_port::Client,
    _open: oneshot::Sender<()>,
}

/// An entrypoint of a worker, as [`crate::DebugPort`] and the router name it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) service: &'a str,
    pub(crate) entrypoint: Option<&'a str>,
    pub(crate) props_json: Option<&'a str>,
}

impl Connection {
    pub(crate) async fn open(socket: &Path) -> std::io::Result<Self> {
        let (reader, writer) = UnixStream::connect(socket).await?.into_split();
        let mut system = vat::system(reader, writer, Side::Client, None, vat::CALLS_LIMIT_WORDS);
        let debug_port = system.bootstrap(Side::Server);
        let disconnector = system.get_disconnector();
        let (open, closed) = oneshot::channel::<()>();
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
        });
        Ok(Self { debug_port, _open: open })
    }

    /// Begins an event. Everything is pipelined: nothing waits for the callee here.
    pub(crate) fn start_event(&self, target: Target<'_>, cf_json: Option<&str>) -> event_dispatcher::Client {
        let mut request = self.debug_port.get_entrypoint_request();
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
