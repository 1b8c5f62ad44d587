//! Events for Durable Objects of another process.
//!
//! workerd's forwarding class (`runtime/objects/forward.js`) first makes a call whose method is the [`Object`], and
//! pipelines on its result what the object is to get. So the result is the object, and Rust need not look into the
//! calls themselves.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use capnp_rpc::{new_client, new_future_client};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use crate::object::Object;
use crate::schema::worker_interface_capnp::event_dispatcher::JsRpcSessionResults;
use crate::schema::worker_interface_capnp::js_rpc_session;
use crate::schema::worker_interface_capnp::js_rpc_target::{self, call_params};
use crate::session::{Event, Running};
use crate::vat;

/// `undefined`, as V8 serializes it in its format 15. The forwarding class never looks at it.
const UNDEFINED: [u8; 3] = [0xff, 0x0f, b'_'];

/// How long a session without an event lasts.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// Begins a session in which the object is still to be named.
pub(crate) fn session(event: Rc<Event>, mut results: JsRpcSessionResults) -> Result<(), capnp::Error> {
    let (begun, session) = oneshot::channel::<Begun>();
    results.get().set_top_level(new_client(Finder { event, begun: Cell::new(Some(begun)) }));
    results.get().set_session(new_future_client(async move {
        match session.await {
            Ok((running, session)) => running.until_ended(session).await,
            // No object was named, or it cannot be reached. workerd ends all calls of a session as the session ends, so
            // they must have failed before.
            Err(_) => {
                tokio::time::sleep(AFTER_REFUSAL).await;
                Err(vat::null())
            }
        }
    }));
    Ok(())
}

/// The event as it runs.
type Begun = (Running, js_rpc_session::Client);

/// Takes the call that names the object.
struct Finder {
    event: Rc<Event>,
    begun: Cell<Option<oneshot::Sender<Begun>>>,
}

impl js_rpc_target::Server for Finder {
    async fn call(
        self: Rc<Self>,
        params: js_rpc_target::CallParams,
        mut results: js_rpc_target::CallResults,
    ) -> Result<(), capnp::Error> {
        let object = named(params.get()?)?;
        let begun = self.begun.take().ok_or_else(|| capnp::Error::failed("named twice".to_owned()))?;
        let _turn = self.event.turns.wait(&object).await;
        let running = match self.event.route(Some(&object)).await {
            Ok(running) => running,
            Err(error) => {
                // Whatever is pipelined fails with it; capnp-rpc would say that the connection is lost.
                results.get().init_result().set_v8_serialized(&UNDEFINED);
                let broken = futures::future::ready(Err(error));
                results.get().set_call_pipeline(new_future_client(broken));
                return Ok(());
            }
        };
        let sent = self.event.dispatcher(&running).js_rpc_session_request().send();
        results.get().init_result().set_v8_serialized(&UNDEFINED);
        results.get().set_call_pipeline(sent.pipeline.get_top_level());
        results.set_pipeline()?;
        let response = sent.promise.await?;
        // Nobody is there any more: all of it is dropped, which cancels it.
        let _ = begun.send((running, response.get()?.get_session()?));
        Ok(())
    }
}

fn named(params: call_params::Reader<'_>) -> Result<Object, capnp::Error> {
    let text = match params.which()? {
        call_params::MethodName(name) => name?,
        call_params::MethodPath(path) => match path? {
            path if path.len() == 1 => path.get(0)?,
            _ => return Err(capnp::Error::failed("no Durable Object is named".to_owned())),
        },
    };
    text.to_str()?.parse().map_err(|error: crate::ObjectError| capnp::Error::failed(error.to_string()))
}

/// The order of events that one caller sends to one object: each has a connection to the callee of its own, and the
/// callee must not see a later one first. An event's turn lasts until the callee has taken it.
#[derive(Default)]
pub(crate) struct Turns(RefCell<HashMap<Object, Weak<Mutex<()>>>>);

impl Turns {
    async fn wait(&self, object: &Object) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.borrow_mut();
            match turns.get(object).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    turns.retain(|_, turn| turn.strong_count() > 0);
                    let turn = Arc::new(Mutex::new(()));
                    turns.insert(object.clone(), Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
    }
}
