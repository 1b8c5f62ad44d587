//! The threads that Cap'n Proto runs on.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{io, thread};

use tokio::sync::mpsc;
use tokio::task::LocalSet;

type Job = Box<dyn FnOnce() + Send>;

/// A few dedicated threads, each with a runtime of its own, since Cap'n Proto objects cannot leave their thread.
///
/// One connection lives on one thread with everything it reaches. Clones share the threads; they end, with whatever
/// runs on them, when the last clone is dropped.
#[derive(Clone)]
pub struct RpcThreads {
    threads: Arc<Threads>,
}

struct Threads {
    senders: Vec<mpsc::UnboundedSender<Job>>,
    next: AtomicUsize,
}

impl RpcThreads {
    /// Starts `count` threads (at least one).
    ///
    /// # Errors
    /// When the system refuses a thread or a runtime.
    pub fn new(count: usize) -> io::Result<Self> {
        let senders = (0..count.max(1))
            .map(|index| start_thread(format!("rpc-{index}"), Duration::ZERO))
            .collect::<io::Result<_>>()?;
        Ok(Self { threads: Arc::new(Threads { senders, next: AtomicUsize::new(0) }) })
    }

    /// One thread that rests before it waits for more: what came meanwhile is taken together, which saves a wake-up for
    /// each of many small messages that nobody waits for.
    pub(crate) fn unhurried(name: &str, rest: Duration) -> io::Result<Self> {
        let senders = vec![start_thread(name.to_owned(), rest)?];
        Ok(Self { threads: Arc::new(Threads { senders, next: AtomicUsize::new(0) }) })
    }

    /// Runs a future on the next thread in turn. `make` itself runs there, so the future need not be `Send`.
    pub(crate) fn spawn<F, Fut>(&self, make: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let turn = self.threads.next.fetch_add(1, Ordering::Relaxed);
        let sender = &self.threads.senders[turn % self.threads.senders.len()];
        let job: Job = Box::new(move || {
            tokio::task::spawn_local(make());
        });
        if sender.send(job).is_err() {
            tracing::error!("an RPC thread is gone; the connection handed to it is dropped");
        }
    }
}

fn start_thread(name: String, rest: Duration) -> io::Result<mpsc::UnboundedSender<Job>> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    if !rest.is_zero() {
        // An event that arrives while it waits would wake it up: so it rests before.
        builder.on_thread_park(move || thread::sleep(rest));
    }
    let runtime = builder.enable_all().build()?;
    let (sender, mut jobs) = mpsc::unbounded_channel::<Job>();
    thread::Builder::new().name(name).spawn(move || {
        let local = Rc::new(LocalSet::new());
        local.block_on(&runtime, async move {
            while let Some(job) = jobs.recv().await {
                job();
            }
        });
    })?;
    Ok(sender)
}
