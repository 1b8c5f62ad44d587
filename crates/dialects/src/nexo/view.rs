//! Answers, and what the dialect keeps of a function.

use axum::Json;
use axum::response::{IntoResponse, Response};
use hearth_api::ApiError;
use hearth_model::{BindingKind, Version};
use hearth_store::Worker;
use serde_json::{Map, Value, json};

use super::routes::METHODS;
use crate::session::Tongue;

/// The words of `/api/functions`.
pub(super) struct Nexoing;

impl Tongue for Nexoing {
    fn refuse(error: &ApiError, _: Option<&str>) -> Response {
        (error.status(), Json(json!({"error": error.message()}))).into_response()
    }
}

/// Where a function is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Served {
    /// Its path behind `/fn`.
    pub route: String,
    /// Its methods.
    pub methods: Vec<String>,
}

impl Served {
    /// As it is kept with the function.
    pub fn of(worker: &Worker) -> Self {
        let settings = &worker.dialect_settings;
        let methods = settings["methods"].as_array().map_or_else(all_methods, |list| {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        });
        let route =
            settings["route"].as_str().map_or_else(|| default_route(worker.name.as_str()), str::to_owned);
        Self { route, methods }
    }

    /// As it is kept with the function.
    pub fn settings(&self) -> Value {
        json!({"route": self.route, "methods": self.methods})
    }
}

/// The route of a function that names none.
pub(super) fn default_route(name: &str) -> String {
    format!("/{name}")
}

/// The methods of a function that names none.
pub(super) fn all_methods() -> Vec<String> {
    METHODS.iter().map(|method| (*method).to_owned()).collect()
}

/// The variables of a version.
pub(super) fn env(version: Option<&Version>) -> Map<String, Value> {
    let bindings = version.map_or(&[][..], |version| &version.bindings);
    let variable = |binding: &hearth_model::Binding| match &binding.kind {
        BindingKind::PlainText { text } => Some((binding.name.clone(), json!(text))),
        _ => None,
    };
    bindings.iter().filter_map(variable).collect()
}

/// A function.
pub(super) fn function(worker: &Worker, version: Option<&Version>) -> Value {
    let served = Served::of(worker);
    json!({
        "id": worker.id.to_string(),
        "name": worker.name,
        "route": served.route,
        "methods": served.methods,
        "env": env(version),
        "version": version.map(|version| version.number),
        "created_at": worker.created_on.to_string(),
        "updated_at": worker.modified_on.to_string(),
    })
}
