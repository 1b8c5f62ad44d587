//! Workers KV: a worker that makes every call, wrangler's `kv` commands, REST, and what survives a kill.

use std::time::Duration;

use hearth_testing::{Answer, Hearth, Ledger, Project};
use http::Request;
use serde_json::{Value, json};

const NAMESPACES: &str = "/accounts/:a/storage/kv/namespaces";

/// Makes a namespace; its id.
async fn namespace(hearth: &Hearth, title: &str) -> String {
    let made = hearth.api("POST", NAMESPACES, Some(json!({ "title": title }))).await;
    made.result()["id"].as_str().expect("an id").to_owned()
}

/// `tests/apps/kv`, deployed with a namespace of its own.
async fn deployed(hearth: &Hearth) -> (Project, String) {
    let id = namespace(hearth, "of the app").await;
    let project = hearth.app("kv");
    project.edit("wrangler.jsonc", &"0".repeat(32), &id);
    project.wrangler(&["deploy"]).await.expect_ok();
    (project, id)
}

/// The calls that the app makes, each with what it must give or throw; `dev` stands where `wrangler dev` does something
/// else, with its reason.
fn cases(project: &Project) -> Vec<Value> {
    let text = std::fs::read_to_string(project.path().join("cases.json")).expect("the app has cases");
    serde_json::from_str(&text).expect("cases are JSON")
}

