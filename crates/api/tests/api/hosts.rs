//! Where workers are served: subdomain, routes, custom domains, zones; and cron.

use axum::body::Body;
use hearth_api::Change;
use http::Request;
use serde_json::{Value, json};

use crate::support::{CODE, Hearth, TOKEN};

async fn demo() -> Hearth {
    let hearth = Hearth::start().await;
    hearth.deploy("demo", json!({}), CODE).await.result();
    hearth.notes.take_changes();
    hearth
}

#[tokio::test]
async fn the_subdomain_is_switched_and_names_this_installation() {
    let hearth = demo().await;
    assert!(hearth.get("W/subdomain").await.result()["subdomain"].is_string());
    let before = hearth.get("W/workers/demo").await;
    assert_eq!(before.result()["subdomain"]["enabled"], false);
    let on = hearth.post("W/scripts/demo/subdomain", json!({"enabled": true})).await;
    assert_eq!((&on.result()["enabled"], &on.result()["previews_enabled"]), (&json!(true), &json!(true)));
    assert!(matches!(hearth.notes.take_changes()[..], [Change::Worker(_)]));
    let worker = hearth.get("W/workers/demo").await;
    let subdomain = &worker.result()["subdomain"];
    assert_eq!(subdomain["url"], "http://demo.localhost:8787");
    assert_eq!(subdomain["preview_url_suffix"], "-demo.localhost:8787");
    let id = worker.result()["id"].as_str().unwrap();
    assert_eq!(hearth.get(&format!("W/workers/{id}")).await.result()["name"], "demo");
    hearth
        .post("W/scripts/demo/subdomain", json!({"enabled": true, "previews_enabled": false}))
        .await
        .result();
    let now = hearth.get("W/scripts/demo/subdomain").await;
    assert_eq!((&now.result()["enabled"], &now.result()["previews_enabled"]), (&json!(true), &json!(false)));
    hearth.delete("W/scripts/demo/subdomain").await.result();
    assert_eq!(hearth.get("W/scripts/demo/subdomain").await.result()["enabled"], false);
    assert_eq!(hearth.get("W/workers/nobody").await.code(), 10007);
}

#[tokio::test]
async fn an_accounts_subdomain_can_be_asked_for_and_changed() {
    let hearth = demo().await;
    hearth.store.create_account("taken").await.unwrap();
    assert_eq!(hearth.get("W/subdomains/taken").await.code(), 10031);
    assert_eq!(hearth.get("W/subdomains/free-one").await.code(), 10032);
    assert_eq!(hearth.put("W/subdomain", json!({"subdomain": "taken"})).await.code(), 10031);
    let put = hearth.put("W/subdomain", json!({"subdomain": "mine"})).await;
    assert_eq!(put.result()["subdomain"], "mine");
    assert_eq!(hearth.notes.take_changes(), [Change::Accounts]);
}

#[tokio::test]
async fn workers_are_made_changed_and_deleted_as_one_thing() {
    let hearth = Hearth::start().await;
    let made = hearth.post("W/workers", json!({"name": "demo", "subdomain": {"enabled": true}})).await;
    assert_eq!(made.result()["subdomain"]["enabled"], true);
    assert_eq!(hearth.post("W/workers", json!({"name": "demo"})).await.status.as_u16(), 409);
    let changed =
        hearth.patch("W/workers/demo", json!({"subdomain": {"previews_enabled": true}, "tags": ["t"]})).await;
    let subdomain = &changed.result()["subdomain"];
    assert_eq!((&subdomain["enabled"], &subdomain["previews_enabled"]), (&json!(true), &json!(true)));
    assert_eq!(hearth.patch("W/workers/demo", json!({"name": "other"})).await.code(), 10501);
    hearth.delete("W/workers/demo").await.result();
    assert_eq!(hearth.get("W/workers/demo").await.code(), 10007);
}

#[tokio::test]
async fn schedules_are_stored_and_replaced() {
    let hearth = demo().await;
    hearth
        .put("W/scripts/demo/schedules", json!([{"cron": "*/5 * * * *"}, {"cron": "0 0 * * MON"}]))
        .await
        .result();
    let list = hearth.get("W/scripts/demo/schedules").await;
    assert_eq!(list.result()["schedules"][1]["cron"], "0 0 * * MON");
    let bad = hearth.put("W/scripts/demo/schedules", json!([{"cron": "every day"}])).await;
    assert_eq!((bad.status.as_u16(), bad.code()), (400, 10100));
    hearth.put("W/scripts/demo/schedules", json!([])).await.result();
    assert_eq!(hearth.get("W/scripts/demo/schedules").await.result()["schedules"], json!([]));
}

