//! What runs in the jailed process: one database, served over the socket that is its standard input. Blocking, one
//! thread, no runtime: the jail lets it do little more than read, write and wait.

mod database;
mod export;
pub(crate) mod frame;
mod functions;
mod gate;
mod import;
mod output;
mod plan;
mod query;
mod refusal;
mod serve;
pub(crate) mod statements;

pub(crate) use export::Options as ExportQuery;
pub use serve::serve;
