//! Workers KV: namespaces of keys and values, as workers and Cloudflare's API reach them.
//!
//! [`Kv`] joins four rooms. [`Engine`] (`store.rs`) is what keeps the data, a trait without paths or rows so that Redis
//! or PostgreSQL can stand behind it; [`Embedded`] is the engine that needs nothing installed: one SQLite file per
//! namespace, large values in files of their own. `wire.rs` is what workerd speaks on a binding, `api.rs` are the REST
//! operations, and `rules.rs` has Cloudflare's limits and texts, which hold for both.
//!
//! A write is acknowledged when it is on disk, and seen by every read that begins after that: Cloudflare promises
//! less (up to 60 s until another place sees a write), so `cacheTtl` is checked and has no effect.

#![forbid(unsafe_code)]

mod api;
mod describe;
mod embedded;
mod kv;
mod rules;
mod store;
mod wire;

pub use describe::describe;
pub use embedded::{Clock, Config, Embedded, system_clock};
pub use kv::Kv;
pub use rules::{Key, Refusal};
pub use store::{
    Attributes, Change, Engine, EngineError, Entry, Incoming, Listed, Listing, Query, Usage, Value,
};
