//! What an account may have at most: each limit is reached by a real client, and another account goes on.

mod second_account;

use bytes::Bytes;
use hearth_testing::{Answer, BOUNDARY, Envelope, Form, Hearth, Options};
use http::Request;
use second_account::{Second, second_account};
use serde_json::{Value, json};

const WORKER: &str = "export default { fetch() { return new Response('here'); } }";

struct Limited {
    hearth: Hearth,
    second: Second,
}

impl Limited {
    async fn start() -> Self {
        let config = "[quotas]\nworkers = 50\n".to_owned();
        let mut hearth = Hearth::start_with(Options { config, ..Options::default() }).await;
        let second = second_account(&mut hearth).await;
        hearth.deploy("other", WORKER).await;
        Self { hearth, second }
    }

    /// Sets limits of the second account as its operator does.
    fn set(&self, changes: &[&str]) {
        let args = [&["quotas", "set"], changes, &["--account", &self.second.id]].concat();
        assert!(self.hearth.operator(&args).contains("limit"));
    }

    async fn call(&self, method: &str, path: &str, kind: &str, body: Bytes) -> Envelope {
        let path = format!("/accounts/{}{path}", self.second.id);
        self.hearth.api_raw(method, &path, kind, body, Some(&self.second.token)).await
    }

    async fn upload(&self, worker: &str) -> Envelope {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let path = format!("/workers/scripts/{worker}?excludeScript=true");
        self.call("PUT", &path, &kind, Form::module(WORKER).finish()).await
    }

    async fn deploy(&self, worker: &str) {
        self.upload(worker).await.result();
        let on = Bytes::from_static(b"{\"enabled\": true}");
        self.call("POST", &format!("/workers/scripts/{worker}/subdomain"), "", on).await.result();
    }

    async fn get(&self, worker: &str) -> Answer {
        self.hearth.get(&self.hearth.host(&format!("{worker}.second")), "/").await
    }

    async fn serves(&self, worker: &str) {
        assert_eq!(self.get(worker).await.text(), "here", "{worker}");
    }

    async fn refuses(&self, worker: &str, status: u16, text: &str) -> Answer {
        let answer = self.get(worker).await;
        assert!(answer.status == status && answer.text().contains(text), "{worker}: {answer:?}");
        assert_eq!(self.hearth.get(&self.hearth.host("other"), "/").await.text(), "here");
        answer
    }