/// Notes what a call gave if it is not what `expected` says.
fn judge(faults: &mut Vec<String>, case: &Value, expected: &Value, answer: &Answer) {
    let expected = match (expected.get("gives"), expected.get("throws")) {
        (Some(gives), None) => json!({ "gives": gives }),
        (None, Some(throws)) => json!({ "throws": throws }),
        _ => panic!("a case gives or throws: {case}"),
    };
    if answer.status != 200 || answer.json() != expected {
        let call = format!("{} {}", case["call"], case["args"]);
        faults.push(format!("{call:.200}\n  should be {expected}\n  but was   {}", answer.text()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_gives_what_cases_json_says() {
    let hearth = Hearth::start().await;
    let (project, _) = deployed(&hearth).await;
    let mut faults = Vec::new();
    for (number, case) in cases(&project).iter().enumerate() {
        let answer = hearth.get(&hearth.host("kv"), &format!("/run?case={number}")).await;
        judge(&mut faults, case, case, &answer);
    }
    assert!(faults.is_empty(), "{} calls differ:\n{}", faults.len(), faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrangler_dev_differs_only_where_cases_json_says_so() {
    let hearth = Hearth::start().await;
    let project = hearth.app("kv");
    let dev = project.dev().await;
    let mut faults = Vec::new();
    for (number, case) in cases(&project).iter().enumerate() {
        let answer = dev.get(&format!("/run?case={number}")).await.expect("it answers");
        judge(&mut faults, case, case.get("dev").unwrap_or(case), &answer);
    }
    assert!(faults.is_empty(), "{} calls differ:\n{}", faults.len(), faults.join("\n"));
}

// ---- wrangler ----------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn every_kv_command_of_wrangler() {
    let hearth = Hearth::start().await;
    let (project, app) = deployed(&hearth).await;
    let run = async |args: &str| {
        let args: Vec<&str> = args.split(' ').collect();
        project.wrangler(&[&["kv"], &args[..]].concat()).await
    };
    let made = run("namespace create second").await.expect_ok();
    assert!(made.contains("Success"), "{made}");
    let again = run("namespace create second").await.expect_failure();
    assert!(again.contains("already exists"), "{again}");
    let list: Value = json_of(&run("namespace list").await.expect_ok());
    let titles: Vec<_> = list.as_array().expect("a list").iter().map(|one| &one["title"]).collect();
    assert_eq!(titles, ["of the app", "second"]);
    let second = list[1]["id"].as_str().expect("an id").to_owned();
    run("namespace rename second --new-name third").await.expect_ok();
    assert!(run("namespace list").await.expect_ok().contains("third"));

    // The app's worker and wrangler see the same.
    let remote = format!("--namespace-id {app} --remote");
    run(&format!("key put a/ü hello --metadata {{\"n\":1}} --ttl 3600 {remote}")).await.expect_ok();
    run(&format!("key put plain there {remote}")).await.expect_ok();
    std::fs::write(project.path().join("file.bin"), vec![0xFF; 200_000]).expect("the project is writable");
    run(&format!("key put file --path file.bin {remote}")).await.expect_ok();
    assert_eq!(hearth.get(&hearth.host("kv"), "/get?key=a%2F%C3%BC").await.text(), "hello");
    assert_eq!(hearth.get(&hearth.host("kv"), "/get?key=file").await.body.len(), 200_000);
    let got = run(&format!("key get a/ü {remote}")).await.expect_ok();
    assert!(got.ends_with("hello") || got.ends_with("hello\n"), "{got}");
    run(&format!("key get absent {remote}")).await.expect_failure();
    let keys = json_of(&run(&format!("key list {remote}")).await.expect_ok());
    assert_eq!((&keys[0]["name"], &keys[0]["metadata"]), (&json!("a/ü"), &json!({ "n": 1 })));
    assert!(keys[0]["expiration"].is_i64() && keys[2]["name"] == "plain", "{keys}");
    let some = json_of(&run(&format!("key list --prefix pl {remote}")).await.expect_ok());
    assert_eq!(some, json!([{ "name": "plain" }]));
    run(&format!("key delete plain {remote}")).await.expect_ok();
    run(&format!("key get plain {remote}")).await.expect_failure();

    let pairs: Vec<Value> = (0..1500)
        .map(|n| json!({ "key": format!("bulk/{n:04}"), "value": "dmFsdWU=", "base64": true, "metadata": { "n": n } }))
        .collect();
    std::fs::write(project.path().join("put.json"), json!(pairs).to_string()).expect("writable");
    run(&format!("bulk put put.json {remote}")).await.expect_ok();
    // More than a page of keys.
    let keys = json_of(&run(&format!("key list --prefix bulk/ {remote}")).await.expect_ok());
    assert_eq!(keys.as_array().map(Vec::len), Some(1500));
    assert_eq!((&keys[1234]["name"], &keys[1234]["metadata"]), (&json!("bulk/1234"), &json!({ "n": 1234 })));
    std::fs::write(project.path().join("get.json"), json!(["bulk/0001", "absent"]).to_string())
        .expect("writable");
    let got = run(&format!("bulk get get.json {remote}")).await.expect_ok();
    assert!(got.contains("\"bulk/0001\"") && got.contains("value") && got.contains("null"), "{got}");
    let all: Vec<String> = (0..1500).map(|n| format!("bulk/{n:04}")).collect();
    std::fs::write(project.path().join("delete.json"), json!(all).to_string()).expect("writable");
    run(&format!("bulk delete delete.json --force {remote}")).await.expect_ok();
    assert_eq!(json_of(&run(&format!("key list --prefix bulk/ {remote}")).await.expect_ok()), json!([]));

    run(&format!("namespace delete --namespace-id {second} --skip-confirmation")).await.expect_ok();
    assert!(!run("namespace list").await.expect_ok().contains("third"));
    let file = hearth.data().join("kv").join(format!("{app}.db"));
    assert!(file.exists());
    run(&format!("namespace delete --namespace-id {app} --skip-confirmation")).await.expect_ok();
    assert!(!file.exists(), "its space is not reclaimed");
    let gone = hearth.get(&hearth.host("kv"), "/get?key=file").await;
    assert_eq!(gone.status, 500, "a worker whose namespace is gone is told so: {}", gone.text());
    // Whoever is still sending hears the reason all the same.
    let request = Request::post("/put?key=large").header("host", hearth.host("kv"));
    let request = request.body(vec![0; 20 << 20].into()).expect("a valid request");
    let refused = hearth.send(request).await.expect("an answer");
    assert_eq!(refused.text(), "KV PUT failed: 400 namespace not found");
}

/// The JSON that a command printed after its own line.
fn json_of(output: &str) -> Value {
    let begin = output.find(['[', '{']).unwrap_or_else(|| panic!("no JSON: {output}"));
    let mut values = serde_json::Deserializer::from_str(&output[begin..]).into_iter::<Value>();
    values.next().expect("one value").unwrap_or_else(|error| panic!("{error}: {output}"))
}

// ---- REST --------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn rest_calls_and_their_errors() {
    let hearth = Hearth::start().await;
    let id = namespace(&hearth, "n").await;
    let at = |rest: &str| format!("{NAMESPACES}/{id}/{rest}");
    let put = async |rest: &str, kind: &str, body: String| {
        hearth.api_raw("PUT", &at(rest), kind, body.into(), Some(hearth.token())).await
    };
    put("values/a%2Fb%20c?expiration_ttl=3600", "text/plain", "v".into()).await.result();
    let form = "--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{\n \"m\": [1]\n}\r\n\
                --b\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\nof a form\r\n--b--\r\n";
    put("values/form", "multipart/form-data; boundary=b", form.into()).await.result();
    assert_eq!(hearth.api("GET", &at("metadata/form"), None).await.result(), &json!({ "m": [1] }));
    assert_eq!(hearth.api("GET", &at("metadata/a%2Fb%20c"), None).await.result(), &Value::Null);
    let keys = hearth.api("GET", &at("keys?limit=1"), None).await;
    assert_eq!((&keys.result()[0]["name"], &keys.body["result_info"]["count"]), (&json!("a/b c"), &json!(1)));
    let cursor = keys.body["result_info"]["cursor"].as_str().expect("a cursor").to_owned();
    let rest = hearth.api("GET", &at(&format!("keys?limit=1&cursor={cursor}")), None).await;
    assert_eq!(rest.result(), &json!([{ "name": "form", "metadata": { "m": [1] } }]));
    assert_eq!(rest.body["result_info"]["cursor"], "");
    let wanted = json!({ "keys": ["form", "none"], "withMetadata": true });
    let got = hearth.api("POST", &at("bulk/get"), Some(wanted)).await;
    let form = json!({ "value": "of a form", "metadata": { "m": [1] } });
    assert_eq!(got.result(), &json!({ "values": { "form": form, "none": null } }));
    let gone = hearth.api("POST", &at("bulk/delete"), Some(json!(["form", "a/b c"]))).await;
    assert_eq!(gone.result()["successful_key_count"], 2);

    // The npm SDK asks for pages until one is empty.
    for page in [2, 3, 1000] {
        let path = format!("{NAMESPACES}?per_page=1000&order=title&direction=asc&page={page}");
        assert_eq!(hearth.api("GET", &path, None).await.result(), &json!([]));
    }

    let long = "k".repeat(513);
    let value_of = |key: &str| at(&format!("values/{key}"));
    for (method, path, body, expected) in [
        ("GET", value_of("absent"), None, (404, 10009)),
        ("GET", at("metadata/absent"), None, (404, 10009)),
        ("GET", value_of(&long), None, (414, 10030)),
        ("PUT", value_of("%2E%2E"), Some(json!("v")), (400, 10042)),
        ("PUT", value_of("k?expiration_ttl=59"), Some(json!("v")), (400, 10034)),
        ("PUT", value_of("k?expiration=1"), Some(json!("v")), (400, 10033)),
        ("GET", at("keys?limit=1001"), None, (400, 10028)),
        ("GET", at("keys?cursor=%26%26"), None, (400, 10041)),
        ("GET", format!("{NAMESPACES}/{}/keys", "0".repeat(32)), None, (404, 10013)),
        ("DELETE", format!("{NAMESPACES}/{}", "0".repeat(32)), None, (404, 10013)),
        ("POST", NAMESPACES.to_owned(), Some(json!({ "title": "n" })), (400, 10014)),
        ("POST", NAMESPACES.to_owned(), Some(json!({ "title": " " })), (400, 10019)),
        ("PUT", at("bulk"), Some(json!([{ "key": "k", "value": "!", "base64": true }])), (400, 10012)),
        ("PUT", at("bulk"), Some(json!([{ "key": "", "value": "v" }])), (400, 10042)),
        ("PUT", at("bulk"), Some(json!({ "key": "k" })), (400, 10029)),
        ("POST", at("bulk/get"), Some(json!({ "keys": [] })), (400, 10029)),
    ] {
        let (status, code, message) = hearth.api(method, &path, body).await.error();
        assert_eq!((status, code), expected, "{method} {path}: {message}");
    }
    let bad = "--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{\r\n\
               --b\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\nv\r\n--b--\r\n";
    let refused = put("values/k", "multipart/form-data; boundary=b", bad.into()).await.error();
    assert_eq!((refused.0, refused.1), (400, 10047));
    let refused = put("values/k", "text/plain", "x".repeat((25 << 20) + 1)).await.error();
    assert_eq!(refused, (413, 10024, "Value length of 26214401 exceeds limit of 26214400.".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_refuses_strangers() {
    let hearth = Hearth::start().await;
    let id = namespace(&hearth, "n").await;
    for (method, rest) in [
        ("GET", ""),
        ("POST", ""),
        ("GET", "/:n"),
        ("PUT", "/:n"),
        ("DELETE", "/:n"),
        ("GET", "/:n/keys"),
        ("GET", "/:n/values/k"),
        ("PUT", "/:n/values/k"),
        ("DELETE", "/:n/values/k"),
        ("GET", "/:n/metadata/k"),
        ("PUT", "/:n/bulk"),
        ("DELETE", "/:n/bulk"),
        ("POST", "/:n/bulk/delete"),
        ("POST", "/:n/bulk/get"),
    ] {
        let path = format!("{NAMESPACES}{}", rest.replace(":n", &id));
        for token in [None, Some("a-token-of-nobody")] {
            let refused = hearth.api_raw(method, &path, "text/plain", "[]".into(), token).await.error();
            assert_eq!((refused.0, refused.1), (401, 10000), "{method} {rest}");
        }
    }
    assert_eq!(hearth.api("GET", &format!("{NAMESPACES}/{id}"), None).await.result()["title"], "n");
}

// ---- kill -9 -----------------------------------------------------------------------------------------------

/// Kills of a run. `make torture` asks for more.
fn kills() -> u64 {
    std::env::var("HEARTH_TORTURE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// Writers of every third key write values that lie in files.
fn value(writer: usize, number: u64) -> String {
    let padding = if writer.is_multiple_of(3) { 200_000 } else { 20 };
    format!("{number} {}", "x".repeat(padding))
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_server_loses_nothing_acknowledged() {
    const WRITERS: usize = 12;
    let mut hearth = Hearth::start().await;
    let (_project, id) = deployed(&hearth).await;
    let ledger = Ledger::new(WRITERS);
    let target = Target::of(&hearth, &id);
    for round in 0..kills() {
        // Odd milliseconds: moments that have nothing to do with each other.
        let load = Duration::from_millis(150 + round * 137 % 400);
        ledger.round(&mut hearth, load, |writer, number| target.write(writer, number)).await;
        let mut found = Vec::new();
        for writer in 0..WRITERS {
            found.push(target.read(&hearth, writer).await);
        }
        ledger.check(&found).unwrap_or_else(|faults| panic!("after kill {round}:\n{faults}"));
    }
    assert!(ledger.acknowledged() > kills() * 10, "{} writes are no load", ledger.acknowledged());
    // Whatever was half written is gone: one file for each large value that is there.
    let files = hearth.data().join("kv").join(format!("{id}.values"));
    for attempt in 0.. {
        let left = std::fs::read_dir(&files).map_or(0, Iterator::count);
        if left <= WRITERS.div_ceil(3) {
            break;
        }
        assert!(attempt < 500, "{left} files are left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Where the writers write: half of them through the worker, half through REST.
struct Target {
    address: std::net::SocketAddr,
    worker: String,
    rest: String,
    token: String,
}

impl Target {
    fn of(hearth: &Hearth, namespace: &str) -> Self {
        Self {
            address: hearth.address(),
            worker: hearth.host("kv"),
            rest: format!(
                "/client/v4/accounts/{}/storage/kv/namespaces/{namespace}/values",
                hearth.account()
            ),
            token: hearth.token().to_owned(),
        }
    }

    /// Whether the write was acknowledged.
    async fn write(&self, writer: usize, number: u64) -> bool {
        let request = if writer.is_multiple_of(2) {
            Request::post(format!("/put?key=key-{writer}")).header("host", &self.worker)
        } else {
            Request::put(format!("{}/key-{writer}", self.rest))
                .header("host", "localhost")
                .header("authorization", format!("Bearer {}", self.token))
        };
        let request = request.body(value(writer, number).into()).expect("a valid request");
        hearth_testing::send_to(self.address, request).await.is_ok_and(|answer| answer.status == 200)
    }

    /// What stands there: 0 for nothing.
    async fn read(&self, hearth: &Hearth, writer: usize) -> u64 {
        let text = hearth.get(&self.worker, &format!("/get?key=key-{writer}")).await.text();
        let Some((number, _)) = text.split_once(' ') else { return 0 };
        let number = number.parse().expect("a number is at the front");
        assert!(text == value(writer, number), "the value of writer {writer} is not whole");
        number
    }
}
