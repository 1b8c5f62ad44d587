//! What a caller asks a function to be, checked field by field.

use std::collections::BTreeMap;

use hearth_model::{FunctionRuntime, Hostname, Limits, RoutePattern, WorkerName};
use http::StatusCode;
use serde_json::{Map, Value};

use crate::error::Refusal;

/// Longest code, in bytes.
pub(crate) const MAX_CODE: usize = 10 << 20;
/// Longest lock file, in bytes.
const MAX_LOCK: usize = 4 << 20;
/// Largest environment, in bytes of names and values.
const MAX_ENVIRONMENT: usize = 64 << 10;
/// Least and most memory, in MiB.
const MEMORY: std::ops::RangeInclusive<u64> = 16..=10_240;
/// Least and most seconds.
const TIMEOUT: std::ops::RangeInclusive<u64> = 1..=Limits::MAX_TIMEOUT_MS / 1000;

/// Fields that were sent; absent ones stay as they are, or take their defaults.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Draft {
    pub name: Option<WorkerName>,
    pub runtime: Option<FunctionRuntime>,
    pub typescript: Option<bool>,
    pub handler: Option<String>,
    pub code: Option<String>,
    pub timeout_s: Option<u64>,
    pub memory_mb: Option<u64>,
    pub environment: Option<BTreeMap<String, String>>,
    /// `Some(None)` takes them away.
    pub dependencies: Option<Option<Dependencies>>,
    /// Where it answers requests; `Some(None)` takes it away.
    pub host: Option<Option<Hostname>>,
    /// The same, for what a pattern matches.
    pub route: Option<Option<RoutePattern>>,
}

/// What a function needs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Dependencies {
    /// What was declared.
    #[serde(flatten)]
    pub declared: Declared,
    /// What exactly that is: the text of `package-lock.json` or `go.sum`; for Python each package with its version, as in
    /// `requirements.txt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
}

/// What a function declares to need, in the way of its runtime's own file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Declared {
    /// Names and versions.
    Named(BTreeMap<String, String>),
    /// The text of `requirements.txt` or `go.mod`.
    File(String),
}

impl From<Declared> for Dependencies {
    fn from(declared: Declared) -> Self {
        let lock = match &declared {
            // Whoever gives hashes has said all of it.
            Declared::File(text) if text.contains("--hash=") => Some(text.clone()),
            Declared::File(_) | Declared::Named(_) => None,
        };
        Self { declared, lock }
    }
}

impl Draft {
    /// Reads the body of a create or an update.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let bad = |why: String| Refusal::new(StatusCode::BAD_REQUEST, why);
        let value: Value =
            serde_json::from_slice(body).map_err(|error| bad(format!("the body is not JSON: {error}")))?;
        let Value::Object(fields) = value else { return Err(bad("the body must be a JSON object".into())) };
        let mut draft = Self::default();
        if let Some(name) = text(&fields, "name")? {
            draft.name = Some(name.parse().map_err(|_| {
                Refusal::field(
                    "name",
                    format!(
                        "{name:?} cannot be one: use 1 to 63 letters, digits, `-` or `_`, beginning with a letter or digit"
                    ),
                )
            })?);
        }
        if let Some(runtime) = text(&fields, "runtime")? {
            let (found, typescript) = runtime_of(&runtime)?;
            draft.runtime = Some(found);
            draft.typescript = typescript;
        }
        match text(&fields, "language")?.as_deref() {
            None => {}
            Some("typescript" | "ts") => draft.typescript = Some(true),
            Some("javascript" | "js") => draft.typescript = Some(false),
            Some(other) => {
                return Err(Refusal::field(
                    "language",
                    format!("{other:?} is neither typescript nor javascript"),
                ));
            }
        }
        draft.handler = text(&fields, "handler")?;
        if let Some(handler) = &draft.handler {
            check_handler(handler)?;
        }
        draft.code = text(&fields, "code")?;
        if let Some(code) = &draft.code {
            if code.trim().is_empty() {
                return Err(Refusal::field("code", "it is empty"));
            }
            if code.len() > MAX_CODE {
                return Err(Refusal::field("code", format!("it is longer than {} MiB", MAX_CODE >> 20))
                    .with_status(StatusCode::PAYLOAD_TOO_LARGE));
            }
        }
        draft.timeout_s = number(&fields, "timeout", &TIMEOUT, "seconds")?;
        draft.memory_mb = number(&fields, "memory", &MEMORY, "MB")?;
        draft.environment = environment(&fields)?;
        draft.dependencies = dependencies(&fields)?;
        draft.host = place(&fields, "host")?;
        draft.route = place(&fields, "route")?;
        Ok(draft)
    }
}

/// A runtime by any of the names that it goes by.
fn runtime_of(name: &str) -> Result<(FunctionRuntime, Option<bool>), Refusal> {
    Ok(match name {
        "nodejs" | "node" | "javascript" | "js" => (FunctionRuntime::Nodejs, None),
        "typescript" | "ts" => (FunctionRuntime::Nodejs, Some(true)),
        "python" | "python3" => (FunctionRuntime::Python, None),
        "go" | "golang" => (FunctionRuntime::Go, None),
        _ => return Err(Refusal::field("runtime", format!("{name:?} is none of go, nodejs, python"))),
    })
}

