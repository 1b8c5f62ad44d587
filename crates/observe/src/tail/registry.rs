//! The tails that there are. Pure but for the clock that is handed in.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_model::WorkerId;

use super::Viewer;
use super::viewer::Messages;

/// Tails of one worker at a time, as on Cloudflare.
pub(crate) const MAX_TAILS: usize = 10;

/// How long a tail is good for: Cloudflare's six hours.
pub(crate) const LIFE: Duration = Duration::from_secs(6 * 3600);

/// How long a tail waits for its viewer.
pub(crate) const UNSEEN: Duration = Duration::from_secs(60);

/// Every tail, by its id.
#[derive(Default)]
pub(crate) struct Tails(HashMap<String, Tail>);

struct Tail {
    worker: WorkerId,
    viewer: Arc<Viewer>,
    made: Instant,
    state: State,
}

impl Tail {
    /// Somebody looks, or may still come.
    fn is_live(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.made);
        age < LIFE && (age < UNSEEN || matches!(self.state, State::Seen))
    }
}

enum State {
    /// Nobody has come yet.
    Waiting(Messages),
    /// Somebody looks.
    Seen,
}

impl Tails {
    /// Adds one. False: the worker has as many as it may.
    pub(crate) fn add(
        &mut self,
        id: String,
        worker: WorkerId,
        viewer: Arc<Viewer>,
        messages: Messages,
        now: Instant,
    ) -> bool {
        let live = self.0.values().filter(|tail| tail.worker == worker && tail.is_live(now));
        if live.count() >= MAX_TAILS {
            return false;
        }
        self.0.insert(id, Tail { worker, viewer, made: now, state: State::Waiting(messages) });
        true
    }

    /// The messages of a tail, for the one who comes first and in time.
    pub(crate) fn open(&mut self, id: &str, now: Instant) -> Option<(Messages, Instant)> {
        let tail = self.0.get_mut(id).filter(|tail| tail.is_live(now))?;
        match std::mem::replace(&mut tail.state, State::Seen) {
            State::Waiting(messages) => Some((messages, tail.made + LIFE)),
            State::Seen => None,
        }
    }

    /// Ends a tail of a worker. False: there is none.
    pub(crate) fn remove(&mut self, id: &str, worker: WorkerId) -> bool {
        let known = self.0.get(id).is_some_and(|tail| tail.worker == worker);
        if known && let Some(tail) = self.0.remove(id) {
            tail.viewer.over.cancel();
        }
        known
    }

    /// Ends a tail whose viewer has gone. None: it was over already.
    pub(crate) fn end(&mut self, id: &str) -> Option<WorkerId> {
        self.0.remove(id).map(|tail| tail.worker)
    }

    /// Ends every tail of a worker.
    pub(crate) fn remove_all(&mut self, worker: WorkerId) {
        self.0.retain(|_, tail| {
            if tail.worker == worker {
                tail.viewer.over.cancel();
            }
            tail.worker != worker
        });
    }

    /// Forgets what nobody came for in time, and what is too old. Gives the workers that had such a tail.
    pub(crate) fn sweep(&mut self, now: Instant) -> HashSet<WorkerId> {
        let over = self.0.extract_if(|_, tail| !tail.is_live(now));
        over.map(|(_, tail)| tail.worker).collect()
    }

    /// The tails of a worker, each with its id, the time since it was made, and whether somebody looks.
    pub(crate) fn list(&self, worker: WorkerId, now: Instant) -> Vec<(String, Duration, bool)> {
        let all = self.0.iter().filter(|(_, tail)| tail.worker == worker);
        let view = |(id, tail): (&String, &Tail)| {
            (id.clone(), now.saturating_duration_since(tail.made), matches!(tail.state, State::Seen))
        };
        all.map(view).collect()
    }

    /// The viewers of a worker.
    pub(crate) fn of(&self, worker: WorkerId) -> impl Iterator<Item = &Arc<Viewer>> {
        self.0.values().filter(move |tail| tail.worker == worker).map(|tail| &tail.viewer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tail::filter::Filters;

    fn add(tails: &mut Tails, id: &str, worker: WorkerId, now: Instant) -> bool {
        let (viewer, messages) = Viewer::new("a", Filters::default());
        tails.add(id.to_owned(), worker, viewer, messages, now)
    }

    #[test]
    fn a_tail_is_for_one_viewer_and_one_worker() {
        let (mut tails, worker, now) = (Tails::default(), WorkerId::random(), Instant::now());
        assert!(add(&mut tails, "t", worker, now));
        assert!(tails.open("other", now).is_none());
        let (messages, _) = tails.open("t", now).expect("the first");
        assert!(tails.open("t", now).is_none(), "the second");
        assert!(!tails.remove("t", WorkerId::random()));
        assert!(!messages.viewer().over.is_cancelled());
        assert!(tails.remove("t", worker));
        assert!(messages.viewer().over.is_cancelled());
        assert!(!tails.remove("t", worker));
    }

    #[test]
    fn a_worker_has_ten_and_what_nobody_came_for_makes_room() {
        let (mut tails, worker, now) = (Tails::default(), WorkerId::random(), Instant::now());
        for n in 0..MAX_TAILS {
            assert!(add(&mut tails, &n.to_string(), worker, now));
        }
        assert!(!add(&mut tails, "more", worker, now));
        assert!(add(&mut tails, "other", WorkerId::random(), now));
        let _seen = tails.open("0", now).expect("it is there");
        assert!(add(&mut tails, "later", worker, now + UNSEEN));
        assert_eq!(tails.sweep(now + UNSEEN).len(), 2, "of both workers some are over");
        assert_eq!(tails.list(worker, now + UNSEEN).len(), 2);
    }

    #[test]
    fn after_six_hours_it_is_over() {
        let (mut tails, worker, now) = (Tails::default(), WorkerId::random(), Instant::now());
        add(&mut tails, "t", worker, now);
        let _seen = tails.open("t", now);
        assert!(tails.sweep(now + LIFE - Duration::from_secs(1)).is_empty());
        assert_eq!(tails.sweep(now + LIFE), HashSet::from([worker]));
    }
}
