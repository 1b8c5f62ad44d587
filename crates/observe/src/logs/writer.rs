//! The thread that writes logs, and what waits for it.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hearth_model::AccountId;
use hearth_space::Kind;
use tokio::sync::oneshot;

use super::Config;
use super::record::{Record, records};
use super::segment::{File, Row, Segment, files};
use crate::seen::Seen;
use crate::settings::Observability;

/// Invocations that may wait to be written.
const MAX_WAITING: usize = 16_384;

/// Bytes, about, that may wait to be written.
const MAX_WAITING_BYTES: usize = 32 << 20;

/// How long what comes is gathered before it is written.
const GATHER: Duration = Duration::from_millis(100);

/// How often it is looked for what is too old.
const SWEEP: Duration = Duration::from_secs(60);

/// Segments an account's bound is made of: the grain in which the oldest goes.
const SEGMENTS: u64 = 16;

/// The part of an account's quota that its logs may take, an eighth: they go by themselves, and leave room for what does not.
const QUOTA_PART: u64 = 8;

/// How often a loss is said.
const COMPLAIN: Duration = Duration::from_secs(10);

const DAY_MS: i64 = 24 * 3600 * 1000;

enum Message {
    Seen(Seen, Observability, usize),
    Flush(oneshot::Sender<()>),
}

