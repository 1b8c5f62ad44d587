//! The endpoints of `tail/` and `logs/`, for the OpenAPI document.

use hearth_openapi::{
    Document, Family, any, array, boolean, delete, get, integer, literal, number, object, one_of, post,
    string, time,
};

/// Describes the operations, and where tails are watched.
pub fn describe(document: &mut Document) {
    let about = "What workers do, as it happens and as it was kept.";
    let mut section = document.section("Logs", about, Family::cloudflare());
    section.segment("tail", "The tail's id");
    section.segment("project", "The name of a project of Pages");
    section.segment("deployment", "The deployment's id");
    let tail = || object().has("id", string()).has("expires_at", time());
    const TAILS: &str = "/accounts/{account}/workers/scripts/{worker}/tails";
    section.add(get(TAILS, "List tails").gives(array(tail().has("connected", boolean()))));
    let wanted = || {
        let filters = array(any())
            .about("As wrangler sends them: by outcome, method, header, query text, address, sampling rate.");
        object().may("filters", filters)
    };
    let created = || tail().has("url", string().about("A WebSocket of the subprotocol `trace-v1`."));
    section.add(post(TAILS, "Create tail").may_take(wanted()).gives(created()));
    section.add(delete(format!("{TAILS}/{{tail}}"), "Delete tail").gives(literal(serde_json::Value::Null)));
    const PAGES: &str = "/accounts/{account}/pages/projects/{project}/deployments/{deployment}/tails";
    section.add(post(PAGES, "Create Pages tail").may_take(wanted()).gives(created()));
    let path = format!("{PAGES}/{{tail}}");
    section.add(delete(path, "Delete Pages tail").gives(literal(serde_json::Value::Null)));
    let producer = object().has("script", string());
    section.add(
        get("/accounts/{account}/workers/tails/by-consumer/{worker}", "List tailed workers")
            .gives(array(object().has("producer", producer))),
    );
    telemetry(&mut section);
    let about = "WebSockets on which tails are watched.";
    let mut sockets = document.section("Tails", about, Family::plain(string()));
    sockets.segment("id", "The tail's id, which is known to who made it only");
    sockets.add(get("/tail/{id}", "Watch tail").upgrades().without_token().refuses_in_text());
}

fn telemetry(section: &mut hearth_openapi::Section<'_>) {
    let path = |rest: &str| format!("/accounts/{{account}}/workers/observability/telemetry/{rest}");
    let timeframe = || {
        let at = || number().about("Milliseconds since 1970.");
        object().has("from", at()).has("to", at())
    };
    let kind = || one_of(&["string", "number", "boolean"]);
    let asked = || {
        object()
            .has("timeframe", timeframe())
            .may("filters", array(any()))
            .may("needle", any())
            .may("limit", integer().or_null())
    };
    let statistics = object()
        .has("elapsed", number().about("Seconds."))
        .has("rows_read", integer())
        .has("bytes_read", integer());
    let answer = object()
        .has("run", object().open().about("The query, and how it ran."))
        .has("statistics", statistics)
        .may("events", object().open().about("Of the view `events`."))
        .may("invocations", object().open().about("Of the view `invocations`: events by request."))
        .may("calculations", array(any()).about("Of the view `calculations`."))
        .may("compare", array(any()))
        .may("traces", array(any()))
        .may("patterns", array(any()));
    let query = asked()
        .has("queryId", string())
        .may("view", one_of(&["events", "invocations", "calculations"]).or_null())
        .may("parameters", any())
        .may("dry", boolean())
        .may("granularity", number())
        .may("offset", any());
    section.add(post(path("query"), "Query logs").takes(query).gives(answer));
    let key = object().has("key", string()).has("type", kind()).has("lastSeenAt", integer());
    section.add(
        post(path("keys"), "List log keys")
            .takes(object().may("timeframe", timeframe()).may("limit", integer().or_null()))
            .gives(array(key)),
    );
    let value =
        object().has("dataset", string()).has("key", string()).has("type", kind()).has("value", any());
    let wanted = asked().has("key", string()).may("type", kind()).may("datasets", array(string()));
    section.add(post(path("values"), "List log values").takes(wanted).gives(array(value)));
}
