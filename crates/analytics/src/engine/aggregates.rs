//! Aggregate functions that SQLite does not have. What they keep is counted against one budget of the query.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, Result};

/// What aggregate functions of one query may keep together, in bytes.
const MAX_KEPT: usize = 64 << 20;

/// What an entry of a map takes beside its key, in bytes: about.
const ENTRY: usize = 48;

/// What is left of the budget.
#[derive(Clone, Default)]
struct Budget(Arc<AtomicUsize>);

impl Budget {
    fn take(&self, bytes: usize) -> Result<()> {
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > MAX_KEPT {
            return Err(Error::UserFunctionError(
                "the query needs too much memory: narrow it by time or by an index".into(),
            ));
        }
        Ok(())
    }
}

/// Adds the functions to a connection that runs one query.
pub fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8;
    let budget = Budget::default();
    connection.create_aggregate_function("ae_quantile", 3, flags, Quantile(budget.clone()))?;
    connection.create_aggregate_function("ae_top", 3, flags, Top(budget.clone()))?;
    connection.create_aggregate_function(
        "ae_arg_max",
        2,
        flags,
        Extreme { wants: std::cmp::Ordering::Greater },
    )?;
    connection.create_aggregate_function(
        "ae_arg_min",
        2,
        flags,
        Extreme { wants: std::cmp::Ordering::Less },
    )?;
    connection.create_aggregate_function("ae_first", 1, flags, End { first: true })?;
    connection.create_aggregate_function("ae_last", 1, flags, End { first: false })
}

fn number(value: ValueRef<'_>) -> Option<f64> {
    match value {
        ValueRef::Integer(value) => Some(value as f64),
        ValueRef::Real(value) => Some(value),
        _ => None,
    }
}

fn weight(value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::Integer(value) => u64::try_from(value).unwrap_or(0),
        ValueRef::Real(value) => value as u64,
        _ => 0,
    }
}

/// `quantileExactWeighted`: values with how often each is there, in order.
struct Quantile(Budget);

/// An `f64` as an integer of the same order.
fn ordered(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

fn unordered(key: i64) -> f64 {
    f64::from_bits((key ^ ((key >> 63) as u64 >> 1) as i64) as u64)
}

#[derive(Default)]
struct Weighted {
    values: BTreeMap<i64, u64>,
    level: f64,
}

impl Aggregate<Weighted, Option<f64>> for Quantile {
    fn init(&self, _: &mut Context<'_>) -> Result<Weighted> {
        Ok(Weighted::default())
    }

    fn step(&self, context: &mut Context<'_>, state: &mut Weighted) -> Result<()> {
        state.level = number(context.get_raw(2)).unwrap_or(0.5);
        let Some(value) = number(context.get_raw(0)) else { return Ok(()) };
        let weight = weight(context.get_raw(1));
        match state.values.get_mut(&ordered(value)) {
            Some(known) => *known = known.saturating_add(weight),
            None => {
                self.0.take(ENTRY)?;
                state.values.insert(ordered(value), weight);
            }
        }
        Ok(())
    }

    /// As ClickHouse: the first value at which the weights so far reach the level's share of all.
    fn finalize(&self, _: &mut Context<'_>, state: Option<Weighted>) -> Result<Option<f64>> {
        let Some(Weighted { values, level }) = state else { return Ok(None) };
        let all: u128 = values.values().map(|weight| u128::from(*weight)).sum();
        let threshold = (all as f64 * level).ceil() as u128;
        let mut passed = 0;
        for (value, weight) in &values {
            passed += u128::from(*weight);
            if passed >= threshold {
                return Ok(Some(unordered(*value)));
            }
        }
        Ok(values.last_key_value().map(|(value, _)| unordered(*value)))
    }
}

/// `topK` and `topKWeighted`: exact, where ClickHouse estimates.
struct Top(Budget);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Number(i64),
    Float(i64),
    Text(String),
}

#[derive(Default)]
struct Counted {
    values: HashMap<Key, u64>,
    count: usize,
}

impl Aggregate<Counted, Option<String>> for Top {
    fn init(&self, _: &mut Context<'_>) -> Result<Counted> {
        Ok(Counted::default())
    }

