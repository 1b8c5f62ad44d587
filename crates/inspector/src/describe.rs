//! The endpoints of this crate, for the OpenAPI document.

use hearth_openapi::{Document, Family, array, delete, get, integer, literal, object, post, string, time};

/// Describes the operations, and where debuggers attach.
pub fn describe(document: &mut Document) {
    let about = "Debugging a worker that is deployed, in a process of its own.";
    let mut section = document.section("Inspector", about, Family::cloudflare());
    section.segment("session", "The session's id");
    const SESSIONS: &str = "/accounts/{account}/workers/scripts/{worker}/hearth/inspector";
    let session = || {
        object()
            .has(
                "id",
                string().about("What requests name the session by: `Hearth-Inspector`, or their host."),
            )
            .has("version_id", string())
            .has("created_on", time())
            .has("expires_on", time())
            .has("idle_timeout_s", integer())
            .has("attached", integer().about("Debuggers that are attached."))
    };
    section.add(get(SESSIONS, "List inspector sessions").gives(array(session())));
    let begun = session()
        .has("websocket_url", string().about("The DevTools protocol. It holds the key, which is shown once."))
        .has("devtools_url", string().about("For Chrome's address bar."))
        .has(
            "discovery_host",
            string().or_null().about("For `chrome://inspect`: a host that answers `/json/list`."),
        )
        .has("url", string().or_null().about("Where requests reach the session."));
    let wanted = object().may("version_id", string().or_null().about("Other than the one that serves."));
    section.add(post(SESSIONS, "Begin inspector session").takes(wanted).gives(begun));
    let one = format!("{SESSIONS}/{{session}}");
    section.add(delete(one, "End inspector session").gives(literal(serde_json::Value::Null)));

    let about = "Where debuggers attach to a session.";
    let mut sockets = document.section("Debuggers", about, Family::plain(string()));
    sockets.segment("key", "The session's key, which is known to who began it only");
    sockets.add(get("/inspector/{key}", "Attach debugger").upgrades().without_token().refuses_in_text());
    let target = || {
        object()
            .has("id", string())
            .has("type", string())
            .has("title", string())
            .has("description", string())
            .has("url", string())
            .has("webSocketDebuggerUrl", string())
            .has("devtoolsFrontendUrl", string())
            .has("devtoolsFrontendUrlCompat", string())
    };
    for (path, title) in [
        ("/inspector/{key}/json", "List debugger targets"),
        ("/inspector/{key}/json/list", "List all debugger targets"),
    ] {
        sockets.add(get(path, title).without_token().refuses_in_text().gives(array(target())));
    }
    let version = object().has("Browser", string()).has("Protocol-Version", string());
    sockets.add(
        get("/inspector/{key}/json/version", "Show debugger version")
            .without_token()
            .refuses_in_text()
            .gives(version),
    );
}
