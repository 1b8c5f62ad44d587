//! What runs in the jailed process: one database, served over the socket that is its standard input. Blocking, one
//! thread, no runtime: the jail lets it do little more than read, write and wait.

mod answers;
mod database;
mod export;
pub(crate) mod frame;
mod functions;
mod gate;
mod import;
mod log;
mod normalize;
mod output;
mod plan;
mod query;
pub(crate) mod ran;
mod refusal;
mod serve;
mod statements;

pub(crate) use export::Options as ExportQuery;
pub use serve::serve;
