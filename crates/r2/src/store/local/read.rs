//! Contents on their way out: small ones from memory where they were read before, the others in pieces, read one ahead
//! of the reader on the pool's threads.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use tokio_stream::wrappers::ReceiverStream;

use super::super::body::ObjectBody;
use super::super::error::{R2Error, Result};
use super::super::types::{ByteRange, CustomerKey, Found, GetOptions, Object, Range};
use super::cache::{Known, Ticket};
use super::crypt::{self, FileKey};
use super::index::{Hold, Index};
use super::pool::Pool;
use super::schema::{Place, Stored};
use super::{schema, writes};

/// Bytes that are read at once.
const PIECE: u64 = 512 << 10;
/// How often a read begins anew because the object was replaced while its file was opened.
const ATTEMPTS: usize = 20;

/// Some bytes of one file.
struct Segment {
    file: String,
    /// Bytes of its whole content.
    size: u64,
    /// Which of them are wanted.
    range: ByteRange,
}

/// What is open, and what is to be read.
struct Source {
    index: Arc<Index>,
    customer_key: Option<CustomerKey>,
    segments: Vec<Segment>,
    /// Keeps the files of an object of several until the last is opened.
    _hold: Option<Hold>,
}

/// An object without its content.
pub(super) async fn head(index: &Arc<Index>, key: &str) -> Result<Object> {
    let (known, ticket) = index.cache.get(key);
    if let Some(known) = known {
        return Ok(known.object.clone());
    }
    let key = key.to_owned();
    let found = index.read(move |connection| writes::find(connection, &key)).await?;
    let object = found.ok_or(R2Error::NoSuchKey)?.object;
    index.cache.fill(ticket, Known { object: object.clone(), content: None });
    Ok(object)
}

/// Finds an object and opens its content.
pub(super) async fn get(index: &Arc<Index>, pool: &Pool, key: &str, options: GetOptions) -> Result<Found> {
    let (known, ticket) = index.cache.get(key);
    let whole = known.as_ref().and_then(|known| Some((&known.object, known.content.as_ref()?)));
    if let Some((object, content)) = whole {
        let wanted = wanted(object, &options)?;
        let range = wanted.unwrap_or(ByteRange { offset: 0, length: object.size });
        let body = ObjectBody::bytes(cut(content, range)?);
        return Ok(Found { object: object.clone(), range, partial: wanted.is_some(), body });
    }
    let (index_here, key) = (Arc::clone(index), key.to_owned());
    let (object, range, opened) = pool.run(move || open(&index_here, &key, &options, ticket)).await?;
    let partial = range.is_some();
    let range = range.unwrap_or(ByteRange { offset: 0, length: object.size });
    let body = match opened {
        Opened::Bytes(bytes) => ObjectBody::bytes(bytes),
        Opened::Reader(reader) => stream(pool.clone(), reader, range.length),
    };
    Ok(Found { object, range, partial, body })
}

enum Opened {
    Bytes(Bytes),
    Reader(Box<Reader>),
}

/// Blocks.
fn open(
    index: &Arc<Index>,
    key: &str,
    options: &GetOptions,
    ticket: Ticket,
) -> Result<(Object, Option<ByteRange>, Opened)> {
    for _ in 0..ATTEMPTS {
        let found = index.read_here(|connection| look_up(connection, key, options))?;
        let range = found.wanted;
        let whole = range.unwrap_or(ByteRange { offset: 0, length: found.stored.object.size });
        if let Some(content) = found.content {
            let object = found.stored.object;
            let bytes = match &options.customer_key {
                Some(key) => decrypted(&content, &object, whole, key)?,
                None => {
                    check_size(&content, &object)?;
                    let content = Bytes::from(content);
                    let bytes = cut(&content, whole)?;
                    index.cache.fill(ticket, Known { object: object.clone(), content: Some(content) });
                    bytes
                }
            };
            return Ok((object, range, Opened::Bytes(bytes)));
        }
        let hold = (found.stored.place == Place::Segments).then(|| index.hold(&found.stored.object.version));
        if hold.is_some() && !index.read_here(|connection| is_current(connection, &found.stored))? {
            continue;
        }
        let source = Source {
            index: Arc::clone(index),
            customer_key: options.customer_key.clone(),
            segments: found.segments,
            _hold: hold,
        };
        let mut reader = Reader { source, segment: 0, done: 0, file: None };
        match reader.open_file() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok((found.stored.object, range, Opened::Reader(Box::new(reader)))),
        }
    }
    Err(R2Error::internal(format_args!("the file of object {key:?} is missing")))
}