async fn zone(hearth: &Hearth, name: &str) -> String {
    let list = hearth.get(&format!("zones?name={name}&account.id={}", hearth.account)).await;
    list.result()[0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn routes_are_replaced_with_a_deploy() {
    let hearth = demo().await;
    let routes = json!([{"pattern": "example.com/*", "zone_name": "example.com"}, {"pattern": "api.example.com/v1/*"}]);
    hearth.put("W/scripts/demo/routes", routes).await.result();
    assert_eq!(hearth.notes.take_changes(), [Change::Routes]);
    let zone = zone(&hearth, "example.com").await;
    let seen = hearth.get(&format!("zones/{zone}/workers/routes")).await;
    let patterns: Vec<&Value> =
        seen.result().as_array().unwrap().iter().map(|route| &route["pattern"]).collect();
    assert_eq!(patterns, ["api.example.com/v1/*", "example.com/*"]);
    assert_eq!(seen.result()[0]["script"], "demo");
    hearth.deploy("other", json!({}), CODE).await.result();
    let taken = hearth.put("W/scripts/other/routes", json!([{"pattern": "example.com/*"}])).await;
    assert_eq!((taken.status.as_u16(), taken.code()), (409, 10020));
    assert!(taken.error().2.contains("demo"), "{}", taken.error().2);
    for bad in ["a.*.com/*", "example.com/*/x", "example.com/?q", ""] {
        assert_eq!(
            hearth.put("W/scripts/demo/routes", json!([{"pattern": bad}])).await.code(),
            10022,
            "{bad}"
        );
    }
    hearth.put("W/scripts/demo/routes", json!([])).await.result();
    assert_eq!(hearth.get("W/scripts/demo/routes").await.result(), &json!([]));
}

#[tokio::test]
async fn a_zones_routes_are_edited_one_by_one() {
    let hearth = demo().await;
    let zone = zone(&hearth, "example.org").await;
    let routes = format!("zones/{zone}/workers/routes");
    let made = hearth.post(&routes, json!({"pattern": "example.org/*", "script": "demo"})).await;
    let id = made.result()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        hearth.post(&routes, json!({"pattern": "example.org/*", "script": "demo"})).await.code(),
        10020
    );
    assert_eq!(
        hearth.post(&routes, json!({"pattern": "elsewhere.org/*", "script": "demo"})).await.code(),
        10022
    );
    assert_eq!(
        hearth.post(&routes, json!({"pattern": "example.org/x", "script": "nobody"})).await.code(),
        10007
    );
    let route = format!("{routes}/{id}");
    hearth.put(&route, json!({"pattern": "example.org/off/*"})).await.result();
    assert!(hearth.get(&route).await.result()["script"].is_null());
    assert_eq!(hearth.delete(&route).await.result()["id"], id.as_str());
    assert_eq!(hearth.get(&route).await.error().0, 404);
    hearth.delete(&format!("zones/{zone}")).await.result();
    assert_eq!(hearth.get(&routes).await.code(), 7003);
}

#[tokio::test]
async fn asking_for_a_zone_claims_it_unless_a_parent_is_there() {
    let hearth = demo().await;
    let id = zone(&hearth, "example.net").await;
    assert_eq!(zone(&hearth, "example.net").await, id);
    let inside = hearth.get(&format!("zones?name=a.example.net&account.id={}", hearth.account)).await;
    assert_eq!(inside.result(), &json!([]));
    let nobody = hearth.get("zones?name=unclaimed.example").await;
    assert_eq!(nobody.result(), &json!([]), "without an account nothing is claimed");
    // A session's cookie goes along with what other pages ask, such as those of workers.
    let asked = format!("/client/v4/zones?name=unclaimed.example&account.id={}", hearth.account);
    for (name, value) in [("sec-fetch-site", "same-site"), ("origin", "http://demo.localhost:8787")] {
        let request = Request::get(&asked).header("authorization", format!("Bearer {TOKEN}"));
        let request = request.header("host", "localhost:8787").header(name, value).body(Body::empty());
        let foreign = hearth.send(request.unwrap()).await;
        assert_eq!(foreign.result(), &json!([]), "a page of another origin: {name}");
    }
    let body = json!({"name": "made.example", "account": {"id": hearth.account}});
    assert_eq!(hearth.post("zones", body.clone()).await.result()["name"], "made.example");
    assert_eq!(hearth.post("zones", body).await.error().0, 409);
    assert_eq!(hearth.get("zones").await.result().as_array().unwrap().len(), 2);
    assert_eq!(hearth.get(&format!("zones/{id}")).await.result()["name"], "example.net");
}

#[tokio::test]
async fn custom_domains_are_announced_written_and_taken_over() {
    let hearth = demo().await;
    hearth.deploy("other", json!({}), CODE).await.result();
    hearth.notes.take_changes();
    let origins = json!([{"hostname": "app.example.com", "zone_name": "example.com"}]);
    let path = "W/scripts/demo/domains/changeset?replace_state=true";
    let changes = hearth.post(path, origins.clone()).await;
    assert_eq!(changes.result()["added"][0]["hostname"], "app.example.com");
    let records = |origins: &Value, take: bool| json!({"override_scope": true, "override_existing_origin": take, "override_existing_dns_record": false, "origins": origins});
    hearth.put("W/scripts/demo/domains/records", records(&origins, false)).await.result();
    assert_eq!(hearth.notes.take_changes(), [Change::Domains]);
    let list = hearth.get("W/domains/records?page=0&per_page=5&service=demo&environment=production").await;
    let entry = &list.result()[0];
    assert_eq!((&entry["service"], &entry["zone_name"]), (&json!("demo"), &json!("example.com")));
    let id = entry["id"].as_str().unwrap();
    assert_eq!(hearth.get(&format!("W/domains/records/{id}")).await.result(), entry);

    let conflict = hearth.post("W/scripts/other/domains/changeset?replace_state=true", origins.clone()).await;
    assert_eq!(conflict.result()["conflicting"][0]["service"], "demo");
    let refused = hearth.put("W/scripts/other/domains/records", records(&origins, false)).await;
    assert_eq!(refused.error().0, 409);
    hearth.put("W/scripts/other/domains/records", records(&origins, true)).await.result();
    assert_eq!(hearth.get("W/domains?service=demo").await.result(), &json!([]));

    let sdk = json!({"hostname": "two.example.com", "service": "demo", "environment": "production"});
    let put = hearth.put("W/domains", sdk).await;
    let id = put.result()["id"].as_str().unwrap();
    hearth.delete(&format!("W/domains/{id}")).await.result();
    assert_eq!(hearth.get(&format!("W/domains/{id}")).await.error().0, 404);
    assert_eq!(hearth.get("W/domains?hostname=app.example.com").await.result().as_array().unwrap().len(), 1);
    assert_eq!(hearth.put("W/domains", json!({"hostname": "a b", "service": "demo"})).await.code(), 10022);
}

#[tokio::test]
async fn hosts_below_a_base_domain_are_nobodys_to_claim() {
    let hearth = demo().await;
    hearth.notes.take_changes();
    let host = "other.localhost";
    let origins = json!([{"hostname": host}]);
    let zone = zone(&hearth, "example.com").await;
    let refused = [
        hearth.post("W/scripts/demo/domains/changeset", origins.clone()).await,
        hearth.put("W/scripts/demo/domains/records", json!({"origins": origins})).await,
        hearth.put("W/domains", json!({"hostname": host, "service": "demo"})).await,
        hearth.put("W/scripts/demo/routes", json!([{"pattern": "*.localhost/*"}])).await,
        hearth.post(&format!("zones/{zone}/workers/routes"), json!({"pattern": "a.localhost/*"})).await,
        hearth.post("zones", json!({"name": host, "account": {"id": hearth.account}})).await,
        hearth.get(&format!("zones?name={host}&account.id={}", hearth.account)).await,
    ];
    for (index, answer) in refused.iter().enumerate() {
        let (status, code, message) = answer.error();
        assert_eq!((status, code), (400, 10022), "{index}: {message}");
        assert!(message.contains("below `localhost`"), "{index}: {message}");
    }
    assert!(hearth.notes.take_changes().is_empty());
    assert_eq!(hearth.get("zones").await.result().as_array().unwrap().len(), 1);
    assert_eq!(hearth.get("W/domains").await.result(), &json!([]));
}
