//! People sign in: invitations, passwords, authenticators, tokens, sessions, and what keeps others out.

use hearth_testing::{Answer, Browser, Hearth, Options};
use serde_json::{Value, json};
use totp_rs::{Algorithm, Builder, Secret, Totp};

const PASSWORD: &str = "correct horse battery";

/// Makes a person known by the command, and has them set their password in a browser.
async fn person<'a>(hearth: &'a Hearth, email: &str, more: &[&str]) -> Browser<'a> {
    let link = hearth.operator(&[&["users", "add", email], more].concat());
    let secret = link.trim().rsplit('/').next().expect("it is a URL").to_owned();
    assert!(link.starts_with(&format!("http://localhost:{}/invitation/", hearth.address().port())), "{link}");
    let mut browser = Browser::new(hearth);
    let shown = browser.call("POST", "/api/invitation", Some(json!({"secret": secret}))).await.json();
    assert_eq!(shown["email"], email);
    let accepted = json!({"secret": secret, "password": PASSWORD});
    let answer = browser.call("POST", "/api/invitation/accept", Some(accepted.clone())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        Browser::new(hearth).call("POST", "/api/invitation/accept", Some(accepted)).await.status,
        404,
        "used"
    );
    browser
}

async fn by_password(browser: &mut Browser<'_>, email: &str, password: &str) -> Answer {
    browser.call("POST", "/api/session", Some(json!({"email": email, "password": password}))).await
}

