//! How many rows a statement reads and writes.
//!
//! D1 counts them inside of a patched SQLite; the SQLite we link only counts the steps of full scans. The rest is
//! concluded from the statement's program: exact for reads by key, for full scans, and for writes without triggers; an
//! estimate for ranges of an index and for joins.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use rusqlite::Connection;

use super::normalize::normalize;

/// What a statement's program does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plan {
    /// Places where a scan begins or a row is sought.
    starts: u64,
    /// Loops over a range of an index, or over what was sorted: their steps are not counted.
    ranges: u64,
    /// Indexes that a written row is entered into.
    indexes: u64,
    /// Rows that are written into the schema; nothing for a statement that does not change it.
    schema: u64,
}

impl Plan {
    /// Reads the program of a statement.
    pub fn of(connection: &Connection, sql: &str) -> rusqlite::Result<Self> {
        let mut plan = Self::default();
        let (mut writable, mut inserts, mut is_schema) = (HashSet::new(), 0, false);
        let mut statement = connection.prepare(&format!("EXPLAIN {sql}"))?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let (code, p1, p5): (String, i64, i64) = (row.get(1)?, row.get(2)?, row.get(6)?);
            match code.as_str() {
                "OpenWrite" => drop(writable.insert(p1)),
                "Insert" if writable.contains(&p1) => inserts += 1,
                "ParseSchema" => is_schema = true,
                "Rewind" | "Last" | "Sort" | "SorterSort" | "SeekRowid" | "NotExists" | "SeekGE"
                | "SeekGT" | "SeekLE" | "SeekLT" => plan.starts += 1,
                "Next" | "Prev" if p5 == 0 => plan.ranges += 1,
                "SorterNext" | "VNext" => plan.ranges += 1,
                "IdxInsert" if writable.contains(&p1) => plan.indexes += 1,
                _ => {}
            }
        }
        if is_schema {
            plan.schema = inserts;
        }
        Ok(plan)
    }

    /// Rows that were looked at: `steps` of full scans were counted, and `rows` came out or changed.
    pub fn read(&self, steps: u64, rows: u64) -> u64 {
        self.starts + steps + if self.ranges > 0 { rows } else { 0 }
    }

    /// Rows that were written: `direct` of the statement itself, the others by triggers and foreign keys. A row that is
    /// deleted counts once, whatever indexes it was in.
    pub fn written(&self, direct: u64, all: u64) -> u64 {
        direct * self.indexes + all + self.schema
    }
}

/// What is known of a statement before it runs.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its program.
    pub plan: Plan,
    /// Its text with its values taken out: what it is counted as.
    pub kind: Rc<str>,
}

/// What is known of statements, until the schema changes.
#[derive(Debug, Default)]
pub struct Plans(HashMap<String, Known>);

impl Plans {
    /// As many as are kept; more begin anew.
    const MAX: usize = 512;

    /// Looks a statement up. The plan of one that SQLite does not explain is empty.
    pub fn of(&mut self, connection: &Connection, sql: &str) -> Known {
        if let Some(known) = self.0.get(sql) {
            return known.clone();
        }
        if self.0.len() >= Self::MAX {
            self.0.clear();
        }
        let plan = Plan::of(connection, sql).unwrap_or_default();
        let known = Known { plan, kind: normalize(sql).into() };
        self.0.insert(sql.to_owned(), known.clone());
        known
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
