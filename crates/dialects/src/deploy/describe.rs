//! The endpoints of `api.rs`, for the OpenAPI document.

use hearth_api::{ABOUT_ACCOUNT_HEADER, ACCOUNT_HEADER};
use hearth_openapi::{
    Document, Family, array, boolean, delete, get, integer, literal, map, number, object, one_of, post,
    reference, string, time,
};

/// Describes the operations.
pub fn describe(document: &mut Document) {
    let refusal = object()
        .has("status", literal("error"))
        .has("error", string())
        .may("funcName", string().about("The function that the path names."));
    let about = "Functions with versions and aliases, each with a host of its own.";
    let mut section =
        document.section("Deploy and roll back", about, Family::plain(reference("DeployRefusal")));
    section.header(ACCOUNT_HEADER, ABOUT_ACCOUNT_HEADER);
    section.schema("DeployRefusal", refusal);
    section.segment("name", "The function's name");
    let state = || one_of(&["running", "suspended"]);
    let version = object()
        .has("version", string())
        .has("alias", string().about("Empty where it has none."))
        .has("state", state())
        .has("latest", boolean())
        .has("accessUrl", string())
        .has("subdomain", string().about("Its host, without the port."))
        .has("created_at", time());
    let function = || {
        object()
            .has("funcName", string())
            .has("latest", string().or_null().about("The version that has the traffic."))
            .has("state", state().or_null())
            .has("accessUrl", string())
            .has("subdomain", string())
            .has("idle_timeout", integer().or_null().about("Seconds until an unused version is suspended."))
            .has("versions", array(reference("DeployedVersion")).about("Newest first."))
            .has("created_at", time())
            .has("updated_at", time())
    };
    section.schema("DeployedVersion", version);
    section.schema("DeployedFunction", function());
    let success = || object().has("status", literal("success"));
    const ALL: &str = "/api/deploy";
    const ONE: &str = "/api/deploy/{name}";
    let all = success().has("total", integer()).has("functions", array(reference("DeployedFunction")));
    section.add(get(ALL, "List deployed functions").gives(all));
    let one = function()
        .has("status", literal("success"))
        .may("code", string().about("Of the version that was asked for."))
        .may("env_vars", map(string()).about("Of the same."));
    section.add(
        get(ONE, "Show deployed function")
            .query("version", string(), "A version whose code and variables are wanted too.")
            .gives(one),
    );
    let variable = string().or(number()).or(boolean());
    let wanted = object()
        .has("runtime", literal("js"))
        .has("code", string().about("A module with `export default`, or a service worker."))
        .may("version", string().or_null().about("Made of the time where absent."))
        .may("alias", string().or_null())
        .may("env_vars", map(variable).or_null())
        .may("idle_timeout", integer().between(1, 31_536_000).or_null().about("Seconds."));
    let deployed = success()
        .has("accessUrl", string())
        .has("alias", string())
        .has("funcName", string())
        .has("subdomain", string())
        .has("version", string());
    section.add(
        post(ONE, "Deploy function")
            .about(
                "Makes the version the latest one. A version that exists with other code or variables: 409.",
            )
            .takes(wanted)
            .gives(deployed),
    );
    let gone = success().has("funcName", string()).may("version", string());
    section.add(
        delete(ONE, "Delete deployed function")
            .query("version", string(), "Only this version, which must not be the latest.")
            .gives(gone),
    );
    let rolled = success()
        .has("accessUrl", string())
        .has("alias", string())
        .has("funcName", string())
        .has("targetVersion", string());
    section.add(
        post("/api/rollback/{name}", "Roll back function")
            .takes(object().has("version", string()))
            .gives(rolled),
    );
    let stopped =
        success().has("funcName", string()).has("stopped", array(string()).about("Versions that ran."));
    section.add(
        post("/api/stop/{name}", "Stop function")
            .about("Sends its processes away; the next request starts one.")
            .may_take(object().may("version", string().or_null().about("Only this one.")))
            .gives(stopped),
    );
}
