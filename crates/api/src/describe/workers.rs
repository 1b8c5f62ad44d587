//! Workers, their versions and deployments, settings and secrets.

use hearth_openapi::{
    Document, Family, Schema, Section, any, array, boolean, delete, get, integer, map, number, object,
    one_of, patch, post, put, reference, string, time,
};

use super::{annotations, named, null, texts};

const SCRIPTS: &str = "/accounts/{account}/workers/scripts";
const SCRIPT: &str = "/accounts/{account}/workers/scripts/{worker}";
const WORKERS: &str = "/accounts/{account}/workers/workers";
const WORKER: &str = "/accounts/{account}/workers/workers/{worker}";

/// A path below a worker.
fn of(rest: &str) -> String {
    format!("{SCRIPT}/{rest}")
}

pub(super) fn describe(document: &mut Document) {
    let about = "Workers, their versions, deployments, settings and secrets.";
    let mut section = document.section("Workers", about, Family::cloudflare());
    schemas(&mut section);
    scripts(&mut section);
    versions(&mut section);
    settings(&mut section);
    newer(&mut section);
}

fn observability() -> Schema {
    any().about("Whether and how much is logged, as wrangler's `observability`.")
}

fn tail_consumers() -> Schema {
    any().about("Workers that are told of this one's invocations; null: none.")
}

fn handlers(schema: Schema) -> Schema {
    let entry = object().has("name", string()).has("handlers", texts());
    schema.has("handlers", texts()).has("named_handlers", array(entry))
}

fn script() -> Schema {
    let entry = object().has("name", string()).has("handlers", texts());
    object()
        .has("id", string().about("The worker's name."))
        .has(
            "kind",
            one_of(&["workers", "deploy", "functions", "nexo"]).about("The API that it was made with."),
        )
        .has("tag", string().about("The worker's id, a UUID."))
        .has("tags", texts())
        .has("created_on", time())
        .has("modified_on", time())
        .has("logpush", boolean())
        .has("observability", observability())
        .has("tail_consumers", tail_consumers())
        .has("migration_tag", string().or_null())
        .has("last_deployed_from", string())
        .has("usage_model", string())
        .has("has_assets", boolean())
        .has("placement", map(any()))
        .has("routes", null())
        .may("etag", string())
        .may("handlers", texts())
        .may("named_handlers", array(entry))
        .may("has_modules", boolean())
        .may("compatibility_date", string())
        .may("compatibility_flags", texts())
}

