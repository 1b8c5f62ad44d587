//! Cloudflare Queues: messages from workers and over HTTP, to workers and over HTTP.
//!
//! [`Queues`] joins the rooms. [`Engine`] (`store.rs`) is what keeps the messages, a trait without paths or rows;
//! [`Embedded`] is the engine that needs nothing installed: one SQLite file per queue. `wire.rs` is what workerd speaks
//! on a binding, `api/` are the REST operations, `rules.rs` has Cloudflare's limits, codes and texts, and `consume/`
//! delivers to workers through [`Workers`].
//!
//! What is promised: a send that was answered survives a crash, and is delivered at least once until it is
//! acknowledged, is too old, or was tried often enough. What a handler acknowledges is recorded when it has ended,
//! together with all else of its batch; from then on the message is never delivered again. If the server or the
//! worker's process dies before that, the batch is delivered again, what it had acknowledged included. What a client
//! acknowledges over HTTP is recorded when it is answered.

#![forbid(unsafe_code)]

mod api;
mod consume;
mod describe;
mod embedded;
mod queues;
mod rules;
mod store;
mod wire;

pub use consume::{Undone, Workers};
pub use describe::describe;
pub use embedded::{Clock, Config, Embedded, system_clock};
pub use queues::{Outgoing, Queues};
pub use rules::{Consumer, ConsumerKind, QueueSettings, Refusal};
pub use store::{
    Engine, EngineError, Exchanged, Format, Holder, Lease, Message, MessageId, Metrics, NewMessage, Patience,
    Settled, Take, Taken, Verdict,
};

/// A message's id as it is shown: 32 hexadecimal digits.
pub fn message_id(id: &MessageId) -> String {
    hex::encode(id)
}
