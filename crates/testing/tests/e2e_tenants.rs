//! What one account tries at another's: its resources by binding and by REST, its workers, hosts, tails, files and keys.

mod second_account;

use bytes::Bytes;
use hearth_testing::{BOUNDARY, Envelope, Form, Hearth};
use second_account::{Second, second_account};
use serde_json::{Value, json};

/// What the first account has, whose second account tries to get at.
const VAULT: &str = r#"
import { DurableObject, WorkflowEntrypoint, WorkerEntrypoint } from "cloudflare:workers";
export class Safe extends DurableObject { async open() { return "of the vault"; } }
export class Plan extends WorkflowEntrypoint { async run() { return "of the vault"; } }
export class Door extends WorkerEntrypoint { async open() { return "of the vault"; } }
export default {
  async fetch(request, env) {
    await caches.default.put("https://cached.test/a", new Response("of the vault", { headers: { "cache-control": "max-age=600" } }));
    return new Response(await env.SAFE.get(env.SAFE.idFromName("one")).open());
  },
  async scheduled() {},
  async queue() {},
};
"#;

/// Tries what code can try: to be taken for another binding, and to be served what is not its own.
const THIEF: &str = r#"
const tried = async (attempt) => {
  try {
    const got = await attempt();
    return got instanceof Response ? `${got.status} ${await got.text()}` : String(got);
  } catch (error) { return `threw ${error.message}`; }
};
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/seen") return Response.json(Object.fromEntries(request.headers));
    const keys = ["0", "1", "2", "b0", "cache", "workflows", url.searchParams.get("namespace")];
    const seen = [];
    for (const key of keys) {
      const headers = { "x-hearth-binding": key, "X-Hearth-Binding": key };
      const asked = (at) => new Request(at, { headers });
      seen.push(await tried(() => caches.default.match(asked("https://cached.test/a"))));
      seen.push(await tried(() => caches.default.match(asked("http://bindings/secret"))));
      seen.push(await tried(() => env.SELF.fetch(asked("http://self/seen"))));
      seen.push(await tried(() => fetch(asked(`http://${url.searchParams.get("theirs")}/`))));
      seen.push(await tried(() => fetch(asked("http://unix:/run/hearth/bindings.sock/secret"))));
    }
    seen.push(await tried(() => env.KV.get("secret")));
    return Response.json(seen);
  },
};
"#;

struct Two {
    hearth: Hearth,
    second: Second,
    /// Ids of what the first account has.
    has: Value,
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn form(bindings: Value, more: Value, source: &str) -> Bytes {
    let mut metadata =
        json!({ "main_module": "index.js", "compatibility_date": "2026-01-01", "bindings": bindings });
    for (name, value) in more.as_object().expect("an object") {
        metadata[name] = value.clone();
    }
    let form = Form::default().metadata(&metadata.to_string());
    form.part("index.js", "application/javascript+module", source).finish()
}

impl Two {
    async fn start() -> Self {
        let mut hearth = Hearth::start().await;
        let second = second_account(&mut hearth).await;
        let make = async |path: &str, body: Value| {
            hearth.api("POST", &format!("/accounts/:a{path}"), Some(body)).await.result().clone()
        };
        let namespace = make("/storage/kv/namespaces", json!({ "title": "vault" })).await;
        make("/r2/buckets", json!({ "name": "vault" })).await;
        let database = make("/d1/database", json!({ "name": "vault" })).await;
        let queue = make("/queues", json!({ "queue_name": "vault" })).await;
        let value = format!("/accounts/:a/storage/kv/namespaces/{}/values/secret", text(&namespace, "id"));
        let token = Some(hearth.token());
        hearth.api_raw("PUT", &value, "", Bytes::from_static(b"of the vault"), token).await.result();
        let object = "/accounts/:a/r2/buckets/vault/objects/o";
        hearth.api_raw("PUT", object, "", Bytes::from_static(b"of the vault"), token).await.result();
        let bindings = json!([
            { "type": "durable_object_namespace", "name": "SAFE", "class_name": "Safe" },
            { "type": "workflow", "name": "PLAN", "workflow_name": "plan", "class_name": "Plan" },
            { "type": "kv_namespace", "name": "KV", "namespace_id": namespace["id"] },
        ]);
        let more = json!({
            "migrations": { "new_tag": "v1", "steps": [{ "new_sqlite_classes": ["Safe"] }] },
            "observability": { "enabled": true },
        });
        hearth.upload("vault", form(bindings, more, VAULT)).await.result();
        let plan = json!({ "script_name": "vault", "class_name": "Plan" });
        hearth.api("PUT", "/accounts/:a/workflows/plan", Some(plan)).await.result();
        let on = Some(json!({ "enabled": true }));
        hearth.api("POST", "/accounts/:a/workers/scripts/vault/subdomain", on).await.result();
        let account = json!({ "id": hearth.account() });
        let zone = json!({ "name": "vault.test", "account": account });
        let zone = hearth.api("POST", "/zones", Some(zone)).await.result()["id"].clone();
        let routes = format!("/zones/{}/workers/routes", zone.as_str().expect("an id"));
        let route = json!({ "pattern": "vault.test/*", "script": "vault" });
        let route = hearth.api("POST", &routes, Some(route)).await.result()["id"].clone();
        let domain = json!({ "hostname": "www.vault.test", "service": "vault" });
        let domain =
            hearth.api("PUT", "/accounts/:a/workers/domains", Some(domain)).await.result()["id"].clone();
        make("/pages/projects", json!({ "name": "site", "production_branch": "main" })).await;
        assert_eq!(hearth.get("vault.test", "/").await.text(), "of the vault");
        let listed = hearth.api("GET", "/accounts/:a/workers/durable_objects/namespaces", None).await;
        let has = json!({
            "kv": namespace["id"], "d1": database["uuid"], "queue": queue["queue_id"], "zone": zone,
            "route": route, "domain": domain, "objects": listed.result()[0]["id"],
        });
        Self { hearth, second, has }
    }

