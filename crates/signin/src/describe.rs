//! The operations of `api/`, for the OpenAPI document.

use hearth_openapi::{
    Document, Family, Section, any, array, boolean, delete, get, integer, map, object, one_of, patch, post,
    put, reference, string, time,
};

/// Describes the operations.
pub fn describe(document: &mut Document) {
    let error = object().has("code", string().about("For programs.")).has("message", string());
    let about =
        "Signing in to the console: sessions, what people prove who they are with, and people themselves.";
    let mut section = document.section("Sign-in", about, Family::plain(reference("SigninRefusal")));
    section.schema("SigninRefusal", object().has("error", error));
    section.segment("session", "The session's id");
    section.segment("user", "The person's id");
    section.segment("provider", "The provider's id");
    section.segment("passkey", "The passkey's id");
    sessions(&mut section);
    account(&mut section);
    users(&mut section);
    providers(&mut section);
    passkeys(&mut section);
    programs(document);
}

fn programs(document: &mut Document) {
    let about =
        "Access that people give to programs: OAuth, as `wrangler login` and `hearth login` speak it.";
    let error = object().has("error", any()).may("error_description", string());
    let mut section = document.section("Programs", about, Family::plain(reference("OauthRefusal")));
    section.schema("OauthRefusal", error);
    const FORM: &str = "application/x-www-form-urlencoded";
    section.add(
        get("/oauth2/auth", "Ask for access")
            .about("For a browser: asks the person, who signs in first (RFC 6749, 4.1 with RFC 7636).")
            .query("response_type", string(), "`code`.")
            .query("client_id", string(), "The program.")
            .query("redirect_uri", string(), "The program's own, letter by letter.")
            .query("scope", string(), "Wrangler's scopes.")
            .query("state", string(), "Comes back.")
            .query("code_challenge", string(), "SHA-256 of the verifier, in base64url.")
            .query("code_challenge_method", string(), "`S256`.")
            .without_token()
            .gives_page(),
    );
    section.add(
        post("/oauth2/auth", "Answer for access")
            .about("What the page's form posts. Leads to the program, or says that it is done.")
            .takes_raw(FORM, object().has("consent", string()).has("decision", one_of(&["allow", "deny"])))
            .without_token()
            .gives_page(),
    );
    section.add(
        get("/oauth2/device", "Ask for access of device")
            .about("For a browser: asks for the code that a program shows, then the person.")
            .query("user_code", string(), "The code.")
            .without_token()
            .gives_page(),
    );
    section.add(
        post("/oauth2/device/auth", "Begin access of device")
            .about("For a program without a browser (RFC 8628).")
            .takes_raw(FORM, object().has("client_id", string()).has("scope", string()))
            .without_token()
            .gives(
                object()
                    .has("device_code", string())
                    .has("user_code", string())
                    .has("verification_uri", string())
                    .has("verification_uri_complete", string())
                    .has("expires_in", integer())
                    .has("interval", integer()),
            ),
    );
    let asked = object()
        .has("grant_type", string().about("`authorization_code`, `refresh_token` or a device's."))
        .has("client_id", string())
        .may("code", string())
        .may("redirect_uri", string())
        .may("code_verifier", string())
        .may("refresh_token", string())
        .may("device_code", string());
    section.add(
        post("/oauth2/token", "Fetch access")
            .about("The access token is an API token of the person's own.")
            .takes_raw(FORM, asked)
            .without_token()
            .gives(
                object()
                    .has("access_token", string())
                    .has("token_type", one_of(&["bearer"]))
                    .has("expires_in", integer().about("Seconds."))
                    .has("scope", string())
                    .may("refresh_token", string()),
            ),
    );
    section.add(
        post("/oauth2/revoke", "End access")
            .takes_raw(FORM, object().has("client_id", string()).has("token", string()))
            .without_token()
            .gives(object()),
    );
}

fn passkeys(section: &mut Section<'_>) {
    const OWN: &str = "/api/account/passkeys";
    let passkey = object()
        .has("id", string())
        .has("name", string())
        .has("created_on", time())
        .has("used_on", time().or_null());
    section.schema("Passkey", passkey);
    let list = object().has("passkeys", array(reference("Passkey")));
    section.add(get(OWN, "List own passkeys").gives(list));
    let options =
        || object().has("publicKey", map(any()).about("For `PublicKeyCredential.parse…OptionsFromJSON()`."));
    let credential = || map(any()).about("What the browser gives, by `toJSON()`.");
    section.add(
        post(format!("{OWN}/options"), "Begin own passkey")
            .may_take(object().may("password", string().about("Where signing in is a while ago.")))
            .gives(options()),
    );
    section.add(
        post(OWN, "Add own passkey")
            .takes(object().has("name", string()).has("credential", credential()))
            .creates()
            .gives(reference("Passkey")),
    );
    section.add(
        delete(format!("{OWN}/{{passkey}}"), "Remove own passkey")
            .may_take(object().may("password", string()))
            .gives_nothing(),
    );
    section.add(
        post("/api/session/passkey/options", "Begin sign-in by passkey").without_token().gives(options()),
    );
    section.add(
        post("/api/session/passkey", "Sign in by passkey")
            .about("A passkey stands for password and second factor.")
            .without_token()
            .takes(object().has("credential", credential()))
            .gives(reference("SigninSession")),
    );
}

