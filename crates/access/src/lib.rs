//! Access at the gateway: before a request reaches a worker, its host or path may ask for single sign-on, a service token or
//! an address, as Cloudflare Access does.
//!
//! What decides is pure: `domain` and `path` say what an application stands before, `policy` whom it lets in, `table` finds
//! the applications of a request, `codes` brings a browser back from the control host. [`Access`] holds them in a snapshot, so
//! nothing on a request's way waits for the store; `gate` answers the gateway, `login` the control host, `api` manages.
//! `keys` signs what workers are shown.

#![forbid(unsafe_code)]

mod access;
mod api;
mod codes;
mod describe;
mod domain;
mod duration;
mod gate;
mod keys;
mod login;
mod pages;
mod path;
mod policy;
mod table;

pub use access::{Access, Config};
pub use describe::describe;
