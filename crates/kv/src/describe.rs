//! The REST endpoints of `api.rs`, for the OpenAPI document.

use hearth_openapi::{
    Document, Family, any, array, boolean, delete, get, integer, literal, map, number, object, one_of, post,
    put, reference, string,
};

/// Describes the operations.
pub fn describe(document: &mut Document) {
    const NAMESPACES: &str = "/accounts/{account}/storage/kv/namespaces";
    const NAMESPACE: &str = "/accounts/{account}/storage/kv/namespaces/{namespace}";
    let below = |rest: &str| format!("{NAMESPACE}/{rest}");
    let null = || literal(serde_json::Value::Null);
    let mut kv = document.section("KV", "Namespaces, their keys and values.", Family::cloudflare());
    kv.segment("namespace", "The namespace's id");
    kv.segment("key", "The key, percent-encoded");
    kv.schema(
        "KvNamespace",
        object().has("id", string()).has("title", string()).has("supports_url_encoding", boolean()),
    );
    let titled = || object().has("title", string().about("Unique in the account."));
    kv.add(
        get(NAMESPACES, "List KV namespaces")
            .query("order", one_of(&["id", "title"]), "What they are sorted by.")
            .query("direction", one_of(&["asc", "desc"]), "In which direction.")
            .gives_pages_of(reference("KvNamespace")),
    );
    kv.add(post(NAMESPACES, "Create KV namespace").takes(titled()).gives(reference("KvNamespace")));
    kv.add(get(NAMESPACE, "Show KV namespace").gives(reference("KvNamespace")));
    kv.add(put(NAMESPACE, "Rename KV namespace").takes(titled()).gives(reference("KvNamespace")));
    kv.add(delete(NAMESPACE, "Delete KV namespace").gives(null()));

    kv.schema(
        "KvKey",
        object()
            .has("name", string())
            .may("expiration", integer().about("Seconds since 1970."))
            .may("metadata", any()),
    );
    kv.add(
        get(below("keys"), "List KV keys")
            .query("prefix", string(), "Only keys that begin with it.")
            .query("limit", integer().between(1, 1000), "Keys of a page; 1000 where absent.")
            .query("cursor", string(), "Where to go on: `result_info.cursor` of the page before.")
            .info(object().has("count", integer()).has("cursor", string().about("Empty on the last page.")))
            .gives(array(reference("KvKey"))),
    );
    kv.add(
        get(below("values/{*key}"), "Read KV value")
            .about("The value as it is. The header `expiration` says when it ends, in seconds since 1970.")
            .gives_raw("application/octet-stream"),
    );
    let form = object()
        .has("value", string().bytes())
        .may("metadata", string().about("JSON of at most 1024 bytes."));
    kv.add(
        put(below("values/{*key}"), "Write KV value")
            .about("The body is the value; a form has it in `value`, with `metadata` beside it.")
            .query("expiration", integer(), "When it ends, in seconds since 1970.")
            .query("expiration_ttl", integer(), "In how many seconds it ends, at least 60.")
            .takes_raw("application/octet-stream", string().bytes())
            .takes_raw("multipart/form-data", form)
            .gives(null()),
    );
    kv.add(delete(below("values/{*key}"), "Delete KV value").gives(null()));
    kv.add(get(below("metadata/{*key}"), "Read KV metadata").gives(any()));

    let pair = object()
        .has("key", string())
        .has("value", string())
        .may("base64", boolean().about("Whether the value is base64 of what is stored.").default(false))
        .may("metadata", any())
        .may("expiration", number().or_null())
        .may("expiration_ttl", number().or_null());
    kv.schema(
        "KvBulk",
        object().has("successful_key_count", integer()).has("unsuccessful_keys", array(string())),
    );
    kv.add(put(below("bulk"), "Write KV values").takes(array(pair)).gives(reference("KvBulk")));
    kv.add(delete(below("bulk"), "Delete KV values").takes(array(string())).gives(reference("KvBulk")));
    kv.add(
        post(below("bulk/delete"), "Delete many KV values").takes(array(string())).gives(reference("KvBulk")),
    );
    let wanted = object()
        .has("keys", array(string()).about("At most 100."))
        .may("type", one_of(&["text", "json"]).or_null())
        .may("withMetadata", boolean().default(false));
    let values = map(any()).about("Null where there is none; with metadata, `{value, metadata}`.");
    kv.add(post(below("bulk/get"), "Read KV values").takes(wanted).gives(object().has("values", values)));
}
