//! Calls between workers, and Hearth's own calls into workers, over Cap'n Proto.
//!
//! A service binding ends here, not at its callee: [`serve`] accepts what a caller's workerd sends to its `rpc.sock`,
//! asks a [`Router`] for the callee of each single event, and reaches that through the debug port of its process. So a
//! version can be swapped under callers that stay connected, entrypoint and props are chosen per event, and an idle
//! caller keeps no callee alive.
//!
//! [`DebugPort`] is the same way in for events of Hearth's own. A [`TailReceiver`] takes what processes say of the
//! events they ran.
#![forbid(unsafe_code)]

mod byte_stream;
mod callee;
mod corked;
mod debug_port;
mod fetch;
mod fields;
mod http_event;
mod namespace;
mod object;
mod router;
mod schema;
mod serve;
mod session;
mod tail;
mod tail_calls;
mod threads;
mod vat;
mod websocket;

pub use debug_port::{DebugPort, Entrypoint, FetchError};
pub use fetch::{CF_HEADER, OBJECT_HEADER, PROTO_HEADER};
pub use object::{Object, ObjectError};
pub use router::{Body, BoxError, Callee, HttpSender, RouteError, Router};
pub use serve::{BINDING_HEADER, ServeHandle, serve};
pub use tail::{
    Diagnostic, ErrorInfo, Event, Exception, ExecutionModel, FetchEvent, INVOKE, Log, LogLevel, Outcome,
    TailHandle, TailItem, TailReceiver, Trace, TraceSink, TraceSource, WebSocketEvent,
};
pub use threads::RpcThreads;
