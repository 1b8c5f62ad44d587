//! Answers, as Cloudflare's reference describes the formats (statements, FORMAT).

use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde_json::json;

use crate::engine::time;
use crate::sql::{Format, Output, Type};

/// Longest answer, in bytes.
const MAX_ANSWER: usize = 32 << 20;

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(crate) kind: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Its text.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Writes an answer row by row.
pub struct Writer<'a> {
    form: Format,
    columns: &'a [Output],
    body: Vec<u8>,
    rows: u64,
}

impl<'a> Writer<'a> {
    /// An answer with these columns.
    pub fn new(form: Format, columns: &'a [Output]) -> Self {
        let mut body = Vec::new();
        if form == Format::Json {
            let meta: Vec<_> = columns
                .iter()
                .map(|column| json!({"name": column.name, "type": column.ty.to_string()}))
                .collect();
            body.extend(format!("{{\"meta\":{},\"data\":[", json!(meta)).into_bytes());
        }
        Self { form, columns, body, rows: 0 }
    }

    /// Whether no more rows should be added.
    pub fn is_too_large(&self) -> bool {
        self.body.len() > MAX_ANSWER
    }

    /// Adds a row.
    ///
    /// # Errors
    /// It has not the columns that were announced.
    pub fn row(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        match self.form {
            Format::Json if self.rows > 0 => self.body.push(b','),
            Format::JsonEachRow | Format::TabSeparated if self.rows > 0 => self.body.push(b'\n'),
            _ => {}
        }
        self.rows += 1;
        if self.form == Format::TabSeparated {
            for (index, column) in self.columns.iter().enumerate() {
                if index > 0 {
                    self.body.push(b'\t');
                }
                self.body.extend(plain(row.get_ref(index)?, &column.ty).into_bytes());
            }
            return Ok(());
        }
        self.body.push(b'{');
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                self.body.push(b',');
            }
            self.body.extend(json!(column.name).to_string().into_bytes());
            self.body.push(b':');
            self.body.extend(in_json(row.get_ref(index)?, &column.ty).into_bytes());
        }
        self.body.push(b'}');
        Ok(())
    }

    /// Ends the answer of a query that skipped `offset` rows.
    pub fn finish(mut self, offset: u64) -> Answer {
        if self.form == Format::Json {
            // ClickHouse promises no more than "at least", and to know would mean to run the query without its limit.
            let before = self.rows.saturating_add(offset);
            let end = format!("],\"rows\":{},\"rows_before_limit_at_least\":{before}}}", self.rows);
            self.body.extend(end.into_bytes());
        } else if self.rows > 0 {
            self.body.push(b'\n');
        }
        let kind = match self.form {
            Format::Json => "application/json; charset=UTF-8",
            Format::JsonEachRow => "application/x-ndjson; charset=UTF-8",
            Format::TabSeparated => "text/tab-separated-values; charset=UTF-8",
        };
        Answer { kind, body: self.body }
    }
}

/// An answer of one column with names.
pub fn names(form: Format, column: &str, names: &[String]) -> Answer {
    let columns = [Output { name: column.to_owned(), ty: Type::Text, parts: 0 }];
    let mut writer = Writer::new(form, &columns);
    for name in names {
        let separator = match (form, writer.rows) {
            (_, 0) => "",
            (Format::Json, _) => ",",
            _ => "\n",
        };
        let row = match form {
            Format::TabSeparated => escaped(name),
            _ => json!({ column: name }).to_string(),
        };
        writer.body.extend(format!("{separator}{row}").into_bytes());
        writer.rows += 1;
    }
    writer.finish(0)
}

fn in_json(value: ValueRef<'_>, ty: &Type) -> String {
    match (value, ty) {
        (ValueRef::Null | ValueRef::Blob(_), _) => "null".to_owned(),
        (ValueRef::Text(text), Type::Array(of)) => {
            match serde_json::from_slice::<Vec<serde_json::Value>>(text) {
                Ok(values) => {
                    let each = values.iter().map(|value| match value {
                        serde_json::Value::Number(number) => match number.as_i64() {
                            Some(whole) => in_json(ValueRef::Integer(whole), of),
                            None => in_json(ValueRef::Real(number.as_f64().unwrap_or_default()), of),
                        },
                        other => other.to_string(),
                    });
                    format!("[{}]", each.collect::<Vec<_>>().join(","))
                }
                Err(_) => "[]".to_owned(),
            }
        }
        (ValueRef::Text(text), _) => json!(String::from_utf8_lossy(text)).to_string(),
        (ValueRef::Integer(value), Type::Bool) => (value != 0).to_string(),
        (ValueRef::Integer(_), Type::Time(_) | Type::Date) => format!("\"{}\"", plain(value, ty)),
        (ValueRef::Integer(value), ty) if ty.is_quoted() => format!("\"{value}\""),
        (ValueRef::Real(value), _) if !value.is_finite() => "null".to_owned(),
        (ValueRef::Integer(_) | ValueRef::Real(_), _) => plain(value, ty),
    }
}

fn plain(value: ValueRef<'_>, ty: &Type) -> String {
    match (value, ty) {
        (ValueRef::Null | ValueRef::Blob(_), _) => "\\N".to_owned(),
        (ValueRef::Text(_), Type::Array(_)) => in_json(value, ty),
        (ValueRef::Text(text), _) => escaped(&String::from_utf8_lossy(text)),
        (ValueRef::Integer(at), Type::Time(zone)) => {
            time::show(at, zone.as_deref().unwrap_or("UTC")).unwrap_or_default()
        }
        (ValueRef::Integer(at), Type::Date) => {
            time::show(at, "UTC").map(|text| text[..10].to_owned()).unwrap_or_default()
        }
        (ValueRef::Integer(value), _) => value.to_string(),
        (ValueRef::Real(value), _) if value.abs() >= 1e21 || (value != 0.0 && value.abs() < 1e-6) => {
            format!("{value:e}")
        }
        (ValueRef::Real(value), _) => value.to_string(),
    }
}

/// A string of TabSeparated (ClickHouse's page on formats).
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\t', "\\t")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
        .replace('\0', "\\0")
}
