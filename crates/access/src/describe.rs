//! The endpoints of this crate, for the OpenAPI document.

use hearth_openapi::{
    Document, Family, Schema, any, array, boolean, delete, get, integer, object, one_of, post, put, string,
    time,
};

/// Describes the operations, and the pages where people sign in.
pub fn describe(document: &mut Document) {
    let about = "Who comes to a worker's host or path: single sign-on, service tokens, addresses.";
    let mut section = document.section("Access applications", about, Family::cloudflare());
    section.segment("app", "The application's id");
    section.segment("policy", "The policy's id");
    section.segment("group", "The group's id");
    section.segment("token", "The service token's id");
    const APPS: &str = "/accounts/{account}/access/apps";
    let gone = || object().has("id", string());
    section.add(get(APPS, "List Access applications").gives(array(app())));
    section.add(post(APPS, "Create Access application").takes(new_app()).gives(app()));
    let one = format!("{APPS}/{{app}}");
    section.add(get(&one, "Show Access application").gives(app()));
    section.add(put(&one, "Update Access application").takes(new_app()).gives(app()));
    section.add(delete(&one, "Delete Access application").gives(gone()));
    section.add(
        post(format!("{one}/revoke_tokens"), "Revoke tokens of Access application")
            .about("Whoever is signed in signs in again.")
            .gives(object()),
    );
    let own = format!("{one}/policies");
    section.add(get(&own, "List policies of Access application").gives(array(policy())));
    section.add(post(&own, "Create policy of Access application").takes(new_policy()).gives(policy()));
    let one_own = format!("{own}/{{policy}}");
    section.add(get(&one_own, "Show policy of Access application").gives(policy()));
    section.add(put(&one_own, "Update policy of Access application").takes(new_policy()).gives(policy()));
    section.add(delete(&one_own, "Delete policy of Access application").gives(gone()));
    const POLICIES: &str = "/accounts/{account}/access/policies";
    section.add(get(POLICIES, "List Access policies").gives(array(policy())));
    section.add(post(POLICIES, "Create Access policy").takes(new_policy()).gives(policy()));
    let shared = format!("{POLICIES}/{{policy}}");
    section.add(get(&shared, "Show Access policy").gives(policy()));
    section.add(put(&shared, "Update Access policy").takes(new_policy()).gives(policy()));
    section.add(delete(&shared, "Delete Access policy").gives(gone()));
    const GROUPS: &str = "/accounts/{account}/access/groups";
    section.add(get(GROUPS, "List Access groups").gives(array(group())));
    section.add(post(GROUPS, "Create Access group").takes(new_group()).gives(group()));
    let one = format!("{GROUPS}/{{group}}");
    section.add(get(&one, "Show Access group").gives(group()));
    section.add(put(&one, "Update Access group").takes(new_group()).gives(group()));
    section.add(delete(&one, "Delete Access group").gives(gone()));
    const KEYS: &str = "/accounts/{account}/access/keys";
    section.add(
        get(KEYS, "Show Access key rotation")
            .about("The keys are the installation's, whichever account is named.")
            .gives(rotation()),
    );
    let days = || integer().about("Days that a key signs, from 21 to 365.");
    section.add(
        put(KEYS, "Update Access key rotation")
            .about("For the installation's operators.")
            .takes(object().has("key_rotation_interval_days", days()))
            .gives(rotation()),
    );
    section.add(
        post(format!("{KEYS}/rotate"), "Rotate Access keys")
            .about("For the installation's operators. What was signed before is good until it ends.")
            .gives(rotation()),
    );
    const TOKENS: &str = "/accounts/{account}/access/service_tokens";
    section.add(get(TOKENS, "List service tokens").gives(array(token())));
    section.add(post(TOKENS, "Create service token").takes(new_token()).gives(with_secret()));
    let service = format!("{TOKENS}/{{token}}");
    section.add(get(&service, "Show service token").gives(token()));
    section.add(put(&service, "Update service token").takes(new_token()).gives(token()));
    section.add(delete(&service, "Delete service token").gives(gone()));
    section.add(post(format!("{service}/rotate"), "Rotate service token").gives(with_secret()));
    section.add(post(format!("{service}/refresh"), "Refresh service token").gives(token()));

    let about = "Where people come from an application, and what workers verify with.";
    let mut pages = document.section("Access pages", about, Family::plain(string()));
    pages.segment("host", "Host and port of the application");
    let key = object()
        .has("kid", string())
        .has("kty", string())
        .has("alg", string())
        .has("use", string())
        .has("e", string())
        .has("n", string());
    pages.add(
        get("/cdn-cgi/access/certs", "Show Access keys")
            .about("On every protected host too.")
            .without_token()
            .gives(object().has("keys", array(key))),
    );
    pages.add(
        get("/cdn-cgi/access/login/{host}", "Sign in to Access application")
            .about("Leads back to the application, or to the page where people sign in.")
            .query("meta", string(), "What the application sent along; nobody else can make it.")
            .without_token()
            .redirects()
            .refuses_in_text(),
    );
}

