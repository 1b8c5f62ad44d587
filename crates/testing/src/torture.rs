//! Kills the server in the middle of writes and looks whether what it acknowledged is still there.
//!
//! Each writer has a place of its own and writes 1, 2, 3, … there, one after the other. So whatever is found there after
//! a crash must be at least what was acknowledged last, and at most what was sent last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::Hearth;

/// What was sent and acknowledged, by writer.
pub struct Ledger(Vec<Line>);

#[derive(Default)]
struct Line {
    sent: AtomicU64,
    acknowledged: AtomicU64,
}

impl Ledger {
    /// Of this many writers.
    #[must_use]
    pub fn new(writers: usize) -> Self {
        Self((0..writers).map(|_| Line::default()).collect())
    }

    /// How many writes were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.0.iter().map(|line| line.acknowledged.load(Ordering::Relaxed)).sum()
    }

    /// Which of a writer's writes may be the last one that took effect.
    ///
    /// # Panics
    /// If there is no such writer.
    #[must_use]
    pub fn possible(&self, writer: usize) -> std::ops::RangeInclusive<u64> {
        let line = &self.0[writer];
        line.acknowledged.load(Ordering::Relaxed)..=line.sent.load(Ordering::Relaxed)
    }

    /// Judges what is found at each writer's place: 0 for nothing.
    ///
    /// # Errors
    /// A sentence for every place that lost an acknowledged write, or holds what nobody wrote.
    pub fn check(&self, found: &[u64]) -> Result<(), String> {
        let judge = |(writer, (line, found)): (usize, (&Line, &u64))| {
            let (least, most) =
                (line.acknowledged.load(Ordering::Relaxed), line.sent.load(Ordering::Relaxed));
            let is_right = (least..=most).contains(found);
            (!is_right).then(|| format!("writer {writer}: found {found}, should be in {least}..={most}"))
        };
        let faults: Vec<_> = self.0.iter().zip(found).enumerate().filter_map(judge).collect();
        if faults.is_empty() && found.len() == self.0.len() { Ok(()) } else { Err(faults.join("\n")) }
    }

    /// Lets every writer write for a while, kills the server in the middle of it, and starts it again. `write` says
    /// whether its write was acknowledged.
    ///
    /// # Panics
    /// If the server does not come up again.
    pub async fn round<W, F>(&self, hearth: &mut Hearth, load: Duration, write: W)
    where
        W: Fn(usize, u64) -> F,
        F: Future<Output = bool>,
    {
        self.until_killed(hearth, load, write).await;
        hearth.start_again().await;
    }

    /// The first part of a [`Ledger::round`]: the server is dead then.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub async fn until_killed<W, F>(&self, hearth: &mut Hearth, load: Duration, write: W)
    where
        W: Fn(usize, u64) -> F,
        F: Future<Output = bool>,
    {
        let write = &write;
        let writers = self.0.iter().enumerate().map(|(writer, line)| async move {
            loop {
                let number = line.sent.fetch_add(1, Ordering::Relaxed) + 1;
                if !write(writer, number).await {
                    return;
                }
                line.acknowledged.store(number, Ordering::Relaxed);
            }
        });
        let pid = i32::try_from(hearth.pid()).ok().and_then(Pid::from_raw).expect("a positive pid");
        let kill = async {
            tokio::time::sleep(load).await;
            kill_process(pid, Signal::KILL).expect("the server can be killed");
        };
        tokio::join!(futures::future::join_all(writers), kill);
        // It is dead already; this waits for it.
        hearth.kill().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_invented_writes_are_seen() {
        let ledger = Ledger::new(2);
        for (line, (sent, acknowledged)) in ledger.0.iter().zip([(5, 4), (3, 3)]) {
            line.sent.store(sent, Ordering::Relaxed);
            line.acknowledged.store(acknowledged, Ordering::Relaxed);
        }
        assert!(ledger.check(&[4, 3]).is_ok() && ledger.check(&[5, 3]).is_ok());
        for wrong in [&[3, 3][..], &[6, 3], &[4, 0], &[4, 4], &[4]] {
            assert!(ledger.check(wrong).is_err(), "{wrong:?}");
        }
    }
}
