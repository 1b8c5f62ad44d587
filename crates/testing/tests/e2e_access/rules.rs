//! Countries and groups in policies, and keys that are followed by others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_testing::{Hearth, Options, checkout};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::second_account::second_account;
use crate::{APPS, ECHO, everyone, person, policy, protect, sign_in};

const GROUPS: &str = "/accounts/:a/access/groups";
const KEYS: &str = "/accounts/:a/access/keys";

/// Addresses of countries, as the file has them that is made for tests.
const GERMAN: &str = "81.2.69.7";
const AMERICAN: &str = "2001:db8:a::1";

/// A server that knows where addresses are, behind a proxy that says whose they are.
async fn with_countries() -> Hearth {
    let mmdb = checkout().join("crates/gateway/tests/geo/city.mmdb");
    let config = format!("mmdb = [{mmdb:?}]\ntrusted-proxies = [\"127.0.0.1/32\"]\n");
    Hearth::start_with(Options { config, ..Options::default() }).await
}

/// Which key has signed a cookie's token.
fn kid(cookie: &str) -> String {
    let head = cookie.trim_start_matches("CF_Authorization=").split('.').next().unwrap_or_default();
    let head = URL_SAFE_NO_PAD.decode(head).expect("it is base64");
    let head: Value = serde_json::from_slice(&head).expect("it is JSON");
    head["kid"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn countries_and_groups_decide() {
    let mut hearth = with_countries().await;
    let host = hearth.host("guarded");
    hearth.deploy("guarded", ECHO).await;
    let group = |rules: Value| json!({ "name": "group", "include": [rules] });
    let made = hearth.api("POST", GROUPS, Some(group(json!({ "geo": { "country_code": "DE" } })))).await;
    let id = made.result()["id"].as_str().expect("an id").to_owned();
    let named = json!({ "group": { "id": id } });
    let app = protect(&hearth, "guarded.localhost", json!([policy("bypass", named.clone())])).await;
    let from = async |hearth: &Hearth, ip: &str| {
        hearth.get_with(&host, "/", &[("x-forwarded-for", ip), crate::HTML]).await.status
    };
    assert_eq!(from(&hearth, GERMAN).await, 200);
    for ip in ["127.0.0.1", "10.1.2.3", AMERICAN] {
        assert_eq!(from(&hearth, ip).await, 403, "{ip}");
    }
    // A group changes for all who name it, and not into what these may not ask.
    let path = format!("{GROUPS}/{id}");
    hearth.api("PUT", &path, Some(group(json!({ "geo": { "country_code": "US" } })))).await.result();
    assert_eq!((from(&hearth, GERMAN).await, from(&hearth, AMERICAN).await), (403, 200));
    let people = group(json!({ "email_domain": { "domain": "corp.test" } }));
    assert_eq!(hearth.api("PUT", &path, Some(people.clone())).await.error().0, 400);
    assert_eq!(hearth.api("DELETE", &path, None).await.error().0, 400, "a policy names it");
    assert_eq!(from(&hearth, AMERICAN).await, 200);

    // Staff, but not from there.
    let staff = hearth.api("POST", GROUPS, Some(people)).await.result()["id"].clone();
    let mut allow = policy("allow", json!({ "group": { "id": staff } }));
    allow["exclude"] = json!([named]);
    let document = json!({ "name": "test", "domain": "guarded.localhost", "policies": [allow] });
    let app = format!("{APPS}/{}", app["id"].as_str().expect("an id"));
    hearth.api("PUT", &app, Some(document)).await.result();
    let mut ann = person(&hearth, "ann@corp.test").await;
    let cookie = sign_in(&hearth, &mut ann, &host, "/").await;
    let signed = async |hearth: &Hearth, ip: &str| {
        hearth.get_with(&host, "/", &[("x-forwarded-for", ip), ("cookie", &cookie)]).await.status
    };
    assert_eq!((signed(&hearth, GERMAN).await, signed(&hearth, AMERICAN).await), (200, 403));

    // Another account's group is nobody's here.
    let other = second_account(&mut hearth).await;
    let path = GROUPS.replace(":a", &other.id);
    let body = group(everyone()).to_string();
    let theirs = hearth.api_raw("POST", &path, "application/json", body.into(), Some(&other.token)).await;
    let foreign = json!({ "group": { "id": theirs.result()["id"] } });
    let policies = json!([policy("bypass", foreign)]);
    let refused = hearth.api("POST", APPS, Some(crate::app("guarded.localhost/x", policies))).await;
    assert_eq!(refused.error().0, 400);
    assert_eq!(
        (signed(&hearth, GERMAN).await, signed(&hearth, AMERICAN).await),
        (200, 403),
        "after a restart too"
    );

    // Who no longer knows countries lets nobody in by them, nor past them.
    hearth.stop().await;
    hearth.configure("trusted-proxies = [\"127.0.0.1/32\"]\n");
    hearth.start_again().await;
    assert_eq!((signed(&hearth, GERMAN).await, signed(&hearth, AMERICAN).await), (403, 403));
    let geo = policy("bypass", json!({ "geo": { "country_code": "DE" } }));
    let refused =
        hearth.api("POST", APPS, Some(crate::app("guarded.localhost/x", json!([geo])))).await.error();
    assert!(refused.0 == 400 && refused.2.contains("mmdb"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_followed_by_others_and_known_until_what_they_signed_has_ended() {
    let mut hearth = Hearth::start().await;
    let host = hearth.host("guarded");
    hearth.deploy("guarded", ECHO).await;
    protect(&hearth, "guarded.localhost", json!([policy("allow", everyone())])).await;
    let mut ann = person(&hearth, "ann@corp.test").await;
    let before = sign_in(&hearth, &mut ann, &host, "/").await;
    let known = async |hearth: &Hearth| -> Vec<String> {
        let shown = hearth.get(&host, "/cdn-cgi/access/certs").await.json();
        let keys = shown["keys"].as_array().expect("keys").iter();
        keys.map(|key| key["kid"].as_str().expect("an id").to_owned()).collect()
    };
    let first = known(&hearth).await;
    let shown = hearth.api("POST", &format!("{KEYS}/rotate"), None).await.result().clone();
    assert_eq!(
        (&shown["key_rotation_interval_days"], &shown["days_until_next_rotation"]),
        (&json!(42), &json!(42))
    );
    let second = known(&hearth).await;
    assert_eq!((first.len(), second.len()), (1, 2));
    assert_eq!(second[1], first[0], "the one before is known still, behind the new one");
    let status =
        async |hearth: &Hearth, cookie: &str| hearth.get_with(&host, "/", &[("cookie", cookie)]).await.status;
    assert_eq!(status(&hearth, &before).await, 200);
    let after = sign_in(&hearth, &mut ann, &host, "/").await;
    assert_eq!(kid(&before), first[0]);
    assert_eq!(kid(&after), second[0], "from now on the new one signs");

    // The keys are the installation's: no account's token rotates them.
    let other = second_account(&mut hearth).await;
    let path = KEYS.replace(":a", &other.id);
    let token = Some(other.token.as_str());
    let seen = hearth.api_raw("GET", &path, "application/json", Default::default(), token).await;
    assert_eq!(seen.result()["key_rotation_interval_days"], 42);
    for (method, path) in [("POST", format!("{path}/rotate")), ("PUT", path)] {
        let body = json!({ "key_rotation_interval_days": 21 }).to_string();
        let refused = hearth.api_raw(method, &path, "application/json", body.into(), token).await;
        assert_eq!(refused.error().0, 403, "{method}");
    }
    // Both outlive the server, and how long one signs does.
    assert_eq!(known(&hearth).await, second);
    let days = json!({ "key_rotation_interval_days": 100 });
    let shown = hearth.api("PUT", KEYS, Some(days)).await.result().clone();
    assert_eq!(shown["days_until_next_rotation"], 100);
    hearth.kill().await;
    hearth.start_again().await;
    assert_eq!(hearth.api("GET", KEYS, None).await.result()["key_rotation_interval_days"], 100);
    assert_eq!(status(&hearth, &before).await, 200);

    // When what the first has signed has ended, it is forgotten with the next that is made.
    hearth.stop().await;
    let store = Connection::open(hearth.data().join("hearth.db")).expect("the store is there");
    let month = 32_i64 * 24 * 3600 * 1_000_000;
    store.execute("UPDATE access_keys SET created_on = created_on - ?", [month]).expect("they are older");
    drop(store);
    hearth.start_again().await;
    hearth.api("POST", &format!("{KEYS}/rotate"), None).await.result();
    let third = known(&hearth).await;
    assert_eq!(third[1..], second[..1], "the first is forgotten");
}