fn rules() -> Schema {
    array(any()).about(
        "`everyone`, `email`, `email_domain`, `ip`, `geo`, `group`, `oidc` (of the claim `groups`), \
         `any_valid_service_token`, `service_token`.",
    )
}

fn new_group() -> Schema {
    object()
        .has("name", string())
        .has("include", rules().about("Any rule of policies but `group`."))
        .may("exclude", rules())
        .may("require", rules())
}

fn group() -> Schema {
    object()
        .has("id", string())
        .has("uid", string())
        .has("name", string())
        .has("include", rules())
        .has("exclude", rules())
        .has("require", rules())
        .has("is_default", array(any()))
        .has("created_at", time())
        .has("updated_at", time())
}

fn rotation() -> Schema {
    object()
        .has("key_rotation_interval_days", integer())
        .has("days_until_next_rotation", integer())
        .has("last_key_rotation_at", time().or_null())
}

fn decision() -> Schema {
    one_of(&["allow", "deny", "bypass", "non_identity"])
}

fn new_policy() -> Schema {
    object()
        .has("name", string())
        .has("decision", decision())
        .has("include", rules())
        .may("exclude", rules())
        .may("require", rules())
        .may("precedence", integer().about("In an application, from 1."))
        .may("session_duration", string())
}

fn policy() -> Schema {
    object()
        .has("id", string())
        .has("uid", string())
        .has("name", string())
        .has("decision", decision())
        .has("include", rules())
        .has("exclude", rules())
        .has("require", rules())
        .has("reusable", boolean())
        .may("session_duration", string())
        .may("precedence", integer())
        .may("app_count", integer())
        .has("created_at", time())
        .has("updated_at", time())
}

fn destination() -> Schema {
    object().has("type", one_of(&["public"])).has("uri", string())
}

fn new_app() -> Schema {
    object()
        .has("name", string())
        .may("domain", string().about("Host and path, in each of which `*` may stand for characters."))
        .may("destinations", array(destination()))
        .may("self_hosted_domains", array(string()))
        .may("type", one_of(&["self_hosted"]))
        .may("session_duration", string().about("Such as `24h`; at most 730h."))
        .may("policies", array(any()).about("Ids, `{id, precedence}`, or policies of its own."))
        .may("options_preflight_bypass", boolean())
        .may("custom_deny_message", string())
        .open()
}

fn app() -> Schema {
    object()
        .has("id", string())
        .has("uid", string())
        .has("aud", string().about("Whom tokens of it are for."))
        .has("name", string())
        .has("type", one_of(&["self_hosted"]))
        .has("domain", string())
        .has("self_hosted_domains", array(string()))
        .has("destinations", array(destination()))
        .has("session_duration", string())
        .has("policies", array(policy()))
        .has("allowed_idps", array(string()))
        .has("options_preflight_bypass", boolean())
        .may("custom_deny_message", string())
        .has("created_at", time())
        .has("updated_at", time())
        .open()
}

fn new_token() -> Schema {
    object().has("name", string()).may("duration", string().about("Such as `8760h`, or `forever`."))
}

fn token() -> Schema {
    object()
        .has("id", string())
        .has("name", string())
        .has("client_id", string())
        .has("duration", string())
        .has("expires_at", time())
        .has("created_at", time())
        .has("updated_at", time())
}

fn with_secret() -> Schema {
    token().has("client_secret", string().about("Shown once."))
}
