//! What is kept of a project: its production branch, and for each environment what the deployments to come get. The texts of
//! secrets are kept apart, encrypted.

use hearth_api::ApiError;
use hearth_model::{Compatibility, Limits};
use hearth_store::ProjectSecret;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::invalid;
use crate::names::check_branch;

/// Longest value of a variable, in bytes: Cloudflare's.
const MAX_VALUE: usize = 5 << 10;

/// Most variables of an environment, and most bindings of one kind.
const MAX_ENTRIES: usize = 500;

/// Where a project is deployed to when nobody says so.
const PRODUCTION_BRANCH: &str = "main";

/// Variables of an environment, by name.
pub(crate) const ENV_VARS: &str = "env_vars";

/// Kinds of bindings, by name in an environment; what each entry must say.
const BINDINGS: [(&str, &[&str]); 7] = [
    ("kv_namespaces", &["namespace_id"]),
    ("d1_databases", &["id"]),
    ("r2_buckets", &["name"]),
    ("queue_producers", &["name"]),
    ("services", &["service"]),
    ("durable_object_namespaces", &[]),
    ("analytics_engine_datasets", &["dataset"]),
];

/// Kinds that this installation does not have.
const MISSING: [(&str, &str); 5] = [
    ("ai_bindings", "Workers AI is"),
    ("browsers", "Browser Rendering is"),
    ("hyperdrive_bindings", "Hyperdrive is"),
    ("mtls_certificates", "mTLS certificates are"),
    ("vectorize_bindings", "Vectorize is"),
];

/// What else is kept of an environment as it is sent.
const PLAIN: [&str; 7] = [
    "always_use_latest_compatibility_date",
    "build_image_major_version",
    "fail_open",
    "placement",
    "usage_model",
    "wrangler_config_hash",
    "limits",
];

/// Where a deployment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Environment {
    /// The project's own host.
    Production,
    /// A branch's.
    Preview,
}

impl Environment {
    pub(crate) const ALL: [Self; 2] = [Self::Production, Self::Preview];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Preview => "preview",
        }
    }
}

/// What is kept of a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// The branch that production serves.
    pub production_branch: String,
    /// Stored and shown: nothing is built here.
    pub build_config: Map<String, Value>,
    /// `deployment_configs.production`, without the texts of secrets.
    pub production: Map<String, Value>,
    /// `deployment_configs.preview`.
    pub preview: Map<String, Value>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            production_branch: PRODUCTION_BRANCH.to_owned(),
            build_config: Map::new(),
            production: Map::new(),
            preview: Map::new(),
        }
    }
}

impl Settings {
    /// Those of a project's worker.
    pub(crate) fn of(stored: &Value) -> Result<Self, ApiError> {
        Self::deserialize(stored).map_err(ApiError::internal)
    }

    /// As they are kept.
    pub(crate) fn to_value(&self) -> Value {
        json!(self)
    }

    pub(crate) fn config(&self, environment: Environment) -> &Map<String, Value> {
        match environment {
            Environment::Production => &self.production,
            Environment::Preview => &self.preview,
        }
    }

    /// Where a deployment of a branch is for; without one it is production's.
    pub(crate) fn environment(&self, branch: Option<&str>) -> Environment {
        match branch {
            Some(branch) if branch != self.production_branch => Environment::Preview,
            _ => Environment::Production,
        }
    }

    /// Changes them as a call asks for, and says which secrets change with them. `today` (UTC) bounds compatibility dates.
    ///
    /// # Errors
    /// 400 naming what does not hold.
    pub(crate) fn change(&mut self, asked: &Value, today: Date) -> Result<Vec<ProjectSecret>, ApiError> {
        let asked = asked.as_object().ok_or_else(|| invalid("A JSON object is expected."))?;
        if asked.get("source").is_some_and(|source| !source.is_null()) {
            return Err(ApiError::not_supported("Building from a Git repository (`source`) is"));
        }
        if let Some(branch) = given(asked, "production_branch") {
            let branch = branch.as_str().ok_or_else(|| invalid("`production_branch` is a text."))?;
            check_branch(branch)?;
            branch.clone_into(&mut self.production_branch);
        }
        for (key, value) in object(asked, "build_config")?.into_iter().flatten() {
            put(&mut self.build_config, key, value.clone());
        }
        let configs = object(asked, "deployment_configs")?;
        let mut secrets = Vec::new();
        for environment in Environment::ALL {
            let Some(asked) =
                configs.map(|configs| object(configs, environment.as_str())).transpose()?.flatten()
            else {
                continue;
            };
            let config = match environment {
                Environment::Production => &mut self.production,
                Environment::Preview => &mut self.preview,
            };
            change_config(config, asked, environment, today, &mut secrets)?;
        }
        Ok(secrets)
    }

