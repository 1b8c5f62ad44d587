//! Access at the gateway: who gets to a worker, what the worker is told, and that there is no way around.

mod hosts;
mod rules;
#[path = "../second_account/mod.rs"]
mod second_account;

use std::time::Duration;

use futures::StreamExt as _;
use hearth_testing::{Answer, Browser, Form, Hearth, Options, tests_folder};
use http::header;
use second_account::second_account;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const APPS: &str = "/accounts/:a/access/apps";
const PASSWORD: &str = "correct horse battery";
const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml");

const ECHO: &str = "export default { fetch: (request) => Response.json({ path: new URL(request.url).pathname,
    email: request.headers.get('cf-access-authenticated-user-email'),
    token: request.headers.get('cf-access-jwt-assertion') }) }";

fn app(domain: &str, policies: Value) -> Value {
    json!({ "name": "test", "type": "self_hosted", "domain": domain, "policies": policies })
}

fn policy(decision: &str, include: Value) -> Value {
    json!({ "name": decision, "decision": decision, "include": [include] })
}

fn everyone() -> Value {
    json!({ "everyone": {} })
}

async fn protect(hearth: &Hearth, domain: &str, policies: Value) -> Value {
    hearth.api("POST", APPS, Some(app(domain, policies))).await.result().clone()
}

/// Makes a person known, and gives a browser in which they are signed in.
async fn person<'a>(hearth: &'a Hearth, email: &str) -> Browser<'a> {
    let link = hearth.operator(&["users", "add", email]);
    let secret = link.trim().rsplit('/').next().expect("it is a URL").to_owned();
    let mut browser = Browser::new(hearth);
    let accepted = json!({ "secret": secret, "password": PASSWORD });
    assert_eq!(browser.call("POST", "/api/invitation/accept", Some(accepted)).await.status, 200);
    browser
}

/// A cookie that an answer sets, `name=value`.
fn set_cookie(answer: &Answer, name: &str) -> String {
    let all = answer.headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let found =
        all.filter_map(|line| line.split(';').next()).find(|pair| pair.starts_with(&format!("{name}=")));
    found.unwrap_or_else(|| panic!("{name} of {:?}", answer.headers)).to_owned()
}

/// Where an answer leads, on whichever host.
fn leads(answer: &Answer) -> (String, String) {
    let to = answer.header("location").to_owned();
    let rest = to.split_once("://").unwrap_or_else(|| panic!("{} {to}", answer.status)).1;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (host.to_owned(), path.to_owned())
}

