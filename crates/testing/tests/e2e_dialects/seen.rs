//! What the dialects make is seen by the names that it is listed under.

use hearth_testing::{Hearth, Printed};
use serde_json::{Value, json};

use crate::call;

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_shows_what_dialects_made_by_its_name() {
    let hearth = Hearth::start().await;
    let code = "addEventListener('fetch', (event) => { console.log('deployed'); event.respondWith(new Response('v1')); });";
    let body = json!({ "runtime": "js", "code": code, "version": "v1" });
    assert_eq!(call(&hearth, "POST", "/api/deploy/envTest", &body).await.status, 200);
    let code = "function handler(request) { console.log('routed'); throw new RangeError('too far'); }";
    let body = json!({ "name": "routed", "route": "/a/b", "code": code });
    let made = call(&hearth, "POST", "/api/functions", &body).await.json();
    let listed = hearth.api("GET", "/accounts/:a/workers/scripts", None).await;
    let names: Vec<&Value> = listed.result().as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(names, ["envTest", "routed"]);

    let project = hearth.app("tail");
    let mut deployed = Printed::wrangler(&project, "envTest", &[]);
    let mut routed = Printed::wrangler(&project, "routed", &["--search", "routed"]);
    hearth.watched("envTest", 1).await;
    hearth.watched("routed", 1).await;
    assert_eq!(hearth.get(&hearth.host("envtest"), "/").await.text(), "v1");
    let local = format!("localhost:{}", hearth.address().port());
    assert_eq!(hearth.get(&local, "/fn/a/b").await.status, 500);
    let path = format!("/api/functions/{}/invoke", made["id"].as_str().expect("an id"));
    call(&hearth, "POST", &path, &json!({ "path": "/invoked" })).await;

    let seen = deployed.until("a request", |seen| !seen.is_empty()).await;
    assert_eq!((&seen[0]["scriptName"], &seen[0]["outcome"]), (&json!("envTest"), &json!("ok")));
    assert_eq!(seen[0]["logs"][0]["message"], json!(["deployed"]));
    let seen = routed.until("both calls", |seen| seen.len() == 2).await;
    for one in &seen {
        assert_eq!(one["logs"][0]["message"], json!(["routed"]), "{seen:#?}");
    }
    assert!(seen.iter().any(|one| one["event"]["request"]["url"].as_str().unwrap().ends_with("/invoked")));

    // A worker has its name before others. What is called the same else is told apart by its id.
    let body = json!({ "name": "routed", "runtime": "nodejs", "handler": "h", "code": "const h = () => 1;" });
    let other = call(&hearth, "POST", "/api/v1/functions", &body).await.json();
    let tails = "/accounts/:a/workers/scripts/routed/tails";
    let (status, _, message) = hearth.api("GET", tails, None).await.error();
    assert_eq!(status, 400);
    assert!(message.contains(other["id"].as_str().expect("an id")), "{message}");
    let path = format!("/accounts/:a/workers/scripts/{}/tails", other["id"].as_str().expect("an id"));
    assert_eq!(hearth.api("GET", &path, None).await.result(), &json!([]));
    hearth.deploy("routed", "export default { fetch: () => new Response('worker') }").await;
    assert_eq!(hearth.api("GET", tails, None).await.result(), &json!([]));
}