    /// A call of the second account; `:b` stands for it.
    async fn call(&self, method: &str, path: &str, body: Value) -> Envelope {
        let path = path.replace(":b", &self.second.id);
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.hearth.api_raw(method, &path, "application/json", body, Some(&self.second.token)).await
    }

    /// What the second account has leads to nothing of the first one's, whatever it is told to do.
    async fn what_is_its_own_leads_to_nothing_of_others(&self) {
        let make = async |path: &str, body: Value| self.call("POST", path, body).await.result().clone();
        let queue = make("/accounts/:b/queues", json!({ "queue_name": "own" })).await;
        make("/accounts/:b/r2/buckets", json!({ "name": "own" })).await;
        let zone = make("/zones", json!({ "name": "own.test", "account": { "id": self.second.id } })).await;
        let theirs = async |path: &str, body: Value| {
            self.hearth.api("POST", &format!("/accounts/:a{path}"), Some(body)).await.result().clone()
        };
        let everyone = json!([{ "everyone": {} }]);
        let policy = json!({ "name": "all", "decision": "allow", "include": everyone });
        let policy = theirs("/access/policies", policy).await;
        let app =
            json!({ "name": "guarded", "domain": "vault.localhost/guarded", "policies": [policy["id"]] });
        let app = theirs("/access/apps", app).await;
        let token = theirs("/access/service_tokens", json!({ "name": "ci" })).await;
        let versions = self.hearth.api("GET", "/accounts/:a/workers/scripts/vault/versions", None).await;
        let share = json!({ "version_id": versions.result()["items"][0]["id"], "percentage": 100 });

        let (b, vault) = ("/accounts/:b", text(&self.has, "queue"));
        let (queue, zone) = (text(&queue, "queue_id"), text(&zone, "id"));
        let app = format!("{b}/access/apps/{}", text(&app, "id"));
        let policy_id = text(&policy, "id");
        let policy = format!("{b}/access/policies/{policy_id}");
        let token = format!("{b}/access/service_tokens/{}", text(&token, "id"));
        let source = json!({ "type": "r2" });
        let destination = json!({ "type": "queues.queue", "queue_id": vault });
        let heard = json!({ "name": "s", "source": source, "destination": destination, "events": ["bucket.created"] });
        let own =
            |domain: &str, policies: Value| json!({ "name": "x", "domain": domain, "policies": policies });
        for (method, path, body) in [
            (
                "POST",
                format!("{b}/workers/scripts/thief/domains/changeset"),
                json!([{ "hostname": "www.vault.test" }]),
            ),
            (
                "POST",
                format!("{b}/workers/scripts/thief/deployments"),
                json!({ "strategy": "percentage", "versions": [share] }),
            ),
            (
                "POST",
                format!("{b}/queues/{queue}/consumers"),
                json!({ "type": "worker", "script_name": "vault" }),
            ),
            (
                "PUT",
                format!("{b}/event_notifications/r2/own/configuration/queues/{vault}"),
                json!({ "rules": [{ "actions": ["PutObject"] }] }),
            ),
            ("POST", format!("{b}/event_subscriptions/subscriptions"), heard),
            (
                "POST",
                format!("/zones/{zone}/workers/routes"),
                json!({ "pattern": "own.test/*", "script": "vault" }),
            ),
            ("GET", app.clone(), Value::Null),
            ("PUT", app.clone(), own("a.second.localhost", json!([]))),
            ("POST", format!("{app}/revoke_tokens"), json!({})),
            ("DELETE", app, Value::Null),
            ("GET", policy.clone(), Value::Null),
            ("PUT", policy.clone(), json!({ "name": "x", "decision": "bypass", "include": everyone })),
            ("DELETE", policy, Value::Null),
            ("GET", token.clone(), Value::Null),
            ("POST", format!("{token}/rotate"), json!({})),
            ("DELETE", token, Value::Null),
            ("POST", format!("{b}/access/apps"), own("a.second.localhost", json!([policy_id]))),
            ("POST", format!("{b}/access/apps"), own("www.vault.test", json!([]))),
            ("POST", format!("{b}/access/apps"), own("vault.localhost", json!([]))),
        ] {
            let refused = self.call(method, &path, body).await;
            assert!((400..500).contains(&refused.error().0), "{method} {path}: {refused:?}");
        }
    }