fn authenticator(secret: &Value) -> Totp {
    let secret = Secret::try_from_base32(secret.as_str().expect("a secret is text")).expect("it is base32");
    let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(30);
    builder.with_secret(secret).build().expect("the secret is long enough")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_and_out() {
    let hearth = Hearth::start().await;
    let mut ann = person(&hearth, "ann@corp.test", &["--role", "developer"]).await;
    let session = ann.call("GET", "/api/session", None).await.json();
    assert_eq!((&session["kind"], &session["user"]["email"]), (&json!("user"), &json!("ann@corp.test")));
    assert_eq!(session["memberships"][0]["account"]["id"], hearth.account());
    assert_eq!(
        (&session["memberships"][0]["role"], &session["operator"]),
        (&json!("developer"), &json!(false))
    );
    let accounts = ann.call("GET", "/client/v4/accounts", None).await.json();
    assert_eq!(accounts["result"][0]["id"], hearth.account(), "{accounts}");
    assert_eq!(ann.call("GET", "/api/users", None).await.status, 403, "no operator");

    let mut phone = Browser::new(&hearth);
    assert_eq!(by_password(&mut phone, " Ann@Corp.test", PASSWORD).await.status, 200);
    let all = phone.call("GET", "/api/sessions", None).await.json();
    assert_eq!(all["sessions"].as_array().map(Vec::len), Some(2), "{all}");
    let other = all["sessions"].as_array().and_then(|all| all.iter().find(|one| one["current"] == false));
    let path =
        format!("/api/sessions/{}", other.expect("there is another")["id"].as_str().unwrap_or_default());
    assert_eq!(phone.call("DELETE", &path, None).await.status, 200);
    assert_eq!(ann.call("GET", "/api/session", None).await.status, 401, "it was ended");

    by_password(&mut ann, "ann@corp.test", PASSWORD).await;
    let new = json!({"current": PASSWORD, "password": "another password"});
    assert_eq!(ann.call("PUT", "/api/account/password", Some(new)).await.status, 200);
    assert_eq!(
        phone.call("GET", "/api/session", None).await.status,
        401,
        "a new password ends other sessions"
    );
    assert_eq!(by_password(&mut phone, "ann@corp.test", PASSWORD).await.status, 401);
    assert_eq!(by_password(&mut phone, "ann@corp.test", "another password").await.status, 200);
    let before = phone.cookie().expect("it is signed in");
    assert_eq!(by_password(&mut phone, "ann@corp.test", "another password").await.status, 200);
    let mut planted = Browser::new(&hearth);
    planted.set_cookie(&before);
    assert_ne!(phone.cookie().as_ref(), Some(&before), "a sign-in has a secret of its own");
    assert_eq!(planted.call("GET", "/api/session", None).await.status, 401, "the session before has ended");
    let stolen = phone.cookie().expect("it is signed in");
    assert_eq!(phone.call("DELETE", "/api/session", None).await.status, 200);
    assert_eq!(phone.cookie(), None);
    phone.set_cookie(&stolen);
    assert_eq!(phone.call("GET", "/api/session", None).await.status, 401, "the server forgot it too");

    by_password(&mut phone, "ann@corp.test", "another password").await;
    assert_eq!(phone.call("DELETE", "/api/sessions", None).await.status, 200);
    assert_eq!(ann.call("GET", "/api/session", None).await.status, 401, "everywhere");
    by_password(&mut ann, "ann@corp.test", "another password").await;
    let _ = hearth.operator(&["users", "suspend", "ann@corp.test"]);
    assert_eq!(ann.call("GET", "/client/v4/accounts", None).await.status, 401, "suspended");
    assert_eq!(by_password(&mut phone, "ann@corp.test", "another password").await.status, 401, "suspended");
    let _ = hearth.operator(&["users", "suspend", "--undo", "ann@corp.test"]);
    assert_eq!(ann.call("GET", "/client/v4/accounts", None).await.status, 200);
    let listed: Value =
        serde_json::from_str(&hearth.operator(&["users", "list", "--json"])).expect("it is JSON");
    assert_eq!((&listed[0]["email"], &listed[0]["two_factor"]), (&json!("ann@corp.test"), &json!(false)));
    let link = hearth.operator(&["users", "reset", "ann@corp.test"]);
    assert!(link.contains("/invitation/"), "{link}");
    assert_eq!(ann.call("GET", "/api/session", None).await.status, 401, "reset");
    assert_eq!(by_password(&mut ann, "ann@corp.test", "another password").await.status, 401, "reset");
    let _ = hearth.operator(&["users", "remove", "ann@corp.test"]);
    assert_eq!(hearth.operator(&["users", "list"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_signs_in_for_as_long_as_it_is_good() {
    let hearth = Hearth::start().await;
    let mut browser = Browser::new(&hearth);
    assert_eq!(browser.call("GET", "/api/session/methods", None).await.json()["required"], true);
    let wrong = browser.call("POST", "/api/session/token", Some(json!({"token": "none"}))).await;
    assert_eq!((wrong.status, wrong.json()["error"]["code"].clone()), (401, json!("wrong_credentials")));
    let answer = browser.call("POST", "/api/session/token", Some(json!({"token": hearth.token()}))).await;
    assert_eq!((answer.status, answer.json()["kind"].clone()), (200, json!("token")), "{}", answer.text());
    assert!(answer.header("set-cookie").contains("HttpOnly; SameSite=Lax"));
    assert_eq!(
        browser.call("GET", "/api/users", None).await.status,
        200,
        "the admin token's session is an operator's"
    );
    assert_eq!(browser.call("GET", "/api/account", None).await.status, 403, "a token is no person");
    let new = json!({"email": "op@corp.test", "is_operator": true});
    assert_eq!(browser.call("POST", "/api/users", Some(new)).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_page_cannot_use_the_cookie() {
    let hearth = Hearth::start().await;
    let mut ann = person(&hearth, "ann@corp.test", &["--operator"]).await;
    let origin = ann.origin();
    let evil = format!("http://hello.localhost:{}", hearth.address().port());
    let zone = Some(json!({"name": "csrf.example", "account": {"id": hearth.account()}}));
    for (what, headers) in [
        ("without the header", &[("origin", origin.as_str())][..]),
        ("a worker's page", &[("origin", evil.as_str()), ("x-hearth-csrf", "1")]),
        ("a sandboxed page", &[("origin", "null"), ("x-hearth-csrf", "1")]),
        ("no origin", &[("x-hearth-csrf", "1")]),
    ] {
        for (method, path) in
            [("POST", "/client/v4/zones"), ("POST", "/api/users"), ("DELETE", "/api/sessions")]
        {
            let answer = ann.call_with(method, path, zone.clone(), headers).await;
            assert_eq!(answer.status, 403, "{what}: {method} {path}: {}", answer.text());
        }
    }
    let upgrade = [("origin", evil.as_str()), ("connection", "upgrade"), ("upgrade", "websocket")];
    assert_eq!(ann.call_with("GET", "/api/session", None, &upgrade).await.status, 403, "a foreign WebSocket");
    assert_eq!(ann.call("POST", "/client/v4/zones", zone).await.status, 200);

    // Nor sign a browser in as somebody of its choice.
    let login = Some(json!({"email": "ann@corp.test", "password": PASSWORD}));
    let mut victim = Browser::new(&hearth);
    let answer = victim.call_with("POST", "/api/session", login.clone(), &[("origin", &evil)]).await;
    assert_eq!((answer.status, victim.cookie()), (403, None));

    // What was in the cookie before a sign-in is of no use after it, be it somebody's or nobody's.
    let mut attacker = Browser::new(&hearth);
    assert_eq!(by_password(&mut attacker, "ann@corp.test", PASSWORD).await.status, 200);
    let planted = attacker.cookie().expect("it is signed in");
    victim.set_cookie(&planted);
    assert_eq!(victim.call("POST", "/api/session", login.clone()).await.status, 200);
    assert_ne!(victim.cookie(), Some(planted));
    assert_eq!(attacker.call("GET", "/api/session", None).await.status, 401);
    victim.set_cookie("hearth_session=chosen");
    assert_eq!(victim.call("POST", "/api/session", login).await.status, 200);
    assert_ne!(victim.cookie().as_deref(), Some("hearth_session=chosen"));
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_throttled_and_tells_nothing() {
    let hearth = Hearth::start().await;
    let mut ann = person(&hearth, "ann@corp.test", &[]).await;
    let mut guesser = Browser::new(&hearth);
    let known = by_password(&mut guesser, "ann@corp.test", "wrong password").await;
    let unknown = by_password(&mut guesser, "nobody@corp.test", "wrong password").await;
    assert_eq!((known.status, &known.body), (401, &unknown.body));
    let mut refused = None;
    for _ in 0..12 {
        let answer = by_password(&mut guesser, "ann@corp.test", "wrong password").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 401);
    }
    let refused = refused.expect("there is an end to it");
    let wait: u64 = refused.header("retry-after").parse().expect("it says how long");
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(
        by_password(&mut guesser, "ann@corp.test", PASSWORD).await.status,
        429,
        "a right guess is one too"
    );
    assert_eq!(ann.call("GET", "/api/session", None).await.status, 200, "who is signed in stays so");
    assert_eq!(
        by_password(&mut guesser, "other@corp.test", "x").await.status,
        401,
        "others are not held up yet"
    );
    let mut last = 401;
    for number in 0..40 {
        last = by_password(&mut guesser, &format!("person{number}@corp.test"), "x").await.status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429, "one address guesses at many people");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_asked_for_and_spent_once() {
    let hearth = Hearth::start().await;
    let mut ann = person(&hearth, "ann@corp.test", &["--role", "viewer"]).await;
    // What Cloudflare's endpoints say of it: of herself, and to those who look at members.
    let two_factor = async |ann: &mut Browser<'_>| {
        let own = ann.call("GET", "/client/v4/user", None).await.json();
        let members = hearth.api("GET", "/accounts/:a/members", None).await;
        let member = members.result()[0]["user"]["two_factor_authentication_enabled"].clone();
        (own["result"]["two_factor_authentication_enabled"].clone(), member)
    };
    let begun = ann.call("POST", "/api/account/totp", None).await.json();
    let totp = authenticator(&begun["secret"]);
    assert!(
        begun["url"].as_str().is_some_and(|url| url.starts_with("otpauth://totp/Hearth:ann%40corp.test?")),
        "{begun}"
    );
    let mut phone = Browser::new(&hearth);
    assert_eq!(
        by_password(&mut phone, "ann@corp.test", PASSWORD).await.status,
        200,
        "not asked for before it is confirmed"
    );
    assert_eq!(ann.call("PUT", "/api/account/totp", Some(json!({"code": "000000"}))).await.status, 401);
    assert_eq!(two_factor(&mut ann).await, (json!(false), json!(false)));
    assert_eq!(
        ann.call("POST", "/api/account/recovery-codes", None).await.status,
        409,
        "they stand for nothing"
    );
    let now = || jiff::Timestamp::now().as_second().unsigned_abs();
    // The codes of the past and of the coming step are taken too; each only once, and none before one that was taken.
    let code = |ahead: u64| totp.generate(now() - 30 + 30 * ahead).to_string();
    let confirmed = ann.call("PUT", "/api/account/totp", Some(json!({"code": code(0)}))).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text());
    let recovery: Vec<String> =
        serde_json::from_value(confirmed.json()["recovery_codes"].clone()).expect("codes are texts");
    assert_eq!(recovery.len(), 10);
    assert_eq!(two_factor(&mut ann).await, (json!(true), json!(true)));

    let first = by_password(&mut phone, "ann@corp.test", PASSWORD).await;
    assert_eq!((first.status, first.headers.get("set-cookie")), (202, None));
    let ticket = first.json()["ticket"].clone();
    let second = |ticket: &Value, field: &str, code: &str| Some(json!({"ticket": ticket, field: code}));
    let path = "/api/session/second";
    let replayed = phone.call("POST", path, second(&ticket, "totp", &code(0))).await;
    assert_eq!(
        (replayed.status, replayed.json()["error"]["code"].clone()),
        (401, json!("wrong_code")),
        "it confirmed"
    );
    let used = code(2);
    assert_eq!(phone.call("POST", path, second(&ticket, "totp", &used)).await.status, 200);
    assert_eq!(phone.call("GET", "/api/session", None).await.json()["user"]["two_factor"], true);
    assert_eq!(
        phone.call("POST", path, second(&ticket, "recovery", &recovery[0])).await.status,
        401,
        "the ticket was used"
    );

    let ticket = by_password(&mut phone, "ann@corp.test", PASSWORD).await.json()["ticket"].clone();
    assert_eq!(
        phone.call("POST", path, second(&ticket, "totp", &used)).await.status,
        401,
        "the code was used"
    );
    let typed = recovery[0].to_uppercase().replace('-', " ");
    assert_eq!(phone.call("POST", path, second(&ticket, "recovery", &typed)).await.status, 200);
    let ticket = by_password(&mut phone, "ann@corp.test", PASSWORD).await.json()["ticket"].clone();
    assert_eq!(
        phone.call("POST", path, second(&ticket, "recovery", &recovery[0])).await.status,
        401,
        "once each"
    );
    for _ in 0..4 {
        assert_eq!(phone.call("POST", path, second(&ticket, "totp", "000000")).await.status, 401);
    }
    let tried_out = phone.call("POST", path, second(&ticket, "recovery", &recovery[1])).await;
    assert_eq!((tried_out.status, tried_out.json()["error"]["code"].clone()), (401, json!("wrong_ticket")));
    assert_eq!(ann.call("GET", "/api/account", None).await.json()["recovery_codes"], 9);
    // Others in their place, for who says the password; those before are worth nothing.
    let renewal = "/api/account/recovery-codes";
    let wrong = Some(json!({"password": "wrong password"}));
    assert_eq!(ann.call("POST", renewal, wrong).await.status, 401);
    let renewed = ann.call("POST", renewal, Some(json!({"password": PASSWORD}))).await.json();
    let renewed: Vec<String> = serde_json::from_value(renewed["recovery_codes"].clone()).expect("codes");
    assert_eq!(ann.call("GET", "/api/account", None).await.json()["recovery_codes"], 10);
    let ticket = by_password(&mut phone, "ann@corp.test", PASSWORD).await.json()["ticket"].clone();
    for (code, status) in [(&recovery[1], 401), (&renewed[0], 200)] {
        assert_eq!(
            phone.call("POST", path, second(&ticket, "recovery", code)).await.status,
            status,
            "{code}"
        );
    }
    // Whoever was suspended meanwhile is not signed in by a code.
    let ticket = by_password(&mut phone, "ann@corp.test", PASSWORD).await.json()["ticket"].clone();
    let _ = hearth.operator(&["users", "suspend", "ann@corp.test"]);
    let refused = phone.call("POST", path, second(&ticket, "recovery", &renewed[1])).await;
    assert_eq!((refused.status, refused.json()["error"]["code"].clone()), (401, json!("wrong_ticket")));
    let _ = hearth.operator(&["users", "suspend", "--undo", "ann@corp.test"]);
    // Whoever has the password does not get to try one code after the other, with ever new tickets.
    let mut last = 401;
    for _ in 0..12 {
        let ticket = by_password(&mut phone, "ann@corp.test", PASSWORD).await.json()["ticket"].clone();
        last = phone.call("POST", path, second(&ticket, "totp", "000000")).await.status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429, "there is an end to it");
    let ticket = by_password(&mut phone, "ann@corp.test", PASSWORD).await.json()["ticket"].clone();
    assert_eq!(
        phone.call("POST", path, second(&ticket, "recovery", &renewed[2])).await.status,
        429,
        "for right ones too"
    );

    assert_eq!(
        ann.call("DELETE", "/api/account/totp", Some(json!({"password": "wrong password"}))).await.status,
        401
    );
    assert_eq!(
        ann.call("DELETE", "/api/account/totp", Some(json!({"password": PASSWORD}))).await.status,
        200
    );
    assert_eq!(by_password(&mut phone, "ann@corp.test", PASSWORD).await.status, 200);
    ann.call("POST", "/api/account/totp", None).await;
    let first = ann.call("PUT", "/api/account/totp", Some(json!({"code": "000000"}))).await;
    assert_eq!(first.status, 429, "codes that confirm an authenticator are guesses too");

    // A session that is not new changes nothing of how its person signs in, but with the password.
    let store = rusqlite::Connection::open(hearth.data().join("hearth.db")).expect("the store is there");
    store
        .execute("UPDATE sessions SET created_on = created_on - 16 * 60 * 1000000", [])
        .expect("the sessions are older");
    for (method, path) in [
        ("POST", "/api/account/totp"),
        ("DELETE", "/api/account/totp"),
        ("POST", "/api/account/passkeys/options"),
        ("DELETE", "/api/account/passkeys/none"),
    ] {
        let refused = ann.call(method, path, None).await;
        assert_eq!(
            (refused.status, refused.json()["error"]["code"].clone()),
            (403, json!("confirm")),
            "{path}"
        );
        let wrong = ann.call(method, path, Some(json!({"password": "wrong password"}))).await;
        assert_eq!(wrong.status, 401, "{path}");
    }
    let said = Some(json!({"password": PASSWORD}));
    assert_eq!(ann.call("POST", "/api/account/passkeys/options", said).await.status, 200);
}

/// Behind a proxy that speaks TLS the cookie is one that no other host can set, and no other is taken.
#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_cookie_is_this_hosts_own() {
    let config = "trusted-proxies = [\"127.0.0.1/32\"]\n".to_owned();
    let hearth = Hearth::start_with(Options { config, ..Options::default() }).await;
    let mut browser = Browser::new(&hearth);
    let origin = browser.origin().replace("http:", "https:");
    let by_tls = [("x-forwarded-proto", "https"), ("origin", origin.as_str()), ("x-hearth-csrf", "1")];
    let token = Some(json!({"token": hearth.token()}));
    let answer = browser.call_with("POST", "/api/session/token", token.clone(), &by_tls).await;
    let set = answer.header("set-cookie").to_owned();
    assert!(
        set.starts_with("__Host-hearth_session=")
            && set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"),
        "{set}"
    );
    assert_eq!(browser.call_with("GET", "/api/session", None, &by_tls).await.status, 200);
    let mut tossed = Browser::new(&hearth);
    tossed.set_cookie(&set.replace("__Host-", "").replace("; Path=/; HttpOnly; SameSite=Lax; Secure", ""));
    assert_eq!(
        tossed.call_with("GET", "/api/session", None, &by_tls).await.status,
        401,
        "a worker's host could have set it"
    );
    assert_eq!(tossed.call("GET", "/api/session", None).await.status, 200, "without TLS there is no other");

    // A session is good from where the token is that began it.
    let policy = json!({
        "effect": "allow", "permission_groups": [{"name": "Workers Scripts Read"}],
        "resources": {format!("com.cloudflare.api.account.{}", hearth.account()): "*"},
    });
    let inside =
        json!({"name": "inside", "policies": [policy], "condition": {"request_ip": {"in": ["10.0.0.0/8"]}}});
    let made = hearth.api("POST", "/user/tokens", Some(inside)).await.result()["value"].clone();
    let mut browser = Browser::new(&hearth);
    let origin = browser.origin();
    let from =
        |ip: &'static str| [("x-forwarded-for", ip), ("origin", origin.as_str()), ("x-hearth-csrf", "1")];
    let shown = Some(json!({"token": made}));
    let outside = browser.call_with("POST", "/api/session/token", shown.clone(), &from("11.1.1.1")).await;
    assert_eq!((outside.status, browser.cookie()), (401, None));
    assert_eq!(browser.call_with("POST", "/api/session/token", shown, &from("10.1.1.1")).await.status, 200);
    let accounts = "/client/v4/accounts";
    assert_eq!(browser.call_with("GET", accounts, None, &from("10.1.1.1")).await.status, 200);
    assert_eq!(browser.call_with("GET", accounts, None, &from("11.1.1.1")).await.status, 403);
}
