//! R2: object storage behind the binding `r2_bucket`, Cloudflare's REST endpoints and S3.
//!
//! [`store`] is the engine and what every protocol works with; `wire` is the binding's protocol
//! ([`R2::serve`]), `api` Cloudflare's REST endpoints ([`R2::operations`]), `lifecycle` the sweep ([`R2::keep_sweeping`]).
#![forbid(unsafe_code)]

mod api;
mod describe;
mod lifecycle;
mod notify;
pub mod store;
mod wire;

pub use describe::describe;
pub use notify::{Action, CopySource, Listeners, Notification, Subject};
pub use store::{Config, R2};
