//! What is half done: who has shown a password and not yet a second factor, who is at a provider of single sign-on. In
//! memory: a restart has them begin anew. Pure: the caller says what time it is.

use std::time::Duration;

use hashlink::LruCache;
use rand::Rng;
use rand::distr::Alphanumeric;

/// Tries at one ticket.
const TRIES: u32 = 5;
/// Tickets at once; beyond these the oldest go.
const MOST: usize = 10_000;

/// What is remembered for the bearer of a random text, for a while.
pub struct Tickets<T> {
    all: LruCache<String, Ticket<T>>,
    lifetime: Duration,
}

struct Ticket<T> {
    content: T,
    until: Duration,
    tries: u32,
}

impl<T> Tickets<T> {
    /// Tickets that are good for so long.
    pub fn good_for(lifetime: Duration) -> Self {
        Self { all: LruCache::new(MOST), lifetime }
    }

    /// Remembers something; the text names it.
    pub fn issue(&mut self, content: T, now: Duration) -> String {
        let name: String = rand::rng().sample_iter(Alphanumeric).take(48).map(char::from).collect();
        self.all.insert(name.clone(), Ticket { content, until: now + self.lifetime, tries: 0 });
        name
    }

    /// What a ticket is for, which counts as a try. None when there is none, it is too old, or was tried too often.
    pub fn try_at(&mut self, name: &str, now: Duration) -> Option<&T> {
        if self.all.peek(name).is_some_and(|ticket| ticket.until <= now || ticket.tries >= TRIES) {
            self.all.remove(name);
        }
        let ticket = self.all.get_mut(name)?;
        ticket.tries += 1;
        Some(&ticket.content)
    }

    /// What a ticket is for, to be changed. That is no try.
    pub fn get_mut(&mut self, name: &str, now: Duration) -> Option<&mut T> {
        let ticket = self.all.get_mut(name)?;
        (ticket.until > now).then_some(&mut ticket.content)
    }

    /// Takes a ticket: it is none any more.
    pub fn take(&mut self, name: &str, now: Duration) -> Option<T> {
        self.all.remove(name).filter(|ticket| ticket.until > now).map(|ticket| ticket.content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(300);
    const NOW: Duration = Duration::from_secs(1000);

    #[test]
    fn a_ticket_is_good_once_for_a_while_and_for_some_tries() {
        let mut tickets = Tickets::good_for(LIFETIME);
        let ticket = tickets.issue("ann", NOW);
        assert_eq!(tickets.try_at(&ticket, NOW), Some(&"ann"));
        assert_eq!(tickets.take(&ticket, NOW), Some("ann"));
        assert_eq!(tickets.take(&ticket, NOW), None, "used");
        assert_eq!(tickets.try_at(&ticket, NOW), None, "used");

        let ticket = tickets.issue("ann", NOW);
        assert_eq!(tickets.try_at(&ticket, NOW + LIFETIME), None, "old");
        let ticket = tickets.issue("ann", NOW);
        assert_eq!(tickets.take(&ticket, NOW + LIFETIME), None, "old");

        let ticket = tickets.issue("ann", NOW);
        for _ in 0..TRIES {
            assert!(tickets.try_at(&ticket, NOW).is_some());
        }
        assert_eq!(tickets.try_at(&ticket, NOW), None, "tried too often");
        assert_eq!(tickets.take(&ticket, NOW), None);
    }

    #[test]
    fn their_memory_is_bounded() {
        let mut tickets = Tickets::good_for(LIFETIME);
        let first = tickets.issue(0, NOW);
        for number in 0..MOST {
            tickets.issue(number, NOW);
        }
        assert_eq!(tickets.all.len(), MOST);
        assert_eq!(tickets.take(&first, NOW), None);
    }
}