    /// The runtime's behaviour that an environment's deployments get.
    pub(crate) fn compatibility(&self, environment: Environment) -> (String, Vec<String>) {
        let config = self.config(environment);
        let date = config.get("compatibility_date").and_then(Value::as_str);
        let flags = config.get("compatibility_flags").and_then(Value::as_array);
        let flags = flags.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        (date.unwrap_or(Compatibility::FOR_DIALECTS).to_owned(), flags)
    }
}

fn change_config(
    config: &mut Map<String, Value>,
    asked: &Map<String, Value>,
    environment: Environment,
    today: Date,
    secrets: &mut Vec<ProjectSecret>,
) -> Result<(), ApiError> {
    for (kind, what) in MISSING {
        let wanted = object(asked, kind)?.into_iter().flatten().find(|(_, entry)| !entry.is_null());
        if let Some((name, _)) = wanted {
            return Err(ApiError::not_supported(&format!("{kind}.{name}: {what}")));
        }
    }
    for (name, variable) in object(asked, ENV_VARS)?.into_iter().flatten() {
        let kept = entries(config, ENV_VARS);
        let was_secret = kept.get(name).is_some_and(is_secret);
        let text = read_variable(name, variable, was_secret)?;
        let (entry, secret) = match text {
            None => (Value::Null, was_secret.then_some(None)),
            Some(Variable::Plain(text)) => {
                (json!({"type": "plain_text", "value": text}), was_secret.then_some(None))
            }
            Some(Variable::Secret(text)) => (json!({"type": "secret_text"}), text.map(Some)),
        };
        put(kept, name, entry);
        secrets.extend(secret.map(|text| ProjectSecret {
            environment: environment.as_str(),
            name: name.clone(),
            text,
        }));
    }
    for (kind, fields) in BINDINGS {
        for (name, entry) in object(asked, kind)?.into_iter().flatten() {
            check_entry(kind, name, entry, fields)?;
            put(entries(config, kind), name, entry.clone());
        }
    }
    for kind in BINDINGS.iter().map(|(kind, _)| *kind).chain([ENV_VARS]) {
        if entries(config, kind).len() > MAX_ENTRIES {
            return Err(invalid(format!("`{kind}` has more than {MAX_ENTRIES} entries.")));
        }
    }
    for key in PLAIN {
        if let Some(value) = asked.get(key) {
            put(config, key, value.clone());
        }
    }
    if let Some(limits) = given(config, "limits") {
        let limits: Limits =
            Limits::deserialize(limits).map_err(|error| invalid(format!("`limits`: {error}")))?;
        config.insert("limits".to_owned(), json!(limits));
    }
    change_compatibility(config, asked, today)
}

fn change_compatibility(
    config: &mut Map<String, Value>,
    asked: &Map<String, Value>,
    today: Date,
) -> Result<(), ApiError> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(value) = asked.get("compatibility_date") {
        let date = text(value).filter(|date| !date.is_empty());
        if !value.is_null() && !value.is_string() {
            return Err(invalid("`compatibility_date` is a text."));
        }
        Compatibility::new(date.as_deref(), Vec::new(), today)?;
        put(config, "compatibility_date", json!(date));
    }
    if let Some(value) = given(asked, "compatibility_flags") {
        let flags: Option<Vec<String>> = value.as_array().and_then(|flags| flags.iter().map(text).collect());
        let flags = flags.ok_or_else(|| invalid("`compatibility_flags` is a list of texts."))?;
        let Compatibility { flags, .. } = Compatibility::new(None, flags, today)?;
        put(config, "compatibility_flags", json!(flags));
    }
    Ok(())
}

