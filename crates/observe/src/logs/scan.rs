//! Reads the events of a time span out of an account's segments.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::types::Value as Sql;
use serde_json::{Value, json};

use super::find::{Filter, Needle};
use super::segment::{File, files, first_id, id_text, time_of};

/// How long one query may read.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a query looks at.
pub(super) struct Span {
    /// Milliseconds since 1970, both ends belong to it.
    pub from_ms: i64,
    pub to_ms: i64,
    pub filter: Filter,
    pub needle: Option<Needle>,
}

/// One event that was found.
pub(super) struct Found {
    pub id: i64,
    pub request: String,
    pub weight: f64,
    pub event: Value,
}

impl Found {
    pub(super) fn timestamp_ms(&self) -> i64 {
        time_of(self.id)
    }

    /// The event with its id.
    pub(super) fn into_event(mut self) -> Value {
        self.event["$metadata"]["id"] = json!(id_text(self.id));
        self.event
    }
}

/// What reading took.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Effort {
    pub rows: u64,
    pub bytes: u64,
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    #[error("the query takes too long: narrow its timeframe, or filter by service or request id")]
    TooLong,
    #[error(transparent)]
    Failed(#[from] rusqlite::Error),
}

/// Gives every event of the span that is meant to `each`, segment by segment, newest first within each. `each` says
/// whether to go on.
pub(super) fn scan(
    folder: &Path,
    span: &Span,
    effort: &mut Effort,
    mut each: impl FnMut(Found) -> bool,
) -> Result<(), ScanError> {
    let began = Instant::now();
    for file in files(folder).iter().rev() {
        if !segment(file, span, effort, began, &mut each)? {
            break;
        }
    }
    Ok(())
}

fn segment(
    file: &File,
    span: &Span,
    effort: &mut Effort,
    began: Instant,
    each: &mut impl FnMut(Found) -> bool,
) -> Result<bool, ScanError> {
    // One that has gone meanwhile was too old.
    if !file.path.exists() {
        return Ok(true);
    }
    let connection = file.read()?;
    let mut sql = "SELECT id, request, weight, body FROM events WHERE id BETWEEN ? AND ?".to_owned();
    let mut values =
        vec![Sql::from(first_id(span.from_ms)), Sql::from(first_id(span.to_ms.saturating_add(1)) - 1)];
    for (key, column) in [
        ("$metadata.requestId", "request"),
        ("$workers.requestId", "request"),
        ("$metadata.service", "service"),
        ("$workers.scriptName", "service"),
        ("$metadata.level", "level"),
    ] {
        if let Some(text) = span.filter.must_equal(key) {
            sql.push_str(&format!(" AND {column} = ?"));
            values.push(Sql::from(text.to_owned()));
        }
    }
    sql.push_str(" ORDER BY id DESC");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        if effort.rows.is_multiple_of(256) && began.elapsed() > PATIENCE {
            return Err(ScanError::TooLong);
        }
        let body = row.get_ref(3)?.as_str().unwrap_or_default();
        effort.rows += 1;
        effort.bytes += body.len() as u64;
        if span.needle.as_ref().is_some_and(|needle| !needle.is_in(body)) {
            continue;
        }
        let event: Value = serde_json::from_str(body).unwrap_or_default();
        if !span.filter.holds(&event) {
            continue;
        }
        let found = Found { id: row.get(0)?, request: row.get(1)?, weight: row.get(2)?, event };
        if !each(found) {
            return Ok(false);
        }
    }
    Ok(true)
}
