//! What a queue's operations do to its rows, each within a transaction that others may share.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::lane::Changes;
use crate::store::{
    Exchanged, Format, Holder, Lease, Message, MessageId, Metrics, NewMessage, Patience, Settled, Take,
    Taken, Verdict,
};

/// Bytes that a message takes on disk beside its body, about.
pub(super) const ROW: u64 = 100;
/// Messages that one expiry removes, so that others do not wait long.
pub(super) const EXPIRE_AT_ONCE: usize = 1000;

/// A transaction that is open.
pub(super) struct Transaction<'a> {
    connection: &'a Connection,
    /// When it began.
    now: i64,
    pub(super) changes: Changes,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(connection: &'a Connection, now: i64) -> Self {
        Self { connection, now, changes: Changes::default() }
    }

    /// Counts messages that are there no more, or more than before; what the queue holds now.
    fn count(&mut self, messages: i64, bytes: i64) -> rusqlite::Result<(u64, u64)> {
        let mut statement = self.connection.prepare_cached(
            "UPDATE totals SET messages = messages + ?1, bytes = bytes + ?2 RETURNING messages, bytes",
        )?;
        let (messages, bytes) =
            statement.query_row([messages, bytes], |row| Ok((at(row, 0)?, at(row, 1)?)))?;
        self.changes.holds = Some(bytes + messages * ROW);
        Ok((messages, bytes))
    }
}

fn at(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or(0))
}

/// The server has just started: nothing is being delivered to a worker, so whatever was may be delivered again.
pub(super) fn end_deliveries(transaction: &mut Transaction<'_>) -> rusqlite::Result<()> {
    // A lease ends in the future or has ended by itself, so that the index has all there are.
    transaction
        .connection
        .prepare_cached(
            "UPDATE messages SET due = ?1, holder = 0 WHERE dead = 0 AND due > ?1 AND holder = 1",
        )?
        .execute([transaction.now])?;
    Ok(())
}

pub(super) fn metrics(transaction: &Transaction<'_>) -> rusqlite::Result<Metrics> {
    let mut totals = transaction.connection.prepare_cached("SELECT messages, bytes FROM totals")?;
    let (count, bytes) = totals.query_row([], |row| Ok((at(row, 0)?, at(row, 1)?)))?;
    Ok(Metrics { count, bytes, oldest: oldest(transaction)?.0 })
}

/// When the oldest message was sent, 0 without one, and when it arrived.
pub(super) fn oldest(transaction: &Transaction<'_>) -> rusqlite::Result<(i64, Option<i64>)> {
    let mut first = transaction
        .connection
        .prepare_cached("SELECT sent, arrived FROM messages ORDER BY sequence LIMIT 1")?;
    let found = first.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.map_or((0, None), |(sent, arrived)| (sent, Some(arrived))))
}

/// Adds messages.
pub(super) fn send(transaction: &mut Transaction<'_>, messages: &[NewMessage]) -> rusqlite::Result<Metrics> {
    let (connection, now) = (transaction.connection, transaction.now);
    let number = i64::try_from(messages.len()).unwrap_or(i64::MAX);
    let first: i64 = connection
        .prepare_cached("UPDATE totals SET next = next + ?1 RETURNING next - ?1")?
        .query_row([number], |row| row.get(0))?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO messages (sequence, id, format, size, sent, arrived, due)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut insert_body = connection.prepare_cached("INSERT INTO bodies VALUES (?1, ?2)")?;
    let mut bytes = 0;
    for (sequence, message) in (first..).zip(messages) {
        let size = message.body.len() as i64;
        let format = Format::ALL.iter().position(|format| *format == message.format).unwrap_or(0) as i64;
        let due = now + message.delay;
        insert.execute(params![sequence, message.id, format, size, message.timestamp, now, due])?;
        insert_body.execute(params![sequence, &message.body[..]])?;
        bytes += size;
    }
    let (count, bytes) = transaction.count(number, bytes)?;
    transaction.changes.arrivals += messages.len() as u64;
    transaction.changes.first_arrival = Some(now);
    Ok(Metrics { count, bytes, oldest: oldest(transaction)?.0 })
}

/// Settles, then takes.
pub(super) fn exchange(
    transaction: &mut Transaction<'_>,
    settled: &[Settled],
    take: Option<Take>,
    patience: Patience,
) -> rusqlite::Result<Exchanged> {
    let mut gone = Gone::default();
    let mut effective = Vec::with_capacity(settled.len());
    for settled in settled {
        effective.push(settle(transaction, *settled, patience, &mut gone)?);
    }
    let taken = match take {
        Some(take) => self::take(transaction, &take, patience, &mut gone)?,
        None => Taken::default(),
    };
    if gone.messages > 0 {
        transaction.count(-gone.messages, -gone.bytes)?;
    }
    let metrics = metrics(transaction)?;
    Ok(Exchanged { effective, given_up: gone.given_up, taken, metrics })
}

