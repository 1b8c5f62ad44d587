//! Threads that may block, a bounded number with a bounded queue before them: SQLite never stands on an async thread,
//! and a slow disk holds up queues alone.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::store::EngineError;

type Job = Box<dyn FnOnce() + Send>;

/// A pool of threads; they end when it is dropped and its queue is empty.
pub(super) struct Threads(flume::Sender<Job>);

impl Threads {
    /// `count` threads, before which `queue` jobs may wait.
    ///
    /// # Errors
    /// The system has no thread for us.
    pub(super) fn start(count: usize, queue: usize) -> io::Result<Self> {
        let (sender, jobs) = flume::bounded::<Job>(queue);
        for number in 0..count {
            let jobs = jobs.clone();
            let run = move || {
                while let Ok(job) = jobs.recv() {
                    // Whoever waits for the job hears of it: its answer's sender is dropped.
                    if catch_unwind(AssertUnwindSafe(job)).is_err() {
                        tracing::error!("an operation of a queue ended in a panic");
                    }
                }
            };
            std::thread::Builder::new().name(format!("queues-{number}")).spawn(run)?;
        }
        Ok(Self(sender))
    }

    /// Hands a job over.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] when too many wait.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) -> Result<(), EngineError> {
        self.0.try_send(Box::new(job)).map_err(|_| EngineError::Overloaded)
    }
}
