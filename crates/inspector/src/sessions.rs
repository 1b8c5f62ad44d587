//! The sessions that there are. Pure but for the clock that is handed in.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hearth_model::{VersionId, WorkerId};

/// How long a session lasts at most.
pub(crate) const LIFE: Duration = Duration::from_secs(3600);

/// How long one lasts to which no debugger is attached and which no request uses.
pub(crate) const IDLE: Duration = Duration::from_secs(600);

/// Sessions of one worker at a time.
pub(crate) const MOST_OF_WORKER: usize = 2;

/// Sessions of an installation at a time: each has a process that no memory budget counts.
pub(crate) const MOST: usize = 8;

/// A session, with its process.
pub(crate) struct Session<P> {
    pub worker: WorkerId,
    pub version: VersionId,
    /// What a debugger attaches with.
    pub key: String,
    pub process: P,
    pub made: Instant,
    /// Debuggers that are attached.
    pub attached: usize,
    used: Instant,
    served: u64,
}

/// Why there can be no further session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Worker,
    Installation,
}

/// Every session, by its id.
pub(crate) struct Sessions<P>(HashMap<String, Session<P>>);

impl<P> Default for Sessions<P> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<P> Sessions<P> {
    /// Whether a worker may have one more.
    pub(crate) fn room(&self, worker: WorkerId) -> Result<(), Full> {
        if self.0.len() >= MOST {
            return Err(Full::Installation);
        }
        let of_worker = self.0.values().filter(|session| session.worker == worker).count();
        if of_worker < MOST_OF_WORKER { Ok(()) } else { Err(Full::Worker) }
    }

    /// Adds one, if there is room.
    pub(crate) fn add(
        &mut self,
        id: String,
        key: String,
        (worker, version): (WorkerId, VersionId),
        process: P,
        now: Instant,
    ) -> Result<(), Full> {
        self.room(worker)?;
        let session = Session { worker, version, key, process, made: now, attached: 0, used: now, served: 0 };
        self.0.insert(id, session);
        Ok(())
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Session<P>> {
        self.0.get(id)
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Session<P>> {
        self.0.remove(id)
    }

    /// The session that a key opens, with its id.
    pub(crate) fn by_key(&mut self, key: &str) -> Option<(&str, &mut Session<P>)> {
        let found = self.0.iter_mut().find(|(_, session)| session.key == key);
        found.map(|(id, session)| (id.as_str(), session))
    }

    /// A debugger has gone.
    pub(crate) fn detached(&mut self, id: &str, now: Instant) {
        if let Some(session) = self.0.get_mut(id) {
            session.attached -= 1;
            session.used = now;
        }
    }

    /// The sessions of a worker, oldest first.
    pub(crate) fn of(&self, worker: WorkerId) -> Vec<(&str, &Session<P>)> {
        let all = self.0.iter().filter(|(_, session)| session.worker == worker);
        let mut all: Vec<_> = all.map(|(id, session)| (id.as_str(), session)).collect();
        all.sort_by_key(|(_, session)| session.made);
        all
    }

    /// Takes a look at a session in. True: it is over.
    pub(crate) fn look(&mut self, id: &str, in_flight: usize, served: u64, now: Instant) -> bool {
        let Some(session) = self.0.get_mut(id) else { return true };
        if session.attached > 0 || in_flight > 0 || served != session.served {
            session.used = now;
        }
        session.served = served;
        now.saturating_duration_since(session.used) >= IDLE
            || now.saturating_duration_since(session.made) >= LIFE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(sessions: &mut Sessions<()>, id: &str, worker: WorkerId, now: Instant) -> Result<(), Full> {
        sessions.add(id.into(), format!("key-{id}"), (worker, VersionId::random()), (), now)
    }

    #[test]
    fn there_is_room_for_few() {
        let (mut sessions, worker, now) = (Sessions::default(), WorkerId::random(), Instant::now());
        for n in 0..MOST_OF_WORKER {
            add(&mut sessions, &n.to_string(), worker, now).unwrap();
        }
        assert_eq!(add(&mut sessions, "more", worker, now), Err(Full::Worker));
        for n in MOST_OF_WORKER..MOST {
            add(&mut sessions, &n.to_string(), WorkerId::random(), now).unwrap();
        }
        assert_eq!(add(&mut sessions, "more", WorkerId::random(), now), Err(Full::Installation));
        assert!(sessions.remove("0").is_some());
        assert_eq!(add(&mut sessions, "more", worker, now), Ok(()));
    }

    #[test]
    fn a_key_opens_its_own_session_and_an_id_is_no_key() {
        let (mut sessions, worker, now) = (Sessions::default(), WorkerId::random(), Instant::now());
        add(&mut sessions, "a", worker, now).unwrap();
        assert_eq!(sessions.by_key("key-a").map(|(id, _)| id.to_owned()).as_deref(), Some("a"));
        assert!(sessions.by_key("a").is_none() && sessions.by_key("").is_none());
    }

    #[test]
    fn one_that_nobody_uses_is_over_and_so_is_an_old_one() {
        let (mut sessions, worker, now) = (Sessions::default(), WorkerId::random(), Instant::now());
        add(&mut sessions, "a", worker, now).unwrap();
        assert!(!sessions.look("a", 0, 0, now + IDLE - LOOK));
        assert!(!sessions.look("a", 0, 1, now + IDLE), "a request came");
        sessions.by_key("key-a").unwrap().1.attached += 1;
        assert!(!sessions.look("a", 0, 1, now + 2 * IDLE), "a debugger is attached");
        sessions.detached("a", now + 2 * IDLE);
        assert!(sessions.look("a", 0, 1, now + 3 * IDLE));
        assert!(sessions.look("a", 1, 1, now + LIFE), "however much it is used");
        assert!(sessions.look("gone", 1, 1, now));
    }

    const LOOK: Duration = Duration::from_secs(1);
}
