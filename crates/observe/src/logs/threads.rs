//! Threads that may block, a bounded number with a bounded queue before them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Too many queries wait, or this one failed.
#[derive(Debug, thiserror::Error)]
#[error("too many queries of logs wait")]
pub(super) struct Overloaded;

/// A pool of threads; they end when it is dropped and its queue is empty.
pub(super) struct Threads(flume::Sender<Job>);

impl Threads {
    pub(super) fn start(name: &str, count: usize, queue: usize) -> io::Result<Self> {
        let (sender, jobs) = flume::bounded::<Job>(queue);
        for number in 0..count {
            let jobs = jobs.clone();
            let run = move || {
                while let Ok(job) = jobs.recv() {
                    // Whoever waits for the job hears of it: its answer's sender is dropped.
                    if catch_unwind(AssertUnwindSafe(job)).is_err() {
                        tracing::error!("a query of logs ended in a panic");
                    }
                }
            };
            std::thread::Builder::new().name(format!("{name}-{number}")).spawn(run)?;
        }
        Ok(Self(sender))
    }

    pub(super) async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let (sender, answer) = oneshot::channel();
        let job = move || {
            // Nobody waits any more: the caller went away.
            let _ = sender.send(job());
        };
        self.0.try_send(Box::new(job)).map_err(|_| Overloaded)?;
        answer.await.map_err(|_| Overloaded)
    }
}