enum Variable {
    Plain(String),
    /// None: as it was.
    Secret(Option<String>),
}

/// None: it is to be removed.
fn read_variable(name: &str, variable: &Value, was_secret: bool) -> Result<Option<Variable>, ApiError> {
    check_name(ENV_VARS, name)?;
    if variable.is_null() {
        return Ok(None);
    }
    let value = match variable.get("value") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(_) => return Err(invalid(format!("`{ENV_VARS}.{name}.value` is a text."))),
    };
    if value.as_ref().is_some_and(|text| text.len() > MAX_VALUE) {
        return Err(invalid(format!("`{ENV_VARS}.{name}` has more than {MAX_VALUE} bytes.")));
    }
    match variable.get("type").and_then(Value::as_str) {
        None | Some("plain_text") => match value {
            Some(text) => Ok(Some(Variable::Plain(text))),
            None => Err(invalid(format!("`{ENV_VARS}.{name}` has no `value`."))),
        },
        // Who sends back what was shown sends secrets without their text.
        Some("secret_text") => match value.filter(|text| !text.is_empty()) {
            None if !was_secret => Err(invalid(format!("The secret `{ENV_VARS}.{name}` has no `value`."))),
            text => Ok(Some(Variable::Secret(text))),
        },
        Some(kind) => Err(invalid(format!(
            "`{ENV_VARS}.{name}` is of type {kind:?}; plain_text and secret_text exist."
        ))),
    }
}

fn check_entry(kind: &str, name: &str, entry: &Value, fields: &[&str]) -> Result<(), ApiError> {
    check_name(kind, name)?;
    if entry.is_null() {
        return Ok(());
    }
    let text = |field: &&str| entry.get(field).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    if !entry.is_object() {
        return Err(invalid(format!("`{kind}.{name}` is an object.")));
    }
    match fields.iter().find(|field| !text(field)) {
        None => Ok(()),
        Some(field) => Err(invalid(format!("`{kind}.{name}` has no `{field}`."))),
    }
}

fn check_name(kind: &str, name: &str) -> Result<(), ApiError> {
    if name.is_empty() || name.len() > 1024 || name.contains('\0') {
        return Err(invalid(format!("`{kind}` has an entry whose name cannot be one.")));
    }
    Ok(())
}

pub(crate) fn is_secret(entry: &Value) -> bool {
    entry.get("type").is_some_and(|kind| kind == "secret_text")
}

/// A field that is there and not null.
fn given<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object.get(key).filter(|value| !value.is_null())
}

fn object<'a>(within: &'a Map<String, Value>, key: &str) -> Result<Option<&'a Map<String, Value>>, ApiError> {
    match given(within, key) {
        None => Ok(None),
        Some(Value::Object(found)) => Ok(Some(found)),
        Some(_) => Err(invalid(format!("`{key}` is an object."))),
    }
}

/// The entries of one kind, to be changed.
fn entries<'a>(config: &'a mut Map<String, Value>, kind: &str) -> &'a mut Map<String, Value> {
    let place = config.entry(kind).or_insert_with(|| Value::Object(Map::new()));
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    match place {
        Value::Object(entries) => entries,
        _ => unreachable!("it was made one above"),
    }
}