fn schemas(section: &mut Section<'_>) {
    section.schema(
        "Binding",
        object()
            .has("name", string())
            .has("type", string().about("`plain_text`, `json`, `secret_text`, `kv_namespace`, `r2_bucket`, `d1`, `queue`, …"))
            .open()
            .about("What a worker has as `env.<name>`, with the members of its type. Secrets are shown without their text."),
    );
    section.schema(
        "Limits",
        object()
            .may("cpu_ms", integer().about("CPU time of a request, in milliseconds."))
            .may("subrequests", integer())
            .may("memory_mb", integer().about("Memory of the worker, in MiB."))
            .may("timeout_ms", integer().about("Of a function: how long a call may take, in milliseconds.")),
    );
    section.schema("Script", script());
    let share = object().has("version_id", string()).has("percentage", number());
    section.schema(
        "Deployment",
        object()
            .has("id", string())
            .has("source", string())
            .has("strategy", one_of(&["percentage"]))
            .has("author_email", string())
            .has("created_on", time())
            .has("annotations", annotations())
            .has("versions", array(share)),
    );
    section.schema(
        "UploadedScript",
        script()
            .has("startup_time_ms", integer())
            .has("deployment_id", string().about("The version's id, which wrangler prints."))
            .has("entry_point", string())
            .has("deployment", reference("Deployment").or_null())
            .may("exports_reconciliation", any()),
    );
    let metadata = object()
        .has("created_on", time())
        .has("modified_on", time())
        .has("source", string())
        .has("author_id", string())
        .has("author_email", string())
        .has("has_preview", boolean());
    let script = handlers(object().has("etag", string())).has("last_deployed_from", string());
    let runtime = object()
        .has("compatibility_date", string())
        .has("compatibility_flags", texts())
        .has("usage_model", string())
        .may("limits", reference("Limits"));
    let resources = object()
        .has("bindings", array(reference("Binding")))
        .has("script", script)
        .has("script_runtime", runtime);
    section.schema(
        "Version",
        object()
            .has("id", string())
            .has("number", integer())
            .has("metadata", metadata)
            .has("annotations", annotations())
            .has("resources", resources)
            .has("startup_time_ms", integer()),
    );
    section.schema("ScriptSettings", script_settings());
    section.schema(
        "Settings",
        script_settings()
            .has("usage_model", string())
            .has("placement", map(any()))
            .has("migration_tag", string().or_null())
            .has("bindings", array(reference("Binding")))
            .may("compatibility_date", string())
            .may("compatibility_flags", texts())
            .may("annotations", annotations())
            .may("limits", reference("Limits")),
    );
    section.schema("Secret", object().has("name", string()).has("type", one_of(&["secret_text"])));
    section.schema(
        "UploadMetadata",
        object()
            .may("main_module", string().about("The name of the part that is the main module."))
            .may("body_part", string().about("Of a service worker: the name of its part."))
            .may("bindings", array(reference("Binding")))
            .may("compatibility_date", string())
            .may("compatibility_flags", texts())
            .may("annotations", annotations())
            .may("limits", reference("Limits"))
            .may(
                "keep_bindings",
                texts().about("Types of bindings that stay as the version before has them."),
            )
            .may("tags", texts())
            .may("logpush", boolean())
            .may("observability", observability())
            .may("tail_consumers", tail_consumers())
            .may("migrations", any())
            .open(),
    );
}

fn script_settings() -> Schema {
    object()
        .has("logpush", boolean())
        .has("observability", observability())
        .has("tags", texts())
        .has("tail_consumers", tail_consumers())
}

/// The form of an upload: `metadata`, and a part for each module, named as the module and with its media type.
fn form() -> Schema {
    object().has("metadata", reference("UploadMetadata")).open().about(
        "`metadata` is JSON. Every other part is a module: its name is the module's, its Content-Type says the kind, such \
         as `application/javascript+module`, `text/plain` or `application/wasm`.",
    )
}

fn scripts(section: &mut Section<'_>) {
    const SERVICE: &str = "/accounts/{account}/workers/services/{worker}";
    let environment = object()
        .has("environment", string())
        .has("created_on", time())
        .has("modified_on", time())
        .has("script", named("Script"));
    let service = object()
        .has("id", string())
        .has("default_environment", environment.clone())
        .has("environments", array(environment))
        .has("created_on", time())
        .has("modified_on", time())
        .has("usage_model", string());
    let force = |call: hearth_openapi::Call| call.query("force", boolean(), "Though other workers bind it.");
    section.add(get(SERVICE, "Show service").gives(service));
    section.add(force(delete(SERVICE, "Delete service")).gives(null()));
    section.add(
        get(SCRIPTS, "List workers")
            .about("Workers of every API, each with its `kind`.")
            .gives_pages_of(named("Script")),
    );
    section.add(
        get(SCRIPT, "Download worker")
            .about("The code that serves, as a form or, of a service worker, as it is.")
            .gives_raw("multipart/form-data")
            .gives_raw("application/javascript"),
    );
    section.add(
        put(SCRIPT, "Deploy worker")
            .about("Makes a version of it, which gets all traffic at once.")
            .query(
                "bindings_inherit",
                one_of(&["strict"]),
                "Refuses `inherit` bindings that the version before has not.",
            )
            .takes_raw("multipart/form-data", form())
            .gives(named("UploadedScript")),
    );
    section.add(force(delete(SCRIPT, "Delete worker")).gives(null()));
    section.add(
        get(of("content"), "Download worker content")
            .gives_raw("multipart/form-data")
            .gives_raw("application/javascript"),
    );
    section.add(
        put(of("content"), "Replace worker content")
            .about("Other code, everything else as it is.")
            .takes_raw("multipart/form-data", form())
            .gives(named("UploadedScript")),
    );
    section.add(
        get(of("content/v2"), "Download version content")
            .query("version", string(), "The version's id; the one that serves where absent.")
            .gives_raw("multipart/form-data"),
    );
    let incoming = object().has("service", string()).has("environment", string());
    let services = object()
        .has("incoming", array(incoming))
        .has("outgoing", array(any()))
        .has("pages_function", boolean());
    let borrowed = object()
        .has("service", string())
        .has("environment", string())
        .has("durable_object_namespace_id", string())
        .has("durable_object_namespace_name", string());
    let references = object()
        .may("services", services)
        .may("durable_objects", array(borrowed))
        .may("dispatch_outbounds", array(any()));
    section.add(get(of("references"), "List references").about("What binds the worker.").gives(references));
}

