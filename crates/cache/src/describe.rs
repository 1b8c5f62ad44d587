//! The endpoints of `api.rs`, for the OpenAPI document.

use hearth_openapi::{Call, Document, Family, array, boolean, delete, object, post, string};

/// Describes the operations.
pub fn describe(document: &mut Document) {
    const PURGE: &str = "/zones/{zone}/purge_cache";
    let mut section = document.section("Cache", "What is cached of a zone.", Family::cloudflare());
    let url = string().or(object().has("url", string()).open());
    let lists = object()
        .may("purge_everything", boolean().or_null())
        .may("files", array(url).or_null())
        .may("tags", array(string()).or_null())
        .may("hosts", array(string()).or_null())
        .may("prefixes", array(string().about("Host and path, no scheme.")).or_null());
    let purge = |call: Call| call.takes(lists.clone()).gives(object().has("id", string()));
    section.add(purge(post(PURGE, "Purge cache")));
    section.add(purge(delete(PURGE, "Delete cached")).about("The same, as older clients send it."));
}
