//! What a tenant sends: statements and what is bound to them.

use std::borrow::Cow;
use std::fmt;

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

/// One `{"sql", "params"}`.
#[derive(Debug, Deserialize)]
pub struct Query<'a> {
    #[serde(borrow)]
    pub sql: Cow<'a, str>,
    #[serde(borrow, default)]
    pub params: Option<Vec<Param<'a>>>,
}

/// A value to bind. Numbers are JavaScript's, so they are bound as reals, as D1 does; a column's affinity makes integers
/// of those that are whole.
#[derive(Debug, PartialEq)]
pub enum Param<'a> {
    Null,
    Number(f64),
    Text(Cow<'a, str>),
    Blob(Vec<u8>),
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Number(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Reads one query or an array of them.
pub fn parse(json: &[u8]) -> serde_json::Result<Vec<Query<'_>>> {
    match json.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => serde_json::from_slice(json),
        _ => serde_json::from_slice(json).map(|query| vec![query]),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Param<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Kinds;

        impl<'de> Visitor<'de> for Kinds {
            type Value = Param<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a string, null, or an array of bytes")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Param::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Param::Number(f64::from(u8::from(value))))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Param::Number(value as f64))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(Param::Number(value as f64))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Param::Number(value))
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
                Ok(Param::Text(Cow::Borrowed(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
                Ok(Param::Text(Cow::Owned(value.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Self::Value, A::Error> {
                let mut blob = Vec::new();
                while let Some(number) = bytes.next_element::<f64>()? {
                    if !(0.0..256.0).contains(&number) {
                        return Err(de::Error::custom("a byte is between 0 and 255"));
                    }
                    blob.push(number as u8);
                }
                Ok(Param::Blob(blob))
            }
        }

        deserializer.deserialize_any(Kinds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_workerd_sends_is_read() {
        let json = br#" [{"sql":"a","params":[1,-2.5,"x\ny",null,true,[0,255]]},{"sql":"b","params":null},{"sql":"c"}]"#;
        let queries = parse(json).expect("is read");
        assert_eq!(queries.iter().map(|query| &*query.sql).collect::<Vec<_>>(), ["a", "b", "c"]);
        let expected = [
            Param::Number(1.0),
            Param::Number(-2.5),
            Param::Text("x\ny".into()),
            Param::Null,
            Param::Number(1.0),
            Param::Blob(vec![0, 255]),
        ];
        assert_eq!(queries[0].params.as_deref(), Some(&expected[..]));
        assert!(queries[1].params.is_none() && queries[2].params.is_none());
        assert_eq!(parse(br#"{"sql":"a"}"#).expect("is read").len(), 1);
    }

    #[test]
    fn what_cannot_be_bound_is_refused() {
        for params in ["[256]", "[-1]", "{}", "[[1]]", "[\"x\"]"] {
            let json = format!("{{\"sql\":\"a\",\"params\":[{params}]}}");
            assert!(parse(json.as_bytes()).is_err(), "{json}");
        }
    }
}
