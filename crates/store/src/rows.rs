//! From a row's columns to the types of the model. What does not parse was not written by us: corrupt.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::{Result, StoreError};

fn corrupt(column: &str, error: impl Display) -> StoreError {
    StoreError::Corrupt(format!("column {column}: {error}"))
}

pub(crate) fn text(row: &SqliteRow, column: &str) -> Result<String> {
    Ok(row.try_get(column)?)
}

pub(crate) fn flag(row: &SqliteRow, column: &str) -> Result<bool> {
    Ok(row.try_get::<i64, _>(column)? != 0)
}

pub(crate) fn count(row: &SqliteRow, column: &str) -> Result<u64> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|error| corrupt(column, error))
}

pub(crate) fn parsed<T: FromStr<Err: Display>>(row: &SqliteRow, column: &str) -> Result<T> {
    from_text(row.try_get(column)?, column)
}

pub(crate) fn from_text<T: FromStr<Err: Display>>(text: &str, column: &str) -> Result<T> {
    text.parse().map_err(|error| corrupt(column, error))
}

pub(crate) fn parsed_option<T: FromStr<Err: Display>>(row: &SqliteRow, column: &str) -> Result<Option<T>> {
    let text: Option<&str> = row.try_get(column)?;
    text.map(|text| from_text(text, column)).transpose()
}

pub(crate) fn json<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<T> {
    from_json(row.try_get(column)?, column)
}

pub(crate) fn json_option<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<Option<T>> {
    let text: Option<&str> = row.try_get(column)?;
    text.map(|text| from_json(text, column)).transpose()
}

pub(crate) fn from_json<T: DeserializeOwned>(text: &str, column: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| corrupt(column, error))
}

/// Types of the model serialize to JSON without fail: their maps have string keys.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| corrupt("(writing)", error))
}

pub(crate) fn time(row: &SqliteRow, column: &str) -> Result<Timestamp> {
    Timestamp::from_microsecond(row.try_get(column)?).map_err(|error| corrupt(column, error))
}

pub(crate) fn time_option(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>> {
    let stored: Option<i64> = row.try_get(column)?;
    stored.map(|time| Timestamp::from_microsecond(time).map_err(|error| corrupt(column, error))).transpose()
}

/// Now, in the precision that is stored: what an insert returns equals what is read later.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap_or(Timestamp::UNIX_EPOCH)
}
