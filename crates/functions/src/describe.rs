//! The endpoints of `api.rs`, for the OpenAPI document.

use hearth_api::{ABOUT_ACCOUNT_HEADER, ACCOUNT_HEADER};
use hearth_openapi::{
    Document, Family, Schema, any, array, boolean, delete, get, integer, map, number, object, one_of, post,
    put, reference, string, time,
};

use crate::records::KEPT;

/// Describes the operations.
pub fn describe(document: &mut Document) {
    let about = "Functions in Node.js, Python and Go.";
    let mut section = document.section("Functions", about, Family::plain(reference("FunctionRefusal")));
    section.header(ACCOUNT_HEADER, ABOUT_ACCOUNT_HEADER);
    section.segment("id", "The function's id");
    section.schema(
        "FunctionError",
        object()
            .has("type", string().about("The error's class, or `Timeout`, `OutOfMemory`, `Crashed`."))
            .has("message", string())
            .has("stack", string().about("Empty where it is not known.")),
    );
    section.schema(
        "FunctionRefusal",
        object()
            .has("error", string())
            .may("field", string().about("What of the call it is about."))
            .may("details", reference("FunctionError").about("Of code that does not load.")),
    );
    section.schema("Function", function());
    let dependencies = map(string()).or(string()).or_null();
    section.schema(
        "FunctionWithSource",
        function()
            .may("language", one_of(&["javascript", "typescript", "python", "go"]))
            .may("code", string().about("As it was sent."))
            .may(
                "dependencies",
                dependencies.about("Names and versions, or the text of the runtime's own file."),
            ),
    );
    section.schema("FunctionRecord", record());
    section.schema("FunctionResult", result());
    const ALL: &str = "/api/v1/functions";
    const ONE: &str = "/api/v1/functions/{id}";
    let below = |rest: &str| format!("{ONE}/{rest}");
    section.add(
        get(ALL, "List functions")
            .gives(object().has("functions", array(reference("Function"))).has("total", integer())),
    );
    section.add(
        post(ALL, "Create function")
            .about("Installs what it depends on, compiles what has to be, and loads it once.")
            .takes(
                draft()
                    .has("name", string())
                    .has("runtime", runtime())
                    .has("handler", string())
                    .has("code", string()),
            )
            .creates()
            .gives(reference("Function")),
    );
    section.add(
        get(ONE, "Show function")
            .query("source", boolean(), "Whether what it was made of is wanted too.")
            .gives(reference("FunctionWithSource")),
    );
    let change = draft()
        .may("name", string())
        .may("runtime", runtime())
        .may("handler", string())
        .may("code", string());
    section.add(
        put(ONE, "Change function")
            .about("Changes only what is sent.")
            .takes(change)
            .gives(reference("Function")),
    );
    section.add(delete(ONE, "Delete function").gives(object().has("id", string()).has("message", string())));
    let context = map(any()).about("`request_id` names the call; the function sees the rest as it is.");
    section.add(
        post(below("invoke"), "Invoke function")
            .about("200 when the function ran, with `success` false when it threw, took too long or used too much memory.")
            .may_take(object().may("event", any()).may("context", context.or_null()))
            .gives(reference("FunctionResult")),
    );
    let number_or_none = || number().or_null().about("Null before the first call.");
    let stats = object()
        .has("invocations", integer())
        .has("errors", integer())
        .has("cold_starts", integer())
        .has("success_rate", number_or_none())
        .has("sample", integer().about("Calls that the durations are of."))
        .has("average_ms", number_or_none())
        .has("p50_ms", number_or_none())
        .has("p95_ms", number_or_none())
        .has("p99_ms", number_or_none())
        .has("errors_by_type", map(integer()));
    section.add(get(below("stats"), "Show function statistics").gives(stats));
    let paged = |call: hearth_openapi::Call| {
        call.query("limit", integer().between(1, KEPT.into()), "Calls of a page; 50 where absent.").query(
            "offset",
            integer(),
            "Calls to leave out, of the newest.",
        )
    };
    section.add(
        paged(get(below("invocations"), "List function calls"))
            .about("Newest first.")
            .gives(object().has("invocations", array(reference("FunctionRecord"))).has("total", integer())),
    );
    let line = object()
        .has("timestamp", time())
        .has("request_id", string())
        .has("level", one_of(&["info", "error"]))
        .has("message", string());
    section.add(paged(get(below("logs"), "List function logs")).gives(object().has("logs", array(line))));
    let services = object().has("cloudfunction", string()).has("workers", string());
    section.add(
        get("/api/health", "Show services")
            .without_token()
            .gives(object().has("status", string()).has("services", services)),
    );
}

fn runtime() -> Schema {
    one_of(&["nodejs", "node", "javascript", "js", "typescript", "ts", "python", "python3", "go", "golang"])
}

fn draft() -> Schema {
    let dependencies = map(string()).or(array(string())).or(string());
    object()
        .may("language", one_of(&["typescript", "ts", "javascript", "js"]))
        .may("timeout", integer().between(1, 900).about("Seconds; 30 where absent."))
        .may("memory", integer().between(16, 10_240).about("MB; 128 where absent."))
        .may("environment", map(string()))
        .may(
            "dependencies",
            dependencies
                .or_null()
                .about("Names with versions, or the text of `requirements.txt` or `go.mod`."),
        )
        .may("requirements.txt", string())
        .may("go.mod", string())
        .may("package.json", map(any()).or(string()))
        .may("package-lock.json", map(any()).or(string()))
        .may("go.sum", string())
        .may("host", string().or_null().about("Where it answers requests."))
        .may("route", string().or_null().about("The same, for what a pattern matches."))
}

fn function() -> Schema {
    object()
        .has("id", string())
        .has("name", string())
        .has("runtime", one_of(&["nodejs", "python", "go"]))
        .has("handler", string())
        .has("timeout", integer().about("Seconds."))
        .has("memory", integer().about("MB."))
        .has("environment", map(string()))
        .has("status", string())
        .has("version", integer())
        .has("created_at", time())
        .has("updated_at", time())
        .has("warnings", array(string()))
}

fn outcome(schema: Schema) -> Schema {
    schema
        .has("request_id", string())
        .has("duration_ms", number())
        .has("billed_ms", integer())
        .has(
            "memory_mb",
            number().about("The most memory that its process has used so far beyond the baseline, in MiB."),
        )
        .has("baseline_mb", number().about("What its process uses without any code, in MiB."))
        .has("cold_start", boolean().about("Whether a process was started for it."))
        .has("success", boolean())
        .has("error", reference("FunctionError").or_null())
        .has("logs", array(string()))
}

fn record() -> Schema {
    outcome(object())
        .has("version", string())
        .has("via", one_of(&["api", "http", "cron"]))
        .has("started_at", time())
}

fn result() -> Schema {
    outcome(object()).has("result", any())
}
