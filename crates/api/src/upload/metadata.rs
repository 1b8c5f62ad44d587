//! The settings of an upload, with their types (wrangler-api.md 4.1). What this installation cannot do yet is
//! refused here, by name: a deploy that silently does less than was asked is worse than none.

use std::collections::BTreeMap;

use hearth_model::{CodeUpdate, Limits, Migrations, ObjectExport};
use hearth_store::Subdomain;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::assets::WantedAssets;
use crate::error::{ApiError, code};

/// Tail workers of one worker.
const MAX_TAIL_CONSUMERS: usize = 10;

/// Longest value of an annotation, in bytes.
const MAX_ANNOTATION: usize = 1024;

/// The settings of an upload.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// The entry of an upload of modules.
    pub main_module: Option<String>,
    /// The script of an upload in service-worker format.
    pub body_part: Option<String>,
    /// Bindings as they were sent.
    pub bindings: Vec<Value>,
    /// `YYYY-MM-DD`.
    pub compatibility_date: Option<String>,
    /// Flags.
    pub compatibility_flags: Vec<String>,
    /// Types of bindings that the previous version's are kept of.
    pub keep_bindings: Vec<String>,
    /// Limits.
    pub limits: Limits,
    /// `workers/message`, `workers/tag`, `workers/alias`.
    pub annotations: BTreeMap<String, String>,
    /// What is not part of a version.
    pub settings: ScriptSettings,
    /// What becomes of the worker's Durable Objects.
    pub objects: WantedObjects,
    /// Its static assets.
    pub assets: WantedAssets,
}

/// What an upload wants of Durable Objects: steps, or how it shall be, or neither.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WantedObjects {
    /// `migrations`.
    pub migrations: Option<Migrations>,
    /// `exports` of type `durable-object`.
    pub exports: Option<BTreeMap<String, ObjectExport>>,
    /// `code_update_strategy`.
    pub code_update: CodeUpdate,
}

/// Settings that belong to the worker, not to a version. None: as they were.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScriptSettings {
    /// Whether logs are pushed elsewhere. Stored and shown.
    pub logpush: Option<bool>,
    /// `{enabled, head_sampling_rate?, logs?}`.
    pub observability: Option<Value>,
    /// Who is told of the worker's invocations: `[{service, environment?}]`.
    pub tail_consumers: Option<Value>,
    /// Labels; wrangler keeps its `cf:service=` and `cf:environment=` there.
    pub tags: Option<Vec<String>>,
    /// Where the worker is served without routes. No upload says it.
    pub subdomain: Option<Subdomain>,
    /// What its dialect keeps of the worker. No upload says it.
    pub dialect: Option<Value>,
}

impl ScriptSettings {
    /// Reads the non-versioned settings of an object.
    ///
    /// # Errors
    /// 400 naming the field; `streaming_tail_consumers` are refused.
    pub fn read(object: &Map<String, Value>) -> Result<Self, ApiError> {
        let streaming: Option<Vec<Value>> = field(object, "streaming_tail_consumers")?;
        if let Some(first) = streaming.unwrap_or_default().first() {
            let service = first.get("service").and_then(Value::as_str).unwrap_or("?");
            return Err(ApiError::not_supported(&format!("Streaming Tail Workers ({service}) are")));
        }
        let consumers: Option<Vec<Map<String, Value>>> = field(object, "tail_consumers")?;
        if let Some(consumers) = &consumers {
            if consumers.len() > MAX_TAIL_CONSUMERS {
                return Err(ApiError::invalid_upload(format!(
                    "A Worker may have {MAX_TAIL_CONSUMERS} tail_consumers."
                )));
            }
            if consumers.iter().any(|consumer| !consumer.get("service").is_some_and(Value::is_string)) {
                return Err(ApiError::invalid_upload(
                    "`tail_consumers` is not valid: each names a `service`.",
                ));
            }
        }
        let observability: Option<Map<String, Value>> = field(object, "observability")?;
        Ok(Self {
            logpush: field(object, "logpush")?,
            observability: observability.map(Value::Object),
            tail_consumers: consumers
                .map(|consumers| consumers.into_iter().map(Value::Object).collect::<Value>()),
            tags: field(object, "tags")?,
            ..Self::default()
        })
    }
}

