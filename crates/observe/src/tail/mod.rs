//! Live tails: what `wrangler tail` and `hearth tail` show.
//!
//! A tail is made over the API and seen over a WebSocket that needs no token: its address holds an id that nobody can
//! guess, which is good for one worker, one viewer and a time. Each tail has a bounded queue of messages: filtered and
//! sampled before anything is formatted, dropped and counted when its viewer does not read.

pub(crate) mod api;
mod filter;
pub(crate) mod message;
mod pace;
mod registry;
mod socket;
mod viewer;

pub(crate) use registry::Tails;
pub use socket::connections;
pub(crate) use viewer::Viewer;