/// What an operation has removed, or will not deliver any more.
#[derive(Default)]
struct Gone {
    messages: i64,
    bytes: i64,
    given_up: usize,
}

fn settle(
    transaction: &Transaction<'_>,
    Settled { lease, verdict }: Settled,
    patience: Patience,
    gone: &mut Gone,
) -> rusqlite::Result<bool> {
    let connection = transaction.connection;
    let (delay, counts) = match verdict {
        Verdict::Acknowledged => return delete(connection, lease.sequence, gone),
        Verdict::Retry(delay) => (delay, 1),
        Verdict::Returned(delay) => (delay, 0),
    };
    let mut held = connection
        .prepare_cached("SELECT attempts FROM messages WHERE sequence = ?1 AND token = ?2 AND dead = 0")?;
    let attempts: Option<i64> = held.query_row([lease.sequence, lease.token], |row| row.get(0)).optional()?;
    let Some(attempts) = attempts else { return Ok(false) };
    if counts == 1 && attempts >= i64::from(patience.attempts) {
        give_up(connection, lease.sequence, patience, gone)?;
        return Ok(true);
    }
    connection
        .prepare_cached(
            "UPDATE messages SET due = ?2, attempts = ?3, holder = 0, token = 0 WHERE sequence = ?1",
        )?
        .execute([lease.sequence, transaction.now + delay, attempts - 1 + counts])?;
    Ok(true)
}

/// A message that was tried often enough.
fn give_up(
    connection: &Connection,
    sequence: i64,
    patience: Patience,
    gone: &mut Gone,
) -> rusqlite::Result<()> {
    gone.given_up += 1;
    if !patience.keep_dead {
        delete(connection, sequence, gone)?;
        return Ok(());
    }
    connection
        .prepare_cached("UPDATE messages SET dead = 1, holder = 0, token = 0 WHERE sequence = ?1")?
        .execute([sequence])?;
    Ok(())
}

fn delete(connection: &Connection, sequence: i64, gone: &mut Gone) -> rusqlite::Result<bool> {
    let size: Option<i64> = connection
        .prepare_cached("DELETE FROM messages WHERE sequence = ?1 RETURNING size")?
        .query_row([sequence], |row| row.get(0))
        .optional()?;
    let Some(size) = size else { return Ok(false) };
    connection.prepare_cached("DELETE FROM bodies WHERE sequence = ?1")?.execute([sequence])?;
    gone.messages += 1;
    gone.bytes += size;
    Ok(true)
}

/// A message that is due.
struct Due {
    sequence: i64,
    due: i64,
    attempts: i64,
    size: i64,
}

/// Up to `most` messages that are due, the one that waits longest first. What was tried often enough is given up.
fn due(
    transaction: &Transaction<'_>,
    most: usize,
    patience: Patience,
    gone: &mut Gone,
) -> rusqlite::Result<Vec<Due>> {
    let mut statement = transaction.connection.prepare_cached(
        "SELECT sequence, due, attempts, size FROM messages INDEXED BY messages_due
         WHERE dead = 0 AND due <= ?1 ORDER BY due, sequence LIMIT ?2",
    )?;
    loop {
        let found: Vec<Due> = statement
            .query_map(params![transaction.now, most as i64], |row| {
                Ok(Due { sequence: row.get(0)?, due: row.get(1)?, attempts: row.get(2)?, size: row.get(3)? })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let (spent, found): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|due| due.attempts >= i64::from(patience.attempts));
        if spent.is_empty() {
            return Ok(found);
        }
        for spent in spent {
            give_up(transaction.connection, spent.sequence, patience, gone)?;
        }
    }
}

fn take(
    transaction: &Transaction<'_>,
    take: &Take,
    patience: Patience,
    gone: &mut Gone,
) -> rusqlite::Result<Taken> {
    let mut taken = Taken::default();
    loop {
        let found = due(transaction, take.messages, patience, gone)?;
        taken.ready = found.len();
        if taken.batches.len() == take.batches || found.is_empty() {
            break;
        }
        let is_full = found.len() == take.messages;
        let is_retry = found.iter().any(|due| due.attempts > 0);
        let first = found[0].due;
        if !is_full && !is_retry && first + take.wait > transaction.now {
            taken.wake = Some(first + take.wait);
            break;
        }
        taken.batches.push(lease(transaction, take, found)?);
    }
    let next: Option<i64> = transaction
        .connection
        .prepare_cached("SELECT min(due) FROM messages INDEXED BY messages_due WHERE dead = 0 AND due > ?1")?
        .query_row([transaction.now], |row| row.get(0))?;
    taken.wake = taken.wake.into_iter().chain(next).min();
    Ok(taken)
}

/// Gives a batch its lease and reads it.
fn lease(transaction: &Transaction<'_>, take: &Take, found: Vec<Due>) -> rusqlite::Result<Vec<Message>> {
    let connection = transaction.connection;
    let holder = match take.holder {
        Holder::Worker => 1,
        Holder::Client => 2,
    };
    let token = i64::from(rand::random::<u32>()) << 31 | i64::from(rand::random::<u32>() >> 1) | 1;
    let mut hold = connection.prepare_cached(
        "UPDATE messages SET due = ?2, attempts = attempts + 1, token = ?3, holder = ?4 WHERE sequence = ?1",
    )?;
    let mut read = connection.prepare_cached(READ)?;
    let (mut batch, mut bytes) = (Vec::with_capacity(found.len()), 0);
    for due in found {
        bytes += usize::try_from(due.size).unwrap_or(0);
        if !batch.is_empty() && bytes > take.bytes {
            break;
        }
        hold.execute([due.sequence, transaction.now + take.lease, token, holder])?;
        batch.push(read.query_row([due.sequence], message)?);
    }
    Ok(batch)
}

const READ: &str = "SELECT m.sequence, m.token, m.id, m.sent, m.attempts, m.format, b.body
     FROM messages m JOIN bodies b ON b.sequence = m.sequence WHERE m.sequence = ?1";

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let body = Bytes::from(row.get::<_, Vec<u8>>(6)?);
    Ok(Message {
        lease: Lease { sequence: row.get(0)?, token: row.get(1)? },
        id: row.get::<_, MessageId>(2)?,
        timestamp: row.get(3)?,
        attempts: row.get(4)?,
        format: format(row.get(5)?),
        body,
    })
}

