//! Users, accounts, API tokens.

use hearth_openapi::{
    Document, Family, Schema, Section, any, array, boolean, delete, get, map, object, one_of, patch, post,
    put, reference, string, time,
};

use super::{gone, null, texts};

pub(super) fn describe(document: &mut Document) {
    let mut section = document.section("Identity", "Who calls, and API tokens.", Family::cloudflare());
    section.segment("token", "The token's id");
    let verified = || object().has("id", string()).has("status", one_of(&["active"]));
    section.add(get("/user/tokens/verify", "Verify token").gives(verified()));
    section.add(get("/accounts/{account}/tokens/verify", "Verify account token").gives(verified()));
    let user = object()
        .has("id", string())
        .has("email", string())
        .has("username", string())
        .has("first_name", string().or_null())
        .has("last_name", null())
        .has("telephone", null())
        .has("country", null())
        .has("zipcode", null())
        .has("two_factor_authentication_enabled", boolean())
        .has("two_factor_authentication_locked", boolean())
        .has("suspended", boolean());
    section.add(get("/user", "Show user").gives(user.clone()));
    section.add(
        patch("/user", "Update user")
            .takes(object().may("first_name", string()).may("last_name", string()).open())
            .gives(user),
    );
    section.schema(
        "Account",
        object()
            .has("id", string())
            .has("name", string())
            .has("type", one_of(&["standard"]))
            .has("settings", object().has("enforce_twofactor", boolean()))
            .has("created_on", time()),
    );
    section.add(get("/accounts", "List accounts").gives_pages_of(reference("Account")));
    section.add(get("/accounts/{account}", "Show account").gives(reference("Account")));
    let named = || object().has("name", string()).open();
    section.add(post("/accounts", "Create account").takes(named()).gives(reference("Account")));
    section.add(
        put("/accounts/{account}", "Rename account")
            .about("The label in its hosts stays.")
            .takes(named())
            .gives(reference("Account")),
    );
    section.add(
        delete("/accounts/{account}", "Delete account")
            .about("Of an account that has nothing any more.")
            .gives(gone()),
    );
    members(&mut section);

    section.schema("Token", token());
    section.schema("NewToken", new_token());
    section.schema(
        "MadeToken",
        token().has("value", string().about("The token itself. It is shown this once.")),
    );
    let group = object().has("id", string()).has("name", string()).has("scopes", texts());
    let groups = |path: &'static str, title| {
        get(path, title)
            .query("name", string(), "Only the group of this name.")
            .query("scope", string(), "Only groups of this scope.")
            .gives(array(group.clone()))
    };
    section.add(groups("/user/tokens/permission_groups", "List permission groups"));
    section.add(groups("/accounts/{account}/tokens/permission_groups", "List account permission groups"));
    section.add(get("/user/tokens", "List tokens").gives_pages_of(reference("Token")));
    section
        .add(post("/user/tokens", "Create token").takes(reference("NewToken")).gives(reference("MadeToken")));
    section.add(get("/user/tokens/{token}", "Show token").gives(reference("Token")));
    section.add(
        put("/user/tokens/{token}", "Update token").takes(reference("NewToken")).gives(reference("Token")),
    );
    let rolled = || string().about("The token's new text. The one before is good for nothing from now on.");
    section.add(put("/user/tokens/{token}/value", "Roll token").takes(object().open()).gives(rolled()));
    section.add(delete("/user/tokens/{token}", "Delete token").gives(gone()));
    const OF_ACCOUNT: &str = "/accounts/{account}/tokens";
    section.add(get(OF_ACCOUNT, "List account tokens").gives_pages_of(reference("Token")));
    section.add(
        post(OF_ACCOUNT, "Create account token").takes(reference("NewToken")).gives(reference("MadeToken")),
    );
    const ONE: &str = "/accounts/{account}/tokens/{token}";
    section.add(get(ONE, "Show account token").gives(reference("Token")));
    section.add(put(ONE, "Update account token").takes(reference("NewToken")).gives(reference("Token")));
    section.add(
        put("/accounts/{account}/tokens/{token}/value", "Roll account token")
            .takes(object().open())
            .gives(rolled()),
    );
    section.add(delete(ONE, "Delete account token").gives(gone()));
}

