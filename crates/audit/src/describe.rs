//! The endpoints of `api.rs`, for the OpenAPI document.

use hearth_openapi::{
    Call, Document, Family, any, array, boolean, get, integer, object, one_of, reference, string, time,
};

/// Describes the operations.
pub fn describe(document: &mut Document) {
    let about = "Who changed what.";
    let mut section = document.section("Audit", about, Family::cloudflare());
    let maybe = || string().or_null();
    section.schema(
        "AuditLog",
        object()
            .has("id", string())
            .has(
                "action",
                object()
                    .has("type", string().about("The operation's id in this document."))
                    .has("result", boolean()),
            )
            .has(
                "actor",
                object()
                    .has("id", maybe().about("The person's."))
                    .has("email", maybe())
                    .has("ip", maybe())
                    .has("type", one_of(&["user", "account", "system", "unknown"])),
            )
            .has("interface", one_of(&["API"]))
            .has(
                "metadata",
                object()
                    .has("description", string())
                    .has("outcome", one_of(&["success", "failure", "refused"]))
                    .has("method", string())
                    .has("path", string())
                    .has("status", integer())
                    .has("code", integer().or_null())
                    .has("user_agent", maybe())
                    .has("token_id", maybe())
                    .has("token_name", maybe()),
            )
            .has("oldValue", maybe().about("What was there before, as JSON. Without secrets."))
            .has("oldValueJson", any())
            .has("newValue", maybe().about("What was there afterwards, as JSON. Without secrets."))
            .has("newValueJson", any())
            .has("owner", object().has("id", maybe()))
            .has("resource", object().has("id", maybe()).has("type", string()))
            .has("when", time()),
    );
    section.schema(
        "AuditEvent",
        object()
            .has("id", string())
            .has("account", object().has("id", maybe()).has("name", string()))
            .has(
                "action",
                object()
                    .has("description", string())
                    .has("result", one_of(&["success", "failure"]))
                    .has("time", time())
                    .has("type", one_of(&["create", "update", "delete"])),
            )
            .has(
                "actor",
                object()
                    .has("id", maybe())
                    .has("context", one_of(&["api", "api_token"]))
                    .has("email", maybe())
                    .has("ip_address", maybe())
                    .has("token_id", maybe())
                    .has("token_name", maybe())
                    .has("type", string()),
            )
            .has(
                "raw",
                object()
                    .has("method", string())
                    .has("status_code", integer())
                    .has("uri", string())
                    .has("user_agent", maybe()),
            )
            .has(
                "resource",
                object()
                    .has("id", maybe())
                    .has("product", string())
                    .has("type", string())
                    .has("scope", string())
                    .has("request", any().about("What was there before."))
                    .has("response", any().about("What was there afterwards.")),
            )
            .has("operation", string().about("The operation's id in this document.")),
    );
    section.add(
        narrowed(get("/accounts/{account}/audit_logs", "List audit logs"))
            .about("Cloudflare's first audit log. For the account's owners and administrators.")
            .gives_pages_of(reference("AuditLog")),
    );
    let cursors = object()
        .has("count", integer())
        .has("cursor", maybe().about("Where the next page begins; null on the last."))
        .has("cursors", object().has("after", maybe()));
    section.add(
        get("/accounts/{account}/logs/audit", "List audit events")
            .about("Cloudflare's second audit log. For the account's owners and administrators.")
            .query("since", string(), "The first moment, or date.")
            .query("before", string(), "The moment, or date, after the last one.")
            .query("direction", one_of(&["asc", "desc"]), "The newest first, or the oldest.")
            .query("limit", integer(), "Entries of a page, at most 1000.")
            .query("cursor", string(), "`result_info.cursor` of the page before.")
            .query("actor_email", string(), "Who.")
            .query("actor_token_id", string(), "With which token.")
            .query("action_type", string(), "`create`, `update`, `delete`, or an operation's id.")
            .query("action_result", one_of(&["success", "failure"]), "How it ended.")
            .query("resource_id", string(), "About which thing.")
            .query("resource_type", string(), "About which kind of thing.")
            .query("raw_method", string(), "With which method.")
            .query("audit_log_id", string(), "One entry.")
            .info(cursors)
            .gives(array(reference("AuditEvent"))),
    );
    section.add(
        narrowed(get("/installation/audit_logs", "List installation audit logs"))
            .about("What is no account's business, or with `all` everybody's. For who answers for the installation.")
            .query("all", boolean(), "Also what is accounts' business.")
            .gives_pages_of(reference("AuditLog")),
    );
}

fn narrowed(call: Call) -> Call {
    call.query("since", string(), "The first moment, or date.")
        .query("before", string(), "The moment, or date, after the last one.")
        .query("actor.email", string(), "Who.")
        .query("actor.ip", string(), "From where.")
        .query("action.type", string(), "An operation's id, or `create`, `update` or `delete`.")
        .query("id", string(), "One entry.")
        .query("direction", one_of(&["asc", "desc"]), "The newest first, or the oldest.")
}