/// Null removes.
fn put(object: &mut Map<String, Value>, key: &str, value: Value) {
    match value {
        Value::Null => drop(object.remove(key)),
        value => drop(object.insert(key.to_owned(), value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn change(settings: &mut Settings, asked: Value) -> Result<Vec<ProjectSecret>, ApiError> {
        settings.change(&asked, date(2026, 11, 30))
    }

    fn production(config: Value) -> Value {
        json!({"deployment_configs": {"production": config}})
    }

    #[test]
    fn secrets_are_taken_out_and_null_removes() {
        let mut settings = Settings::default();
        let asked = production(json!({"env_vars": {
            "S": {"type": "secret_text", "value": "text"}, "P": {"value": "plain"}, "Q": {"type": "plain_text", "value": ""}
        }}));
        let secrets = change(&mut settings, asked).unwrap();
        let named = |secrets: &[ProjectSecret]| -> Vec<(String, Option<String>)> {
            secrets.iter().map(|secret| (secret.name.clone(), secret.text.clone())).collect()
        };
        assert_eq!(named(&secrets), [("S".to_owned(), Some("text".to_owned()))]);
        assert!(!settings.to_value().to_string().contains("\"text\""));
        assert_eq!(settings.production[ENV_VARS]["S"], json!({"type": "secret_text"}));
        assert!(settings.preview.is_empty());

        // Shown and sent back, it stays.
        let back = production(json!({"env_vars": {"S": {"type": "secret_text", "value": ""}}}));
        assert!(change(&mut settings, back).unwrap().is_empty());
        // It becomes a plain one, and the text goes.
        let plain =
            production(json!({"env_vars": {"S": {"type": "plain_text", "value": "seen"}, "P": null}}));
        assert_eq!(named(&change(&mut settings, plain).unwrap()), [("S".to_owned(), None)]);
        assert_eq!(
            settings.production[ENV_VARS],
            json!({"S": {"type": "plain_text", "value": "seen"}, "Q": {"type": "plain_text", "value": ""}})
        );
        assert_eq!(Settings::of(&settings.to_value()).unwrap(), settings);
    }

    #[test]
    fn one_environment_is_changed_and_the_rest_stays() {
        let mut settings = Settings::default();
        change(&mut settings, json!({"production_branch": "trunk", "deployment_configs": {
            "production": {"kv_namespaces": {"A": {"namespace_id": "1"}}, "compatibility_date": "2026-01-01"},
            "preview": {"kv_namespaces": {"A": {"namespace_id": "2"}}, "compatibility_flags": ["nodejs_compat"]}
        }}))
        .unwrap();
        change(
            &mut settings,
            production(json!({"kv_namespaces": {"B": {"namespace_id": "3"}}, "limits": {"cpu_ms": 7}})),
        )
        .unwrap();
        assert_eq!(settings.production["kv_namespaces"].as_object().unwrap().len(), 2);
        assert_eq!(settings.preview["kv_namespaces"]["A"]["namespace_id"], "2");
        assert_eq!(settings.compatibility(Environment::Production).0, "2026-01-01");
        assert_eq!(settings.compatibility(Environment::Preview).1, ["nodejs_compat"]);
        assert_eq!(settings.environment(Some("trunk")), Environment::Production);
        assert_eq!(settings.environment(None), Environment::Production);
        assert_eq!(settings.environment(Some("main")), Environment::Preview);
    }

    #[test]
    fn what_does_not_hold_is_named_and_changes_nothing_of_secrets() {
        for (asked, says) in [
            (json!([]), "object"),
            (json!({"production_branch": 7}), "production_branch"),
            (json!({"production_branch": ""}), "branch"),
            (json!({"source": {"type": "github"}}), "Git"),
            (json!({"deployment_configs": []}), "deployment_configs"),
            (production(json!({"env_vars": {"A": {"type": "other", "value": "x"}}})), "other"),
            (production(json!({"env_vars": {"A": {"type": "secret_text"}}})), "A"),
            (production(json!({"env_vars": {"A": {"value": 7}}})), "A"),
            (production(json!({"env_vars": {"A": {"value": "x".repeat(6000)}}})), "bytes"),
            (production(json!({"env_vars": {"": {"value": "x"}}})), "name"),
            (production(json!({"kv_namespaces": {"A": {"id": "1"}}})), "namespace_id"),
            (production(json!({"kv_namespaces": {"A": "1"}})), "object"),
            (production(json!({"vectorize_bindings": {"V": {"index_name": "i"}}})), "Vectorize"),
            (production(json!({"compatibility_date": "2027-01-01"})), "future"),
            (production(json!({"compatibility_flags": ["a b"]})), "flag"),
            (production(json!({"limits": {"cpu_ms": "x"}})), "limits"),
        ] {
            let error = change(&mut Settings::default(), asked.clone()).unwrap_err();
            assert!(error.message().contains(says), "{asked}: {}", error.message());
        }
        assert!(
            change(
                &mut Settings::default(),
                production(json!({"vectorize_bindings": {"V": null}, "unknown": 1}))
            )
            .is_ok()
        );
    }
}
