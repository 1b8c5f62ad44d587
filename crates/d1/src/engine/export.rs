//! A database as a script, in the form of `wrangler d1 export`.

use std::io::{self, Write};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;

/// What the script holds; the wire's form of [`crate::ExportOptions`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Options {
    pub no_schema: bool,
    pub no_data: bool,
    pub tables: Vec<String>,
}

/// Why a script is not whole.
pub enum Stopped {
    Refused(Refusal),
    /// Who reads it has gone.
    Io(io::Error),
}

impl From<rusqlite::Error> for Stopped {
    fn from(error: rusqlite::Error) -> Self {
        Self::Refused(error.into())
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Writes the script. The caller has a read transaction open.
///
/// # Errors
/// A virtual table cannot be exported (D1's own words); SQLite's; the writer's.
pub fn export(connection: &Connection, options: &Options, out: &mut impl Write) -> Result<(), Stopped> {
    let wanted = |table: &str| options.tables.is_empty() || options.tables.iter().any(|name| name == table);
    writeln!(out, "PRAGMA defer_foreign_keys=TRUE;")?;
    let tables = entries(
        connection,
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql NOT NULL
         ORDER BY tbl_name = 'sqlite_sequence', rowid",
    )?;
    for (name, sql) in tables.iter().filter(|(name, _)| wanted(name)) {
        match name.as_str() {
            "sqlite_sequence" if !options.no_schema => writeln!(out, "DELETE FROM sqlite_sequence;")?,
            "sqlite_sequence" => {}
            _ if name.starts_with("sqlite_stat") && !options.no_schema => {
                writeln!(out, "ANALYZE sqlite_schema;")?;
            }
            _ if name.starts_with("sqlite_stat") => {}
            _ if is_virtual(sql) => {
                let text = "D1 Export error: cannot export databases with Virtual Tables (fts5)";
                return Err(Stopped::Refused(text.into()));
            }
            _ if name.starts_with("_cf_") || name.starts_with("sqlite_") => continue,
            _ if !options.no_schema => match sql.strip_prefix("CREATE TABLE ") {
                Some(rest) if rest.starts_with(['\'', '"']) => {
                    writeln!(out, "CREATE TABLE IF NOT EXISTS {rest};")?;
                }
                _ => writeln!(out, "{sql};")?,
            },
            _ => {}
        }
        if !options.no_data {
            rows(connection, name, out)?;
        }
    }
    if !options.no_schema {
        let others = entries(
            connection,
            "SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL AND type IN ('index', 'trigger', 'view')
             ORDER BY type COLLATE NOCASE",
        )?;
        for (_, sql) in others.iter().filter(|(name, _)| wanted(name)) {
            writeln!(out, "{sql};")?;
        }
    }
    Ok(())
}

fn is_virtual(sql: &str) -> bool {
    let prefix = "CREATE VIRTUAL TABLE";
    sql.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
}

fn entries(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<(String, String)>> {
    connection.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn rows(connection: &Connection, table: &str, out: &mut impl Write) -> Result<(), Stopped> {
    let columns: Vec<String> = connection
        .prepare("SELECT name FROM pragma_table_info(?)")?
        .query_map([table], |row| row.get::<_, String>(0))?
        .map(|name| Ok(quoted(&name?)))
        .collect::<rusqlite::Result<_>>()?;
    let table = quoted(table);
    let mut statement = connection.prepare(&format!("SELECT {} FROM {table}", columns.join(", ")))?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        write!(out, "INSERT INTO {table} ({}) VALUES(", columns.join(","))?;
        values(row, columns.len(), out)?;
        writeln!(out, ");")?;
    }
    Ok(())
}

fn values(row: &Row<'_>, columns: usize, out: &mut impl Write) -> Result<(), Stopped> {
    for column in 0..columns {
        if column > 0 {
            out.write_all(b",")?;
        }
        match row.get_ref(column)? {
            ValueRef::Null => out.write_all(b"NULL")?,
            ValueRef::Integer(number) => write!(out, "{number}")?,
            ValueRef::Real(number) if number.is_infinite() => {
                out.write_all(if number > 0.0 { b"9e999" } else { b"-9e999" })?;
            }
            // Debug shows a real as one: whole numbers keep their `.0`.
            ValueRef::Real(number) => write!(out, "{number:?}")?,
            ValueRef::Text(text) => out.write_all(literal(&String::from_utf8_lossy(text)).as_bytes())?,
            ValueRef::Blob(bytes) => {
                out.write_all(b"X'")?;
                for byte in bytes {
                    write!(out, "{byte:02x}")?;
                }
                out.write_all(b"'")?;
            }
        }
    }
    Ok(())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text on one line: wrangler and D1's `exec` take a line for a statement.
fn literal(text: &str) -> String {
    let mut literal = format!("'{}'", text.replace('\'', "''"));
    for (character, escape, code) in [('\r', "\\r", 13), ('\n', "\\n", 10), ('\0', "\\0", 0)] {
        if literal.contains(character) {
            // What stands for the character must not stand there already.
            let mut mark = escape.to_owned();
            while literal.contains(&mark) {
                mark.push('_');
            }
            literal = format!("replace({},'{mark}',char({code}))", literal.replace(character, &mark));
        }
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_comes_back_from_its_literal(text in "[a-z'\\\\rn0_\r\n\0ü]{0,12}") {
            let db = Connection::open_in_memory().expect("opens");
            let literal = literal(&text);
            prop_assert!(!literal.contains(['\n', '\r', '\0']));
            let back: Vec<u8> = db
                .query_row(&format!("SELECT CAST({literal} AS BLOB)"), [], |row| row.get(0))
                .expect("is SQL");
            prop_assert_eq!(String::from_utf8(back).expect("UTF-8"), text);
        }
    }
}
