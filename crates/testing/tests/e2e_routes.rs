//! How a request finds its worker: routes, custom domains, the control host, path mode.

use hearth_testing::{Hearth, Options};

#[tokio::test(flavor = "multi_thread")]
async fn routes_and_custom_domains() {
    let hearth = Hearth::start().await;
    let project = hearth.app("plain");
    project.edit(
        "wrangler.jsonc",
        "\"vars\": { \"WORD\": \"first\" },",
        r#""vars": { "WORD": "first" },
        "routes": [
          { "pattern": "example.com/shop/*", "zone_name": "example.com" },
          { "pattern": "*.wild.example.com/*", "zone_name": "example.com" },
          { "pattern": "whole.example.com", "custom_domain": true }
        ],"#,
    );
    project.wrangler(&["deploy", "--env", ""]).await.expect_ok();
    for (host, path, status) in [
        ("example.com", "/shop/a", 200),
        ("EXAMPLE.com", "/shop/", 200),
        ("example.com:80", "/shop/a", 200),
        ("example.com", "/other", 404),
        ("example.com", "/", 404),
        ("a.wild.example.com", "/x", 200),
        ("wild.example.com", "/x", 404),
        ("whole.example.com", "/x?y", 200),
        ("unknown.example.com", "/", 404),
    ] {
        let answer = hearth.get(host, path).await;
        assert_eq!(answer.status, status, "{host}{path}: {}", answer.text());
    }
    // The more specific pattern wins, and another worker cannot take a pattern that has an owner.
    let special = hearth.app("plain");
    special.edit("wrangler.jsonc", "\"name\": \"plain\"", "\"name\": \"special\"");
    special.edit("wrangler.jsonc", "\"WORD\": \"first\"", "\"WORD\": \"special\"");
    special.wrangler(&["deploy", "--env", "", "--route", "example.com/shop/special/*"]).await.expect_ok();
    assert_eq!(hearth.get("example.com", "/shop/special/1").await.json()["word"], "special");
    assert_eq!(hearth.get("example.com", "/shop/speci").await.json()["word"], "first");
    special.wrangler(&["deploy", "--env", "", "--route", "example.com/shop/*"]).await.expect_failure();
    assert_eq!(hearth.get("example.com", "/shop/a").await.json()["word"], "first");

    // Routes that a deploy no longer names are gone.
    project.wrangler(&["deploy", "--env", "", "--route", "only.example.com/*"]).await.expect_ok();
    assert_eq!(hearth.get("only.example.com", "/").await.status, 200);
    assert_eq!(hearth.get("example.com", "/shop/a").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_host_is_not_a_worker_and_no_worker_is_the_control_host() {
    let hearth = Hearth::start().await;
    hearth.app("plain").wrangler(&["deploy", "--env", ""]).await.expect_ok();
    let control = format!("localhost:{}", hearth.address().port());
    assert_eq!(hearth.get(&control, "/health").await.status, 200);
    assert_eq!(hearth.get(&hearth.address().to_string(), "/health").await.status, 200);
    // The worker's own /health and API-like paths are the worker's.
    for path in ["/health", "/client/v4/accounts", "/metrics"] {
        assert_eq!(hearth.get(&hearth.host("plain"), path).await.json()["path"], path);
    }
    // People are signed in on the control host: nothing that it gives out is a page there, but the console, which nobody frames.
    let account = hearth.account();
    hearth
        .api("POST", "/accounts/:a/r2/buckets", Some(serde_json::json!({ "name": "pages" })))
        .await
        .result();
    let object = "/accounts/:a/r2/buckets/pages/objects/x.html";
    let page = bytes::Bytes::from_static(b"<script>alert(1)</script>");
    hearth.api_raw("PUT", object, "text/html", page, Some(hearth.token())).await.result();
    let (bearer, object) =
        (format!("Bearer {}", hearth.token()), format!("/client/v4{}", object.replace(":a", account)));
    for path in [&object, "/client/v4/none", "/health", "/api/session", "/none", "/inspector/none", "/"] {
        let answer = hearth.get_with(&control, path, &[("authorization", &bearer)]).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(path == "/" || policy.ends_with("; sandbox"), "{path}: {policy}");
    }
    let unknown = hearth.get(&hearth.host("nobody"), "/").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("nobody.localhost"), "{}", unknown.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn path_mode_strips_the_worker_and_only_on_its_hosts() {
    let args = vec!["--path-host".to_owned(), "paths.example.com".to_owned()];
    let hearth = Hearth::start_with(Options { args, ..Options::default() }).await;
    hearth.app("plain").wrangler(&["deploy", "--env", ""]).await.expect_ok();
    assert_eq!(hearth.get("paths.example.com", "/plain/a/b?c").await.json()["path"], "/a/b");
    assert_eq!(hearth.get("paths.example.com", "/plain").await.json()["path"], "/");
    assert_eq!(hearth.get("paths.example.com", "/nobody/a").await.status, 404);
    let control = format!("localhost:{}", hearth.address().port());
    assert_eq!(hearth.get(&control, "/plain/a").await.status, 401, "a management path like any other");
}
