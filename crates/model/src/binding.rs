//! Bindings, in the shapes that the upload format gives them (wrangler-api.md 4.2).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::WorkerName;

/// A named capability in a worker's `env`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// The property of `env`.
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: BindingKind,
}

/// What a binding is. `type` on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum BindingKind {
    /// A variable.
    PlainText {
        /// Its value.
        text: String,
    },
    /// A variable that holds any JSON value.
    Json {
        /// Its value.
        json: Value,
    },
    /// A secret. The text is present in an upload and in a launch, never in an answer or in the version's row.
    SecretText {
        /// Its value, when this is not a listing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// "As in the version before": resolved while an upload is accepted, never stored.
    Inherit {
        /// The name it had there, when that was another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old_name: Option<String>,
    },
    /// Another worker of the same account, for `fetch` and RPC.
    Service {
        /// That worker's name.
        service: String,
        /// A legacy service environment; only `production` exists.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<String>,
        /// The named entrypoint; the default export when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entrypoint: Option<String>,
        /// What the callee sees as `ctx.props`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        props: Option<Value>,
    },
    /// A Workers KV namespace.
    KvNamespace {
        /// Its id.
        namespace_id: String,
    },
    /// An R2 bucket.
    R2Bucket {
        /// Its name.
        bucket_name: String,
        /// Accepted and shown; everything lies on this installation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jurisdiction: Option<String>,
    },
    /// A D1 database.
    D1 {
        /// Its id.
        #[serde(alias = "database_id")]
        id: String,
    },
    /// The producer's side of a queue.
    Queue {
        /// The queue's name, as it was when the version was made.
        queue_name: String,
        /// Its id, which stays when it is renamed; what an upload says of it is ignored.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queue_id: Option<String>,
        /// Seconds that its messages wait unless they say otherwise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivery_delay: Option<u32>,
    },
    /// A class of Durable Objects.
    DurableObjectNamespace {
        /// The class.
        class_name: String,
        /// The worker that has it; this one when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        script_name: Option<String>,
        /// A legacy service environment of that worker; only `production` exists.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<String>,
        /// The namespace's id, in answers; what an upload says of it is ignored.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace_id: Option<String>,
    },
    /// A workflow.
    Workflow {
        /// The workflow's name, one among the account's.
        workflow_name: String,
        /// The class that defines it.
        class_name: String,
        /// The worker that has it; this one when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        script_name: Option<String>,
    },
    /// A dataset of the Analytics Engine.
    AnalyticsEngine {
        /// Its name; the binding's when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dataset: Option<String>,
    },
    /// A rate limit.
    Ratelimit {
        /// Which counters it uses: bindings of one account with one id share them.
        namespace_id: String,
        /// How much is allowed.
        simple: RateLimit,
    },
    /// `{id, tag, timestamp}` of the running version.
    VersionMetadata {},
    /// The version's static assets, as something that is fetched from.
    Assets {},
    /// Service-worker format: a part of the upload as `WebAssembly.Module`.
    WasmModule {
        /// The part's name.
        part: String,
    },
    /// Service-worker format: a part of the upload as a string.
    TextBlob {
        /// The part's name.
        part: String,
    },
    /// Service-worker format: a part of the upload as an `ArrayBuffer`.
    DataBlob {
        /// The part's name.
        part: String,
    },
}

/// How often a key may pass a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Times within a period, at least 1.
    pub limit: u32,
    /// Seconds: 10 or 60, as Cloudflare has it.
    pub period: u32,
}

impl RateLimit {
    fn is_valid(self) -> bool {
        self.limit > 0 && matches!(self.period, 10 | 60)
    }
}

/// Why a binding was refused; the text is fit for the caller and names the binding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// The shape is wrong.
    #[error("binding {name} is not valid: {reason}")]
    Malformed {
        /// The binding's name, or its position when it has none.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Cloudflare has it, this installation does not.
    #[error(
        "binding {name} of type {kind} is not supported by this Hearth yet. Remove it from the configuration to deploy."
    )]
    Unsupported {
        /// The binding's name.
        name: String,
        /// The `type` that was sent.
        kind: String,
    },
}

const SUPPORTED: [&str; 18] = [
    "plain_text",
    "json",
    "secret_text",
    "inherit",
    "service",
    "kv_namespace",
    "r2_bucket",
    "d1",
    "queue",
    "durable_object_namespace",
    "workflow",
    "analytics_engine",
    "ratelimit",
    "version_metadata",
    "assets",
    "wasm_module",
    "text_blob",
    "data_blob",
];

impl Binding {
    /// Reads one binding of an upload.
    ///
    /// # Errors
    /// [`BindingError`], which names the binding.
    pub fn from_wire(value: &Value) -> Result<Self, BindingError> {
        let empty = Map::new();
        let object = value.as_object().unwrap_or(&empty);
        let name = object.get("name").and_then(Value::as_str).unwrap_or_default();
        let malformed = |reason: &str| BindingError::Malformed {
            name: if name.is_empty() { value.to_string() } else { name.to_owned() },
            reason: reason.to_owned(),
        };
        if name.is_empty() {
            return Err(malformed("it has no name"));
        }
        let kind = object.get("type").and_then(Value::as_str).ok_or_else(|| malformed("it has no type"))?;
        if !SUPPORTED.contains(&kind) {
            return Err(BindingError::Unsupported { name: name.to_owned(), kind: kind.to_owned() });
        }
        let mut binding: Self =
            serde_json::from_value(value.clone()).map_err(|error| malformed(&error.to_string()))?;
        if let BindingKind::Queue { queue_id, .. } = &mut binding.kind {
            *queue_id = None;
        }
        match binding.kind {
            BindingKind::Ratelimit { simple, .. } if !simple.is_valid() => Err(malformed(
                "`simple` must have a `limit` of at least 1 and a `period` of 10 or 60 seconds",
            )),
            _ => Ok(binding),
        }
    }

