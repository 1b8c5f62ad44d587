//! Why a request was refused, in D1's words.

use rusqlite::Error;
use rusqlite::ffi;

use super::frame::Outcome;

/// A request that takes no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The text is for the caller.
    Text(String),
    /// It took too long.
    Timeout,
    /// It took too much memory.
    Memory,
}

impl Refusal {
    /// How it is told.
    pub fn outcome(&self) -> (Outcome, &str) {
        match self {
            Self::Text(text) => (Outcome::Refused, text),
            Self::Timeout => (Outcome::Timeout, ""),
            Self::Memory => (Outcome::Memory, ""),
        }
    }
}

impl From<&str> for Refusal {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// SQLite's text, where in the statement it was, and the names of the codes: `near "x": syntax error at offset 0:
/// SQLITE_ERROR`, `… failed: t.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)` (workerd's `dbErrorMessage`).
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let (code, text, offset) = match error {
            Error::SqliteFailure(code, text) => (code, text.unwrap_or_else(|| code.to_string()), None),
            Error::SqlInputError { error, msg, offset, .. } => (error, msg, Some(offset)),
            Error::MultipleStatement => {
                return "A prepared SQL statement must contain only one statement.".into();
            }
            // What else rusqlite says is of how we call it; a parameter that SQLite does not know is the only case.
            other => return Self::Text(other.to_string()),
        };
        match code.extended_code & 0xff {
            ffi::SQLITE_INTERRUPT => return Self::Timeout,
            ffi::SQLITE_NOMEM => return Self::Memory,
            _ => {}
        }
        let at = offset.map(|offset| format!(" at offset {offset}")).unwrap_or_default();
        let extended =
            extended(code.extended_code).map(|name| format!(" (extended: {name})")).unwrap_or_default();
        Self::Text(format!("{text}{at}: {}{extended}", primary(code.extended_code & 0xff)))
    }
}

fn primary(code: i32) -> &'static str {
    match code {
        ffi::SQLITE_ERROR => "SQLITE_ERROR",
        ffi::SQLITE_INTERNAL => "SQLITE_INTERNAL",
        ffi::SQLITE_PERM => "SQLITE_PERM",
        ffi::SQLITE_ABORT => "SQLITE_ABORT",
        ffi::SQLITE_BUSY => "SQLITE_BUSY",
        ffi::SQLITE_LOCKED => "SQLITE_LOCKED",
        ffi::SQLITE_READONLY => "SQLITE_READONLY",
        ffi::SQLITE_IOERR => "SQLITE_IOERR",
        ffi::SQLITE_CORRUPT => "SQLITE_CORRUPT",
        ffi::SQLITE_NOTFOUND => "SQLITE_NOTFOUND",
        ffi::SQLITE_FULL => "SQLITE_FULL",
        ffi::SQLITE_CANTOPEN => "SQLITE_CANTOPEN",
        ffi::SQLITE_PROTOCOL => "SQLITE_PROTOCOL",
        ffi::SQLITE_SCHEMA => "SQLITE_SCHEMA",
        ffi::SQLITE_TOOBIG => "SQLITE_TOOBIG",
        ffi::SQLITE_CONSTRAINT => "SQLITE_CONSTRAINT",
        ffi::SQLITE_MISMATCH => "SQLITE_MISMATCH",
        ffi::SQLITE_MISUSE => "SQLITE_MISUSE",
        ffi::SQLITE_AUTH => "SQLITE_AUTH",
        ffi::SQLITE_FORMAT => "SQLITE_FORMAT",
        ffi::SQLITE_RANGE => "SQLITE_RANGE",
        ffi::SQLITE_NOTADB => "SQLITE_NOTADB",
        _ => "SQLITE_ERROR",
    }
}

/// Extended codes that a statement can end with.
fn extended(code: i32) -> Option<&'static str> {
    Some(match code {
        ffi::SQLITE_ABORT_ROLLBACK => "SQLITE_ABORT_ROLLBACK",
        ffi::SQLITE_BUSY_SNAPSHOT => "SQLITE_BUSY_SNAPSHOT",
        ffi::SQLITE_CONSTRAINT_CHECK => "SQLITE_CONSTRAINT_CHECK",
        ffi::SQLITE_CONSTRAINT_DATATYPE => "SQLITE_CONSTRAINT_DATATYPE",
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "SQLITE_CONSTRAINT_FOREIGNKEY",
        ffi::SQLITE_CONSTRAINT_FUNCTION => "SQLITE_CONSTRAINT_FUNCTION",
        ffi::SQLITE_CONSTRAINT_NOTNULL => "SQLITE_CONSTRAINT_NOTNULL",
        ffi::SQLITE_CONSTRAINT_PINNED => "SQLITE_CONSTRAINT_PINNED",
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY => "SQLITE_CONSTRAINT_PRIMARYKEY",
        ffi::SQLITE_CONSTRAINT_ROWID => "SQLITE_CONSTRAINT_ROWID",
        ffi::SQLITE_CONSTRAINT_TRIGGER => "SQLITE_CONSTRAINT_TRIGGER",
        ffi::SQLITE_CONSTRAINT_UNIQUE => "SQLITE_CONSTRAINT_UNIQUE",
        ffi::SQLITE_CONSTRAINT_VTAB => "SQLITE_CONSTRAINT_VTAB",
        ffi::SQLITE_CORRUPT_INDEX => "SQLITE_CORRUPT_INDEX",
        ffi::SQLITE_CORRUPT_VTAB => "SQLITE_CORRUPT_VTAB",
        ffi::SQLITE_ERROR_MISSING_COLLSEQ => "SQLITE_ERROR_MISSING_COLLSEQ",
        ffi::SQLITE_IOERR_FSYNC => "SQLITE_IOERR_FSYNC",
        ffi::SQLITE_IOERR_READ => "SQLITE_IOERR_READ",
        ffi::SQLITE_IOERR_SHORT_READ => "SQLITE_IOERR_SHORT_READ",
        ffi::SQLITE_IOERR_WRITE => "SQLITE_IOERR_WRITE",
        _ => return None,
    })
}