    async fn upload(&self, name: &str, form: Bytes) -> Envelope {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let path = format!("/accounts/{}/workers/scripts/{name}?excludeScript=true", self.second.id);
        self.hearth.api_raw("PUT", &path, &kind, form, Some(&self.second.token)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_another_account_can_be_bound() {
    let two = Two::start().await;
    let thief = |binding: &Value| form(json!([binding]), json!({}), "export default { fetch() {} }");
    for mut binding in [
        json!({ "type": "kv_namespace", "namespace_id": two.has["kv"] }),
        json!({ "type": "r2_bucket", "bucket_name": "vault" }),
        json!({ "type": "d1", "id": two.has["d1"] }),
        json!({ "type": "queue", "queue_name": "vault" }),
        json!({ "type": "service", "service": "vault" }),
        json!({ "type": "service", "service": "vault", "entrypoint": "Door" }),
        json!({ "type": "durable_object_namespace", "class_name": "Safe", "script_name": "vault" }),
        json!({ "type": "durable_object_namespace", "namespace_id": two.has["objects"] }),
        json!({ "type": "workflow", "workflow_name": "plan", "class_name": "Plan", "script_name": "vault" }),
    ] {
        binding["name"] = json!("STOLEN");
        let refused = two.upload("thief", thief(&binding)).await;
        assert!((400..500).contains(&refused.error().0), "{binding}: {refused:?}");
    }
    let tailing = form(json!([]), json!({ "tail_consumers": [{ "service": "vault" }] }), "export default {}");
    assert_eq!(two.upload("thief", tailing).await.error().1, 10203);
    let moved = json!({
        "migrations": { "new_tag": "v1", "steps": [
            { "transferred_classes": [{ "from": "Safe", "from_script": "vault", "to": "Safe" }] },
        ] },
    });
    let taking = form(json!([]), moved, VAULT);
    assert!((400..500).contains(&two.upload("thief", taking).await.error().0));
    assert_eq!(two.call("GET", "/accounts/:b/workers/scripts", Value::Null).await.result(), &json!([]));

    // What runs cannot be taken for another binding, nor see what another account has cached.
    let own = two.call("POST", "/accounts/:b/storage/kv/namespaces", json!({ "title": "own" })).await;
    let bindings = json!([
        { "type": "kv_namespace", "name": "KV", "namespace_id": own.result()["id"] },
        { "type": "service", "name": "SELF", "service": "thief" },
    ]);
    two.upload("thief", form(json!([]), json!({}), "export default { fetch() {} }")).await.result();
    two.upload("thief", form(bindings, json!({}), THIEF)).await.result();
    let on = json!({ "enabled": true });
    two.call("POST", "/accounts/:b/workers/scripts/thief/subdomain", on).await.result();
    two.what_is_its_own_leads_to_nothing_of_others().await;
    let query = format!("/?namespace={}&theirs={}", text(&two.has, "kv"), two.hearth.host("vault"));
    let seen = two.hearth.get(&two.hearth.host("thief.second"), &query).await.json();
    let seen = seen.as_array().expect("a list");
    assert_eq!(seen.len(), 7 * 5 + 1);
    for (at, attempt) in seen.iter().enumerate() {
        // Its public host answers everybody; that is no secret.
        let public = at < 35 && at % 5 == 3;
        let attempt = attempt.as_str().expect("a text");
        assert_eq!(attempt.contains("of the vault"), public, "{at}: {attempt}");
        assert!(!attempt.contains("x-hearth-binding"), "the header reaches another worker: {attempt}");
    }
    assert_eq!(seen[35], "null");

    // Nor is it a worker of that account where only these may call.
    two.hearth.deploy("inner", "export default { fetch: () => new Response('of the vault') }").await;
    let rule = Some(json!({ "rule": "internal" }));
    two.hearth.api("PUT", "/accounts/:a/workers/scripts/inner/hearth/access", rule).await.result();
    let query = format!("/?namespace=none&theirs={}", two.hearth.host("inner"));
    let seen = two.hearth.get(&two.hearth.host("thief.second"), &query).await.text();
    assert!(seen.contains("Only other workers") && !seen.contains("of the vault"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_another_account_are_unknown_below_ones_own() {
    let two = Two::start().await;
    let of = |name: &str| text(&two.has, name).to_owned();
    let (kv, d1, queue) = (of("kv"), of("d1"), of("queue"));
    let (zone, route, domain, objects) = (of("zone"), of("route"), of("domain"), of("objects"));
    let b = "/accounts/:b";
    let script = format!("{b}/workers/scripts/vault");
    let sql = json!({ "sql": "SELECT 1" });
    for (method, path, body) in [
        ("GET", format!("{b}/storage/kv/namespaces/{kv}"), Value::Null),
        ("GET", format!("{b}/storage/kv/namespaces/{kv}/keys"), Value::Null),
        ("GET", format!("{b}/storage/kv/namespaces/{kv}/values/secret"), Value::Null),
        ("PUT", format!("{b}/storage/kv/namespaces/{kv}/values/secret"), json!("x")),
        ("PUT", format!("{b}/storage/kv/namespaces/{kv}"), json!({ "title": "x" })),
        ("DELETE", format!("{b}/storage/kv/namespaces/{kv}"), Value::Null),
        ("GET", format!("{b}/r2/buckets/vault"), Value::Null),
        ("GET", format!("{b}/r2/buckets/vault/objects/o"), Value::Null),
        ("DELETE", format!("{b}/r2/buckets/vault"), Value::Null),
        ("GET", format!("{b}/d1/database/{d1}"), Value::Null),
        ("POST", format!("{b}/d1/database/{d1}/query"), sql.clone()),
        ("POST", format!("{b}/d1/database/{d1}/export"), json!({ "output_format": "polling" })),
        ("GET", format!("{b}/d1/database/{d1}/time_travel/bookmark"), Value::Null),
        ("DELETE", format!("{b}/d1/database/{d1}"), Value::Null),
        ("GET", format!("{b}/queues/{queue}"), Value::Null),
        ("POST", format!("{b}/queues/{queue}/messages"), json!({ "body": "x" })),
        ("POST", format!("{b}/queues/{queue}/messages/pull"), json!({})),
        (
            "POST",
            format!("{b}/queues/{queue}/consumers"),
            json!({ "type": "worker", "script_name": "vault" }),
        ),
        ("DELETE", format!("{b}/queues/{queue}"), Value::Null),
        ("GET", format!("{b}/workers/durable_objects/namespaces/{objects}/objects"), Value::Null),
        ("GET", format!("{b}/workflows/plan"), Value::Null),
        ("POST", format!("{b}/workflows/plan/instances"), json!({})),
        ("PUT", format!("{b}/workflows/plan"), json!({ "script_name": "vault", "class_name": "Plan" })),
        ("GET", script.clone(), Value::Null),
        ("GET", format!("{script}/settings"), Value::Null),
        ("GET", format!("{script}/versions"), Value::Null),
        ("PUT", format!("{script}/secrets"), json!({ "name": "A", "text": "b", "type": "secret_text" })),
        ("POST", format!("{script}/tails"), json!({ "filters": [] })),
        ("PUT", format!("{script}/schedules"), json!([{ "cron": "* * * * *" }])),
        ("POST", format!("{script}/hearth/scheduled"), json!({ "cron": "* * * * *" })),
        ("PUT", format!("{script}/hearth/access"), json!({ "rule": "internal" })),
        ("DELETE", script.clone(), Value::Null),
        ("GET", format!("{b}/workers/services/vault"), Value::Null),
        ("GET", format!("{b}/workers/domains/{domain}"), Value::Null),
        ("DELETE", format!("{b}/workers/domains/{domain}"), Value::Null),
        ("PUT", format!("{b}/workers/domains"), json!({ "hostname": "api.vault.test", "service": "vault" })),
        ("GET", format!("{b}/pages/projects/site"), Value::Null),
        ("DELETE", format!("{b}/pages/projects/site"), Value::Null),
        ("GET", format!("/zones/{zone}"), Value::Null),
        ("DELETE", format!("/zones/{zone}"), Value::Null),
        ("GET", format!("/zones/{zone}/workers/routes"), Value::Null),
        (
            "POST",
            format!("/zones/{zone}/workers/routes"),
            json!({ "pattern": "vault.test/x", "script": null }),
        ),
        ("DELETE", format!("/zones/{zone}/workers/routes/{route}"), Value::Null),
        ("POST", format!("/zones/{zone}/purge_cache"), json!({ "purge_everything": true })),
        (
            "POST",
            "/zones".to_owned(),
            json!({ "name": "new.test", "account": { "id": two.hearth.account() } }),
        ),
        ("POST", "/zones".to_owned(), json!({ "name": "vault.test", "account": { "id": two.second.id } })),
        (
            "POST",
            "/zones".to_owned(),
            json!({ "name": "sub.vault.test", "account": { "id": two.second.id } }),
        ),
        ("POST", "/zones".to_owned(), json!({ "name": "test", "account": { "id": two.second.id } })),
    ] {
        let refused = two.call(method, &path, body).await;
        assert!((400..500).contains(&refused.error().0), "{method} {path}: {refused:?}");
        assert!(!refused.body.to_string().contains("of the vault"), "{method} {path}: {refused:?}");
    }
    for path in [
        "/storage/kv/namespaces",
        "/r2/buckets",
        "/d1/database",
        "/queues",
        "/workers/scripts",
        "/workflows",
        "/workers/domains",
        "/pages/projects",
        "/workers/durable_objects/namespaces",
    ] {
        let listed = two.call("GET", &format!("{b}{path}"), Value::Null).await;
        assert!(!listed.result().to_string().contains("vault"), "{path}: {listed:?}");
    }
    assert_eq!(two.call("GET", "/zones", Value::Null).await.result(), &json!([]));

    // Kept logs, and what is uploaded: a hash says nothing of what another account has.
    let asked = json!({
        "queryId": "q", "timeframe": { "from": 0, "to": 4_102_444_800_000_u64 }, "view": "events", "limit": 50,
        "parameters": {},
    });
    let logs = two.call("POST", &format!("{b}/workers/observability/telemetry/query"), asked).await;
    assert_eq!(logs.result()["events"]["events"], json!([]));
    let begin = async |by: &str, path: String| {
        let file =
            json!({ "manifest": { "/a.txt": { "hash": "0123456789abcdef0123456789abcdef", "size": 3 } } });
        let body = Bytes::from(file.to_string());
        two.hearth.api_raw("POST", &path, "application/json", body, Some(by)).await.result().clone()
    };
    let theirs = begin(
        &two.second.token,
        format!("/accounts/{}/workers/scripts/own/assets-upload-session", two.second.id),
    )
    .await;
    assert_eq!(theirs["buckets"][0][0], "0123456789abcdef0123456789abcdef", "{theirs}");

    // And all of it is as it was.
    assert_eq!(two.hearth.get("vault.test", "/").await.text(), "of the vault");
    assert_eq!(two.hearth.get("www.vault.test", "/").await.text(), "of the vault");
    let value =
        format!("/client/v4/accounts/{}/storage/kv/namespaces/{kv}/values/secret", two.hearth.account());
    let token = format!("Bearer {}", two.hearth.token());
    let kept = two.hearth.get_with("localhost", &value, &[("authorization", &token)]).await;
    assert_eq!(kept.text(), "of the vault");

    let app = two.hearth.app("s3").env("CLOUDFLARE_ACCOUNT_ID", Some(&two.second.id));
    let app = app.env("CLOUDFLARE_API_TOKEN", Some(&two.second.token)).env("THEIR_BUCKET", Some("vault"));
    let endpoint = format!("http://{}", two.hearth.s3_address());
    let app = app.env("S3_ENDPOINT", Some(&endpoint)).env("THEIR_ACCOUNT", Some(two.hearth.account()));
    app.python("tenants.py").await.expect_ok();
}
