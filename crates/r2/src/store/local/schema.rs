//! The index of a bucket: its tables, and rows as objects.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, Row};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::error::{R2Error, Result};
use super::super::types::{Checksums, CustomMetadata, HttpMetadata, Object, Part, StorageClass, Upload};

/// Keys are blobs, so that they compare as bytes against any bound.
///
/// `pending` names files that no object may need after a crash: they are written down before they appear in `objects/`,
/// crossed out by the transaction that makes an object of them, and written down again by the one that takes the object
/// away.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS objects (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    version TEXT NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    uploaded INTEGER NOT NULL,
    class INTEGER NOT NULL,
    place INTEGER NOT NULL,
    meta TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS bodies (object INTEGER PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS segments (
    object INTEGER NOT NULL,
    position INTEGER NOT NULL,
    file TEXT NOT NULL,
    start INTEGER NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (object, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY,
    key BLOB NOT NULL,
    initiated INTEGER NOT NULL,
    finished INTEGER,
    class INTEGER NOT NULL,
    meta TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_by_key ON uploads (key, id) WHERE finished IS NULL;
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL,
    number INTEGER NOT NULL,
    file TEXT NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    uploaded INTEGER NOT NULL,
    extra TEXT NOT NULL,
    PRIMARY KEY (upload, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (file TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS totals (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    objects INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    uploads INTEGER NOT NULL,
    upload_bytes INTEGER NOT NULL
);
INSERT OR IGNORE INTO totals VALUES (1, 0, 0, 0, 0);
";

/// Columns of `objects` in the order that [`object_of`] reads.
pub(super) const OBJECT: &str = "id, key, version, size, etag, uploaded, class, place, meta";

/// How long a connection waits for another, in milliseconds. Writers of one bucket take turns before they come here, so
/// only a checkpoint is waited for.
const BUSY_MS: u32 = 10_000;

/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 48;

/// Where an object's content lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In `bodies`.
    Index = 0,
    /// In a file that is named like the version.
    File = 1,
    /// In the files of `segments`.
    Segments = 2,
}

/// What of an object no query asks for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Meta {
    pub(super) http: HttpMetadata,
    pub(super) custom: CustomMetadata,
    pub(super) checksums: Checksums,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer_key_md5: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) extra: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parts: Option<u32>,
}

/// A row of `objects`.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) place: Place,
    pub(super) object: Object,
}

/// Opens a connection to an index, which is made if it is not there.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(std::time::Duration::from_millis(u64::from(BUSY_MS)))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // What a WAL that grew large gives back, in bytes.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(connection)
}

/// Makes the tables of a new index.
pub(super) fn create(connection: &Connection) -> Result<()> {
    Ok(connection.execute_batch(SCHEMA)?)
}

pub(super) fn object_of(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let meta: Meta = json(row, 8)?;
    let place = match row.get::<_, i64>(7)? {
        0 => Place::Index,
        1 => Place::File,
        _ => Place::Segments,
    };
    let object = Object {
        key: key(row, 1)?,
        version: row.get(2)?,
        size: unsigned(row, 3)?,
        etag: row.get(4)?,
        uploaded: time(row, 5)?,
        http: meta.http,
        custom: meta.custom,
        checksums: meta.checksums,
        storage_class: class(row, 6)?,
        customer_key_md5: meta.customer_key_md5,
        extra: meta.extra,
        parts: meta.parts,
    };
    Ok(Stored { id: row.get(0)?, place, object })
}

/// Columns of `uploads` in the order that [`upload_of`] reads.
pub(super) const UPLOAD: &str = "id, key, initiated, class, meta";

/// An upload, and what its object will have.
pub(super) fn upload_of(row: &Row<'_>) -> rusqlite::Result<(Upload, Meta)> {
    let meta: Meta = json(row, 4)?;
    let upload = Upload {
        id: row.get(0)?,
        key: key(row, 1)?,
        initiated: time(row, 2)?,
        storage_class: class(row, 3)?,
        customer_key_md5: meta.customer_key_md5.clone(),
        extra: meta.extra.clone(),
    };
    Ok((upload, meta))
}

/// Columns of `parts` in the order that [`part_of`] reads.
pub(super) const PART: &str = "number, etag, size, uploaded, extra, file";

/// A part, and its file.
pub(super) fn part_of(row: &Row<'_>) -> rusqlite::Result<(Part, String)> {
    let part = Part {
        number: row.get(0)?,
        etag: row.get(1)?,
        size: unsigned(row, 2)?,
        uploaded: time(row, 3)?,
        extra: json(row, 4)?,
    };
    Ok((part, row.get(5)?))
}

fn key(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    String::from_utf8(row.get(column)?).map_err(|error| corrupt(column, error))
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|error| corrupt(column, error))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|error| corrupt(column, error))
}

fn class(row: &Row<'_>, column: usize) -> rusqlite::Result<StorageClass> {
    Ok(match row.get::<_, i64>(column)? {
        0 => StorageClass::Standard,
        _ => StorageClass::InfrequentAccess,
    })
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| corrupt(column, error))
}

fn corrupt(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

/// A size or a count as SQLite keeps it.
pub(super) fn signed(size: u64) -> Result<i64> {
    i64::try_from(size).map_err(R2Error::internal)
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(R2Error::internal)
}

/// Now, in whole milliseconds, as an answer will say it.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

impl From<rusqlite::Error> for R2Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::StorageFull,
            _ => Self::internal(format_args!("index: {error}")),
        }
    }
}

impl From<std::io::Error> for R2Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge => Self::StorageFull,
            _ => Self::internal(format_args!("file: {error}")),
        }
    }
}
