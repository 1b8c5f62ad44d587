//! The operations of `api/`, for the OpenAPI document.

use hearth_openapi::{
    Document, Family, Schema, Section, any, array, boolean, delete, get, integer, literal, map, object,
    one_of, patch, post, reference, string, time,
};
use serde_json::Value;

const PROJECTS: &str = "/accounts/{account}/pages/projects";
const PROJECT: &str = "/accounts/{account}/pages/projects/{project}";

fn below(rest: &str) -> String {
    format!("{PROJECT}/{rest}")
}

fn null() -> Schema {
    literal(Value::Null)
}

/// Describes the operations.
pub fn describe(document: &mut Document) {
    let about =
        "Cloudflare's Pages: projects, their deployments on branches, and the files that these are made of.";
    let mut pages = document.section("Pages", about, Family::cloudflare());
    pages.segment("project", "The project's name");
    pages.segment("deployment", "The deployment's id");
    pages.segment("domain", "The domain's host");
    schemas(&mut pages);
    projects(&mut pages);
    deployments(&mut pages);
    domains(&mut pages);
    files(&mut pages);
}

fn schemas(pages: &mut Section<'_>) {
    let stage = || {
        object()
            .has("name", one_of(&["queued", "initialize", "clone_repo", "build", "deploy"]))
            .has("status", one_of(&["success"]))
            .has("started_on", time())
            .has("ended_on", time())
    };
    let commit = object()
        .has("branch", string())
        .has("commit_hash", string())
        .has("commit_message", string())
        .has("commit_dirty", boolean());
    pages.schema(
        "PagesDeployment",
        object()
            .has("id", string())
            .has("short_id", string().about("The id's first digits, which stand in the deployment's host."))
            .has("project_id", string())
            .has("project_name", string())
            .has("environment", one_of(&["production", "preview"]))
            .has("url", string())
            .has("aliases", array(string()).about("Where else it is served."))
            .has("created_on", time())
            .has("modified_on", time())
            .has("production_branch", string())
            .has("latest_stage", stage())
            .has("stages", array(stage()))
            .has("deployment_trigger", object().has("type", one_of(&["ad_hoc"])).has("metadata", commit))
            .has("env_vars", map(any()).about("By name; secrets without their values."))
            .has("build_config", map(any()))
            .has("source", null())
            .has("is_skipped", literal(false))
            .has("skip_reason", null())
            .has("uses_functions", boolean()),
    );
    let deployment = || reference("PagesDeployment").or_null();
    pages.schema(
        "PagesProject",
        object()
            .has("id", string())
            .has("name", string())
            .has("subdomain", string().about("Its host, with the port."))
            .has("domains", array(string()))
            .has("production_branch", string())
            .has("build_config", map(any()))
            .has("deployment_configs", object().has("production", map(any())).has("preview", map(any())))
            .has("canonical_deployment", deployment().about("The one that production serves."))
            .has("latest_deployment", deployment())
            .has("created_on", time())
            .has("production_script_name", string())
            .has("preview_script_name", string())
            .has("uses_functions", boolean().or_null())
            .has("framework", string())
            .has("framework_version", string()),
    );
    let state = || one_of(&["active"]);
    pages.schema(
        "PagesDomain",
        object()
            .has("id", string())
            .has("domain_id", string())
            .has("name", string())
            .has("status", state())
            .has("zone_tag", string())
            .has("created_on", time())
            .has("certificate_authority", string())
            .has("validation_data", object().has("method", string()).has("status", state()))
            .has("verification_data", object().has("status", state())),
    );
}

