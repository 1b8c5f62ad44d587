//! Functions and templates of a second account: there as in the first, and nobody's else.

use bytes::Bytes;
use hearth_testing::{Answer, Hearth};
use http::{Request, header};
use serde_json::{Value, json};

use crate::call;
use crate::second_account::{Second, second_account};

/// A handler of `/api/functions` that says what.
fn handler(text: &str) -> String {
    format!("function handler() {{ return '{text}'; }}")
}

/// The code of a function of `/api/deploy` that says what.
fn module(text: &str) -> String {
    format!("export default {{ fetch() {{ return new Response('{text}'); }} }}")
}

struct Two {
    hearth: Hearth,
    second: Second,
}

impl Two {
    async fn start() -> Self {
        let mut hearth = Hearth::start().await;
        let second = second_account(&mut hearth).await;
        Self { hearth, second }
    }

    /// A call of the second account's token, which names an account or not.
    async fn theirs(&self, method: &str, path: &str, body: Value, naming: Option<&str>) -> Answer {
        self.send(&self.second.token, method, path, body, naming).await
    }

    async fn send(&self, token: &str, method: &str, path: &str, body: Value, naming: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        if let Some(account) = naming {
            request = request.header("Hearth-Account", account);
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let sent = self.hearth.send(request.body(body).expect("a request")).await;
        sent.unwrap_or_else(|error| panic!("{method} {path}: {error:#}"))
    }

    /// The same by who answers for the installation.
    async fn operator(&self, method: &str, path: &str, body: Value) -> Answer {
        self.send(self.hearth.token(), method, path, body, Some(&self.second.id)).await
    }

    async fn visit(&self, host: &str, path: &str) -> Answer {
        self.hearth.get(&self.hearth.host(host), path).await
    }
}

fn id(answer: &Answer) -> String {
    assert!((200..300).contains(&answer.status), "{answer:?}");
    answer.json()["id"].as_str().expect("it has an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_the_same_name_are_each_accounts_own() {
    let two = Two::start().await;
    let deploy = "/api/deploy/hello";
    let version =
        |version: &str, text: &str| json!({"runtime": "js", "version": version, "code": module(text)});
    for text in ["first", "first again"] {
        let version = version(if text == "first" { "v1" } else { "v2" }, text);
        assert_eq!(call(&two.hearth, "POST", deploy, &version).await.status, 200);
    }
    let made = two.theirs("POST", deploy, version("v1", "second"), None).await;
    assert_eq!(made.json()["subdomain"], "v1.hello.second.localhost", "{made:?}");
    assert_eq!(two.visit("hello", "/").await.text(), "first again");
    assert_eq!(two.visit("hello.second", "/").await.text(), "second");
    assert_eq!(two.visit("v1.hello", "/").await.text(), "first");
    assert_eq!(two.visit("v1.hello.second", "/").await.text(), "second");

    // Each sees its own, and the same call with the header is in the other.
    let listed = two.theirs("GET", deploy, Value::Null, None).await.json();
    assert_eq!(listed["versions"].as_array().map(Vec::len), Some(1), "{listed}");
    let as_theirs = two.operator("GET", deploy, Value::Null).await.json();
    assert_eq!(as_theirs, listed);
    assert_eq!(call(&two.hearth, "GET", deploy, &Value::Null).await.json()["latest"], "v2");

    // What the second one does to its own does nothing to the first one's.
    let rolled = two.theirs("POST", "/api/rollback/hello", json!({"version": "v2"}), None).await;
    assert_eq!(rolled.status, 404, "{rolled:?}");
    assert_eq!(two.theirs("DELETE", deploy, Value::Null, None).await.status, 200);
    assert_eq!(two.theirs("GET", "/api/deploy/hello?version=v1", Value::Null, None).await.status, 404);
    assert_eq!(two.visit("hello", "/").await.text(), "first again");

    // What who answers for the installation did there is in that account's log, with what was there before.
    let again = two.operator("POST", deploy, version("v3", "by the operator")).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(two.operator("DELETE", deploy, Value::Null).await.status, 200);
    let logged = async |account: &str| {
        let path = format!("/accounts/{account}/audit_logs?action.type=deleteDeployedFunction");
        two.hearth.api("GET", &path, None).await.result().clone()
    };
    let theirs = logged(&two.second.id).await;
    assert_eq!(theirs[0]["oldValueJson"]["latest"], "v3", "{theirs}");
    assert_eq!(logged(two.hearth.account()).await, json!([]));

    // The account's label is reserved for it, and not a word on whose it is.
    let label = call(&two.hearth, "POST", "/api/deploy/second", &version("v1", "x")).await;
    assert_eq!(label.status, 409, "{label:?}");
    let told = label.json()["error"].as_str().unwrap_or_default().to_owned();
    assert!(told.contains("reserved") && !told.contains("account `"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_one_accounts_and_says_not_whose() {
    let two = Two::start().await;
    let all = "/api/functions";
    let theirs = json!({"name": "hello", "code": handler("first"), "env": {"SECRET": "of the first"}});
    let first = id(&call(&two.hearth, "POST", all, &theirs).await);
    let one = format!("{all}/{first}");

    // A name may be had twice, a route once.
    let wanted = json!({"name": "hello", "code": handler("second")});
    let taken = two.theirs("POST", all, wanted.clone(), None).await;
    assert_eq!(taken.status, 409, "{taken:?}");
    let told = taken.json()["error"].as_str().unwrap_or_default().to_owned();
    assert!(told.contains("`/hello` is taken") && !told.contains(two.hearth.account()), "{told}");
    let mut elsewhere = wanted;
    elsewhere["route"] = json!("/second/hello");
    let second = id(&two.theirs("POST", all, elsewhere, None).await);
    let moved = two.theirs("PUT", &format!("{all}/{second}"), json!({"route": "/hello/"}), None).await;
    assert_eq!(moved.status, 409, "{moved:?}");
    assert_eq!(two.hearth.get("localhost", "/fn/hello").await.text(), "first");
    assert_eq!(two.hearth.get("localhost", "/fn/second/hello").await.text(), "second");

    // By its id nothing of it is seen or done, with the first account's name or without.
    for (method, path, body) in [
        ("GET", one.clone(), Value::Null),
        ("PUT", one.clone(), json!({"code": handler("stolen")})),
        ("DELETE", one.clone(), Value::Null),
        ("POST", format!("{one}/invoke"), json!({})),
        ("GET", format!("{one}/stats"), Value::Null),
    ] {
        let unknown = two.theirs(method, &path, body.clone(), None).await;
        assert_eq!(unknown.status, 404, "{method} {path}: {unknown:?}");
        let refused = two.theirs(method, &path, body, Some(two.hearth.account())).await;
        assert_eq!(refused.status, 403, "{method} {path}: {refused:?}");
        assert_eq!(refused.json(), json!({"error": "Authentication error"}));
        for answer in [&unknown, &refused] {
            assert!(!answer.text().contains("of the first"), "{answer:?}");
        }
    }
    assert_eq!(two.operator("GET", &one, Value::Null).await.status, 404, "it is of another account");
    let stats = two.theirs("GET", "/stats", Value::Null, None).await.json();
    assert_eq!((&stats["functions"], &stats["requests"]["total"]), (&json!(1), &json!(1)), "{stats}");
    assert_eq!(two.hearth.get("localhost", "/fn/hello").await.text(), "first");

    // A token that opens one opens no other's, though it has the same name.
    let access = |of: &str| format!("/client/v4/accounts/{of}/workers/scripts/");
    let (ours, others) = (access(two.hearth.account()), access(&two.second.id));
    let rule = json!({"rule": "token"});
    let closed = call(&two.hearth, "PUT", &format!("{ours}{first}/hearth/access"), &rule).await;
    assert_eq!(closed.status, 200, "{closed:?}");
    let grant = format!("{others}{second}/hearth/tokens");
    let granted = two.theirs("POST", &grant, json!({"name": "t"}), None).await.json();
    let token = granted["result"]["token"].as_str().expect("a token").to_owned();
    let bearer = format!("Bearer {token}");
    for shown in [("authorization", bearer.as_str()), ("x-hearth-access-token", token.as_str())] {
        assert_eq!(two.hearth.get_with("localhost", "/fn/hello", &[shown]).await.status, 401);
    }
    for below in [format!("{ours}{first}/hearth/tokens"), format!("{others}{first}/hearth/tokens")] {
        let refused = two.theirs("POST", &below, json!({"name": "t"}), None).await;
        assert!([403, 404].contains(&refused.status), "{below}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_with_events_are_seen_and_called_in_their_account_only() {
    let two = Two::start().await;
    let all = "/api/v1/functions";
    let wanted = |text: &str| {
        let code = format!("function h() {{ console.log('{text} log'); return '{text}'; }}");
        json!({"name": "hello", "runtime": "nodejs", "handler": "h", "code": code})
    };
    let first = id(&call(&two.hearth, "POST", all, &wanted("of the first")).await);
    let second = id(&two.theirs("POST", all, wanted("of the second"), None).await);
    let invoke = |id: &str| format!("{all}/{id}/invoke");
    assert_eq!(call(&two.hearth, "POST", &invoke(&first), &json!({})).await.json()["result"], "of the first");
    let called = two.theirs("POST", &invoke(&second), json!({}), None).await.json();
    assert_eq!(called["result"], "of the second");
    let one = format!("{all}/{first}");
    for (method, path, body) in [
        ("GET", one.clone(), Value::Null),
        ("GET", format!("{one}?source=true"), Value::Null),
        ("PUT", one.clone(), json!({"code": "function h() { return 'stolen' }"})),
        ("DELETE", one.clone(), Value::Null),
        ("POST", invoke(&first), json!({})),
        ("GET", format!("{one}/stats"), Value::Null),
        ("GET", format!("{one}/invocations"), Value::Null),
        ("GET", format!("{one}/logs"), Value::Null),
    ] {
        let unknown = two.theirs(method, &path, body.clone(), None).await;
        assert_eq!(unknown.status, 404, "{method} {path}: {unknown:?}");
        let refused = two.theirs(method, &path, body, Some(two.hearth.account())).await;
        assert_eq!(refused.status, 403, "{method} {path}: {refused:?}");
        for answer in [&unknown, &refused] {
            assert!(!answer.text().contains("of the first"), "{answer:?}");
        }
    }
    let listed = two.theirs("GET", all, Value::Null, None).await.json();
    assert_eq!((&listed["total"], &listed["functions"][0]["id"]), (&json!(1), &json!(second)));
    assert_eq!(two.operator("GET", all, Value::Null).await.json(), listed);

    // A host that another account's function has.
    let host = json!({"host": "shop.example"});
    assert_eq!(call(&two.hearth, "PUT", &one, &host).await.status, 200);
    let place = format!("{all}/{second}");
    for wanted in [host, json!({"host": "a.shop.example"}), json!({"route": "shop.example/x"})] {
        let taken = two.theirs("PUT", &place, wanted, None).await;
        assert_eq!(taken.status, 409, "{taken:?}");
        let told = taken.text();
        assert!(told.contains("another account") && !told.contains("hello"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_are_deployed_where_it_is_said() {
    let two = Two::start().await;
    let deploy = "/api/templates/queue-consumer/deploy";
    let made = two.operator("POST", deploy, json!({"name": "counter"})).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["url"], format!("http://{}", two.hearth.host("counter.second")));
    let queues = format!("/client/v4/accounts/{}/queues", two.second.id);
    let queues = two.theirs("GET", &queues, Value::Null, None).await.json();
    assert_eq!(queues["result"][0]["queue_name"], "counter-queue", "{queues}");
    assert_eq!(two.hearth.api("GET", "/accounts/:a/queues", None).await.result(), &json!([]));
    let mine = two.theirs("POST", "/api/templates/static-site/deploy", json!({"name": "site"}), None).await;
    assert_eq!(mine.status, 201, "{mine:?}");
    assert!(two.visit("site.second", "/").await.text().contains("<h1>It works</h1>"));
    assert_eq!(two.visit("site", "/").await.status, 404);
    // In the default account the name is free.
    assert_eq!(call(&two.hearth, "POST", deploy, &json!({"name": "counter"})).await.status, 201);
}