impl Metadata {
    /// Reads the object that an upload carries.
    ///
    /// # Errors
    /// 400 naming the field that does not hold, or the feature that is not there yet.
    pub fn read(object: &Map<String, Value>) -> Result<Self, ApiError> {
        refuse_unsupported(object)?;
        // One machine is one place: only the form is checked.
        field::<Map<String, Value>>(object, "placement")?;
        let annotations: Option<BTreeMap<String, Option<String>>> = field(object, "annotations")?;
        Ok(Self {
            main_module: field(object, "main_module")?,
            body_part: field(object, "body_part")?,
            bindings: field(object, "bindings")?.unwrap_or_default(),
            compatibility_date: field(object, "compatibility_date")?,
            compatibility_flags: field(object, "compatibility_flags")?.unwrap_or_default(),
            keep_bindings: field(object, "keep_bindings")?.unwrap_or_default(),
            limits: read_limits(object)?,
            annotations: read_annotations(annotations.unwrap_or_default())?,
            settings: ScriptSettings::read(object)?,
            objects: read_objects(object)?,
            assets: WantedAssets {
                given: field(object, "assets")?,
                keep: field(object, "keep_assets")?.unwrap_or(false),
            },
        })
    }
}

/// Reads limits.
///
/// # Errors
/// 400 when one is out of range.
pub fn read_limits(object: &Map<String, Value>) -> Result<Limits, ApiError> {
    let limits: Limits = field(object, "limits")?.unwrap_or_default();
    if limits.cpu_ms.is_some_and(|ms| ms == 0 || ms > Limits::MAX_CPU_MS) {
        return Err(ApiError::invalid_upload(format!(
            "limits.cpu_ms must be between 1 and {}.",
            Limits::MAX_CPU_MS
        )));
    }
    if limits.memory_mb.is_some_and(|mb| !(16..=65_536).contains(&mb)) {
        return Err(ApiError::invalid_upload("limits.memory_mb must be between 16 and 65536."));
    }
    Ok(limits)
}

/// Checks annotations; those without a value are left out.
///
/// # Errors
/// 400 naming the annotation.
pub fn read_annotations(
    given: BTreeMap<String, Option<String>>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let mut annotations = BTreeMap::new();
    for (key, value) in given {
        let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
        if value.len() > MAX_ANNOTATION {
            return Err(ApiError::invalid_upload(format!(
                "The annotation {key} is longer than {MAX_ANNOTATION} bytes."
            )));
        }
        if key == "workers/alias" && !is_alias(&value) {
            return Err(ApiError::invalid_upload(format!(
                "The preview alias {value:?} is not valid: use up to 63 lower-case letters, digits and '-', beginning with a letter and not ending with '-'."
            )));
        }
        // `workers/triggered_by` is ours to say.
        if matches!(key.as_str(), "workers/message" | "workers/tag" | "workers/alias") {
            annotations.insert(key, value);
        }
    }
    Ok(annotations)
}

/// An alias becomes part of a host's first label.
fn is_alias(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.len() <= 63
        && text.bytes().all(legal)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
}

/// A field of an object; None when it is absent or null.
fn field<T: DeserializeOwned>(object: &Map<String, Value>, key: &str) -> Result<Option<T>, ApiError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => serde_json::from_value(value.clone())
            .map(Some)
            .map_err(|error| ApiError::invalid_upload(format!("`{key}` is not valid: {error}"))),
    }
}

fn refuse_unsupported(object: &Map<String, Value>) -> Result<(), ApiError> {
    let given = |key: &str| {
        object.get(key).filter(|value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
            _ => true,
        })
    };
    let refuse = |text: String| Err(ApiError::bad_request(code::NOT_SUPPORTED, text));
    if given("containers").is_some() {
        return refuse("Containers are not supported by this Hearth.".to_owned());
    }
    Ok(())
}

/// Longest that an update of code may wait, in seconds: wrangler's schema says so.
const MAX_CODE_UPDATE_DELAY: f64 = 86_400.0;

/// Reads what an object says of Durable Objects.
///
/// # Errors
/// 400 naming the field.
pub fn read_code_update(object: &Map<String, Value>) -> Result<CodeUpdate, ApiError> {
    let update: CodeUpdate = field(object, "code_update_strategy")?.unwrap_or_default();
    match update {
        CodeUpdate::Deferred { max_delay } if !(0.0..=MAX_CODE_UPDATE_DELAY).contains(&max_delay) => {
            Err(ApiError::invalid_upload(format!(
                "code_update_strategy.max_delay must be between 0 and {MAX_CODE_UPDATE_DELAY} seconds."
            )))
        }
        update => Ok(update),
    }
}

fn read_objects(object: &Map<String, Value>) -> Result<WantedObjects, ApiError> {
    let migrations = field(object, "migrations")?;
    let exports = read_exports(object)?;
    if migrations.is_some() && exports.is_some() {
        return Err(ApiError::invalid_upload(
            "`migrations` and `exports` both say what becomes of Durable Objects; only one may be given.",
        ));
    }
    Ok(WantedObjects { migrations, exports, code_update: read_code_update(object)? })
}

