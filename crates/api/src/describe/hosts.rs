//! Where workers are reached: subdomains, routes, custom domains, zones, crons; who may reach them, and what they may.

use hearth_openapi::{
    Document, Family, Section, any, array, boolean, delete, get, integer, literal, map, object, one_of, post,
    put, reference, string, time,
};

use super::{gone, null, texts};

const SCRIPT: &str = "/accounts/{account}/workers/scripts/{worker}";

fn of(rest: &str) -> String {
    format!("{SCRIPT}/{rest}")
}

pub(super) fn describe(document: &mut Document) {
    let about = "Where workers are reached: subdomains, routes, custom domains, zones, crons.";
    let mut section = document.section("Hosts", about, Family::cloudflare());
    subdomains(&mut section);
    triggers(&mut section);
    domains(&mut section);
    zones(&mut section);
    let about = "What this installation lets workers reach, and who may reach them.";
    ours(&mut document.section("Access", about, Family::cloudflare()));
    let about = "What Cloudflare has and this server refuses by name.";
    unsupported(&mut document.section("Unsupported", about, Family::cloudflare()));
}

fn subdomains(section: &mut Section<'_>) {
    section.segment("subdomain", "A label");
    const OF_ACCOUNT: &str = "/accounts/{account}/workers/subdomain";
    let subdomain = || object().has("subdomain", string());
    section.add(get(OF_ACCOUNT, "Show account subdomain").gives(subdomain()));
    section.add(put(OF_ACCOUNT, "Change account subdomain").takes(subdomain()).gives(subdomain()));
    section.add(
        get("/accounts/{account}/workers/subdomains/{subdomain}", "Check subdomain")
            .about("An error either way: 10032 when the subdomain is free, 10031 when it is taken.")
            .only_refuses(),
    );
    section.add(get(of("subdomain"), "Show worker subdomain").gives(reference("Subdomain")));
    section.add(
        post(of("subdomain"), "Switch worker subdomain")
            .takes(object().has("enabled", boolean()).may("previews_enabled", boolean().or_null()))
            .gives(reference("Subdomain")),
    );
    section.add(delete(of("subdomain"), "Switch off worker subdomain").gives(reference("Subdomain")));
}

fn triggers(section: &mut Section<'_>) {
    let schedule = object().has("cron", string()).has("created_on", time()).has("modified_on", time());
    section.schema("Schedules", object().has("schedules", array(schedule)));
    section.add(get(of("schedules"), "List schedules").gives(reference("Schedules")));
    section.add(
        put(of("schedules"), "Replace schedules")
            .takes(array(object().has("cron", string().about("Cloudflare's dialect, in UTC."))))
            .gives(reference("Schedules")),
    );
    section.schema(
        "Route",
        object()
            .has("id", string())
            .has("pattern", string())
            .has("script", string().or_null().about("The worker; null where none is to run."))
            .has("zone_id", string())
            .has("zone_name", string())
            .has("request_limit_fail_open", boolean()),
    );
    section.add(get(of("routes"), "List worker routes").gives(array(reference("Route"))));
    let route = object()
        .has("pattern", string())
        .may("zone_id", string().or_null())
        .may("zone_name", string().or_null());
    section
        .add(put(of("routes"), "Replace worker routes").takes(array(route)).gives(array(reference("Route"))));
}

