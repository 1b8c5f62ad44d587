//! Which Durable Object an event is for, as the forwarding class in the caller's process says it.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

/// A Durable Object of the namespace that a binding leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Object {
    /// `DurableObjectId.toString()`: 64 hex digits.
    pub id: String,
    /// The name that the id was made of, when the caller knows it.
    pub name: Option<String>,
}

/// The text names no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no Durable Object is named")]
pub struct ObjectError;

/// Hex digits of an id.
const ID: usize = 64;

impl FromStr for Object {
    type Err = ObjectError;

    /// `<id>`, or `<id>.<name>` with the name percent-encoded.
    fn from_str(text: &str) -> Result<Self, ObjectError> {
        let (id, name) = match text.split_once('.') {
            Some((id, name)) => (id, Some(name)),
            None => (text, None),
        };
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if id.len() != ID || !id.bytes().all(is_digit) {
            return Err(ObjectError);
        }
        let decode = |name| percent_decode_str(name).decode_utf8().map(String::from).map_err(|_| ObjectError);
        Ok(Self { id: id.to_owned(), name: name.map(decode).transpose()? })
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_with_and_without_its_name() {
        let id = "0123456789abcdef".repeat(4);
        for (text, name) in [
            (id.clone(), None),
            (format!("{id}."), Some("")),
            (format!("{id}.a.b"), Some("a.b")),
            (format!("{id}.%C3%A9%20%25"), Some("é %")),
        ] {
            let object: Object = text.parse().unwrap();
            assert_eq!((object.id.as_str(), object.name.as_deref()), (id.as_str(), name), "{text}");
        }
        let bad = ["", "abc", &id[1..], &id.to_uppercase(), &format!("{id}.%FF")];
        for text in bad {
            assert_eq!(text.parse::<Object>(), Err(ObjectError), "{text}");
        }
    }
}
