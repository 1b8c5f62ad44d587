//! What is asked of a database and what it answers.

use bytes::Bytes;

use crate::Position;

/// The form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Results {
    /// `[{"column": value}]`: REST's `/query`.
    Objects,
    /// `{"columns": [..], "rows": [[..]]}`: REST's `/raw`, and `ROWS_AND_COLUMNS` of the binding.
    RowsAndColumns,
}

/// How results belong to statements where an `sql` holds several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One result for each `sql`, that of its last statement: the binding.
    PerQuery,
    /// One result for each statement: REST, wrangler's migrations.
    PerStatement,
}

/// One request: all of it is one transaction.
#[derive(Debug, Clone)]
pub struct Request {
    /// JSON, parsed by the engine and nobody else: `{"sql": "…", "params": [..]}` or an array of such.
    pub queries: Bytes,
    /// The form of the results.
    pub results: Results,
    /// How many results there are.
    pub shape: Shape,
}

/// What a request did.
#[derive(Debug)]
pub struct Answer {
    /// A JSON array of `{"success":true,"results":…,"meta":{…}}`.
    pub results: Bytes,
    /// Where the database is now: what a session's bookmark says.
    pub position: Position,
    /// The sums over all statements.
    pub summary: Summary,
}

/// The figures of a whole request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Statements that ran.
    pub statements: u32,
    /// Rows that were looked at.
    pub rows_read: u64,
    /// Rows that were written, those of indexes too.
    pub rows_written: u64,
    /// Rows that were inserted, changed or deleted.
    pub changes: u64,
    /// Time spent in SQLite, in microseconds.
    pub duration_us: u64,
    /// Bytes of the database afterwards, without pages that are free.
    pub size_after: u64,
}

/// What an import did.
#[derive(Debug, Clone, Copy)]
pub struct Imported {
    /// Where the database is now.
    pub position: Position,
    /// The sums over all statements.
    pub summary: Summary,
}

/// How large a database is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes, without pages that are free.
    pub bytes: u64,
    /// Tables that a tenant sees: neither SQLite's own nor those whose name begins with `_cf_`.
    pub tables: u64,
}

/// What an export holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// Rows only.
    pub no_schema: bool,
    /// Schema only.
    pub no_data: bool,
    /// These tables only; all of them if it is empty.
    pub tables: Vec<String>,
}