fn format(number: i64) -> Format {
    let position = usize::try_from(number).ok();
    position.and_then(|position| Format::ALL.get(position)).copied().unwrap_or(Format::Bytes)
}

/// Messages of a list of sequence numbers.
fn read_all(connection: &Connection, sequences: Vec<i64>) -> rusqlite::Result<Vec<Message>> {
    let mut read = connection.prepare_cached(READ)?;
    sequences.into_iter().map(|sequence| read.query_row([sequence], message)).collect()
}

/// Messages that were given up.
pub(super) fn dead(transaction: &Transaction<'_>, most: usize) -> rusqlite::Result<Vec<Message>> {
    let sequences = transaction
        .connection
        .prepare_cached(
            "SELECT sequence FROM messages INDEXED BY messages_dead WHERE dead = 1 ORDER BY sequence LIMIT ?1",
        )?
        .query_map([most as i64], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    read_all(transaction.connection, sequences)
}

/// The messages that would be delivered next.
pub(super) fn peek(transaction: &Transaction<'_>, most: usize) -> rusqlite::Result<Vec<Message>> {
    let sequences = transaction
        .connection
        .prepare_cached(
            "SELECT sequence FROM messages INDEXED BY messages_due
             WHERE dead = 0 AND due <= ?1 ORDER BY due, sequence LIMIT ?2",
        )?
        .query_map(params![transaction.now, most as i64], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    read_all(transaction.connection, sequences)
}

/// Deletes messages.
pub(super) fn remove(transaction: &mut Transaction<'_>, sequences: &[i64]) -> rusqlite::Result<usize> {
    let mut gone = Gone::default();
    for sequence in sequences {
        delete(transaction.connection, *sequence, &mut gone)?;
    }
    transaction.count(-gone.messages, -gone.bytes)?;
    Ok(usize::try_from(gone.messages).unwrap_or(0))
}

/// Deletes everything.
pub(super) fn purge(transaction: &mut Transaction<'_>) -> rusqlite::Result<()> {
    transaction.connection.execute_batch(
        "DELETE FROM messages; DELETE FROM bodies; UPDATE totals SET messages = 0, bytes = 0;",
    )?;
    transaction.changes.holds = Some(0);
    Ok(())
}

/// Deletes what has been there for so long, up to [`EXPIRE_AT_ONCE`] messages; how many those were.
pub(super) fn expire(transaction: &mut Transaction<'_>, retention: i64) -> rusqlite::Result<usize> {
    let expired: Vec<i64> = transaction
        .connection
        .prepare_cached(
            "SELECT sequence FROM (SELECT sequence, arrived FROM messages ORDER BY sequence LIMIT ?2)
             WHERE arrived <= ?1",
        )?
        .query_map(params![transaction.now - retention, EXPIRE_AT_ONCE as i64], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if !expired.is_empty() {
        remove(transaction, &expired)?;
    }
    transaction.changes.oldest = Some(oldest(transaction)?.1.unwrap_or(i64::MAX));
    Ok(expired.len())
}