/// Goes the whole way from a page that wants a sign-in to the cookie of its application.
async fn sign_in(hearth: &Hearth, browser: &mut Browser<'_>, host: &str, path: &str) -> String {
    let first = hearth.get_with(host, path, &[HTML]).await;
    assert_eq!(first.status, 302, "{}", first.text());
    let nonce = set_cookie(&first, "CF_AppSession");
    let (control, login) = leads(&first);
    assert_eq!(control, format!("localhost:{}", hearth.address().port()));
    let allowed = browser.call_with("GET", &login, None, &[HTML]).await;
    assert_eq!(allowed.status, 303, "{}", allowed.text());
    let (back, code) = leads(&allowed);
    assert_eq!(back, host, "back to where it began");
    let entered = hearth.get_with(&back, &code, &[HTML, ("cookie", &nonce)]).await;
    assert_eq!(entered.status, 302, "{}", entered.text());
    assert_eq!(entered.header("location"), format!("http://{host}{path}"));
    let line = entered.header("set-cookie");
    assert!(line.contains("HttpOnly; SameSite=Lax"), "{line}");
    let again = hearth.get_with(&back, &code, &[HTML, ("cookie", &nonce)]).await;
    assert_eq!(again.status, 400, "a code is good once");
    set_cookie(&entered, "CF_Authorization")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_and_the_worker_can_verify_who_it_is() {
    let hearth = Hearth::start().await;
    let host = hearth.host("guarded");
    let project = hearth.app("access");
    std::os::unix::fs::symlink(tests_folder("node_modules"), project.path().join("node_modules"))
        .expect("a link");
    let control = format!("http://localhost:{}", hearth.address().port());
    let made = protect(
        &hearth,
        "guarded.localhost",
        json!([policy("allow", json!({ "email_domain": { "domain": "corp.test" } }))]),
    )
    .await;
    let aud = made["aud"].as_str().expect("it has one").to_owned();
    let (issuer, audience) = (format!("ISSUER:{control}"), format!("AUD:{aud}"));
    project.wrangler(&["deploy", "--var", &issuer, "--var", &audience]).await.expect_ok();

    // Nobody, in every way that a client may ask.
    assert_eq!(hearth.get(&host, "/").await.status, 401);
    assert_eq!(hearth.get_with(&host, "/", &[("accept", "application/json")]).await.status, 401);
    let script = hearth.get_with(&host, "/", &[HTML, ("x-requested-with", "XMLHttpRequest")]).await;
    assert_eq!(script.status, 401);
    let mut ann = person(&hearth, "ann@corp.test").await;
    let token = sign_in(&hearth, &mut ann, &host, "/hello?x=1").await;

    let cookie = format!("theme=dark; {token}");
    let forged = [("cookie", cookie.as_str()), ("cf-access-authenticated-user-email", "root@corp.test")];
    let seen = hearth.get_with(&host, "/me", &forged).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    let seen = seen.json();
    assert_eq!(seen["email"], "ann@corp.test", "whatever the client says");
    assert_eq!(seen["cookie"], "theme=dark", "the worker does not get what opens it");
    let verified = &seen["verified"];
    assert_eq!((&verified["email"], &verified["type"]), (&json!("ann@corp.test"), &json!("app")));
    assert_eq!((&verified["aud"], &verified["iss"]), (&json!([aud]), &json!(control)));
    assert!(verified["sub"].is_string() && verified["country"].is_string(), "{verified}");
    let identity = hearth.get_with(&host, "/cdn-cgi/access/get-identity", &[("cookie", &token)]).await.json();
    assert_eq!(identity["email"], "ann@corp.test");
    assert_eq!(hearth.get(&host, "/cdn-cgi/access/get-identity").await.status, 401);
    let keys = hearth.get(&host, "/cdn-cgi/access/certs").await.json();
    assert_eq!(keys["keys"][0]["kid"], seen["kid"]);
    assert_eq!(
        keys,
        hearth.get(&format!("localhost:{}", hearth.address().port()), "/cdn-cgi/access/certs").await.json()
    );

    // A WebSocket is opened by who is signed in, and by nobody else.
    let upgrade = |cookie: Option<&str>| {
        let mut request = format!("ws://{host}/socket").into_client_request().expect("a request");
        if let Some(cookie) = cookie {
            request.headers_mut().insert("cookie", cookie.parse().expect("a value"));
        }
        let address = hearth.address();
        async move {
            let stream = tokio::net::TcpStream::connect(address).await.expect("the server listens");
            tokio_tungstenite::client_async(request, stream).await.map(|(socket, _)| socket)
        }
    };
    assert!(upgrade(None).await.is_err());
    let mut socket = upgrade(Some(&token)).await.expect("it opens");
    let Some(Ok(Message::Text(said))) = socket.next().await else { panic!("nothing came") };
    assert!(said.contains("ann@corp.test"), "{said}");

    // Somebody else has an account of this server and no access.
    let mut eve = person(&hearth, "eve@other.test").await;
    let (_, login) = leads(&hearth.get_with(&host, "/", &[HTML]).await);
    assert_eq!(eve.call_with("GET", &login, None, &[HTML]).await.status, 403);
    // Nobody is signed in: to the page where people do, and back.
    let unknown = Browser::new(&hearth).call_with("GET", &login, None, &[HTML]).await;
    assert_eq!(unknown.status, 303);
    assert!(unknown.header("location").starts_with("/sign-in?return=%2Fcdn%2Dcgi%2Faccess%2Flogin%2F"));
    // A session of a token is nobody.
    let mut machine = Browser::new(&hearth);
    machine.call("POST", "/api/session/token", Some(json!({ "token": hearth.token() }))).await;
    assert_eq!(machine.call_with("GET", &login, None, &[HTML]).await.status, 403);

    // Out again: by oneself, by the application, by the operator.
    let out = hearth.get_with(&host, "/cdn-cgi/access/logout", &[HTML, ("cookie", &token)]).await;
    assert!(out.header("set-cookie").starts_with("CF_Authorization=; Path=/;"), "{:?}", out.headers);
    let id = made["id"].as_str().expect("it has one");
    hearth.api("POST", &format!("{APPS}/{id}/revoke_tokens"), None).await.result();
    assert_eq!(hearth.get_with(&host, "/", &[("cookie", &token)]).await.status, 401, "revoked");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let token = sign_in(&hearth, &mut ann, &host, "/").await;
    assert_eq!(hearth.get_with(&host, "/", &[("cookie", &token)]).await.status, 200);
    let _ = hearth.operator(&["users", "suspend", "ann@corp.test"]);
    let began = std::time::Instant::now();
    while hearth.get_with(&host, "/", &[("cookie", &token)]).await.status == 200 {
        assert!(began.elapsed() < Duration::from_secs(60), "whoever is suspended is let in");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What is made up, too old, of another application, or of another browser opens nothing, and nothing leads elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_forged_opens_nothing() {
    let hearth = Hearth::start().await;
    for worker in ["one", "two"] {
        hearth.deploy(worker, ECHO).await;
        protect(&hearth, &format!("{worker}.localhost"), json!([policy("allow", everyone())])).await;
    }
    let (one, two) = (hearth.host("one"), hearth.host("two"));
    let mut ann = person(&hearth, "ann@corp.test").await;
    let token = sign_in(&hearth, &mut ann, &one, "/").await;
    let status = |host: String, cookie: String| {
        let hearth = &hearth;
        async move { hearth.get_with(&host, "/", &[("cookie", &cookie)]).await.status }
    };
    assert_eq!(status(one.clone(), token.clone()).await, 200);
    assert_eq!(status(two.clone(), token.clone()).await, 401, "of another application");
    let value = token.trim_start_matches("CF_Authorization=");
    let parts: Vec<&str> = value.split('.').collect();
    for forged in [
        format!("{}.{}.", parts[0], parts[1]),
        format!("eyJhbGciOiJub25lIn0.{}.", parts[1]),
        format!("{}.{}.{}", parts[0], parts[1], parts[2].replace(&parts[2][..4], "AAAA")),
        "x".to_owned(),
    ] {
        assert_eq!(status(one.clone(), format!("CF_Authorization={forged}")).await, 401, "{forged}");
    }
    let twice = format!("CF_Authorization=forged; {token}");
    assert_eq!(status(one.clone(), twice).await, 200, "one that is good among others");

    // The way to the control host and back.
    let first = hearth.get_with(&one, "/", &[HTML]).await;
    let (nonce, (_, login)) = (set_cookie(&first, "CF_AppSession"), leads(&first));
    for changed in [
        login.replace("/login/one", "/login/evil"),
        login.replace("meta=", "meta=x"),
        login.split("&meta").next().expect("a part").to_owned(),
        login
            .replacen("redirect_url=", "redirect_url=https%3A%2F%2Fevil.test", 1)
            .replace("/login/one", "/login/two"),
    ] {
        assert_eq!(ann.call_with("GET", &changed, None, &[HTML]).await.status, 400, "{changed}");
    }
    let elsewhere = login.replacen("redirect_url=", "redirect_url=https%3A%2F%2Fevil.test", 1);
    let (host, code) = leads(&ann.call_with("GET", &elsewhere, None, &[HTML]).await);
    assert_eq!(host, one, "the address says nothing that the application has not");
    for (host, cookie) in
        [(&one, ""), (&one, "CF_AppSession=00000000000000000000000000000000"), (&two, nonce.as_str())]
    {
        let (_, login) = leads(&first);
        let (_, fresh) = leads(&ann.call_with("GET", &login, None, &[HTML]).await);
        let refused = hearth.get_with(host, &fresh, &[HTML, ("cookie", cookie)]).await;
        assert_eq!(refused.status, 400, "{host} {cookie}");
        assert_eq!(hearth.get_with(&one, &fresh, &[HTML, ("cookie", &nonce)]).await.status, 400, "spent");
    }
    assert_eq!(hearth.get_with(&one, &code, &[HTML, ("cookie", &nonce)]).await.status, 302);
    // Two slashes are a path, not a host.
    let odd = hearth.get_with(&one, "//evil.test/x", &[HTML]).await;
    let (nonce, (_, login)) = (set_cookie(&odd, "CF_AppSession"), leads(&odd));
    let (_, code) = leads(&ann.call_with("GET", &login, None, &[HTML]).await);
    let entered = hearth.get_with(&one, &code, &[HTML, ("cookie", &nonce)]).await;
    assert_eq!(entered.header("location"), format!("http://{one}//evil.test/x"));
}

/// Service tokens, addresses, and paths with rules of their own.
#[tokio::test(flavor = "multi_thread")]
async fn services_addresses_and_paths() {
    let hearth = Hearth::start().await;
    let host = hearth.host("api");
    hearth.deploy("api", ECHO).await;
    let made = hearth.api("POST", "/accounts/:a/access/service_tokens", Some(json!({ "name": "ci" }))).await;
    let made = made.result().clone();
    let text = |name: &str| made[name].as_str().expect("text").to_owned();
    let (id, client, secret) = (text("id"), text("client_id"), text("client_secret"));
    let token = |id: &str| json!({ "service_token": { "token_id": id } });
    let guarded = protect(&hearth, "api.localhost", json!([policy("non_identity", token(&id))])).await;
    protect(&hearth, "api.localhost/public", json!([policy("bypass", everyone())])).await;
    let local = json!({ "ip": { "ip": "127.0.0.0/8" } });
    protect(&hearth, "api.localhost/inside", json!([policy("bypass", local)])).await;
    let elsewhere = json!({ "ip": { "ip": "192.0.2.0/24" } });
    protect(&hearth, "api.localhost/office", json!([policy("bypass", elsewhere)])).await;

    let shown = [("cf-access-client-id", client.as_str()), ("cf-access-client-secret", secret.as_str())];
    let seen = hearth.get_with(&host, "/", &shown).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert!(seen.json()["token"].is_string() && seen.json()["email"].is_null());
    for wrong in [
        vec![],
        vec![shown[0]],
        vec![shown[0], ("cf-access-client-secret", "0")],
        vec![("cf-access-client-id", "0.access"), shown[1]],
    ] {
        assert_eq!(hearth.get_with(&host, "/", &wrong).await.status, 403, "{wrong:?}");
    }
    assert_eq!(hearth.get_with(&host, "/", &[HTML]).await.status, 403, "nobody can sign in here");
    for (path, status) in [("/public/x", 200), ("/inside", 200), ("/office", 403), ("/other", 403)] {
        assert_eq!(hearth.get(&host, path).await.status, status, "{path}");
    }
    // A secret that was rotated, a token that is gone, a policy that names nobody.
    let path = format!("/accounts/:a/access/service_tokens/{id}");
    let rotated = hearth.api("POST", &format!("{path}/rotate"), None).await.result().clone();
    assert_eq!(hearth.get_with(&host, "/", &shown).await.status, 403);
    let shown = [shown[0], ("cf-access-client-secret", rotated["client_secret"].as_str().expect("text"))];
    assert_eq!(hearth.get_with(&host, "/", &shown).await.status, 200);
    assert_eq!(hearth.api("DELETE", &path, None).await.error().0, 400, "a policy names it");
    let app = format!("{APPS}/{}", guarded["id"].as_str().expect("an id"));
    let document = json!({ "name": "closed", "domain": "api.localhost", "policies": [] });
    hearth.api("PUT", &app, Some(document)).await.result();
    hearth.api("DELETE", &path, None).await.result();
    assert_eq!(hearth.get_with(&host, "/", &shown).await.status, 403, "without policies it is closed");
    hearth.api("DELETE", &app, None).await.result();
    assert_eq!(hearth.get(&host, "/").await.status, 200, "no longer protected");
}

/// Every way to a worker that is protected, and every spelling of it.
#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_way_around() {
    let args = ["--path-host", "paths.test"].map(str::to_owned).to_vec();
    let mut hearth = Hearth::start_with(Options { args, ..Options::default() }).await;
    let port = hearth.address().port();
    hearth.deploy("hello", ECHO).await;
    hearth.deploy("half", ECHO).await;
    let caller = "export default { async fetch(request) {
        const to = new URL(request.url).searchParams.get('to');
        const answer = await fetch(`http://${to}`);
        return new Response(await answer.text(), { status: answer.status }); } }";
    hearth.deploy("caller", caller).await;
    let bound = json!({ "main_module": "index.js", "compatibility_date": "2026-01-01",
        "bindings": [{ "type": "service", "name": "HELLO", "service": "hello" }] });
    let source = "export default { fetch: (request, env) => env.HELLO.fetch('http://any/') }";
    let form = Form::module(source).metadata(&bound.to_string()).finish();
    hearth.upload("bound", form).await.result();
    for worker in ["hello", "half", "bound"] {
        let path = format!("/accounts/:a/workers/scripts/{worker}/subdomain");
        let body = json!({ "enabled": true, "previews_enabled": true });
        hearth.api("POST", &path, Some(body)).await.result();
    }
    let versions = hearth.api("GET", "/accounts/:a/workers/scripts/hello/versions", None).await;
    let version = versions.result()["items"][0]["id"].as_str().expect("a version")[..8].to_owned();
    let session =
        hearth.api("POST", "/accounts/:a/workers/scripts/hello/hearth/inspector", Some(json!({}))).await;
    let inspector = session.result()["id"].as_str().expect("an id").to_owned();
    let ways: Vec<(String, &str)> = vec![
        (hearth.host("hello"), "/"),
        ("hello.localhost".into(), "/"),
        (format!("HELLO.LocalHost:{port}"), "/"),
        (format!("hello.localhost.:{port}"), "/"),
        ("hello.localhost:1".into(), "/"),
        (hearth.host(&format!("{version}-hello")), "/"),
        (hearth.host(&format!("{version}.hello")), "/"),
        (hearth.host(&format!("inspect-{inspector}.hello")), "/"),
        (format!("paths.test:{port}"), "/hello/"),
        (format!("PATHS.test:{port}"), "/Hello/x"),
    ];
    for (host, path) in &ways {
        assert_eq!(hearth.get(host, path).await.status, 200, "{host}{path} before");
    }
    protect(&hearth, "hello.localhost", json!([policy("allow", everyone())])).await;
    protect(&hearth, "half.localhost/admin", json!([policy("allow", everyone())])).await;
    for (host, path) in &ways {
        assert_eq!(hearth.get(host, path).await.status, 401, "{host}{path}");
    }
    assert_eq!(hearth.get_http2(&hearth.host("hello"), "/").await.status, 401, "over HTTP/2");
    let half = hearth.host("half");
    assert_eq!(hearth.get(&half, "/public").await.status, 200);
    for path in [
        "/admin",
        "/admin/",
        "/admin?x",
        "/ADMIN/x",
        "//admin",
        "/%61dmin",
        "/%2561dmin",
        "/x/../admin",
        "/x/%2e%2e/admin",
        "/x%2f..%2fadmin",
        "/./admin",
        "/admin%2fx",
        "/admin;x=1",
        "/admin/..%2fpublic",
    ] {
        let answer = hearth.try_get(&half, path).await.expect("an answer");
        assert!(answer.status == 401 || answer.status == 400, "{path}: {}", answer.status);
    }
    assert_eq!(hearth.get(&format!("paths.test:{port}"), "/half/%61dmin").await.status, 401);
    // Workers that fetch it are whoever they are; a binding of its own account passes.
    let caller = hearth.host("caller");
    let fetched = hearth.get(&caller, &format!("/?to=hello.localhost:{port}/")).await;
    assert_eq!(fetched.status, 401, "{}", fetched.text());
    let bound = hearth.get(&hearth.host("bound"), "/").await;
    assert_eq!(bound.status, 200, "{}", bound.text());
    // Others are as they were.
    assert_eq!(hearth.get(&caller, &format!("/?to=half.localhost:{port}/public")).await.status, 200);

    // Hosts of others, and what is no host of workers.
    for domain in ["localhost", "elsewhere.test", "https://hello.localhost", "hello.localhost:80", ""] {
        let (status, ..) = hearth.api("POST", APPS, Some(app(domain, json!([])))).await.error();
        assert_eq!(status, 400, "{domain}");
    }
    let other = second_account(&mut hearth).await;
    let path = APPS.replace(":a", &other.id);
    let body = app("hello.localhost", json!([policy("bypass", everyone())])).to_string();
    let refused =
        hearth.api_raw("POST", &path, "application/json", body.clone().into(), Some(&other.token)).await;
    assert_eq!(refused.error().0, 400, "another account's host");
    let theirs = hearth.api("POST", APPS, Some(app("a.second.localhost", json!([])))).await;
    assert_eq!(theirs.error().0, 400, "and the other way");
    let foreign = APPS.replace(":a", hearth.account());
    let refused =
        hearth.api_raw("GET", &foreign, "application/json", Default::default(), Some(&other.token)).await;
    assert_eq!(refused.error().0, 403);
    assert_eq!(hearth.get(&hearth.host("hello"), "/").await.status, 401, "after a restart too");
}