fn domains(section: &mut Section<'_>) {
    section.segment("domain", "The custom domain's id");
    let domain = object()
        .has("id", string())
        .has("hostname", string())
        .has("service", string().about("The worker."))
        .has("environment", string())
        .has("zone_id", string())
        .has("zone_name", string())
        .has("enabled", boolean())
        .has("previews_enabled", boolean())
        .has("created_on", time());
    section.schema("Domain", domain.clone());
    let new = object()
        .has("hostname", string())
        .may("zone_id", string().or_null())
        .may("zone_name", string().or_null())
        .may("enabled", boolean().or_null())
        .may("previews_enabled", boolean().or_null());
    section.schema("NewDomain", new.clone());
    let added = object()
        .has("hostname", string())
        .has("zone_id", string().or_null())
        .has("zone_name", string().or_null())
        .has("enabled", boolean())
        .has("previews_enabled", boolean());
    let changes = object()
        .has("added", array(added))
        .has("removed", array(reference("Domain")))
        .has("updated", array(domain.has("modified", boolean())))
        .has("conflicting", array(reference("Domain")));
    section.add(
        post(of("domains/changeset"), "Preview custom domains")
            .about("What a write would do.")
            .query("replace_state", boolean(), "Whether domains that are not named would go.")
            .takes(array(reference("NewDomain")))
            .gives(changes),
    );
    let records = object()
        .has("origins", array(reference("NewDomain")))
        .may("override_scope", boolean().about("Domains that are not named go."))
        .may("override_existing_origin", boolean().about("Takes domains from other workers."));
    section.add(
        put(of("domains/records"), "Replace worker custom domains")
            .takes(records)
            .gives(array(reference("Domain"))),
    );
    for (path, list, show, gone) in [
        ("domains", "List custom domains", "Show custom domain", "Delete custom domain"),
        ("domains/records", "List domain records", "Show domain record", "Delete domain record"),
    ] {
        let all = format!("/accounts/{{account}}/workers/{path}");
        let one = format!("{all}/{{domain}}");
        section.add(
            get(all, list)
                .query("service", string(), "Only those of this worker.")
                .query("hostname", string(), "Only this one.")
                .query("zone_id", string(), "Only those of this zone.")
                .query("zone_name", string(), "Only those of this zone.")
                .gives_pages_of(reference("Domain")),
        );
        section.add(get(one.as_str(), show).gives(reference("Domain")));
        section.add(delete(one, gone).gives(null()));
    }
    section.add(
        put("/accounts/{account}/workers/domains", "Add custom domain")
            .takes(new.has("service", string().about("The worker.")))
            .gives(reference("Domain")),
    );
}

fn zones(section: &mut Section<'_>) {
    section.segment("route", "The route's id");
    let of_account = || object().has("id", string()).has("name", string());
    section.schema(
        "Zone",
        object()
            .has("id", string())
            .has("name", string())
            .has("status", one_of(&["active"]))
            .has("type", string())
            .has("paused", boolean())
            .has("development_mode", integer())
            .has("name_servers", texts())
            .has("account", of_account())
            .has("owner", of_account().has("type", string()))
            .has("created_on", time())
            .has("modified_on", time())
            .has("activated_on", time()),
    );
    section.add(
        get("/zones", "List zones")
            .about("A zone is claimed by using it: one that is asked for by name on behalf of an account is made.")
            .query("name", string(), "Only this one.")
            .query("account.id", string(), "Only those of this account.")
            .gives_pages_of(reference("Zone")),
    );
    section.add(
        post("/zones", "Create zone")
            .takes(object().has("name", string()).has("account", object().has("id", string())))
            .gives(reference("Zone")),
    );
    section.add(get("/zones/{zone}", "Show zone").gives(reference("Zone")));
    section.add(
        delete("/zones/{zone}", "Delete zone").about("With its routes and custom domains.").gives(gone()),
    );
    let new = || object().has("pattern", string()).may("script", string().or_null());
    const ROUTES: &str = "/zones/{zone}/workers/routes";
    const ROUTE: &str = "/zones/{zone}/workers/routes/{route}";
    section.add(get(ROUTES, "List zone routes").gives_pages_of(reference("Route")));
    section.add(post(ROUTES, "Create route").takes(new()).gives(reference("Route")));
    section.add(get(ROUTE, "Show route").gives(reference("Route")));
    section.add(put(ROUTE, "Change route").takes(new()).gives(reference("Route")));
    section.add(delete(ROUTE, "Delete route").gives(gone()));
}