    fn step(&self, context: &mut Context<'_>, state: &mut Counted) -> Result<()> {
        state.count = usize::try_from(weight(context.get_raw(2))).unwrap_or(0);
        let key = match context.get_raw(0) {
            ValueRef::Integer(value) => Key::Number(value),
            ValueRef::Real(value) => Key::Float(ordered(value)),
            ValueRef::Text(text) => Key::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Null | ValueRef::Blob(_) => return Ok(()),
        };
        let weight = weight(context.get_raw(1));
        match state.values.get_mut(&key) {
            Some(known) => *known = known.saturating_add(weight),
            None => {
                let length = if let Key::Text(text) = &key { text.len() } else { 0 };
                self.0.take(ENTRY + length)?;
                state.values.insert(key, weight);
            }
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, state: Option<Counted>) -> Result<Option<String>> {
        let Some(Counted { values, count }) = state else { return Ok(None) };
        let mut all: Vec<(Key, u64)> = values.into_iter().collect();
        all.sort_by(|(a, a_weight), (b, b_weight)| b_weight.cmp(a_weight).then_with(|| a.cmp(b)));
        let top = all.into_iter().take(count).map(|(key, _)| match key {
            Key::Number(value) => value.into(),
            Key::Float(value) => unordered(value).into(),
            Key::Text(text) => serde_json::Value::String(text),
        });
        Ok(Some(serde_json::Value::Array(top.collect()).to_string()))
    }
}

/// `argMax` and `argMin`.
struct Extreme {
    wants: std::cmp::Ordering,
}

/// Values of one column have one type.
fn compare(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (a, b) => number(a.into()).unwrap_or(0.0).total_cmp(&number(b.into()).unwrap_or(0.0)),
    }
}

impl Aggregate<Option<(Value, Value)>, Option<Value>> for Extreme {
    fn init(&self, _: &mut Context<'_>) -> Result<Option<(Value, Value)>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, state: &mut Option<(Value, Value)>) -> Result<()> {
        let by: Value = context.get(1)?;
        if state.as_ref().is_none_or(|(_, best)| compare(&by, best) == self.wants) {
            *state = Some((context.get(0)?, by));
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, state: Option<Option<(Value, Value)>>) -> Result<Option<Value>> {
        Ok(state.flatten().map(|(what, _)| what))
    }
}

/// `first_value` and `last_value`: of the rows as they lie.
struct End {
    first: bool,
}

impl Aggregate<Option<Value>, Option<Value>> for End {
    fn init(&self, _: &mut Context<'_>) -> Result<Option<Value>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, state: &mut Option<Value>) -> Result<()> {
        if !self.first || state.is_none() {
            *state = Some(context.get(0)?);
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, state: Option<Option<Value>>) -> Result<Option<Value>> {
        Ok(state.flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn floats_keep_their_order(a: f64, b: f64) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(unordered(ordered(a)).to_bits(), a.to_bits());
            prop_assert_eq!(ordered(a).cmp(&ordered(b)), a.total_cmp(&b));
        }
    }

    fn connection() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        connection
    }

    fn ask<T: rusqlite::types::FromSql>(sql: &str) -> T {
        connection().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn weights_count_as_often_as_they_say() {
        let of = |level: &str| -> f64 {
            ask(&format!(
                "SELECT ae_quantile(column1, column2, {level}) FROM (VALUES (1, 1), (2.5, 8), (100, 1))"
            ))
        };
        assert_eq!((of("0.0"), of("0.5"), of("0.9"), of("0.95"), of("1")), (1.0, 2.5, 2.5, 100.0, 100.0));
        assert_eq!(ask::<Option<f64>>("SELECT ae_quantile(1, 1, 0.5) WHERE 0"), None);
    }

    #[test]
    fn the_most_common_come_first() {
        let rows = "(VALUES ('a', 1), ('b', 1), ('b', 1), ('c', 9))";
        assert_eq!(ask::<String>(&format!("SELECT ae_top(column1, 1, 2) FROM {rows}")), r#"["b","a"]"#);
        assert_eq!(ask::<String>(&format!("SELECT ae_top(column1, column2, 2) FROM {rows}")), r#"["c","b"]"#);
        assert_eq!(ask::<String>(&format!("SELECT ae_arg_max(column1, column2) FROM {rows}")), "c");
        assert_eq!(ask::<String>(&format!("SELECT ae_arg_min(column1, column2) FROM {rows}")), "a");
        assert_eq!(ask::<String>(&format!("SELECT ae_last(column1) || ae_first(column1) FROM {rows}")), "ca");
    }

    #[test]
    fn one_query_keeps_only_so_much() {
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000)
                   SELECT ae_quantile(i, 1, 0.5) FROM n";
        let error = connection().query_row(sql, [], |row| row.get::<_, f64>(0)).unwrap_err();
        assert!(error.to_string().contains("too much memory"), "{error}");
    }
}