/// The way to the thread.
pub(super) struct Writer {
    sender: flume::Sender<Message>,
    waiting_bytes: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn start(config: Config) -> io::Result<Self> {
        let (sender, messages) = flume::bounded(MAX_WAITING);
        let (waiting_bytes, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        let shelves = Shelves { config, open: HashMap::new() };
        let mut thread = Thread {
            shelves,
            refused: None,
            waiting_bytes: Arc::clone(&waiting_bytes),
            dropped: Arc::clone(&dropped),
            complained: None,
            swept: None,
        };
        std::thread::Builder::new().name("logs-write".to_owned()).spawn(move || thread.run(&messages))?;
        Ok(Self { sender, waiting_bytes, dropped })
    }

    pub(super) fn offer(&self, seen: Seen, wanted: Observability) {
        let logs: usize = seen.trace.logs.iter().map(|log| log.message_json.len() + 1000).sum();
        let bytes = 4000 + logs + seen.trace.exceptions.len() * 2000;
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = before + bytes <= MAX_WAITING_BYTES;
        if !(fits && self.sender.try_send(Message::Seen(seen, wanted, bytes)).is_ok()) {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.sender.send_async(Message::Flush(done)).await.is_ok() {
            // The thread answers, or has ended.
            let _ = written.await;
        }
    }
}

struct Thread {
    shelves: Shelves,
    waiting_bytes: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    complained: Option<Instant>,
    /// When it was said last that logs cannot be written.
    refused: Option<Instant>,
    swept: Option<Instant>,
}

impl Thread {
    fn run(&mut self, messages: &flume::Receiver<Message>) {
        loop {
            if self.swept.is_none_or(|at| at.elapsed() > SWEEP) {
                self.shelves.sweep(now_ms());
                self.swept = Some(Instant::now());
            }
            let first = match messages.recv_timeout(SWEEP) {
                Ok(first) => first,
                Err(flume::RecvTimeoutError::Timeout) => continue,
                Err(flume::RecvTimeoutError::Disconnected) => return,
            };
            if matches!(first, Message::Seen(..)) {
                std::thread::sleep(GATHER);
            }
            let batch: Vec<Message> = std::iter::once(first).chain(messages.drain()).collect();
            self.write(batch);
            self.complain();
        }
    }

    fn write(&mut self, batch: Vec<Message>) {
        let mut by_account: HashMap<AccountId, (u64, Vec<Record>)> = HashMap::new();
        let mut done = Vec::new();
        for message in batch {
            match message {
                Message::Seen(seen, wanted, bytes) => {
                    let (count, kept) = by_account.entry(seen.subject.account.clone()).or_default();
                    *count += 1;
                    kept.extend(records(&seen, wanted));
                    self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
                }
                Message::Flush(answer) => done.push(answer),
            }
        }
        for (account, (count, records)) in by_account {
            let written = self.shelves.write(&account, &records, now_ms());
            // An account that is full goes on logging.
            if let Err(error) = written
                && self.refused.is_none_or(|at| at.elapsed() > COMPLAIN)
            {
                self.refused = Some(Instant::now());
                tracing::warn!(%account, error, count, "logs cannot be written and are lost");
            }
        }
        for answer in done {
            // Who asked has gone.
            let _ = answer.send(());
        }
    }

    fn complain(&mut self) {
        if self.complained.is_none_or(|at| at.elapsed() > COMPLAIN) {
            let count = self.dropped.swap(0, Ordering::Relaxed);
            if count > 0 {
                self.complained = Some(Instant::now());
                tracing::warn!(
                    count,
                    "the logs of this many invocations are lost: they came faster than they are written"
                );
            }
        }
    }
}

/// Bytes that a row takes, about.
fn size((_, body): &Row<'_>) -> usize {
    body.len() + 200
}

/// The folders of all accounts.
struct Shelves {
    config: Config,
    open: HashMap<AccountId, (Segment, i64)>,
}

/// The name under which [`hearth_space::Space`] knows what an account's logs take.
fn resource(account: &AccountId) -> String {
    format!("logs-{account}")
}

impl Shelves {
    fn write(&mut self, account: &AccountId, records: &[Record], now_ms: i64) -> Result<(), String> {
        let rows: Vec<Row<'_>> = records.iter().map(|record| (record, record.body.to_string())).collect();
        let bytes: usize = rows.iter().map(size).sum();
        let resource = resource(account);
        self.config.space.opened(&resource, account, Kind::Logs);
        if self.config.space.room(&resource) < bytes as u64 {
            return Err("the account's quota is used up, or the disk has only its reserve left".to_owned());
        }
        let written = self.write_rows(account, &rows, now_ms);
        self.count(account);
        written
    }

    fn write_rows(&mut self, account: &AccountId, rows: &[Row<'_>], now_ms: i64) -> Result<(), String> {
        let segment_bytes = self.most(account) / SEGMENTS;
        // What comes at once may be more than a segment holds.
        let mut left = rows;
        while !left.is_empty() {
            let mut total = 0;
            let full = left.iter().position(|row| {
                total += size(row) as u64;
                total > segment_bytes
            });
            let (part, rest) = left.split_at(full.unwrap_or(left.len()).max(1));
            let (mut segment, made_ms) = self.segment(account, segment_bytes, now_ms)?;
            segment.insert(part).map_err(|error| error.to_string())?;
            self.open.insert(account.clone(), (segment, made_ms));
            left = rest;
        }
        Ok(())
    }

    /// The segment that an account's logs go to now: the last one, while it has room and it is still its day.
    fn segment(
        &mut self,
        account: &AccountId,
        segment_bytes: u64,
        now_ms: i64,
    ) -> Result<(Segment, i64), String> {
        let folder = self.folder(account);
        let current = self.open.remove(account).or_else(|| {
            let last = files(&folder).pop()?;
            Some((Segment::open(last.path.clone()).ok()?, last.made_ms))
        });
        let goes_on = current.filter(|(segment, made_ms)| {
            let file = File { path: segment.path().to_owned(), made_ms: *made_ms };
            made_ms / DAY_MS == now_ms / DAY_MS && file.bytes() < segment_bytes
        });
        if let Some(current) = goes_on {
            return Ok(current);
        }
        let fresh = Segment::create(&folder, now_ms).map_err(|error| error.to_string())?;
        self.thin(account, now_ms);
        Ok((fresh, now_ms))
    }

    /// Removes what is too old everywhere, and closes what is not written to today.
    fn sweep(&mut self, now_ms: i64) {
        self.open.retain(|_, (_, made_ms)| *made_ms / DAY_MS == now_ms / DAY_MS);
        let folders = std::fs::read_dir(&self.config.folder).into_iter().flatten().flatten();
        let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
        for account in names.filter_map(|name| name.parse().ok()) {
            self.config.space.opened(&resource(&account), &account, Kind::Logs);
            self.thin(&account, now_ms);
            self.count(&account);
        }
    }

    /// Removes an account's oldest segments until what is left is neither too old nor too much. The newest stays
    /// while it may be written to.
    fn thin(&self, account: &AccountId, now_ms: i64) {
        let files = files(&self.folder(account));
        let sizes: Vec<(i64, u64)> = files.iter().map(|file| (file.made_ms, file.bytes())).collect();
        let retention_ms = i64::try_from(self.config.retention.as_millis()).unwrap_or(i64::MAX);
        for file in &files[..too_much(&sizes, self.most(account), now_ms - retention_ms)] {
            if let Err(error) = file.remove() {
                tracing::warn!(%error, path = %file.path.display(), "old logs cannot be removed");
            }
        }
    }

    fn folder(&self, account: &AccountId) -> PathBuf {
        self.config.folder.join(account.as_str())
    }

    /// Bytes that an account's logs may take.
    fn most(&self, account: &AccountId) -> u64 {
        let part = self.config.space.quota(account).map(|quota| quota / QUOTA_PART);
        part.map_or(self.config.account_bytes, |part| self.config.account_bytes.min(part))
    }

    /// Says what an account's logs take.
    fn count(&self, account: &AccountId) {
        let bytes = files(&self.folder(account)).iter().map(File::bytes).sum();
        self.config.space.wrote(&resource(account), bytes);
    }
}

/// How many of the segments, oldest first with the time of their making and their bytes, have to go. A segment holds what
/// came until the next one was made.
fn too_much(sizes: &[(i64, u64)], most: u64, oldest_ms: i64) -> usize {
    let mut total: u64 = sizes.iter().map(|(_, bytes)| bytes).sum();
    // What the newest may still grow by.
    total += most / SEGMENTS;
    let mut gone = 0;
    while gone + 1 < sizes.len() && (sizes[gone + 1].0 < oldest_ms || total > most) {
        total -= sizes[gone].1;
        gone += 1;
    }
    // The newest is written to for a day.
    let ended = sizes.last().is_some_and(|(made_ms, _)| made_ms + DAY_MS < oldest_ms);
    if ended { sizes.len() } else { gone }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use hearth_rpc::LogLevel;
    use hearth_space::Space;

    use super::*;
    use crate::seen::tests::{log, quiet, seen};

    #[test]
    fn the_oldest_go_first_and_the_newest_stays() {
        let most = 1600;
        assert_eq!(too_much(&[], most, 0), 0);
        assert_eq!(too_much(&[(1, 5000)], most, 100), 0, "it is being written");
        assert_eq!(too_much(&[(1, 100), (2, 100), (3, 100)], most, 0), 0);
        assert_eq!(
            too_much(&[(1, 100), (20, 100), (30, 100)], most, 10),
            0,
            "the first holds what came until 20"
        );
        assert_eq!(too_much(&[(1, 100), (2, 100), (30, 100)], most, 10), 1);
        assert_eq!(too_much(&[(1, 1000), (2, 1000), (3, 100)], most, 0), 1);
        assert_eq!(too_much(&[(1, 1000), (2, 1550), (3, 100)], most, 0), 2);
        assert_eq!(too_much(&[(1, 100), (2, 100)], most, DAY_MS), 1);
        assert_eq!(too_much(&[(1, 100), (2, 100)], most, DAY_MS + 3), 2, "nobody writes to it any more");
    }

    #[test]
    fn an_accounts_logs_stay_within_their_bound() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::unbounded();
        let config = Config { account_bytes: 2 << 20, ..Config::new(folder.path(), space.clone()) };
        let mut shelves = Shelves { config, open: HashMap::new() };
        let mut trace = quiet();
        trace.logs =
            (0..20).map(|n| log(LogLevel::Log, &format!("[\"{n} {}\"]", "x".repeat(2000)))).collect();
        let seen = seen(trace);
        let account = &seen.subject.account;
        let wanted = Observability { sampling: 1.0, invocations: true };
        let on_disk =
            || -> u64 { files(&folder.path().join(account.as_str())).iter().map(File::bytes).sum() };
        // All of it at once, as after a moment in which the disk was slow.
        let flood: Vec<Record> = (0..200).flat_map(|_| records(&seen, wanted)).collect();
        shelves.write(account, &flood, 1_794_999_000_000).unwrap();
        let (written, _) = &shelves.open[account];
        assert!(written.path().exists(), "what comes now goes into a file that is removed already");
        let mut most = on_disk();
        for second in 0..200 {
            let at = 1_795_000_000_000 + second * 1000;
            shelves.write(account, &records(&seen, wanted), at).unwrap();
            most = most.max(on_disk());
        }
        // What is written before the log is carried over into the file counts twice for a moment.
        assert!((1 << 20..4 << 20).contains(&most), "{most}");
        assert!(files(&folder.path().join(account.as_str())).len() > 3);
        assert_eq!(space.held(account, Kind::Logs), on_disk(), "what they take is told");

        // Another server that begins finds it out, and that they are old.
        let again = Space::unbounded();
        let config = Config { space: again.clone(), ..shelves.config.clone() };
        drop(shelves);
        let mut shelves = Shelves { config, open: HashMap::new() };
        shelves.sweep(1_795_000_200_000);
        assert_eq!((again.held(account, Kind::Logs) > 0, again.held(account, Kind::Logs)), (true, on_disk()));
        shelves.sweep(1_795_000_200_000 + 9 * DAY_MS);
        assert_eq!((again.held(account, Kind::Logs), on_disk()), (0, 0));
    }

    #[test]
    fn a_disk_that_has_its_reserve_left_only_and_a_quota_are_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let seen = seen(quiet());
        let account = &seen.subject.account;
        let records = records(&seen, Observability { sampling: 1.0, invocations: true });
        let shelves = |account_quota, reserve| {
            let config = hearth_space::Config { folder: folder.path().to_owned(), account_quota, reserve };
            let config = Config::new(folder.path(), Space::new(config).unwrap());
            Shelves { config, open: HashMap::new() }
        };
        for mut full in [shelves(None, Some(u64::MAX)), shelves(Some(100), Some(0))] {
            assert!(full.write(account, &records, 1).unwrap_err().contains("reserve"));
        }
        assert_eq!(files(&folder.path().join(account.as_str())), []);
        let quota = shelves(Some(8 << 20), Some(0));
        assert_eq!(quota.most(account), 1 << 20);
        assert_eq!(shelves(None, Some(0)).most(account), 1 << 30);
    }
}
