//! Traces of a worker's invocations, as its process sends them (`tails` in workerd's configuration).
//!
//! workerd keeps in memory what its tail has not taken: one that stalled took a worker to 257 MB in 5 s (workerd.md
//! 1.11). So every connection is read to its end whatever becomes of what it says; a bounded [`inbox`] stands between
//! it and whoever wants the traces, and counts what did not fit.

mod decode;
mod deliver;
mod inbox;
mod receiver;
mod trace;

pub use deliver::TailItem;
pub use receiver::{TailHandle, TailReceiver, TraceSource};
pub use trace::{
    Diagnostic, ErrorInfo, Event, Exception, ExecutionModel, FetchEvent, INVOKE, Log, LogLevel, Outcome,
    Trace, WebSocketEvent,
};

/// Takes the traces of one process.
///
/// [`Self::take`] and [`Self::dropped`] run on a thread that all sinks of a [`TailReceiver`] share. One that is slow
/// there loses traces, its own and those of others, and holds up no worker.
pub trait TraceSink: Send + Sync + 'static {
    /// Whether a trace is worth reading, and what for: a mark of the sink's own. `quiet`: it holds neither logs nor
    /// exceptions, and its outcome is `ok` or `canceled`. Asked for every invocation, on the thread that receives them.
    fn wants(&self, quiet: bool) -> Option<u8>;

    /// One invocation, after it and its `waitUntil` have ended, with the mark that [`Self::wants`] gave it.
    fn take(&self, trace: Trace, mark: u8);

    /// So many traces were lost since the last one taken, because too much waited.
    fn dropped(&self, count: u64);
}
