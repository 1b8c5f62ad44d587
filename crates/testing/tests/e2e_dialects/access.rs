//! Who may come in: rules of workers at the gateway, and their access tokens.

use hearth_testing::{Hearth, Options};
use serde_json::json;

async fn rule(hearth: &Hearth, worker: &str, rule: &str) {
    let path = format!("/accounts/:a/workers/scripts/{worker}/hearth/access");
    let answer = hearth.api("PUT", &path, Some(json!({"rule": rule}))).await;
    assert_eq!(answer.result()["rule"], rule);
    assert_eq!(hearth.api("GET", &path, None).await.result()["rule"], rule);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_holds_on_every_way_to_a_worker_and_a_token_opens() {
    let args = vec!["--path-host".to_owned(), "paths.test".to_owned()];
    let mut hearth = Hearth::start_with(Options { args, ..Options::default() }).await;
    let source = "export default { fetch: (request) => Response.json({
        path: new URL(request.url).pathname,
        prefix: request.headers.get('X-Forwarded-Prefix'),
        token: request.headers.get('Authorization') ?? request.headers.get('X-Hearth-Access-Token'),
      }) }";
    hearth.deploy("guarded", source).await;
    let zone = "/accounts/:a/workers/scripts/guarded/routes";
    hearth.api("PUT", zone, Some(json!([{"pattern": "www.corp.test/in/*"}]))).await.result();
    hearth
        .deploy(
            "caller",
            "export default { async fetch() {
           const answer = await fetch('http://guarded.localhost/');
           return new Response(`${answer.status}`);
         } }",
        )
        .await;
    let version = hearth.api("GET", "/accounts/:a/workers/scripts/guarded/versions", None).await;
    let id = version.result()["items"][0]["id"].as_str().expect("a version")[..8].to_owned();
    let preview = "/accounts/:a/workers/scripts/guarded/subdomain";
    hearth.api("POST", preview, Some(json!({"enabled": true, "previews_enabled": true}))).await.result();

    let ways = [
        (hearth.host("guarded"), "/"),
        (hearth.host(&format!("{id}-guarded")), "/"),
        ("www.corp.test".to_owned(), "/in/side"),
        ("paths.test".to_owned(), "/guarded/x"),
    ];
    for (host, path) in &ways {
        assert_eq!(hearth.get(host, path).await.status, 200, "{host}");
    }
    // Path mode takes the name off and says so, whatever a client claims.
    let claimed = [("X-Forwarded-Prefix", "/claimed")];
    let by_path = hearth.get_with("paths.test", "/guarded/x", &claimed).await.json();
    assert_eq!((&by_path["path"], &by_path["prefix"]), (&json!("/x"), &json!("/guarded")));
    assert_eq!(hearth.get("localhost", "/guarded/x").await.status, 401, "never on the control host");

    rule(&hearth, "guarded", "token").await;
    let tokens = "/accounts/:a/workers/scripts/guarded/hearth/tokens";
    let made = hearth.api("POST", tokens, Some(json!({"name": "ci"}))).await;
    let (text, token) = (made.result()["token"].as_str().expect("its text"), &made.result()["id"]);
    let listed = hearth.api("GET", tokens, None).await;
    assert_eq!((&listed.result()[0]["name"], &listed.result()[0]["token"]), (&json!("ci"), &json!(null)));
    for (host, path) in &ways {
        let refused = hearth.get(host, path).await;
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, "Bearer"), "{host}");
        assert!(refused.text().contains("access token"), "{}", refused.text());
        let wrong = [("Authorization", "Bearer wrong")];
        assert_eq!(hearth.get_with(host, path, &wrong).await.status, 401, "{host}");
        let bearer = format!("Bearer {text}");
        for shown in [("Authorization", bearer.as_str()), ("X-Hearth-Access-Token", text)] {
            let answer = hearth.get_with(host, path, &[shown]).await;
            assert_eq!(answer.status, 200, "{host}");
            assert_eq!(answer.json()["token"], json!(null), "it stays at the gateway");
        }
    }
    assert_eq!(hearth.get(&hearth.host("caller"), "/").await.text(), "401", "a worker needs one too");

    // It holds after a restart, and a token that is revoked opens nothing.
    hearth.kill().await;
    hearth.start_again().await;
    let bearer = format!("Bearer {text}");
    let host = hearth.host("guarded");
    assert_eq!(hearth.get_with(&host, "/", &[("Authorization", &bearer)]).await.status, 200);
    let revoke = format!("{tokens}/{}", token.as_str().expect("an id"));
    hearth.api("DELETE", &revoke, None).await.result();
    assert_eq!(hearth.get_with(&host, "/", &[("Authorization", &bearer)]).await.status, 401);

    // One that expires opens until then; by the command line, as the worker's owner would.
    let access = |args: &[&str]| hearth.operator(&[&["access"], args].concat());
    let _ = access(&["set", "guarded", "token"]);
    let token = access(&["grant", "guarded", "short", "--expires", "3s"]);
    let bearer = format!("Bearer {}", token.trim());
    assert_eq!(hearth.get_with(&host, "/", &[("Authorization", &bearer)]).await.status, 200);
    let shown: serde_json::Value =
        serde_json::from_str(&access(&["show", "guarded", "--json"])).expect("JSON");
    assert_eq!((&shown["rule"], &shown["tokens"][0]["status"]), (&json!("token"), &json!("active")));
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    assert_eq!(hearth.get_with(&host, "/", &[("Authorization", &bearer)]).await.status, 401);
    assert!(access(&["show", "guarded"]).contains("short  expired"));
    let _ = access(&["revoke", "guarded", "short"]);
    assert!(!access(&["show", "guarded"]).contains("short"));
    let past =
        hearth.api("POST", tokens, Some(json!({"name": "a", "expires_on": "2020-01-01T00:00:00Z"}))).await;
    assert!(past.error().2.contains("future"));

    rule(&hearth, "guarded", "internal").await;
    for (host, path) in &ways {
        let refused = hearth.get(host, path).await;
        assert_eq!(refused.status, 403, "{host}");
        assert!(refused.text().contains("Only other workers"), "{}", refused.text());
    }
    assert_eq!(hearth.get(&hearth.host("caller"), "/").await.text(), "200");
    rule(&hearth, "guarded", "open").await;
    assert_eq!(hearth.get(&host, "/").await.status, 200);

    let path = "/accounts/:a/workers/scripts/guarded/hearth/access";
    let (status, _, message) = hearth.api("PUT", path, Some(json!({"rule": "closed"}))).await.error();
    assert!(status == 400 && message.contains("internal"), "{message}");
    let nobody = "/accounts/:a/workers/scripts/nobody/hearth/access";
    assert_eq!(hearth.api("GET", nobody, None).await.error().0, 404);
}
