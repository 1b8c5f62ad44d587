//! D1: SQLite databases that workers bind.
//!
//! A tenant's SQL runs in a jailed process of its own for each active database, the *engine* ([`engine`]): it sees one
//! folder and nothing else. [`D1`] is Hearth's side: it starts engines, bounds their number, stops what takes too long,
//! and is what the binding's protocol ([`wire`]) and the REST endpoints stand on.
//!
//! **Files.** `d1/<uuid>/database.db` below the data folder with its write-ahead log beside it; the folder is all that
//! an engine may write. Whatever else is kept about a database lies outside of it.
//!
//! **Durability.** WAL: what is answered is on disk. The engine syncs the log before it answers, once for all transactions
//! that were asked together; SQLite does so itself before a fold. The log is only ever folded into the database
//! by [`D1`], after the [`Archive`] has had it; a place in it is a [`Position`], which is what a bookmark says.

#![forbid(unsafe_code)]

pub mod api;
mod archive;
mod bookmark;
pub mod engine;
mod error;
pub mod history;
mod id;
pub mod insights;
mod pool;
mod request;
pub mod wire;

pub use archive::{Archive, NoArchive};
pub use bookmark::Position;
pub use error::D1Error;
pub use id::DatabaseId;
pub use pool::{Closed, Config, D1, Ended, Process, Spawn, Started};
pub use request::{Answer, ExportOptions, Imported, Request, Results, Shape, Size, Summary};
