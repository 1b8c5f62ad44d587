//! The cache: what workers put into `caches`, and what their `fetch` brings.
//!
//! ```text
//! caches.match/put/delete ─▶ wire ──┐
//! fetch ─▶ egress ─▶ plan ─▶ fetch ─┼─▶ rules ─▶ cache ─▶ index (what is there, what goes)
//! purge_cache ─▶ api ─▶ purge ──────┘                 ├─▶ memory (small, lately used)
//!                                                     └─▶ files
//! ```
//!
//! `rules`, `plan`, `purge`, `index` and the choice of a part in `respond` decide and are pure. A [`Key`] begins with the
//! account: nobody finds what another account has stored. Within one, all workers share `caches.default`, a named cache
//! and what `fetch` has stored; the last is judged by the calling worker's egress rules each time, and for that reason is
//! not found by `caches.default.match`.
//!
//! Nothing here is promised to be kept: no room, a full disk and a damaged file are misses, never errors.

#![forbid(unsafe_code)]

mod api;
mod body;
mod cache;
mod describe;
mod entry;
mod fetch;
mod files;
mod headers;
mod index;
mod key;
mod memory;
mod plan;
mod purge;
mod respond;
mod rules;
mod wire;
mod writer;

pub use body::Body;
pub use cache::{Cache, Clock, Config};
pub use describe::describe;
pub use fetch::{BoxError, FetchBody, Filing, Looked};
pub use index::Usage;
pub use key::{Key, Room};