/// The entries of `exports` that are Durable Objects; `created` is what an entry without a state means.
fn read_exports(object: &Map<String, Value>) -> Result<Option<BTreeMap<String, ObjectExport>>, ApiError> {
    let all: Map<String, Value> = field(object, "exports")?.unwrap_or_default();
    let mut entries = BTreeMap::new();
    for (name, mut entry) in all {
        let invalid = |reason: &dyn std::fmt::Display| {
            ApiError::invalid_upload(format!("`exports.{name}` is not valid: {reason}"))
        };
        let Some(fields) = entry.as_object_mut() else { return Err(invalid(&"it is no object")) };
        match fields.get("type").and_then(Value::as_str) {
            Some("durable-object") => {}
            // An entrypoint needs no declaration here.
            Some("worker") => continue,
            Some("workflow") => {
                return Err(ApiError::not_supported(&format!(
                    "Workflows declared in `exports` ({name}) are"
                )));
            }
            _ => return Err(invalid(&"`type` must be \"durable-object\", \"worker\" or \"workflow\"")),
        }
        if fields.get("container").is_some_and(|container| !container.is_null()) {
            return Err(ApiError::not_supported(&format!("Containers (`exports.{name}.container`) are")));
        }
        fields.entry("state").or_insert_with(|| "created".into());
        entries.insert(name.clone(), serde_json::from_value(entry).map_err(|error| invalid(&error))?);
    }
    Ok((!entries.is_empty()).then_some(entries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Metadata, ApiError> {
        Metadata::read(value.as_object().unwrap())
    }

    #[test]
    fn a_wrong_type_names_its_field() {
        for (value, name) in [
            (json!({"main_module": 7}), "main_module"),
            (json!({"bindings": {}}), "bindings"),
            (json!({"compatibility_flags": "a"}), "compatibility_flags"),
            (json!({"limits": {"cpu_ms": "x"}}), "limits"),
            (json!({"annotations": []}), "annotations"),
            (json!({"observability": true}), "observability"),
            (json!({"tail_consumers": [{"name": "tailer"}]}), "service"),
            (json!({"limits": {"cpu_ms": 0}}), "limits.cpu_ms"),
            (json!({"annotations": {"workers/alias": "Not An Alias"}}), "alias"),
            (json!({"migrations": {"steps": 1}}), "migrations"),
            (json!({"exports": {"Room": {"type": "durable-object"}}}), "exports.Room"),
            (json!({"exports": {"Room": {"type": "other"}}}), "exports.Room"),
            (json!({"code_update_strategy": {"mode": "later"}}), "code_update_strategy"),
            (json!({"assets": {"config": {"html_handling": "other"}}}), "assets"),
            (json!({"assets": {"config": {"run_worker_first": 7}}}), "assets"),
            (json!({"keep_assets": "x"}), "keep_assets"),
            (json!({"code_update_strategy": {"mode": "deferred", "max_delay": -1}}), "max_delay"),
        ] {
            let error = read(value.clone()).unwrap_err();
            assert_eq!(error.code(), code::INVALID_UPLOAD, "{value}");
            assert!(error.message().contains(name), "{value}: {}", error.message());
        }
    }

    #[test]
    fn what_is_not_there_yet_is_named() {
        for (value, name) in [
            (json!({"exports": {"Flow": {"type": "workflow"}}}), "Flow"),
            (json!({"containers": [{"class_name": "C"}]}), "Containers"),
            (json!({"streaming_tail_consumers": [{"service": "tailer"}]}), "tailer"),
        ] {
            let error = read(value.clone()).unwrap_err();
            assert_eq!(error.code(), code::NOT_SUPPORTED, "{value}");
            assert!(error.message().contains(name), "{value}: {}", error.message());
        }
    }

    #[test]
    fn an_export_without_a_state_is_created() {
        let entry = json!({"Room": {"type": "durable-object", "storage": "sqlite"}, "W": {"type": "worker"}});
        let read = read(json!({"exports": entry})).unwrap().objects.exports.unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), ["Room"]);
        assert!(matches!(read["Room"], ObjectExport::Created { .. }));
    }

    #[test]
    fn empty_and_absent_settings_are_nothing() {
        let read = read(json!({
            "migrations": null, "streaming_tail_consumers": [], "containers": [], "exports": {}, "limits": null,
            "annotations": {"workers/message": "", "workers/tag": null, "workers/triggered_by": "mine"},
            "unknown": 1
        }))
        .unwrap();
        assert_eq!(read, Metadata::default());
    }
}