    fn shown(&self) -> Value {
        let shown = self.hearth.operator(&["quotas", "show", "--json", "--account", &self.second.id]);
        serde_json::from_str(&shown).expect("it is JSON")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_is_reached_and_another_account_goes_on() {
    let limited = Limited::start().await;
    let (hearth, second) = (&limited.hearth, &limited.second);
    assert_eq!(limited.shown()["workers"], json!({"limit": 50, "used": 0, "own": false}));

    // Workers: by wrangler.
    limited.set(&["workers=2"]);
    for worker in ["a", "b"] {
        limited.deploy(worker).await;
    }
    let project = hearth.app("plain").env("CLOUDFLARE_ACCOUNT_ID", Some(&second.id));
    let project = project.env("CLOUDFLARE_API_TOKEN", Some(&second.token));
    let refused = project.wrangler(&["deploy"]).await.expect_failure();
    assert!(refused.contains("[code: 10037]"), "{refused}");
    limited.upload("a").await.result();
    hearth.deploy("another", WORKER).await;

    // Instances: one that was used a moment ago may still have something to do.
    limited.set(&["instances=1"]);
    limited.serves("a").await;
    let refused = limited.refuses("b", 503, "as many instances as it may").await;
    assert_eq!(refused.header("retry-after"), "1");
    limited.serves("a").await;
    assert_eq!(limited.shown()["instances"], json!({"limit": 1, "used": 1, "own": true}));
    limited.set(&["instances=2"]);
    limited.serves("b").await;

    // Memory: who runs goes on, nobody else begins.
    limited.set(&["workers=3", "instances=none", "memory-mb=1"]);
    limited.deploy("c").await;
    limited.refuses("c", 503, "as much memory").await;
    limited.serves("a").await;
    limited.set(&["memory-mb=default"]);
    limited.serves("c").await;

    // Storage.
    let title = Bytes::from_static(b"{\"title\": \"kept\"}");
    let namespace = limited.call("POST", "/storage/kv/namespaces", "", title).await.result()["id"].clone();
    let value = format!("/storage/kv/namespaces/{}/values/k", namespace.as_str().expect("an id"));
    let large = || Bytes::from(vec![b'x'; 700_000]);
    limited.set(&["storage-mb=1"]);
    limited.call("PUT", &value, "", large()).await.result();
    let (status, _, text) =
        limited.call("PUT", &value.replace("/values/k", "/values/l"), "", large()).await.error();
    assert!(status == 507 && text.contains("quota of 1048576 bytes"), "{status} {text}");
    let title = json!({"title": "theirs"});
    let theirs =
        hearth.api("POST", "/accounts/:a/storage/kv/namespaces", Some(title)).await.result()["id"].clone();
    let theirs = format!("/accounts/:a/storage/kv/namespaces/{}/values/k", theirs.as_str().expect("an id"));
    for _ in 0..2 {
        hearth.api_raw("PUT", &theirs, "", large(), Some(hearth.token())).await.result();
    }
    assert_eq!(limited.shown()["storage_mb"], json!({"limit": 1, "used": 1, "own": true}));
    // What is counted against the quota is what the overview tells by kind.
    let mut tries = 0;
    let stored = loop {
        let status = limited.call("GET", "/hearth/status", "", Bytes::new()).await;
        let stored = status.result()["storage_bytes"].clone();
        if stored["code"].as_u64().is_some_and(|bytes| bytes > 0) {
            break stored;
        }
        tries += 1;
        assert!(tries < 100, "code is not counted: {stored}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    let sum: u64 = stored.as_object().expect("kinds").values().filter_map(|bytes| bytes.as_u64()).sum();
    assert!(stored["kv"].as_u64() >= Some(700_000), "{stored}");
    assert_eq!(limited.shown()["storage_mb"]["used"], json!(sum.div_ceil(1 << 20)), "{stored}");

    // Requests, of all workers together.
    limited.set(&["requests-per-minute=3"]);
    for worker in ["a", "b", "c"] {
        limited.serves(worker).await;
    }
    let refused = limited.refuses("a", 429, "error code: 1027").await;
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=20).contains(&wait), "{wait}");
    let page = Request::get("/").header("host", hearth.host("a.second")).header("accept", "text/html");
    let page = hearth.send(page.body(Bytes::new()).expect("a request")).await.expect("an answer");
    assert!(page.text().contains("Error 1027") && page.text().contains("may have 3 in a minute"), "{page:?}");
    limited.set(&["requests-per-minute=none"]);
    limited.serves("a").await;

    // A member sees them and cannot change them; they outlive the server.
    let own = limited.call("GET", "/hearth/quotas", "", Bytes::new()).await;
    assert_eq!(own.result()["workers"], json!({"limit": 3, "used": 3, "own": true}));
    let more = Bytes::from_static(b"{\"workers\": 99}");
    assert_eq!(limited.call("PUT", "/hearth/quotas", "", more).await.error().0, 403);
    let Limited { mut hearth, second } = limited;
    hearth.stop().await;
    hearth.start_again().await;
    let limited = Limited { hearth, second };
    assert_eq!(limited.upload("d").await.error().1, 10037);
    // What there is, is counted beside the traffic.
    let mut tries = 0;
    while limited.call("PUT", &value.replace("/values/k", "/values/l"), "", large()).await.status == 200 {
        tries += 1;
        assert!(tries < 100, "what there was before is not counted");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Answers its host and its service bindings.
const CALLEE: &str = r#"
import { WorkerEntrypoint } from "cloudflare:workers";
export class Room extends WorkerEntrypoint { async open() { return "here"; } }
export default { fetch() { return new Response("here"); } };
"#;

/// Says what came of a request over a service binding and of a call to an entrypoint.
const CALLER: &str = r#"
export default {
  async fetch(request, env) {
    const answer = await env.CALLEE.fetch("http://callee/");
    const called = await env.ROOM.open().catch((error) => error.message);
    return Response.json([answer.status, await answer.text(), called]);
  },
};
"#;

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_whichever_way_they_come() {
    let limited = Limited::start().await;
    let (hearth, second) = (&limited.hearth, &limited.second);
    let put = async |worker: &str, bindings: Value, source: &str| {
        let metadata =
            json!({ "main_module": "index.js", "compatibility_date": "2026-01-01", "bindings": bindings });
        let form = Form::default().metadata(&metadata.to_string());
        let form = form.part("index.js", "application/javascript+module", source).finish();
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let path = format!("/workers/scripts/{worker}?excludeScript=true");
        limited.call("PUT", &path, &kind, form).await.result();
        let on = Bytes::from_static(b"{\"enabled\": true}");
        limited.call("POST", &format!("/workers/scripts/{worker}/subdomain"), "", on).await.result();
    };
    put("callee", json!([]), CALLEE).await;
    let bindings = json!([
        { "type": "service", "name": "CALLEE", "service": "callee" },
        { "type": "service", "name": "ROOM", "service": "callee", "entrypoint": "Room" },
    ]);
    put("caller", bindings, CALLER).await;
    let bearer = format!("Bearer {}", second.token);
    let dialect = async |path: &str, body: Value| {
        let request = Request::post(path).header("host", "localhost").header("authorization", &bearer);
        let request = request.body(Bytes::from(body.to_string())).expect("a request");
        hearth.send(request).await.expect("an answer")
    };
    let made = async |path: &str, body: Value| {
        let made = dialect(path, body).await;
        assert_eq!(made.status, 201, "{made:?}");
        format!("{path}/{}/invoke", made.json()["id"].as_str().expect("an id"))
    };
    let code = "function h() { return 'here' }";
    let event = json!({"name": "f", "runtime": "nodejs", "handler": "h", "code": code});
    let event = made("/api/v1/functions", event).await;
    let routed = json!({"name": "f", "code": "function handler() { return 'here' }"});
    let routed = made("/api/functions", routed).await;

    // What a minute has room for goes well, what comes then is told so in its own way.
    let refusal = |limit: u32| format!("Too many requests: this account may have {limit} in a minute.");
    for (limit, fetched, called) in [
        ("none", (200, "here".to_owned()), "here".to_owned()),
        ("2", (200, "here".to_owned()), refusal(2)),
        ("1", (429, format!("{}\n", refusal(1))), refusal(1)),
    ] {
        limited.set(&[&format!("requests-per-minute={limit}")]);
        let seen = limited.get("caller").await.json();
        assert_eq!(seen, json!([fetched.0, fetched.1, called]), "of {limit}");
    }
    for (way, answer) in [(&event, "/result"), (&routed, "/body")] {
        limited.set(&["requests-per-minute=1"]);
        limited.set(&["requests-per-minute=2"]);
        for _ in 0..2 {
            let answered = dialect(way, json!({})).await.json();
            assert_eq!(answered.pointer(answer), Some(&json!("here")), "{answered}");
        }
        let refused = dialect(way, json!({})).await;
        assert_eq!((refused.status, &refused.json()["error"]), (429, &json!(refusal(2))), "{refused:?}");
        let wait: u64 = refused.header("retry-after").parse().expect("seconds");
        assert!((1..=30).contains(&wait), "{wait}");
        limited.refuses("callee", 429, "error code: 1027").await;
    }
    limited.set(&["requests-per-minute=1"]);
    limited.set(&["requests-per-minute=2"]);
    let s3 = hearth.app("s3").env("CLOUDFLARE_ACCOUNT_ID", Some(&second.id));
    let s3 = s3.env("CLOUDFLARE_API_TOKEN", Some(&second.token));
    let s3 = s3.env("S3_ENDPOINT", Some(&format!("http://{}", hearth.s3_address())));
    s3.python("pace.py").await.expect_ok();
    limited.refuses("callee", 429, "error code: 1027").await;
}