/// What the index knows.
struct LookedUp {
    stored: Stored,
    wanted: Option<ByteRange>,
    content: Option<Vec<u8>>,
    segments: Vec<Segment>,
}

fn look_up(connection: &Connection, key: &str, options: &GetOptions) -> Result<LookedUp> {
    let stored = writes::find(connection, key)?.ok_or(R2Error::NoSuchKey)?;
    let object = &stored.object;
    let wanted = match (&options.range, stored.place) {
        (Some(Range::Part(number)), Place::Segments) => {
            check(object, options)?;
            Some(part(connection, stored.id, *number)?)
        }
        _ => wanted(object, options)?,
    };
    let range = wanted.unwrap_or(ByteRange { offset: 0, length: object.size });
    let mut content = None;
    let mut segments = Vec::new();
    match stored.place {
        Place::Index => {
            let mut statement = connection.prepare_cached("SELECT content FROM bodies WHERE object = ?")?;
            content = Some(statement.query_row([stored.id], |row| row.get(0))?);
        }
        Place::File => {
            segments.push(Segment { file: object.version.clone(), size: object.size, range });
        }
        Place::Segments => segments = overlapping(connection, stored.id, range)?,
    }
    Ok(LookedUp { stored, wanted, content, segments })
}

/// Whether an object may be read, and which of its bytes; None for all.
fn wanted(object: &Object, options: &GetOptions) -> Result<Option<ByteRange>> {
    check(object, options)?;
    Ok(options.range.as_ref().map(|range| range.resolve(object.size)).transpose()?.flatten())
}

fn check(object: &Object, options: &GetOptions) -> Result<()> {
    options.only_if.check(Some(object), true)?;
    crypt::check_key(object.customer_key_md5.as_deref(), options.customer_key.as_ref())
}