fn members(section: &mut Section<'_>) {
    section.segment("role", "The role's id");
    section.segment("member", "The member's id");
    section.segment("membership", "The membership's id");
    let rights = || map(object().has("read", boolean()).has("write", boolean()));
    section.schema(
        "Role",
        object()
            .has("id", string())
            .has("name", one_of(&["owner", "admin", "developer", "viewer"]))
            .has("description", string())
            .has("permissions", rights()),
    );
    let user = object()
        .has("id", string())
        .has("email", string())
        .has("first_name", string().or_null())
        .has("last_name", null())
        .has("two_factor_authentication_enabled", boolean());
    section.schema(
        "Member",
        object()
            .has("id", string())
            .has("email", string())
            .has(
                "status",
                one_of(&["accepted", "pending"]).about("`pending`: nobody has seen them here yet."),
            )
            .has("user", user)
            .has("roles", array(reference("Role")))
            .has("policies", array(any())),
    );
    section.schema(
        "Membership",
        object()
            .has("id", string())
            .has("status", one_of(&["accepted", "rejected"]))
            .has("account", reference("Account"))
            .has("roles", texts())
            .has("permissions", rights().about("What the caller may do in the whole account, by area.")),
    );
    section.add(get("/accounts/{account}/roles", "List roles").gives_pages_of(reference("Role")));
    section.add(get("/accounts/{account}/roles/{role}", "Show role").gives(reference("Role")));
    const MEMBERS: &str = "/accounts/{account}/members";
    const MEMBER: &str = "/accounts/{account}/members/{member}";
    let roles = || array(any()).about("One role: its id or name, or an object with its `id`.");
    section.add(get(MEMBERS, "List members").gives_pages_of(reference("Member")));
    section.add(
        post(MEMBERS, "Add member")
            .about("Somebody whose address is not known becomes known by that. No letter is sent.")
            .takes(object().has("email", string()).has("roles", roles()).open())
            .gives(reference("Member")),
    );
    section.add(get(MEMBER, "Show member").gives(reference("Member")));
    section.add(
        put(MEMBER, "Update member").takes(object().has("roles", roles()).open()).gives(reference("Member")),
    );
    section.add(delete(MEMBER, "Remove member").gives(gone()));
    section.add(get("/memberships", "List memberships").gives_pages_of(reference("Membership")));
    section.add(get("/memberships/{membership}", "Show membership").gives(reference("Membership")));
    section.add(
        put("/memberships/{membership}", "Decide on membership")
            .takes(object().has("status", one_of(&["accepted", "rejected"])))
            .gives(reference("Membership")),
    );
    section.add(delete("/memberships/{membership}", "Leave account").gives(gone()));
}

fn token() -> Schema {
    let group = object().has("id", string()).has("name", string());
    let policy = object()
        .has("id", string())
        .has("effect", one_of(&["allow"]))
        .has("permission_groups", array(group))
        .has("resources", map(any()).about("As they were sent."));
    object()
        .has("id", string().about("For R2, also the access key's id."))
        .has("name", string())
        .has("status", one_of(&["active", "disabled", "expired"]))
        .has("issued_on", time())
        .has("modified_on", time())
        .has("policies", array(policy))
        .may("not_before", time())
        .may("expires_on", time())
        .may("last_used_on", time().about("To a quarter of an hour."))
        .may("condition", condition())
}

fn condition() -> Schema {
    let networks = || array(string()).about("Networks, such as `10.0.0.0/8`.");
    let request_ip = object().may("in", networks()).may("not_in", networks());
    object().may("request_ip", request_ip).about("From where the token is good.")
}

fn new_token() -> Schema {
    let group = object().may("id", string()).may("name", string());
    let policy = object()
        .has("effect", one_of(&["allow"]))
        .has("permission_groups", array(group).about("Each by its id or its name."))
        .has(
            "resources",
            map(any()).about(
                "Names with the value `*`: `com.cloudflare.api.account.<account>`, `com.cloudflare.api.account.zone.<zone>`, `com.cloudflare.api.user.<user>`, `com.cloudflare.edge.r2.bucket.<account>_default_<bucket>`. One thing in an account stands in an object below it: `com.cloudflare.edge.worker.script.<id>`, `hearth.kv.namespace.<id>`, `hearth.d1.database.<id>`, `hearth.queue.<id>`, `hearth.pages.project.<name>`, `com.cloudflare.api.account.zone.*`.",
            ),
        )
        .may("id", string());
    object()
        .has("name", string())
        .has("policies", array(policy))
        .may("not_before", time().or_null())
        .may("expires_on", time().or_null())
        .may("condition", condition().or_null())
        .may("status", one_of(&["active", "disabled", "expired"]))
        .may("id", string())
        .may("issued_on", string())
        .may("modified_on", string())
        .may("last_used_on", string())
}
