//! The endpoints of `api.rs`, for the OpenAPI document.

use hearth_openapi::{Document, Family, array, boolean, get, integer, object, reference, string};

/// Describes the operations.
pub fn describe(document: &mut Document) {
    const NAMESPACES: &str = "/accounts/{account}/workers/durable_objects/namespaces";
    let about = "Classes of Durable Objects, and their objects.";
    let mut section = document.section("Durable Objects", about, Family::cloudflare());
    section.segment("namespace", "The class's namespace id");
    section.schema(
        "ObjectNamespace",
        object()
            .has("id", string())
            .has("name", string())
            .has("script", string())
            .has("class", string())
            .has("use_sqlite", boolean())
            .has(
                "storage_bytes",
                integer().or_null().about("Bytes on disk when it was last looked; null before that."),
            ),
    );
    section
        .add(get(NAMESPACES, "List Durable Object namespaces").gives_pages_of(reference("ObjectNamespace")));
    let cursors = object().has("after", string().or_null());
    section.add(
        get(format!("{NAMESPACES}/{{namespace}}/objects"), "List Durable Objects")
            .query("limit", integer().between(1, 10_000), "How many at most; 1000 where absent.")
            .query("cursor", string(), "Where to go on: `result_info.cursor` of the page before.")
            .info(object().has("count", integer()).has("cursor", string().or_null()).has("cursors", cursors))
            .gives(array(object().has("id", string()).has("hasStoredData", boolean()))),
    );
}