fn check_handler(handler: &str) -> Result<(), Refusal> {
    let part = |part: &str| {
        let first = part.chars().next().is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | '$'));
        first && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
    };
    if handler.split('.').all(part) {
        return Ok(());
    }
    Err(Refusal::field("handler", format!("{handler:?} is not the name of a function")))
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

fn text(fields: &Map<String, Value>, name: &'static str) -> Result<Option<String>, Refusal> {
    match fields.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(Refusal::field(name, format!("it must be a string, not {}", kind(other)))),
    }
}

fn number(
    fields: &Map<String, Value>,
    name: &'static str,
    range: &std::ops::RangeInclusive<u64>,
    unit: &str,
) -> Result<Option<u64>, Refusal> {
    let Some(value) = fields.get(name) else { return Ok(None) };
    let Value::Number(number) = value else {
        return Err(Refusal::field(name, format!("it must be a number of {unit}, not {}", kind(value))));
    };
    match number.as_u64().filter(|number| range.contains(number)) {
        Some(number) => Ok(Some(number)),
        None => Err(Refusal::field(
            name,
            format!(
                "it must be a whole number of {unit} from {} to {}, not {number}",
                range.start(),
                range.end()
            ),
        )),
    }
}

/// A host or a route; null is none.
fn place<T>(fields: &Map<String, Value>, name: &'static str) -> Result<Option<Option<T>>, Refusal>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    if fields.get(name).is_some_and(Value::is_null) {
        return Ok(Some(None));
    }
    let Some(text) = text(fields, name)? else { return Ok(None) };
    text.parse().map(|place| Some(Some(place))).map_err(|error| Refusal::field(name, error))
}

fn environment(fields: &Map<String, Value>) -> Result<Option<BTreeMap<String, String>>, Refusal> {
    let Some(value) = fields.get("environment") else { return Ok(None) };
    let Value::Object(all) = value else {
        return Err(Refusal::field("environment", format!("it must be an object, not {}", kind(value))));
    };
    let mut read = BTreeMap::new();
    for (name, value) in all {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(legal) {
            return Err(Refusal::field(
                "environment",
                format!("{name:?} cannot be a variable's name: use letters, digits and `_`"),
            ));
        }
        let Value::String(value) = value else {
            return Err(Refusal::field(
                "environment",
                format!("{name} must be a string, not {}", kind(value)),
            ));
        };
        if value.contains('\0') {
            return Err(Refusal::field("environment", format!("{name} holds a zero byte")));
        }
        read.insert(name.clone(), value.clone());
    }
    let size: usize = read.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > MAX_ENVIRONMENT {
        return Err(Refusal::field(
            "environment",
            format!("it is larger than {} KiB", MAX_ENVIRONMENT >> 10),
        ));
    }
    Ok(Some(read))
}

fn declared(fields: &Map<String, Value>) -> Result<Option<Option<Declared>>, Refusal> {
    const NAME: &str = "dependencies";
    // The runtimes' own files are taken too, under their own names.
    for file in ["requirements.txt", "go.mod"] {
        if let Some(text) = fields.get(file) {
            let Value::String(text) = text else {
                return Err(Refusal::field(NAME, format!("{file} must be a string, not {}", kind(text))));
            };
            return Ok(Some(Some(Declared::File(text.clone()))));
        }
    }
    let of_package = |package: &Value| package.get(NAME).cloned().unwrap_or(Value::Object(Map::new()));
    let value = match fields.get("package.json") {
        Some(Value::String(text)) => {
            let package: Value = serde_json::from_str(text)
                .map_err(|error| Refusal::field(NAME, format!("package.json is not JSON: {error}")))?;
            of_package(&package)
        }
        Some(package @ Value::Object(_)) => of_package(package),
        Some(other) => {
            return Err(Refusal::field(NAME, format!("package.json must be an object, not {}", kind(other))));
        }
        None => match fields.get(NAME) {
            None => return Ok(None),
            Some(value) => value.clone(),
        },
    };
    let named = match value {
        Value::Null => return Ok(Some(None)),
        Value::String(text) => return Ok(Some(Some(Declared::File(text)))),
        Value::Object(all) => all
            .into_iter()
            .map(|(name, version)| match version {
                Value::String(version) => Ok((name, version)),
                other => Err(Refusal::field(
                    NAME,
                    format!("the version of {name} must be a string, not {}", kind(&other)),
                )),
            })
            .collect::<Result<BTreeMap<_, _>, _>>()?,
        Value::Array(all) => all
            .into_iter()
            .map(|name| match name {
                Value::String(name) => Ok((name, String::new())),
                other => Err(Refusal::field(NAME, format!("each must be a string, not {}", kind(&other)))),
            })
            .collect::<Result<BTreeMap<_, _>, _>>()?,
        other => {
            return Err(Refusal::field(NAME, format!("it must be an object, not {}", kind(&other))));
        }
    };
    Ok(Some((!named.is_empty()).then_some(Declared::Named(named))))
}

