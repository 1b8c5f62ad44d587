//! What waits between a process that sends traces and the sink that takes them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use tokio::sync::mpsc;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Trace, TraceSink};

/// Bytes of traces that may wait for one process's sink; what comes beyond is dropped.
const MAX_BYTES: usize = 2 << 20;

/// Traces taken from one inbox before the next one has its turn, so that no worker's flood delays the others' lines.
const TURN: usize = 32;

/// Inboxes in which something waits: each is in there once at most.
pub(crate) type Ready = mpsc::UnboundedSender<Arc<Inbox>>;

/// The traces of one process on their way to its sink.
pub(crate) struct Inbox {
    sink: Arc<dyn TraceSink>,
    ready: Ready,
    waiting: Mutex<Waiting>,
    /// Says that this is still there.
    _token: TaskTrackerToken,
}

#[derive(Default)]
struct Waiting {
    traces: VecDeque<(usize, u8, Trace)>,
    bytes: usize,
    dropped: u64,
    /// The thread knows that something waits here.
    announced: bool,
}

impl Inbox {
    pub(crate) fn new(sink: Arc<dyn TraceSink>, ready: Ready, token: TaskTrackerToken) -> Arc<Self> {
        Arc::new(Self { sink, ready, waiting: Mutex::default(), _token: token })
    }

    pub(crate) fn wants(&self, quiet: bool) -> Option<u8> {
        self.sink.wants(quiet)
    }

    /// Leaves a trace of so many bytes to the sink, or drops it without having it made.
    pub(crate) fn offer<E>(
        self: &Arc<Self>,
        mark: u8,
        bytes: usize,
        make: impl FnOnce() -> Result<Trace, E>,
    ) -> Result<(), E> {
        let mut waiting = self.lock();
        if waiting.bytes + bytes <= MAX_BYTES {
            waiting.traces.push_back((bytes, mark, make()?));
            waiting.bytes += bytes;
        } else {
            waiting.dropped += 1;
        }
        if !waiting.announced {
            // Nobody listens only when the process ends.
            waiting.announced = self.ready.send(Arc::clone(self)).is_ok();
        }
        Ok(())
    }

    /// Gives the sink a few traces, and says whether there are more.
    fn hand_over(&self) -> bool {
        let (dropped, traces) = {
            let mut waiting = self.lock();
            let count = waiting.traces.len().min(TURN);
            let traces: Vec<_> = waiting.traces.drain(..count).collect();
            // What is in the sink's hands waits no more than one turn, and counts until then.
            (std::mem::take(&mut waiting.dropped), traces)
        };
        let bytes: usize = traces.iter().map(|(bytes, _, _)| bytes).sum();
        for (_, mark, trace) in traces {
            self.sink.take(trace, mark);
        }
        if dropped > 0 {
            self.sink.dropped(dropped);
        }
        let mut waiting = self.lock();
        waiting.bytes -= bytes;
        waiting.announced = !waiting.traces.is_empty() || waiting.dropped > 0;
        waiting.announced
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread on which sinks take their traces. It ends when nobody can leave any more.
pub(crate) fn start() -> io::Result<Ready> {
    let (ready, mut inboxes) = mpsc::unbounded_channel::<Arc<Inbox>>();
    thread::Builder::new().name("traces".to_owned()).spawn(move || {
        while let Some(inbox) = inboxes.blocking_recv() {
            if inbox.hand_over() {
                let again = inbox.ready.clone();
                // We are the one who listens.
                let _ = again.send(inbox);
            }
        }
    })?;
    Ok(ready)
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::tail::{ExecutionModel, Outcome};

    fn trace(number: i64) -> Trace {
        Trace {
            event_timestamp_ms: number,
            event: None,
            outcome: Outcome::Ok,
            response_status: None,
            logs: Vec::new(),
            exceptions: Vec::new(),
            diagnostics: Vec::new(),
            entrypoint: None,
            durable_object_id: None,
            execution_model: ExecutionModel::Stateless,
            truncated: false,
        }
    }

    /// Holds each trace until it is let go on.
    struct Gate {
        go: Mutex<mpsc::UnboundedReceiver<()>>,
        seen: mpsc::UnboundedSender<Result<i64, u64>>,
    }

    impl TraceSink for Gate {
        fn wants(&self, _: bool) -> Option<u8> {
            Some(0)
        }

        fn take(&self, trace: Trace, _: u8) {
            let _ = self.seen.send(Ok(trace.event_timestamp_ms));
            let _ = self.go.lock().unwrap().blocking_recv();
        }

        fn dropped(&self, count: u64) {
            let _ = self.seen.send(Err(count));
        }
    }

    type Seen = mpsc::UnboundedReceiver<Result<i64, u64>>;

    fn gate() -> (Arc<Gate>, mpsc::UnboundedSender<()>, Seen) {
        let (go, held) = mpsc::unbounded_channel();
        let (seen, take) = mpsc::unbounded_channel();
        (Arc::new(Gate { go: Mutex::new(held), seen }), go, take)
    }

    #[test]
    fn a_sink_that_stalls_loses_traces_and_hears_how_many() {
        let ready = start().unwrap();
        let tracker = TaskTracker::new();
        let (sink, go, mut seen) = gate();
        let inbox = Inbox::new(sink, ready, tracker.token());
        let offer = |number, bytes| inbox.offer(0, bytes, || Ok::<_, ()>(trace(number))).unwrap();
        offer(1, 1000);
        assert_eq!(seen.blocking_recv(), Some(Ok(1)));
        // The first is still in the sink's hands and counts.
        offer(2, MAX_BYTES - 1000);
        for number in 3..10 {
            offer(number, 1);
        }
        assert!(seen.try_recv().is_err());
        drop(go);
        assert_eq!(seen.blocking_recv(), Some(Ok(2)));
        assert_eq!(seen.blocking_recv(), Some(Err(7)));
        drop(inbox);
        // All of it has been handed over, so the thread lets the inbox go.
        tracker.close();
        futures::executor::block_on(tracker.wait());
    }

    #[test]
    fn a_flood_delays_nobody_else() {
        let ready = start().unwrap();
        let tracker = TaskTracker::new();
        let (sink, go, mut seen) = gate();
        let flood = Inbox::new(Arc::clone(&sink) as _, ready.clone(), tracker.token());
        let other = Inbox::new(sink, ready, tracker.token());
        for number in 0..1000 {
            flood.offer(0, 1, || Ok::<_, ()>(trace(number))).unwrap();
        }
        other.offer(0, 1, || Ok::<_, ()>(trace(-1))).unwrap();
        drop(go);
        let mut seen = std::iter::from_fn(|| seen.blocking_recv());
        let place = seen.position(|seen| seen == Ok(-1)).expect("the other's trace");
        assert!(place <= 2 * TURN, "after {place} of the flood's");
    }

    #[test]
    fn what_does_not_fit_is_not_even_made() {
        let (ready, _inboxes) = mpsc::unbounded_channel();
        let (sink, _go, _seen) = gate();
        let inbox = Inbox::new(sink, ready, TaskTracker::new().token());
        inbox.offer(0, MAX_BYTES + 1, || -> Result<Trace, ()> { panic!("made") }).unwrap();
        assert_eq!(inbox.lock().dropped, 1);
    }
}