fn providers(section: &mut Section<'_>) {
    let rule = object()
        .has("group", string().about("`*` is everybody whom the provider knows."))
        .may("account", string())
        .may("role", one_of(&["owner", "admin", "developer", "viewer"]))
        .may("operator", boolean().about("Instead of a role in an account."));
    section.schema("SigninRule", rule);
    let settings = || {
        object()
            .has("id", string().about("Lower-case letters, digits and `-`."))
            .has("name", string())
            .has("issuer", string())
            .has("client_id", string())
    };
    let rules = || array(reference("SigninRule"));
    let shown = settings()
        .has("has_secret", boolean())
        .has("redirect_uri", string().about("To be registered with the provider."))
        .has("scopes", array(string()))
        .has("group_claim", string())
        .has("trusts_email", boolean())
        .has("mapping", rules());
    section.add(
        get("/api/signin/providers", "List sign-in providers").gives(object().has("providers", array(shown))),
    );
    let one = settings()
        .may("client_secret", string().about("Absent keeps the one that there is; empty removes it."))
        .may("scopes", array(string()).about("Beside `openid`."))
        .may("group_claim", string())
        .may(
            "trusts_email",
            boolean().about("Take addresses though the provider does not say that they are verified."),
        )
        .may("mapping", rules());
    section.add(
        put("/api/signin/providers", "Replace sign-in providers")
            .about("Of OpenID Connect. Who is in no group of the mapping is not let in.")
            .takes(object().has("providers", array(one)))
            .gives_nothing(),
    );
    section.add(
        get("/api/session/oidc/{provider}", "Begin single sign-on")
            .about("For a browser: leads to the provider.")
            .query("return", string(), "The path of this host to which it leads in the end.")
            .without_token()
            .redirects(),
    );
    section.add(
        get("/api/session/oidc/{provider}/callback", "End single sign-on")
            .about("Where the provider sends the browser back to.")
            .query("state", string(), "As it was sent.")
            .query("code", string(), "For the server.")
            .query("error", string(), "In place of a code.")
            .query("iss", string(), "Who sends it.")
            .without_token()
            .redirects(),
    );
}

fn sessions(section: &mut Section<'_>) {
    let who = object()
        .has("id", string())
        .has("email", string())
        .has("name", string())
        .has("is_operator", boolean())
        .has("two_factor", boolean());
    let account = object().has("id", string()).has("name", string());
    let role = one_of(&["owner", "admin", "developer", "viewer"]);
    let membership = object().has("account", account).has("role", role);
    section.schema(
        "SigninSession",
        object()
            .has(
                "kind",
                one_of(&["user", "token", "dev"]).about("By what: `dev` is a local caller under `--dev`."),
            )
            .has("user", who.or_null())
            .has("operator", boolean().about("Whether the caller answers for the installation."))
            .has("memberships", array(membership))
            .has("expires_on", time().or_null()),
    );
    let ticket = object()
        .has("ticket", string())
        .has("second_factors", array(one_of(&["totp", "recovery", "passkey"])));
    section.schema("SigninTicket", ticket);
    section.add(
        get("/api/session/methods", "Show ways to sign in").without_token().gives(
            object()
                .has("password", boolean())
                .has("passkey", boolean())
                .has("providers", array(object().has("id", string()).has("name", string())))
                .has("token", boolean())
                .has("required", boolean().about("False for a local caller under `--dev`.")),
        ),
    );
    section.add(get("/api/session", "Show session").gives(reference("SigninSession")));
    section.add(
        post("/api/session", "Sign in by password")
            .about("Gives a session and its cookie, or with 202 a ticket where a second factor is asked for.")
            .without_token()
            .takes(object().has("email", string()).has("password", string()))
            .gives(reference("SigninSession"))
            .or_gives(202, reference("SigninTicket")),
    );
    section.add(
        post("/api/session/second", "Sign in by second factor")
            .without_token()
            .takes(object().has("ticket", string()).may("totp", string()).may("recovery", string()))
            .gives(reference("SigninSession")),
    );
    section.add(
        post("/api/session/token", "Sign in by token")
            .about("A session that may do what an API token may, for as long as that is good.")
            .without_token()
            .takes(object().has("token", string()))
            .gives(reference("SigninSession")),
    );
    section.add(delete("/api/session", "Sign out").without_token().gives_nothing());
    let listed = object()
        .has("id", string())
        .has("created_on", time())
        .has("seen_on", time())
        .has("expires_on", time())
        .has("address", string())
        .has("agent", string())
        .has("current", boolean());
    section.add(get("/api/sessions", "List own sessions").gives(object().has("sessions", array(listed))));
    section.add(delete("/api/sessions", "Sign out everywhere").gives_nothing());
    section.add(delete("/api/sessions/{session}", "End own session").gives_nothing());
    let secret = || object().has("secret", string().about("The last part of the link."));
    section.add(
        post("/api/invitation", "Show invitation")
            .without_token()
            .takes(secret())
            .gives(object().has("email", string()).has("name", string()).has("expires_on", time())),
    );
    section.add(
        post("/api/invitation/accept", "Accept invitation")
            .about("Sets the password, and signs in with it.")
            .without_token()
            .takes(secret().has("password", string()))
            .gives(reference("SigninSession"))
            .or_gives(202, reference("SigninTicket")),
    );
}

