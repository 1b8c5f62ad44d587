//! The threads on which indexes and files are worked on: a bounded number, with a bounded queue before them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::super::error::{R2Error, Result};

/// A share of the runtime's blocking threads. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    threads: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// A place in the queue; given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    pub(super) fn new(threads: usize, most_waiting: usize) -> Self {
        let threads = Arc::new(Semaphore::new(threads));
        Self(Arc::new(Inner { threads, waiting: AtomicUsize::new(0), most_waiting }))
    }

    /// Runs work that blocks. Once it has begun it runs to its end, though nobody waits for it any more.
    ///
    /// # Errors
    /// [`R2Error::Unavailable`] when too much waits already; what `work` fails with.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let threads = Arc::clone(&self.0.threads);
        let thread = if let Ok(thread) = Arc::clone(&threads).try_acquire_owned() {
            thread
        } else {
            if self.0.waiting.fetch_add(1, Ordering::Relaxed) >= self.0.most_waiting {
                self.0.waiting.fetch_sub(1, Ordering::Relaxed);
                return Err(R2Error::Unavailable);
            }
            let _place = Place(&self.0.waiting);
            threads.acquire_owned().await.map_err(R2Error::internal)?
        };
        let done = tokio::task::spawn_blocking(move || {
            let _thread = thread;
            work()
        });
        done.await.map_err(R2Error::internal)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_finds_the_queue_full_is_refused_and_the_rest_runs() {
        let pool = Pool::new(1, 2);
        let (release, held) = std::sync::mpsc::sync_channel::<()>(0);
        let first = tokio::spawn({
            let pool = pool.clone();
            async move {
                pool.run(move || {
                    let _ = held.recv();
                    Ok(1)
                })
                .await
            }
        });
        while pool.0.threads.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = (0..2)
            .map(|number| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.run(move || Ok(number)).await })
            })
            .collect();
        while pool.0.waiting.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(pool.run(|| Ok(())).await, Err(R2Error::Unavailable)));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap().unwrap(), 1);
        for (number, task) in waiting.into_iter().enumerate() {
            assert_eq!(task.await.unwrap().unwrap(), number);
        }
        pool.run(|| Ok(())).await.unwrap();
    }
}