/// Where one part of an object of several is.
fn part(connection: &Connection, object: i64, number: u32) -> Result<ByteRange> {
    let found = connection
        .prepare_cached("SELECT start, size FROM segments WHERE object = ? AND position = ? AND size > 0")?
        .query_row(params![object, i64::from(number) - 1], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (start, size): (i64, i64) = found.ok_or(R2Error::InvalidRange)?;
    let number = |value| u64::try_from(value).map_err(R2Error::internal);
    Ok(ByteRange { offset: number(start)?, length: number(size)? })
}

/// The segments of an object that have bytes of a range.
fn overlapping(connection: &Connection, object: i64, range: ByteRange) -> Result<Vec<Segment>> {
    let end = range.offset + range.length;
    let mut statement = connection.prepare_cached(
        "SELECT file, start, size FROM segments
         WHERE object = ?1 AND start < ?2 AND start + size > ?3 ORDER BY position",
    )?;
    let mut rows = statement.query(params![object, schema::signed(end)?, schema::signed(range.offset)?])?;
    let mut segments = Vec::new();
    while let Some(row) = rows.next()? {
        let (start, size): (i64, i64) = (row.get(1)?, row.get(2)?);
        let start = u64::try_from(start).map_err(R2Error::internal)?;
        let size = u64::try_from(size).map_err(R2Error::internal)?;
        let offset = range.offset.max(start);
        let length = end.min(start + size) - offset;
        segments.push(Segment {
            file: row.get(0)?,
            size,
            range: ByteRange { offset: offset - start, length },
        });
    }
    Ok(segments)
}

fn is_current(connection: &Connection, stored: &Stored) -> Result<bool> {
    let present = writes::find(connection, &stored.object.key)?;
    Ok(present.is_some_and(|present| present.object.version == stored.object.version))
}

/// The wanted bytes of a content that is here.
fn cut(content: &Bytes, range: ByteRange) -> Result<Bytes> {
    let (offset, length) = (position(range.offset)?, position(range.length)?);
    Ok(content.slice(offset..offset + length))
}

/// The wanted bytes of an encrypted content that is here.
fn decrypted(sealed: &[u8], object: &Object, range: ByteRange, key: &CustomerKey) -> Result<Bytes> {
    let key = FileKey::new(key, &object.version)?;
    let content =
        crypt::open_range(&key, object.size, range.offset, position(range.length)?, |from, length| {
            let from = position(from)?;
            let cut = sealed.get(from..from + length).map(<[u8]>::to_vec);
            cut.ok_or_else(|| cut_short(object))
        })?;
    Ok(content.into())
}

fn check_size(content: &[u8], object: &Object) -> Result<()> {
    if content.len() as u64 == object.size { Ok(()) } else { Err(cut_short(object)) }
}

fn cut_short(object: &Object) -> R2Error {
    R2Error::internal(format_args!("object {:?} is cut short", object.key))
}

fn position(at: u64) -> Result<usize> {
    usize::try_from(at).map_err(R2Error::internal)
}

/// Reads on from where it is.
struct Reader {
    source: Source,
    /// Which segment is read.
    segment: usize,
    /// How much of its range has been.
    done: u64,
    file: Option<(File, Option<FileKey>)>,
}

impl Reader {
    /// Opens the segment that is to be read.
    fn open_file(&mut self) -> io::Result<()> {
        self.file = None;
        let Some(segment) = self.source.segments.get(self.segment) else { return Ok(()) };
        let file = File::open(self.source.index.folder.path(&segment.file))?;
        let key = self.source.customer_key.as_ref().map(|key| FileKey::new(key, &segment.file));
        let key = key.transpose().map_err(|error| io::Error::other(format!("{error:?}")))?;
        self.file = Some((file, key));
        Ok(())
    }

    /// The next piece; None at the end. Blocks.
    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let Some(segment) = self.source.segments.get(self.segment) else { return Ok(None) };
            let left = segment.range.length - self.done;
            if left == 0 {
                self.segment += 1;
                self.done = 0;
                self.open_file()?;
                continue;
            }
            let Some((file, key)) = &self.file else {
                return Err(io::Error::other("a segment that is not open is read"));
            };
            let length = usize::try_from(left.min(PIECE)).map_err(io::Error::other)?;
            let offset = segment.range.offset + self.done;
            let bytes = match key {
                None => read_at(file, offset, length)?,
                Some(key) => crypt::open_range(key, segment.size, offset, length, |from, length| {
                    Ok(read_at(file, from, length)?)
                })
                .map_err(|error| io::Error::other(format!("{error:?}")))?,
            };
            self.done += bytes.len() as u64;
            return Ok(Some(bytes.into()));
        }
    }
}

fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

/// Streams what a reader gives. It stops when nobody listens any more.
fn stream(pool: Pool, mut reader: Box<Reader>, length: u64) -> ObjectBody {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let read = pool.run(move || Ok((reader.piece(), reader))).await;
            let (piece, next) = match read {
                Ok((piece, next)) => (piece, next),
                Err(error) => {
                    let _ = sender.send(Err(io::Error::other(error))).await;
                    return;
                }
            };
            reader = next;
            match piece {
                Ok(None) => return,
                Ok(Some(bytes)) => {
                    if sender.send(Ok(bytes)).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "an object could not be read");
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            }
        }
    });
    ObjectBody::new(ReceiverStream::new(receiver), length)
}