fn account(section: &mut Section<'_>) {
    let user = || {
        object()
            .has("id", string())
            .has("email", string())
            .has("name", string())
            .has("is_operator", boolean().about("Answers for the installation: all accounts and all people."))
            .has("suspended", boolean())
            .has("password", boolean().about("Whether there is one."))
            .has("two_factor", boolean().about("Whether a code of an authenticator is asked for."))
            .has("passkeys", integer())
            .has("single_sign_on", boolean().about("Whether a provider has signed this person in."))
            .has("invited", boolean().about("Whether an invitation waits."))
            .has("created_on", time())
            .has("seen_on", time().or_null())
    };
    section.schema("SigninUser", user());
    section.schema("SigninAccount", user().has("recovery_codes", integer().about("How many are left.")));
    let confirmation = || object().may("password", string().about("Where signing in is a while ago."));
    section.add(get("/api/account", "Show own sign-in").gives(reference("SigninAccount")));
    section.add(
        put("/api/account/password", "Change own password")
            .about("Ends all other sessions.")
            .takes(object().may("current", string().or_null()).has("password", string()))
            .gives_nothing(),
    );
    section.add(
        post("/api/account/totp", "Begin own authenticator")
            .may_take(confirmation())
            .gives(object().has("secret", string()).has("url", string().about("For the QR code."))),
    );
    section.add(
        put("/api/account/totp", "Confirm own authenticator")
            .takes(object().has("code", string()))
            .gives(object().has("recovery_codes", array(string()).about("Not shown again."))),
    );
    section.add(
        post("/api/account/recovery-codes", "Renew own recovery codes")
            .about("Those before are worth nothing any more.")
            .may_take(confirmation())
            .gives(object().has("recovery_codes", array(string()).about("Not shown again."))),
    );
    section.add(
        delete("/api/account/totp", "Remove own authenticator").may_take(confirmation()).gives_nothing(),
    );
}

fn users(section: &mut Section<'_>) {
    const ONE: &str = "/api/users/{user}";
    let user = || reference("SigninUser");
    let invitation = || object().has("url", string()).has("expires_on", time());
    section.add(
        get("/api/users", "List people")
            .query("page", integer(), "The page, from 1.")
            .query("per_page", integer(), "Entries of a page, at most 1000.")
            .gives(object().has("users", array(user())).has("total", integer())),
    );
    let membership = object().has("account", string().about("Its id.")).has("role", string());
    section.add(
        post("/api/users", "Add person")
            .takes(
                object()
                    .has("email", string())
                    .may("name", string())
                    .may("is_operator", boolean())
                    .may("memberships", array(membership)),
            )
            .creates()
            .gives(user()),
    );
    section.add(get(ONE, "Show person").gives(user()));
    let changes = object().may("name", string()).may("is_operator", boolean()).may("suspended", boolean());
    section.add(patch(ONE, "Change person").takes(changes).gives(user()));
    section.add(delete(ONE, "Remove person").gives_nothing());
    section.add(
        post(format!("{ONE}/invitation"), "Invite person")
            .about("Gives a one-time link to set a password with. The one before is none any more.")
            .gives(invitation()),
    );
    section.add(
        post(format!("{ONE}/reset"), "Reset person")
            .about("Forgets password, authenticator and passkeys, ends all sessions, and invites anew.")
            .gives(invitation()),
    );
}
