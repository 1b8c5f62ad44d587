//! The endpoints of `api.rs`, for the OpenAPI document.

use hearth_api::{ABOUT_ACCOUNT_HEADER, ACCOUNT_HEADER};
use hearth_openapi::{
    Document, Family, Schema, any, array, boolean, delete, get, integer, map, number, object, post, put,
    reference, string, time,
};

/// Describes the operations.
pub fn describe(document: &mut Document) {
    let about = "`handler(request, { env })` with a route below `/fn`.";
    let mut section = document.section("Routed functions", about, Family::plain(reference("NexoRefusal")));
    section.header(ACCOUNT_HEADER, ABOUT_ACCOUNT_HEADER);
    section.schema("NexoRefusal", object().has("error", string()));
    section.segment("id", "The function's id");
    section.schema("NexoFunction", function());
    section.schema("NexoFunctionWithCode", function().has("code", string()));
    let counts = |schema: Schema, isolates: Schema| {
        let requests = object().has("total", integer()).has("errors", integer()).has("in_flight", integer());
        let latency = object().has("p50", number()).has("p95", number()).has("p99", number());
        schema
            .has("isolates", isolates)
            .has("requests", requests)
            .has("latency_ms", latency.about("Of the latest requests."))
            .has("uptime_s", integer())
    };
    let isolates = || object().has("active", integer()).has("idle", integer());
    section.add(
        get("/stats", "Show statistics")
            .gives(counts(object().has("functions", integer()), isolates().has("max", integer()))),
    );
    const ALL: &str = "/api/functions";
    const ONE: &str = "/api/functions/{id}";
    let with_code = || reference("NexoFunctionWithCode");
    section.add(
        get(ALL, "List routed functions")
            .gives(object().has("total", integer()).has("functions", array(reference("NexoFunction")))),
    );
    let wanted = || {
        let variable = string().or(number()).or(boolean());
        object()
            .may("route", string().or_null().about("Its path below `/fn`; `/<name>` where absent."))
            .may("methods", array(string()).or_null().about("All where absent."))
            .may("env", map(variable).or_null())
    };
    section.add(
        post(ALL, "Create routed function")
            .about("A name or a route that is taken: 409.")
            .takes(wanted().has("name", string()).has("code", string()))
            .creates()
            .gives(with_code()),
    );
    section.add(get(ONE, "Show routed function").gives(with_code()));
    section.add(
        put(ONE, "Change routed function")
            .about("Changes only what is sent.")
            .takes(wanted().may("name", string().or_null()).may("code", string().or_null()))
            .gives(with_code()),
    );
    section.add(
        delete(ONE, "Delete routed function").gives(object().has("id", string()).has("deleted", boolean())),
    );
    let sent = object()
        .may("method", string().or_null())
        .may("path", string().or_null().about("The function's route where absent."))
        .may("headers", map(string()).or_null())
        .may("body", any().about("A text as it is, anything else as JSON."));
    let answered = object()
        .has("status", integer())
        .has("headers", map(string()))
        .has("body", any().about("JSON as what it is, anything else as text."))
        .has("duration_ms", number())
        .has("cold_start", boolean());
    section.add(post("/api/functions/{id}/invoke", "Invoke routed function").may_take(sent).gives(answered));
    let named = object().has("id", string()).has("name", string());
    section.add(
        get("/api/functions/{id}/stats", "Show routed function statistics").gives(counts(named, isolates())),
    );
}

fn function() -> Schema {
    object()
        .has("id", string())
        .has("name", string())
        .has("route", string())
        .has("methods", array(string()))
        .has("env", map(string()))
        .has("version", integer().or_null())
        .has("created_at", time())
        .has("updated_at", time())
}