/// What is declared, with the lock of the runtime's own file if one was sent.
fn dependencies(fields: &Map<String, Value>) -> Result<Option<Option<Dependencies>>, Refusal> {
    const NAME: &str = "dependencies";
    let declared = declared(fields)?.map(|declared| declared.map(Dependencies::from));
    let found = ["package-lock.json", "go.sum"].into_iter().find_map(|file| Some((file, fields.get(file)?)));
    let Some((file, lock)) = found else { return Ok(declared) };
    let lock = match lock {
        Value::String(text) => text.clone(),
        Value::Object(_) if file == "package-lock.json" => lock.to_string(),
        other => return Err(Refusal::field(NAME, format!("{file} must be a string, not {}", kind(other)))),
    };
    if lock.len() > MAX_LOCK {
        return Err(Refusal::field(NAME, format!("{file} is longer than {} MiB", MAX_LOCK >> 20)));
    }
    match declared.flatten() {
        Some(declared) => Ok(Some(Some(Dependencies { lock: Some(lock), ..declared }))),
        None => Err(Refusal::field(NAME, format!("{file} says nothing without what it is the lock of"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    async fn refusal(body: &str) -> (u16, Value) {
        let response = Draft::read(body.as_bytes()).expect_err(body).into_response();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_with_its_field() {
        for (body, field) in [
            (r#"{"name": 1}"#, "name"),
            (r#"{"name": "a b"}"#, "name"),
            (r#"{"runtime": "ruby"}"#, "runtime"),
            (r#"{"handler": "a-b"}"#, "handler"),
            (r#"{"handler": ""}"#, "handler"),
            (r#"{"code": "  "}"#, "code"),
            (r#"{"timeout": 0}"#, "timeout"),
            (r#"{"timeout": "30"}"#, "timeout"),
            (r#"{"timeout": 901}"#, "timeout"),
            (r#"{"memory": 1.5}"#, "memory"),
            (r#"{"memory": -1}"#, "memory"),
            (r#"{"environment": []}"#, "environment"),
            (r#"{"environment": {"A": 1}}"#, "environment"),
            (r#"{"environment": {"1A": ""}}"#, "environment"),
            (r#"{"language": "cobol"}"#, "language"),
            (r#"{"host": "a b"}"#, "host"),
            (r#"{"route": 1}"#, "route"),
            (r#"{"dependencies": {"axios": 1}}"#, "dependencies"),
            (r#"{"go.sum": ""}"#, "dependencies"),
            (r#"{"dependencies": {"a": "1"}, "package-lock.json": 1}"#, "dependencies"),
        ] {
            let (status, answer) = refusal(body).await;
            assert_eq!((status, &answer["field"]), (400, &field.into()), "{body}: {answer}");
            assert!(answer["error"].as_str().unwrap().starts_with(field), "{answer}");
        }
        assert_eq!(refusal("[]").await.0, 400);
        assert_eq!(refusal("{").await.0, 400);
    }

    #[test]
    fn dependencies_come_in_several_forms() {
        let read = |body: &str| Draft::read(body.as_bytes()).unwrap().dependencies;
        let named = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned()));
            Some(Some(Dependencies::from(Declared::Named(pairs.collect()))))
        };
        assert_eq!(read(r#"{"dependencies": {"axios": "^1"}}"#), named(&[("axios", "^1")]));
        assert_eq!(read(r#"{"package.json": {"dependencies": {"a": "1"}}}"#), named(&[("a", "1")]));
        assert_eq!(read(r#"{"dependencies": ["numpy"]}"#), named(&[("numpy", "")]));
        assert_eq!(read(r#"{"dependencies": {}}"#), Some(None));
        assert_eq!(read("{}"), None);
        let file = Some(Some(Dependencies::from(Declared::File("a==1".into()))));
        assert_eq!(read(r#"{"requirements.txt": "a==1"}"#), file);
        let locked = read(r#"{"dependencies": {"a": "^1"}, "package-lock.json": {"lockfileVersion": 3}}"#);
        let locked = locked.unwrap().unwrap();
        assert_eq!(locked.lock.as_deref(), Some(r#"{"lockfileVersion":3}"#));
        assert_eq!(Some(Some(Dependencies { lock: None, ..locked.clone() })), named(&[("a", "^1")]));
        let hashed = read(r#"{"requirements.txt": "a==1 --hash=sha256:00"}"#).unwrap().unwrap();
        assert_eq!(hashed.lock.as_deref(), Some("a==1 --hash=sha256:00"));
        // As it is stored; and what was stored before there were locks.
        let stored = serde_json::to_string(&locked).unwrap();
        assert_eq!(serde_json::from_str::<Dependencies>(&stored).unwrap(), locked);
        let before = serde_json::from_str::<Dependencies>(r#"{"named": {"a": "1"}}"#).unwrap();
        assert_eq!(Some(Some(before)), named(&[("a", "1")]));
    }
}