fn versions(section: &mut Section<'_>) {
    section.segment("deployment", "The deployment's id");
    section.add(
        get(of("versions"), "List versions")
            .about("Newest first.")
            .paged()
            .gives(object().has("items", array(named("Version")))),
    );
    section.add(
        post(of("versions"), "Upload version")
            .about("A version that waits for a deployment.")
            .query(
                "bindings_inherit",
                one_of(&["strict"]),
                "Refuses `inherit` bindings that the version before has not.",
            )
            .takes_raw("multipart/form-data", form())
            .gives(named("Version")),
    );
    section.add(get(of("versions/{version}"), "Show version").gives(named("Version")));
    section.add(
        get(of("deployments"), "List deployments")
            .about("Newest first.")
            .paged()
            .gives(object().has("deployments", array(named("Deployment")))),
    );
    let share = object().has("version_id", string()).has("percentage", number());
    let new = object()
        .has("versions", array(share).about("One or two, whose percentages come to 100."))
        .may("strategy", one_of(&["percentage"]))
        .may("annotations", annotations().or_null())
        .may("code_update_strategy", any());
    section.add(
        post(of("deployments"), "Deploy versions")
            .about("Divides the traffic. A rollback is the deployment of an older version.")
            .query("force", boolean(), "Though secrets have changed since.")
            .takes(new)
            .gives(named("Deployment")),
    );
    section.add(get(of("deployments/{deployment}"), "Show deployment").gives(named("Deployment")));
}

fn settings(section: &mut Section<'_>) {
    section.segment("secret", "The secret's name");
    section
        .add(get(of("settings"), "Show settings").about("Of the newest version.").gives(named("Settings")));
    let patched = object()
        .may("bindings", array(named("Binding")))
        .may("compatibility_date", string())
        .may("compatibility_flags", texts())
        .may("limits", named("Limits"));
    section.add(
        patch(of("settings"), "Change settings")
            .about("Other bindings, compatibility or limits make a version, which is deployed at once.")
            .takes(patched.clone())
            .takes_raw("multipart/form-data", object().has("settings", patched))
            .gives(named("Settings")),
    );
    section.add(get(of("script-settings"), "Show script settings").gives(named("ScriptSettings")));
    let some = object()
        .may("logpush", boolean())
        .may("observability", observability())
        .may("tags", texts().or_null())
        .may("tail_consumers", tail_consumers());
    section.add(
        patch(of("script-settings"), "Change script settings").takes(some).gives(named("ScriptSettings")),
    );
    section.add(get(of("secrets"), "List secrets").gives(array(named("Secret"))));
    let text = || object().has("text", string()).may("type", one_of(&["secret_text"]));
    section.add(
        put(of("secrets"), "Put secret")
            .about("Makes a version with it, which is deployed at once.")
            .takes(text().has("name", string()))
            .gives(named("Secret")),
    );
    section.add(get(of("secrets/{secret}"), "Show secret").gives(named("Secret")));
    section.add(delete(of("secrets/{secret}"), "Delete secret").gives(null()));
    section.add(
        patch(of("secrets-bulk"), "Change secrets")
            .about("A merge patch: null deletes.")
            .takes(object().has("secrets", map(text().may("name", string()).or_null())))
            .gives(array(named("Secret"))),
    );
}