    /// The `type` on the wire.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            BindingKind::PlainText { .. } => "plain_text",
            BindingKind::Json { .. } => "json",
            BindingKind::SecretText { .. } => "secret_text",
            BindingKind::Inherit { .. } => "inherit",
            BindingKind::Service { .. } => "service",
            BindingKind::KvNamespace { .. } => "kv_namespace",
            BindingKind::R2Bucket { .. } => "r2_bucket",
            BindingKind::D1 { .. } => "d1",
            BindingKind::Queue { .. } => "queue",
            BindingKind::DurableObjectNamespace { .. } => "durable_object_namespace",
            BindingKind::Workflow { .. } => "workflow",
            BindingKind::AnalyticsEngine { .. } => "analytics_engine",
            BindingKind::Ratelimit { .. } => "ratelimit",
            BindingKind::VersionMetadata {} => "version_metadata",
            BindingKind::Assets {} => "assets",
            BindingKind::WasmModule { .. } => "wasm_module",
            BindingKind::TextBlob { .. } => "text_blob",
            BindingKind::DataBlob { .. } => "data_blob",
        }
    }

    /// The binding as an answer shows it: a secret without its text.
    pub fn redacted(&self) -> Self {
        let kind = match &self.kind {
            BindingKind::SecretText { .. } => BindingKind::SecretText { text: None },
            other => other.clone(),
        };
        Self { name: self.name.clone(), kind }
    }

    /// Lets a class that the binding says is of `worker`, which has the binding, be the worker's own.
    pub fn own_by(&mut self, worker: &WorkerName) {
        if let BindingKind::DurableObjectNamespace { script_name, .. }
        | BindingKind::Workflow { script_name, .. } = &mut self.kind
        {
            script_name.take_if(|script| script.eq_ignore_ascii_case(worker.as_str()));
        }
    }

    /// The class of Durable Objects that it leads to, when that is the worker's own.
    pub fn own_class(&self) -> Option<&str> {
        match &self.kind {
            BindingKind::DurableObjectNamespace { class_name, script_name: None, .. } => Some(class_name),
            _ => None,
        }
    }

    /// Whether it is a secret.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, BindingKind::SecretText { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn wire_shapes_survive_a_round_trip() {
        for wire in [
            json!({"name": "A", "type": "plain_text", "text": "x"}),
            json!({"name": "A", "type": "json", "json": {"a": [1, null]}}),
            json!({"name": "A", "type": "secret_text", "text": "x"}),
            json!({"name": "A", "type": "service", "service": "b", "entrypoint": "E", "props": {"p": 1}}),
            json!({"name": "A", "type": "kv_namespace", "namespace_id": "x"}),
            json!({"name": "A", "type": "r2_bucket", "bucket_name": "x", "jurisdiction": "eu"}),
            json!({"name": "A", "type": "d1", "id": "x"}),
            json!({"name": "A", "type": "queue", "queue_name": "x", "delivery_delay": 3}),
            json!({"name": "A", "type": "durable_object_namespace", "class_name": "C", "script_name": "b"}),
            json!({"name": "A", "type": "workflow", "workflow_name": "w", "class_name": "C"}),
            json!({"name": "A", "type": "analytics_engine", "dataset": "x"}),
            json!({"name": "A", "type": "ratelimit", "namespace_id": "1", "simple": {"limit": 5, "period": 60}}),
            json!({"name": "A", "type": "version_metadata"}),
            json!({"name": "A", "type": "assets"}),
            json!({"name": "A", "type": "wasm_module", "part": "w"}),
        ] {
            let binding = Binding::from_wire(&wire).unwrap();
            assert_eq!(serde_json::to_value(&binding).unwrap(), wire);
            assert_eq!(wire["type"], binding.type_name());
        }
    }

    #[test]
    fn what_is_not_there_yet_is_refused_by_name() {
        let error = Binding::from_wire(&json!({"name": "E", "type": "send_email"})).unwrap_err();
        assert!(error.to_string().contains("binding E of type send_email"), "{error}");
    }

    #[test]
    fn a_malformed_binding_says_which_and_why() {
        let error = Binding::from_wire(&json!({"name": "T", "type": "plain_text"})).unwrap_err();
        assert!(error.to_string().contains("binding T") && error.to_string().contains("text"), "{error}");
        assert!(Binding::from_wire(&json!({"type": "plain_text"})).is_err());
        for simple in [json!({"limit": 0, "period": 10}), json!({"limit": 1, "period": 30})] {
            let limit = json!({"name": "L", "type": "ratelimit", "namespace_id": "1", "simple": simple});
            let error = Binding::from_wire(&limit).unwrap_err();
            assert!(error.to_string().contains("period"), "{error}");
        }
        assert!(Binding::from_wire(&json!(7)).is_err());
    }

    #[test]
    fn a_redacted_secret_has_no_text() {
        let secret = Binding::from_wire(&json!({"name": "S", "type": "secret_text", "text": "x"})).unwrap();
        assert_eq!(
            serde_json::to_value(secret.redacted()).unwrap(),
            json!({"name": "S", "type": "secret_text"})
        );
    }
}
