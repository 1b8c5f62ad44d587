//! Reading JSON bodies with errors that name the field.

use std::collections::BTreeMap;

use axum::body::Body;
use hearth_api::{ApiError, code, read};
use serde_json::{Map, Value};

/// A body's fields. They are taken out one by one, so that what is left over is known.
pub(crate) struct Fields(Map<String, Value>);

/// What is wrong with a field, or with the body.
pub(crate) fn bad(text: impl Into<String>) -> ApiError {
    ApiError::bad_request(code::BAD_BODY, text)
}

impl Fields {
    /// Reads a body of at most `limit` bytes; an empty one has no fields.
    ///
    /// # Errors
    /// 413, or 400 when it is no object.
    pub async fn read(body: Body, limit: u64) -> Result<Self, ApiError> {
        let bytes = read(body, usize::try_from(limit).unwrap_or(usize::MAX)).await?;
        if bytes.is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(bad("The body must be a JSON object.")),
            Err(error) => Err(bad(format!("The body is not valid JSON: {error}."))),
        }
    }

    /// A field as it is; None when it is absent or null.
    pub fn value(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// A text; None when it is absent, null or empty.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(other) => Err(bad(format!("`{name}` must be a string, it is {}.", kind(&other)))),
        }
    }

    /// A text that must be there.
    pub fn required(&mut self, name: &str) -> Result<String, ApiError> {
        self.text(name)?.ok_or_else(|| bad(format!("`{name}` is missing.")))
    }

    /// A number of seconds.
    pub fn seconds(&mut self, name: &str) -> Result<Option<u64>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => match value.as_u64().filter(|seconds| (1..=31_536_000).contains(seconds)) {
                Some(seconds) => Ok(Some(seconds)),
                None => Err(bad(format!(
                    "`{name}` must be a number of seconds from 1 to 31536000, it is {value}."
                ))),
            },
        }
    }

    /// Variables: strings, or numbers and booleans as their text.
    pub fn variables(&mut self, name: &str) -> Result<Option<BTreeMap<String, String>>, ApiError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let Value::Object(object) = value else {
            return Err(bad(format!("`{name}` must be an object, it is {}.", kind(&value))));
        };
        let each = object.into_iter().map(|(key, value)| match value {
            Value::String(text) => Ok((key, text)),
            Value::Number(_) | Value::Bool(_) => Ok((key, value.to_string())),
            other => Err(bad(format!("`{name}.{key}` must be a string, it is {}.", kind(&other)))),
        });
        each.collect::<Result<_, _>>().map(Some)
    }

    /// Refuses what was not asked for: a typing error would otherwise be without effect.
    pub fn end(self) -> Result<(), ApiError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(key) => Err(bad(format!("`{key}` is not a field of this call."))),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        match value {
            Value::Object(fields) => Fields(fields),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn errors_name_the_field() {
        let mut given = fields(json!({"code": 1, "idle": 0, "env": {"A": {}, "B": 1}, "more": true}));
        let says =
            |error: ApiError, word: &str| assert!(error.message().contains(word), "{}", error.message());
        says(given.text("code").unwrap_err(), "`code`");
        says(given.required("name").unwrap_err(), "`name`");
        says(given.seconds("idle").unwrap_err(), "`idle`");
        says(given.variables("env").unwrap_err(), "`env.A`");
        says(given.end().unwrap_err(), "`more`");
    }

    #[test]
    fn numbers_and_booleans_are_variables_too() {
        let mut given = fields(json!({"env": {"PORT": 80, "ON": true, "NAME": "x"}}));
        let variables = given.variables("env").unwrap().unwrap();
        assert_eq!(variables.into_values().collect::<Vec<_>>(), ["x", "true", "80"]);
        given.end().unwrap();
    }
}
