//! Threads that may block, a bounded number with a bounded queue before them: SQLite and files never stand on an
//! async thread, and a slow disk holds up KV alone.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use crate::store::EngineError;

type Job = Box<dyn FnOnce() + Send>;

/// A pool of threads; they end when it is dropped and its queue is empty.
pub(super) struct Threads(flume::Sender<Job>);

impl Threads {
    /// `count` threads, before which `queue` jobs may wait.
    ///
    /// # Errors
    /// The system has no thread for us.
    pub(super) fn start(name: &str, count: usize, queue: usize) -> io::Result<Self> {
        let (sender, jobs) = flume::bounded::<Job>(queue);
        for number in 0..count {
            let jobs = jobs.clone();
            let run = move || {
                while let Ok(job) = jobs.recv() {
                    // Whoever waits for the job hears of it: its answer's sender is dropped.
                    if catch_unwind(AssertUnwindSafe(job)).is_err() {
                        tracing::error!("a KV operation ended in a panic");
                    }
                }
            };
            std::thread::Builder::new().name(format!("{name}-{number}")).spawn(run)?;
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

    /// Runs a job and gives its answer.
    ///
    /// # Errors
    /// As [`Threads::run`], and what the job itself says.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (sender, answer) = oneshot::channel();
        self.run(move || {
            // Nobody waits any more: the caller went away.
            let _ = sender.send(job());
        })?;
        answer.await.unwrap_or_else(|_| Err(EngineError::Failed("a thread of KV panicked".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_says_so_and_a_panic_ends_one_job() {
        let threads = Threads::start("test", 1, 1).unwrap();
        let (release, held) = flume::bounded::<()>(1);
        let (began, begun) = flume::bounded::<()>(1);
        threads
            .run(move || {
                began.send(()).unwrap();
                held.recv().unwrap();
            })
            .unwrap();
        begun.recv().unwrap();
        threads.run(|| ()).unwrap();
        assert!(matches!(threads.run(|| ()), Err(EngineError::Overloaded)));
        release.send(()).unwrap();
        let panics = loop {
            match threads.call(|| -> Result<(), EngineError> { panic!("as the test wants") }).await {
                Err(EngineError::Overloaded) => tokio::task::yield_now().await,
                other => break other,
            }
        };
        assert!(matches!(panics, Err(EngineError::Failed(_))));
        assert_eq!(threads.call(|| Ok(7)).await.unwrap(), 7);
    }
}
