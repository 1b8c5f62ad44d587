//! What the operations of this crate are sent and give, for the OpenAPI document: the answers of `view.rs` and of the
//! handlers, the requests of wrangler-api.md.

mod assets;
mod hosts;
mod identity;
mod workers;

use hearth_openapi::{Document, Family, Schema, any, array, literal, map, object, post, reference, string};

/// Describes all of [`crate::operations`], and those of [`crate::Assets`].
pub fn describe(document: &mut Document) {
    document.segment("account", "The account's id");
    document.segment("worker", "The worker's name");
    document.segment("version", "The version's id, a UUID");
    document.segment("zone", "The zone's id");
    identity::describe(document);
    workers::describe(document);
    hosts::describe(document);
    assets::describe(document);
}

/// Describes [`crate::analytics`].
pub fn describe_graphql(document: &mut Document) {
    let mut section = document.section(
        "Analytics",
        "What workers and their storage did, in numbers.",
        Family::cloudflare(),
    );
    let asked =
        object().has("query", string()).may("operationName", string().or_null()).may("variables", any());
    let error = object().has("message", string()).has("path", any()).has("extensions", any());
    let answered = object()
        .has("data", any().about("What was asked for; null where the query is refused."))
        .has("errors", array(error).or_null());
    section.add(
        post("/graphql", "Query analytics")
            .about("The part of Cloudflare's GraphQL that wrangler and the console use: `viewer { accounts { … } }`.")
            .takes(asked)
            .gives_bare(answered),
    );
}

/// What a `DELETE` of something with an id answers.
fn gone() -> Schema {
    object().has("id", string())
}

fn null() -> Schema {
    literal(serde_json::Value::Null)
}

fn texts() -> Schema {
    array(string())
}

fn annotations() -> Schema {
    map(string()).about("`workers/message`, `workers/tag`, `workers/triggered_by`, …")
}

fn named(name: &str) -> Schema {
    reference(name)
}
