//! What a deployment's code gets in `env`: the bindings of its own configuration where it has one, else those of the
//! project's environment; the environment's secrets in any case, the deployment's files, and what it is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::settings::{ENV_VARS, is_secret};

/// The binding to the deployment's files.
const ASSETS: &str = "ASSETS";

/// The class and the worker of a namespace of Durable Objects.
pub(crate) type Classes = BTreeMap<String, (String, String)>;

/// What every deployment has of us.
pub(crate) const OURS: [&str; 4] = ["CF_PAGES", "CF_PAGES_BRANCH", "CF_PAGES_COMMIT_SHA", "CF_PAGES_URL"];

/// What a deployment is, as its code and Cloudflare's builds see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub url: &'a str,
    pub branch: &'a str,
    pub commit: &'a str,
}

/// The namespaces of Durable Objects that an environment names by their ids.
pub(crate) fn namespaces(config: &Map<String, Value>) -> Vec<&str> {
    let entries = entries(config, "durable_object_namespaces");
    let unnamed = entries.filter(|(_, entry)| text(entry, "class_name").is_empty());
    unnamed.map(|(_, entry)| text(entry, "namespace_id")).collect()
}

/// The bindings of an environment, in the form of an upload. Secrets come with [`complete`].
pub(crate) fn of_environment(config: &Map<String, Value>, classes: &Classes) -> Vec<Value> {
    let mut bindings = Vec::new();
    let plain = entries(config, ENV_VARS).filter(|(_, entry)| !is_secret(entry));
    bindings.extend(plain.map(|(name, entry)| plain_text(name, text(entry, "value"))));
    for (kind, as_binding) in KINDS {
        bindings.extend(entries(config, kind).map(|(name, entry)| as_binding(name, entry)));
    }
    bindings.extend(entries(config, "durable_object_namespaces").map(|(name, entry)| {
        let id = text(entry, "namespace_id");
        let named = (text(entry, "class_name").to_owned(), text(entry, "service").to_owned());
        let (class, script) =
            if named.0.is_empty() { classes.get(id).cloned().unwrap_or_default() } else { named };
        json!({
            "type": "durable_object_namespace", "name": name, "class_name": class, "script_name": script,
        })
    }));
    bindings
}

/// Adds what every deployment has, unless its configuration has something else of that name.
pub(crate) fn complete(
    mut bindings: Vec<Value>,
    secrets: BTreeMap<String, String>,
    about: About<'_>,
) -> Vec<Value> {
    let mut taken: BTreeSet<String> =
        bindings.iter().map(|binding| text(binding, "name").to_owned()).collect();
    let secrets =
        secrets.into_iter().map(|(name, text)| json!({"type": "secret_text", "name": name, "text": text}));
    let assets = json!({"type": "assets", "name": ASSETS});
    let values = ["1", about.branch, about.commit, about.url];
    let about = OURS.into_iter().zip(values).map(|(name, text)| plain_text(name, text));
    for binding in secrets.chain([assets]).chain(about) {
        if taken.insert(text(&binding, "name").to_owned()) {
            bindings.push(binding);
        }
    }
    bindings
}

/// What an entry of some kind is in an upload, by its name.
type AsBinding = fn(&str, &Value) -> Value;

/// Kinds of an environment, and what an entry is in an upload.
const KINDS: [(&str, AsBinding); 6] = [
    (
        "kv_namespaces",
        |name, entry| json!({"type": "kv_namespace", "name": name, "namespace_id": text(entry, "namespace_id")}),
    ),
    ("d1_databases", |name, entry| json!({"type": "d1", "name": name, "id": text(entry, "id")})),
    (
        "r2_buckets",
        |name, entry| json!({"type": "r2_bucket", "name": name, "bucket_name": text(entry, "name")}),
    ),
    (
        "queue_producers",
        |name, entry| json!({"type": "queue", "name": name, "queue_name": text(entry, "name")}),
    ),
    ("services", |name, entry| {
        let entrypoint = entry.get("entrypoint").filter(|entrypoint| entrypoint.is_string());
        json!({"type": "service", "name": name, "service": text(entry, "service"), "entrypoint": entrypoint})
    }),
    (
        "analytics_engine_datasets",
        |name, entry| json!({"type": "analytics_engine", "name": name, "dataset": text(entry, "dataset")}),
    ),
];

fn plain_text(name: &str, text: &str) -> Value {
    json!({"type": "plain_text", "name": name, "text": text})
}

fn entries<'a>(config: &'a Map<String, Value>, kind: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    config.get(kind).and_then(Value::as_object).into_iter().flatten()
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_model::Binding;

    const ABOUT: About<'_> = About { url: "http://x", branch: "main", commit: "c0ffee" };

    #[test]
    fn every_kind_is_a_binding() {
        let config = json!({
            "env_vars": {"P": {"type": "plain_text", "value": "p"}, "S": {"type": "secret_text"}},
            "kv_namespaces": {"K": {"namespace_id": "1"}},
            "d1_databases": {"D": {"id": "2"}},
            "r2_buckets": {"R": {"name": "bucket"}},
            "queue_producers": {"Q": {"name": "queue"}},
            "services": {"W": {"service": "worker", "environment": "production"}},
            "durable_object_namespaces": {"O": {"namespace_id": "3"}, "N": {"class_name": "Room", "service": "rooms"}},
            "analytics_engine_datasets": {"A": {"dataset": "set"}},
        });
        let config = config.as_object().unwrap();
        assert_eq!(namespaces(config), ["3"]);
        let classes = BTreeMap::from([("3".to_owned(), ("Counter".to_owned(), "counters".to_owned()))]);
        let secrets = BTreeMap::from([("S".to_owned(), "text".to_owned())]);
        let bindings = complete(of_environment(config, &classes), secrets, ABOUT);
        let kinds: BTreeMap<String, String> = bindings
            .iter()
            .map(|wire| {
                Binding::from_wire(wire).map(|read| (read.name.clone(), read.type_name().to_owned())).unwrap()
            })
            .collect();
        for (name, kind) in [
            ("P", "plain_text"),
            ("S", "secret_text"),
            ("K", "kv_namespace"),
            ("D", "d1"),
            ("R", "r2_bucket"),
            ("Q", "queue"),
            ("W", "service"),
            ("O", "durable_object_namespace"),
            ("N", "durable_object_namespace"),
            ("A", "analytics_engine"),
            ("ASSETS", "assets"),
            ("CF_PAGES_URL", "plain_text"),
        ] {
            assert_eq!(kinds.get(name).map(String::as_str), Some(kind), "{name}");
        }
        assert_eq!(bindings.len(), kinds.len(), "no name twice");
        let object = bindings.iter().find(|binding| binding["name"] == "O").unwrap();
        assert_eq!((&object["class_name"], &object["script_name"]), (&json!("Counter"), &json!("counters")));
    }

    #[test]
    fn what_a_configuration_says_itself_stands() {
        let own = vec![
            json!({"type": "plain_text", "name": "S", "text": "mine"}),
            plain_text("CF_PAGES_BRANCH", "x"),
        ];
        let bindings = complete(own, BTreeMap::from([("S".to_owned(), "secret".to_owned())]), ABOUT);
        let named = |name: &str| -> Vec<&Value> { bindings.iter().filter(|b| b["name"] == name).collect() };
        assert_eq!(named("S"), [&plain_text("S", "mine")]);
        assert_eq!(named("CF_PAGES_BRANCH").len(), 1);
        assert_eq!(named("CF_PAGES_COMMIT_SHA"), [&plain_text("CF_PAGES_COMMIT_SHA", "c0ffee")]);
    }
}
