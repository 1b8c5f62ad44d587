//! Analytics Engine: data points that workers write, and the SQL that asks for them.
//!
//! `point` reads what a binding sends and holds it against Cloudflare's limits; `inbox` and `writer` put it into files
//! off the way of a request; `sql` translates what a tenant asks into SQL of ours (pure); `engine` runs that, bounded
//! in time and memory; `format` writes the answer; `api` and `wire` are the doors.
//!
//! **No SQL of a tenant reaches SQLite.** What is asked is parsed, and of the tree only what `sql` knows by name is
//! written anew. An account's points lie in a file of its own, which is the only one that its queries open; the
//! connection reads, refuses every statement but a `SELECT` of the two tables and functions that it knows, and has no
//! way to attach another file.

#![forbid(unsafe_code)]

mod analytics;
mod api;
mod describe;
mod engine;
mod files;
mod format;
mod inbox;
mod point;
mod sql;
mod wire;
mod writer;

pub use analytics::{Analytics, Config, Counts, OpenError};
pub use describe::describe;
pub use engine::QueryError;
pub use format::Answer;
pub use sql::SqlError;
