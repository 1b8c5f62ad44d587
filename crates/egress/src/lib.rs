//! The way out: every `fetch`, WebSocket and `connect()` of a worker arrives here, on the instance's own
//! `in/egress.sock`, and leaves only if the policy lets it.
//!
//! workerd speaks HTTP/1.1 on that socket: absolute-form requests for `fetch` and WebSockets, `CONNECT host:port` for
//! `connect()`. It follows redirects itself, so each hop is a request of its own and is judged like any other. This
//! crate resolves the name once, keeps only the addresses that [`Policy`] permits, connects to exactly one of those,
//! speaks TLS, and streams both ways. When the worker goes away, the upstream connection is closed.
//!
//! What a worker sees when something fails is what it would see on Cloudflare: `530` with `error code: 1016` for a
//! name that does not resolve, `521` when nothing listens, `522` on a connect timeout, `523` without a route, `524`
//! when no answer comes, `525` and `526` for TLS, `520` for an answer that is not HTTP. A refusal by policy is `403`
//! with a text for the developer, too much at once `503` and too many a second `429`; the operator's log has the rest, at most a few lines a second for each instance and then
//! a count.
//!
//! ```text
//! egress.sock ─▶ serve ─▶ forward ─▶ Internal (a host of this installation)
//!                           │ ├────▶ ResponseCache (what was answered before)
//!                           │ └────▶ pool ─▶ dial ─▶ resolve, policy, TCP, TLS
//!                           └──────▶ tunnel (CONNECT, WebSocket)
//! ```
#![forbid(unsafe_code)]

mod address;
mod cache;
mod config;
mod destination;
mod dial;
mod download;
mod failure;
mod forward;
mod headers;
mod policy;
mod pool;
mod rate;
mod resolve;
mod serve;
mod throttle;
mod tunnel;
mod upload;

pub use cache::{Filing, Looked, ResponseCache};
pub use config::Config;
pub use forward::Held;
pub use policy::{Allow, Policy, Target};
pub use resolve::{Resolver, SystemResolver};
pub use serve::{
    Body, BoxError, ConfigError, Direct, Dispatch, Egress, Internal, NoInternal, Origin, ServeHandle,
};
