//! Results as JSON, written while the rows come.

use std::io::Write;

use rusqlite::Statement;
use rusqlite::types::ValueRef;

use super::frame::REPLY;
use super::refusal::Refusal;

/// The form of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `{"columns": [..], "rows": [[..]]}`
    Rows,
    /// `[{"column": value}]`
    Objects,
}

/// The array of results, with room for the answer's head in front: it is sent as it is.
pub struct Output {
    json: Vec<u8>,
    /// Bytes that it may have.
    limit: usize,
    form: Form,
    /// Where the current result begins; what is taken back begins there too.
    begin: usize,
    rows: usize,
    /// `"name":` of each column, for objects; nothing for one whose name a later one has.
    names: Vec<Option<Vec<u8>>>,
}

impl Output {
    /// An empty array.
    pub fn new(form: Form, limit: usize) -> Self {
        let mut json = vec![0; REPLY];
        json.push(b'[');
        Self { begin: json.len(), json, limit, form, rows: 0, names: Vec::new() }
    }

    /// Begins the result of a statement.
    pub fn begin(&mut self, statement: &Statement<'_>) {
        self.begin = self.json.len();
        self.rows = 0;
        if self.json.len() > REPLY + 1 {
            self.json.push(b',');
        }
        self.json.extend_from_slice(br#"{"success":true,"results":"#);
        let columns = statement.column_names();
        match self.form {
            Form::Rows => {
                self.json.extend_from_slice(br#"{"columns":"#);
                string_list(&mut self.json, &columns);
                self.json.extend_from_slice(br#","rows":["#);
            }
            Form::Objects => {
                self.names.clear();
                for (at, name) in columns.iter().enumerate() {
                    let again = columns[at + 1..].contains(name);
                    self.names.push((!again).then(|| {
                        let mut key = Vec::new();
                        string(&mut key, name);
                        key.push(b':');
                        key
                    }));
                }
                self.json.push(b'[');
            }
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// The results have become too large.
    pub fn row(&mut self, row: &rusqlite::Row<'_>, columns: usize) -> Result<(), Refusal> {
        if self.rows > 0 {
            self.json.push(b',');
        }
        self.rows += 1;
        let (open, close) = match self.form {
            Form::Rows => (b'[', b']'),
            Form::Objects => (b'{', b'}'),
        };
        self.json.push(open);
        let mut first = true;
        for column in 0..columns {
            let key = match self.form {
                Form::Rows => None,
                Form::Objects => match &self.names[column] {
                    Some(key) => Some(key),
                    None => continue,
                },
            };
            if !std::mem::take(&mut first) {
                self.json.push(b',');
            }
            if let Some(key) = key {
                self.json.extend_from_slice(key);
            }
            value(&mut self.json, row.get_ref(column)?);
            if self.json.len() > self.limit {
                return Err(Refusal::Text(format!(
                    "The results are larger than the {} bytes that a response may have: SQLITE_TOOBIG",
                    self.limit
                )));
            }
        }
        self.json.push(close);
        Ok(())
    }

    /// Ends the result; `meta` is JSON.
    pub fn end(&mut self, meta: std::fmt::Arguments<'_>) {
        self.json.extend_from_slice(match self.form {
            Form::Rows => br#"]},"meta":"#,
            Form::Objects => br#"],"meta":"#,
        });
        write!(self.json, "{meta}}}").expect("memory takes it");
    }

    /// Takes the last result back: another one stands for it.
    pub fn take_back(&mut self) {
        self.json.truncate(self.begin);
    }

    /// Ends the array.
    pub fn finish(mut self) -> Vec<u8> {
        self.json.push(b']');
        self.json
    }
}

/// A value: blobs are arrays of bytes, what JSON has no number for is null (JavaScript's `JSON.stringify`).
fn value(json: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => json.extend_from_slice(b"null"),
        ValueRef::Integer(number) => write!(json, "{number}").expect("memory takes it"),
        ValueRef::Real(number) => serde_json::to_writer(json, &number).expect("memory takes it"),
        ValueRef::Text(text) => string(json, &String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => {
            json.push(b'[');
            for (at, byte) in bytes.iter().enumerate() {
                if at > 0 {
                    json.push(b',');
                }
                write!(json, "{byte}").expect("memory takes it");
            }
            json.push(b']');
        }
    }
}

fn string(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("memory takes it");
}

fn string_list(json: &mut Vec<u8>, texts: &[&str]) {
    serde_json::to_writer(json, texts).expect("memory takes it");
}