fn newer(section: &mut Section<'_>) {
    section.segment("worker", "The worker's name or id");
    section.schema(
        "Subdomain",
        object()
            .has("enabled", boolean())
            .has("previews_enabled", boolean())
            .has("url", string().or_null().about("Where the worker is served."))
            .has("preview_url_suffix", string().or_null()),
    );
    let by_name = object().has("name", string());
    let borrowed = object()
        .has("worker_id", string())
        .has("worker_name", string())
        .has("namespace_id", string())
        .has("namespace_name", string());
    let references = object()
        .has("workers", array(by_name))
        .has("domains", array(any()))
        .has("durable_objects", array(borrowed))
        .has("dispatch_namespace_outbounds", array(any()))
        .has("queues", array(any()));
    section.schema(
        "Worker",
        object()
            .has("id", string())
            .has("name", string())
            .has("kind", one_of(&["workers", "deploy", "functions", "nexo"]))
            .has("created_on", time())
            .has("updated_on", time())
            .has("tags", texts())
            .has("logpush", boolean())
            .has("observability", observability())
            .has("tail_consumers", array(any()))
            .has("subdomain", reference("Subdomain"))
            .has("references", references),
    );
    section.schema(
        "WorkerVersion",
        object()
            .has("id", string())
            .has("number", integer())
            .has("created_on", time())
            .has("source", string())
            .has("annotations", annotations())
            .has("bindings", array(named("Binding")))
            .has("compatibility_date", string())
            .has("compatibility_flags", texts())
            .has("limits", named("Limits"))
            .has("main_module", string())
            .has("startup_time_ms", integer())
            .has("usage_model", string())
            .has("has_preview", boolean()),
    );
    let changes = || {
        let switches = object().may("enabled", boolean()).may("previews_enabled", boolean());
        object()
            .may("logpush", boolean())
            .may("observability", observability())
            .may("tags", texts())
            .may("tail_consumers", tail_consumers())
            .may("subdomain", switches)
    };
    section.add(get(WORKERS, "List worker records").gives_pages_of(named("Worker")));
    section.add(
        post(WORKERS, "Create worker record")
            .about("A worker without a version.")
            .takes(changes().has("name", string()))
            .gives(named("Worker")),
    );
    section.add(get(WORKER, "Show worker record").gives(named("Worker")));
    section.add(put(WORKER, "Update worker record").takes(changes()).gives(named("Worker")));
    section.add(patch(WORKER, "Change worker record").takes(changes()).gives(named("Worker")));
    section.add(
        delete(WORKER, "Delete worker record")
            .query("force", boolean(), "Though other workers bind it.")
            .gives(null()),
    );
    let versions = format!("{WORKER}/versions");
    let module = object().has("name", string()).has("content_base64", string()).may("content_type", string());
    let new = object()
        .has("modules", array(module))
        .may("main_module", string())
        .may("bindings", array(named("Binding")))
        .may("compatibility_date", string())
        .may("compatibility_flags", texts())
        .may("annotations", annotations())
        .may("limits", named("Limits"));
    section.add(
        get(versions.as_str(), "List worker versions")
            .about("Newest first.")
            .gives_pages_of(named("WorkerVersion")),
    );
    section.add(
        post(versions.as_str(), "Create worker version")
            .about("As one JSON document, with the modules in base64.")
            .query("deploy", boolean(), "Gives it all traffic at once.")
            .takes(new)
            .gives(named("WorkerVersion")),
    );
    section.add(get(format!("{versions}/{{version}}"), "Show worker version").gives(named("WorkerVersion")));
    section
        .add(get(format!("{versions}/latest"), "Show latest worker version").gives(named("WorkerVersion")));
    let environment = map(any()).about("Bindings by their names; null takes one away.");
    section.add(
        patch(format!("{versions}/latest"), "Change latest worker version")
            .about(
                "Makes a version that differs from the newest one in its environment, and is not deployed.",
            )
            .takes(
                object()
                    .may("env", environment.or_null())
                    .may("annotations", map(string().or_null()).or_null()),
            )
            .gives(named("Version")),
    );
}