fn projects(pages: &mut Section<'_>) {
    let project = || reference("PagesProject");
    let config = || {
        map(any()).about(
            "`env_vars`, bindings by kind and name, `compatibility_date`, `compatibility_flags`, `limits`.",
        )
    };
    let settings = || {
        object()
            .may("production_branch", string())
            .may("build_config", map(any()))
            .may("deployment_configs", object().may("production", config()).may("preview", config()))
            .may("source", null())
    };
    pages.add(get(PROJECTS, "List Pages projects").gives_pages_of(project()));
    pages
        .add(post(PROJECTS, "Create Pages project").takes(settings().has("name", string())).gives(project()));
    pages.add(get(PROJECT, "Show Pages project").gives(project()));
    pages.add(
        patch(PROJECT, "Change Pages project")
            .about("What is not named stays, null removes. The deployments to come have it.")
            .takes(settings())
            .gives(project()),
    );
    pages.add(delete(PROJECT, "Delete Pages project").gives(null()));
    let token = object().has("jwt", string().about("What uploads of the project's files show."));
    pages.add(get(below("upload-token"), "Show Pages upload token").gives(token));
    pages.add(post(below("purge_build_cache"), "Purge Pages build cache").gives(null()));
}

fn deployments(pages: &mut Section<'_>) {
    const ONE: &str = "deployments/{deployment}";
    let deployment = || reference("PagesDeployment");
    pages.add(
        get(below("deployments"), "List Pages deployments")
            .query("env", one_of(&["production", "preview"]), "Only those of this environment.")
            .gives_pages_of(deployment()),
    );
    let form = object()
        .has("manifest", string().about("JSON: by path, what the client calls the file's content."))
        .may("branch", string().about("The production branch when absent."))
        .may("commit_hash", string())
        .may("commit_message", string())
        .may("commit_dirty", string())
        .may("_headers", string())
        .may("_redirects", string())
        .may("_routes.json", string())
        .may("_worker.js", string())
        .may("_worker.bundle", string().about("The upload of a worker, as a form."))
        .open();
    pages.add(
        post(below("deployments"), "Create Pages deployment")
            .takes_raw("multipart/form-data", form)
            .gives(deployment()),
    );
    pages.add(get(below(ONE), "Show Pages deployment").gives(deployment()));
    pages.add(
        delete(below(ONE), "Delete Pages deployment")
            .query("force", boolean(), "Also when an alias leads to it.")
            .gives(null()),
    );
    pages.add(
        post(below(&format!("{ONE}/retry")), "Retry Pages deployment")
            .about("Makes it once more, with what the project's environment is now.")
            .gives(deployment()),
    );
    pages.add(
        post(below(&format!("{ONE}/rollback")), "Roll back Pages project")
            .about("Production serves this deployment again.")
            .gives(deployment()),
    );
    let line = object().has("ts", time()).has("line", string());
    let log = object()
        .has("total", integer())
        .has("includes_container_logs", literal(false))
        .has("data", array(line));
    pages.add(get(below(&format!("{ONE}/history/logs")), "Show Pages deployment log").gives(log));
}

fn domains(pages: &mut Section<'_>) {
    let domain = || reference("PagesDomain");
    pages.add(get(below("domains"), "List Pages domains").gives(array(domain())));
    let new = object().has("name", string());
    pages.add(post(below("domains"), "Add Pages domain").takes(new).gives(domain()));
    const ONE: &str = "domains/{domain}";
    pages.add(get(below(ONE), "Show Pages domain").gives(domain()));
    pages.add(patch(below(ONE), "Validate Pages domain").gives(domain()));
    pages.add(delete(below(ONE), "Delete Pages domain").gives(null()));
}

fn files(pages: &mut Section<'_>) {
    let about = "Shows the project's upload token as its bearer, not an API token.";
    let hashes = || object().has("hashes", array(string()));
    let path = |name: &str| format!("/pages/assets/{name}");
    pages.add(
        post(path("check-missing"), "Check Pages files")
            .about(about)
            .takes(hashes())
            .gives(array(string()).about("Those that the project has not uploaded.")),
    );
    let content = object()
        .has("key", string().about("What the client calls the content."))
        .has("value", string())
        .may("base64", boolean().about("Whether the value is base64."))
        .may("metadata", object().may("contentType", string()).open());
    let done = object().has("successful_key_count", integer()).has("unsuccessful_keys", array(string()));
    pages.add(post(path("upload"), "Upload Pages files").about(about).takes(array(content)).gives(done));
    pages.add(post(path("upsert-hashes"), "Keep Pages files").about(about).takes(hashes()).gives(null()));
}