fn ours(section: &mut Section<'_>) {
    section.segment("worker", "The worker's name, or the id of what any API made");
    section.segment("token", "The token's id");
    let ports = array(integer()).about("Absent: all but 25.");
    let opened = object().has("net", string().about("Such as `10.1.0.0/16`.")).may("ports", ports);
    section.schema(
        "EgressRules",
        object()
            .may("allow", array(opened).about("Networks that workers may reach besides the public internet."))
            .may("hosts", map(any()).about("Addresses by names, before any DNS."))
            .or_null(),
    );
    let rules = || reference("EgressRules");
    let of_account = "/accounts/{account}/hearth/egress";
    section.add(get(of_account, "Show account egress").gives(rules()));
    section.add(put(of_account, "Replace account egress").takes(rules()).gives(rules()));
    section.add(get(of("hearth/egress"), "Show worker egress").gives(rules()));
    section.add(put(of("hearth/egress"), "Replace worker egress").takes(rules()).gives(rules()));
    section.add(get("/installation/egress", "Show installation egress").gives(rules()));
    section.add(put("/installation/egress", "Replace installation egress").takes(rules()).gives(rules()));
    let limits = [
        ("workers", "Workers, functions and Pages projects together."),
        ("instances", "Processes that serve; one that is idle leaves for another that is wanted."),
        ("memory_mb", "MiB of memory of these."),
        ("storage_mb", "MiB of what is kept."),
        ("requests_per_minute", "Requests that are let in, in a minute."),
    ];
    let shown = object()
        .has("limit", integer().or_null().about("Null: none."))
        .has("used", integer().about("Now; a MiB that is begun counts."))
        .has("own", boolean().about("Whether it is set for this account; else it is everybody's."));
    section.schema("Quota", shown);
    let all = limits.iter().fold(object(), |all, (name, _)| all.has(name, reference("Quota")));
    section.schema("Quotas", all);
    let wanted =
        limits.iter().fold(object(), |all, (name, about)| all.may(name, integer().or_null().about(about)));
    const QUOTAS: &str = "/accounts/{account}/hearth/quotas";
    section.add(
        get(QUOTAS, "Show quotas").about("What the account may have, and has.").gives(reference("Quotas")),
    );
    section.add(
        put(QUOTAS, "Replace quotas")
            .about(
                "For who answers for the installation. Null is no limit; what is absent is as for every account. What an \
                 account has already, it keeps.",
            )
            .takes(wanted)
            .gives(reference("Quotas")),
    );
    let rule = || object().has("rule", one_of(&["open", "token", "internal"]));
    section.schema("AccessRule", rule());
    section.add(get(of("hearth/access"), "Show access rule").gives(reference("AccessRule")));
    section.add(
        put(of("hearth/access"), "Change access rule")
            .about("Who may reach the worker from outside: everybody, who has one of its tokens, or other workers only.")
            .takes(reference("AccessRule"))
            .gives(reference("AccessRule")),
    );
    let token = || {
        object()
            .has("id", string())
            .has("name", string())
            .has("created_on", time())
            .has("expires_on", time().or_null())
            .has("status", one_of(&["active", "expired"]))
    };
    section.schema("AccessToken", token());
    section.schema(
        "MadeAccessToken",
        token().has("token", string().about("The token itself. It is shown this once.")),
    );
    section.add(get(of("hearth/tokens"), "List access tokens").gives(array(reference("AccessToken"))));
    section.add(
        post(of("hearth/tokens"), "Create access token")
            .takes(object().has("name", string()).may("expires_on", time().or_null()))
            .gives(reference("MadeAccessToken")),
    );
    section.add(
        delete(of("hearth/tokens/{token}"), "Revoke access token").gives(literal(serde_json::Value::Null)),
    );
}

fn unsupported(section: &mut Section<'_>) {
    section.add(
        get("/accounts/{account}/workers/subdomain/edge-preview", "Begin remote development").only_refuses(),
    );
    section.add(post(of("edge-preview"), "Upload remote development").only_refuses());
    const PREVIEWS: &str = "/accounts/{account}/workers/workers/{worker}/previews";
    section.add(get(PREVIEWS, "List previews").only_refuses());
    section.add(post(PREVIEWS, "Create preview").only_refuses());
}
