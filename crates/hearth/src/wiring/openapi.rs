//! The OpenAPI document: what all crates say of their operations, and where it is served.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hearth_api::{Operation, PREFIX};
use hearth_audit::Known;
use hearth_openapi::{Document, Family, any, get, object, one_of, reference, string};
use http::{Method, header};
use serde_json::Value;

/// Where the document is served, to whoever has a token: as all that manages, and since it says which release this is.
const PATH: &str = "/api/openapi.json";

/// The release that a document is of.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What every crate says of its operations.
pub fn document() -> Document {
    let mut document = Document::default();
    hearth_api::describe(&mut document);
    hearth_pages::describe(&mut document);
    hearth_kv::describe(&mut document);
    hearth_r2::describe(&mut document);
    hearth_d1::api::describe(&mut document);
    hearth_queues::describe(&mut document);
    hearth_objects::describe(&mut document);
    hearth_workflows::describe(&mut document);
    hearth_cron::describe(&mut document);
    hearth_cache::describe(&mut document);
    hearth_observe::describe(&mut document);
    hearth_inspector::describe(&mut document);
    hearth_access::describe(&mut document);
    hearth_analytics::describe(&mut document);
    hearth_api::describe_graphql(&mut document);
    hearth_audit::describe(&mut document);
    hearth_functions::describe(&mut document);
    hearth_dialects::deploy::describe(&mut document);
    hearth_dialects::nexo::describe(&mut document);
    hearth_dialects::templates::describe(&mut document);
    hearth_signin::describe(&mut document);
    super::status::describe(&mut document);
    super::trial::describe(&mut document);
    describe(&mut document);
    document
}

/// What is this crate's own.
fn describe(document: &mut Document) {
    let about = "Of the server as a whole.";
    let mut section = document.section("Installation", about, Family::cloudflare());
    section.add(
        get("/installation/backup", "Back up")
            .about("Everything in one archive, for who answers for the installation.")
            .gives_raw("application/zstd"),
    );
    super::nodes::describe(&mut section);
    let about = "Whether the server is well, and what it answers.";
    let mut section = document.section("Server", about, Family::plain(reference("Failure")));
    let well = object().has("status", one_of(&["ok"]));
    section.add(get("/health", "Show health").without_token().gives(well));
    section.add(
        get("/metrics", "Show metrics")
            .about("For Prometheus, for who answers for the installation.")
            .gives_raw("application/openmetrics-text"),
    );
    let document = object().has("openapi", string()).has("info", any()).has("paths", any()).open();
    section.add(get(PATH, "Show OpenAPI document").about("This document.").gives(document));
}

/// What the document says of the operations that are served: those of `plain`, and those below `/client/v4`.
pub fn known(v4: &[(Method, &str)], plain: &[Operation]) -> Vec<Known> {
    let document = document().whole(VERSION);
    let below = v4.iter().map(|(method, path)| (method.clone(), format!("{PREFIX}{path}")));
    let plain = plain.iter().map(|operation| (operation.method.clone(), operation.path.to_owned()));
    let all = below.chain(plain).map(|(method, path)| {
        let described = &document["paths"][path.replace("{*", "{")][method.as_str().to_ascii_lowercase()];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Known {
            id: text(&described["operationId"]),
            title: text(&described["summary"]),
            product: text(&described["tags"][0]),
            gives_json: described["responses"]["200"]["content"]["application/json"].is_object(),
            method,
            path,
        }
    });
    all.collect()
}

/// Operations outside of `/client/v4`, and the one that gives the document of these and of `v4`, what is served below it.
pub fn with_document(v4: &[(Method, &str)], mut plain: Vec<Operation>) -> Vec<Operation> {
    let whole = |operation: &Operation| (operation.method.clone(), operation.path.to_owned());
    let mut served: Vec<(Method, String)> =
        v4.iter().map(|(method, path)| (method.clone(), format!("{PREFIX}{path}"))).collect();
    served.extend(plain.iter().map(whole));
    served.push((Method::GET, PATH.to_owned()));
    let served = served.iter().map(|(method, path)| (method, path.as_str()));
    let text = Bytes::from(document().of(VERSION, served).to_string());
    plain.push(Operation::new(Method::GET, PATH, show, &Shown(text)));
    plain
}

#[derive(Clone)]
struct Shown(Bytes);

async fn show(State(Shown(text)): State<Shown>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn references<'a>(value: &'a Value, into: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(name)) = members.get("$ref") {
                    into.insert(name.trim_start_matches("#/components/schemas/"));
                }
                members.values().for_each(|member| references(member, into));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, into)),
            _ => {}
        }
    }

    /// What no table knows, only who answers for the installation could call.
    #[test]
    fn every_operation_says_what_it_takes() {
        let whole = document().whole(VERSION);
        let mut checked = 0;
        for (path, operations) in whole["paths"].as_object().expect("there are paths") {
            for (method, operation) in operations.as_object().expect("there are operations") {
                let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
                if operation["security"].as_array().is_some_and(Vec::is_empty) {
                    continue;
                }
                let below = path.strip_prefix(PREFIX).unwrap_or(path);
                // They show the token of an upload in its place, which they look at themselves.
                if ["/pages/assets", "/accounts/{account}/workers/assets/upload"]
                    .iter()
                    .any(|own| below.starts_with(own))
                {
                    continue;
                }
                assert!(hearth_api::needed(&method, below).is_some(), "{method} {path}: add it to rights.rs");
                checked += 1;
            }
        }
        assert!(checked > 200, "{checked}");
    }

    #[test]
    fn every_schema_is_there_and_of_use() {
        let whole = document().whole(VERSION);
        let mut used = BTreeSet::new();
        references(&whole, &mut used);
        let schemas = whole["components"]["schemas"].as_object().expect("there are schemas");
        let named: BTreeSet<&str> = schemas.keys().map(String::as_str).collect();
        assert_eq!(used, named);
        assert!(whole["paths"].as_object().expect("there are paths").len() > 150);
    }
}
