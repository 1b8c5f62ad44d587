//! The operations of `api/`, for the OpenAPI document.

use hearth_openapi::{
    Document, Family, Section, array, boolean, delete, get, integer, object, one_of, patch, post, put,
    reference, string, time,
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
    sessions(&mut section);
    account(&mut section);
    users(&mut section);
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
