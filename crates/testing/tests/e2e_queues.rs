//! Queues: wrangler's `queues` commands, a worker that sends and consumes, clients that pull, and what survives a kill.

use std::time::Duration;

use hearth_testing::{Answer, Hearth, Project};
use http::Request;
use serde_json::{Value, json};

const QUEUES: &str = "/accounts/:a/queues";

/// How long something is waited for that has to come.
const PATIENCE: Duration = Duration::from_secs(60);

async fn create(hearth: &Hearth, name: &str) -> String {
    let made = hearth.api("POST", QUEUES, Some(json!({ "queue_name": name }))).await;
    made.result()["queue_id"].as_str().expect("an id").to_owned()
}

/// `tests/apps/queues`, deployed with its queues.
async fn deployed(hearth: &Hearth) -> Project {
    for name in ["queues-main", "queues-dead"] {
        create(hearth, name).await;
    }
    let project = hearth.app("queues");
    let said = project.wrangler(&["deploy"]).await.expect_ok();
    for line in ["env.MAIN (queues-main)", "Producer for queues-main", "Consumer for queues-dead"] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
    project
}

/// The path on which the app does what it is told.
fn told(command: &Value) -> String {
    let text = command.to_string();
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    format!("/{encoded}")
}

async fn tell(hearth: &Hearth, command: Value) -> Value {
    hearth.get(&hearth.host("queues"), &told(&command)).await.json()
}

async fn sent(hearth: &Hearth, command: Value) -> Value {
    let answer = tell(hearth, command).await;
    assert!(answer.get("gives").is_some(), "{answer}");
    answer["gives"].clone()
}

async fn seen(hearth: &Hearth) -> Vec<Value> {
    let answer = hearth.get(&hearth.host("queues"), "/seen").await;
    answer.json().as_array().expect("a list").clone()
}

/// Waits until the app has seen what `enough` looks for.
async fn seen_until(hearth: &Hearth, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let seen = seen(hearth).await;
        if enough(&seen) {
            return seen;
        }
        assert!(tokio::time::Instant::now() < deadline, "it did not come: {seen:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn of<'a>(seen: &'a [Value], queue: &str, body: &Value) -> Vec<&'a Value> {
    seen.iter().filter(|message| message["queue"] == queue && message["body"] == *body).collect()
}

fn attempts(seen: &[Value], queue: &str, body: &Value) -> Vec<i64> {
    of(seen, queue, body).iter().filter_map(|message| message["attempts"].as_i64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn wranglers_commands_make_set_show_and_delete_queues() {
    let hearth = Hearth::start().await;
    let project = hearth.app("queues");
    let run = async |args: &str| {
        let args: Vec<&str> = [&["queues"], args.split(' ').collect::<Vec<_>>().as_slice()].concat();
        project.wrangler(&args).await
    };
    let says = async |args: &str, expected: &[&str]| {
        let said = run(args).await.expect_ok();
        for text in expected {
            assert!(said.contains(text), "{text:?} is not in:\n{said}");
        }
        said
    };
    says("create queues-main --delivery-delay-secs 5 --message-retention-period-secs 600", &["Created"])
        .await;
    says("create queues-dead", &["Created"]).await;
    let said = run("create queues-dead").await.expect_failure();
    assert!(said.contains("already taken") && said.contains("11009"), "{said}");
    says("list", &["queues-main", "queues-dead"]).await;
    says("info queues-main", &["Queue Name: queues-main", "Number of Consumers: 0"]).await;
    says("update queues-main --delivery-delay-secs 0", &["Updated"]).await;
    let listed = hearth.api("GET", &format!("{QUEUES}?name=queues-main"), None).await;
    let settings = &listed.result()[0]["settings"];
    let expected = json!({ "delivery_delay": 0, "delivery_paused": false, "message_retention_period": 600 });
    assert_eq!(*settings, expected, "an update leaves alone what it does not name");

    says("pause-delivery queues-main", &["Paused"]).await;
    says("resume-delivery queues-main", &["Resumed"]).await;
    says("consumer http add queues-main --batch-size 7 --message-retries 9", &["Added"]).await;
    says("consumer list queues-main", &["HTTP pull consumers", "7", "9"]).await;
    let said = run("consumer http add queues-main").await.expect_failure();
    assert!(said.contains("11004"), "{said}");
    says("info queues-main", &["HTTP Pull Consumer"]).await;
    says("consumer http remove queues-main", &["Removed"]).await;

    project.wrangler(&["deploy"]).await.expect_ok();
    says("info queues-main", &["Number of Producers: 1", "worker:queues", "Number of Consumers: 1"]).await;
    says("consumer worker remove queues-main queues", &["Removed"]).await;
    says(
        "consumer worker add queues-main queues --batch-size 3 --batch-timeout 0 --max-concurrency 2 --dead-letter-queue queues-new",
        &["Added"],
    )
    .await;
    says("consumer worker list queues-main", &["queues-new", "3"]).await;
    says("list", &["queues-new"]).await;
    let said = run("consumer worker add queues-dead nobody").await.expect_failure();
    assert!(said.contains("10007") || said.contains("11004"), "{said}");

    says("purge queues-main --force", &["Purged"]).await;
    says("subscription create queues-main --source kv --events namespace.created", &["Successfully created"])
        .await;
    says("subscription list queues-main", &["namespace.created"]).await;
    let listed = hearth.api("GET", "/accounts/:a/event_subscriptions/subscriptions", None).await;
    let id = listed.result()[0]["id"].as_str().expect("an id").to_owned();
    says(&format!("subscription get queues-main --id {id}"), &["namespace.created"]).await;
    says(&format!("subscription update queues-main --id {id} --enabled false"), &["Successfully updated"])
        .await;
    says(&format!("subscription delete queues-main --id {id} --force"), &["Successfully deleted"]).await;

    let said = run("delete queues-main").await.expect_failure();
    assert!(said.contains("11005"), "a worker still binds it: {said}");
    says("delete queues-new", &["Deleted"]).await;
    let said = run("info queues-new").await.expect_failure();
    assert!(said.contains("does not exist"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_body_arrives_and_too_large_ones_are_refused_in_cloudflares_words() {
    let hearth = Hearth::start().await;
    deployed(&hearth).await;
    let bodies = [
        (json!({ "a": [1, null, "ü"] }), json!(null)),
        (json!("plain text"), json!({ "contentType": "text" })),
        (json!({ "$bytes": [0, 255, 7] }), json!({ "contentType": "bytes" })),
        (json!({ "$bytes": [] }), json!({ "contentType": "bytes" })),
        (json!({ "$map": [["k", 1]] }), json!({ "contentType": "v8" })),
        (json!({ "$date": 86_400_000 }), json!({ "contentType": "v8" })),
        (json!(""), json!({ "contentType": "text" })),
    ];
    for (body, options) in &bodies {
        let mut command = json!({ "body": body });
        if !options.is_null() {
            command["options"] = options.clone();
        }
        let answer = sent(&hearth, command).await;
        assert!(answer["metadata"]["metrics"]["backlogCount"].as_u64() >= Some(1), "{answer}");
    }
    let seen = seen_until(&hearth, |seen| seen.len() >= bodies.len()).await;
    for (body, _) in &bodies {
        assert_eq!(attempts(&seen, "queues-main", body), [1], "{body}: {seen:#?}");
    }
    assert!(seen.iter().all(|message| message.get("wrong").is_none()), "{seen:#?}");

    for (command, words) in [
        (
            json!({ "body": { "$long": 127_999 } }),
            "message length of 128001 bytes exceeds limit of 128000 bytes (10204)",
        ),
        (json!({ "body": 1, "options": { "delaySeconds": 86_401 } }), "(10202)"),
        (
            json!({ "messages": vec![json!({ "body": 1 }); 101] }),
            "batch message count of 101 exceeds limit of 100 (10206)",
        ),
        (
            json!({ "messages": vec![json!({ "body": { "$long": 99_998 } }); 3] }),
            "batch size of 300000 bytes exceeds limit of 256000 bytes (10205)",
        ),
        (json!({ "messages": [{ "body": { "$long": 200_000 } }] }), "128000"),
    ] {
        let answer = tell(&hearth, command).await;
        assert!(answer["throws"].as_str().is_some_and(|thrown| thrown.contains(words)), "{words}: {answer}");
    }
    let metrics = hearth.get(&hearth.host("queues"), "/metrics").await.json();
    assert_eq!(metrics["gives"]["backlogCount"], 0, "{metrics}");
    assert!(metrics["gives"].get("oldestMessageTimestamp").is_none(), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_says_of_each_message_counts() {
    let hearth = Hearth::start().await;
    deployed(&hearth).await;
    let (main, dead) = ("queues-main", "queues-dead");
    let plain = json!({ "do": "nothing" });
    let twice = json!({ "do": "retry", "times": 1, "options": { "delaySeconds": 1 } });
    let often = json!({ "do": "retry", "times": 99 });
    let saved = json!({ "do": "ack and throw" });
    let lost = json!({ "do": "throw" });
    let messages: Vec<Value> = [&plain, &twice, &often].iter().map(|body| json!({ "body": body })).collect();
    sent(&hearth, json!({ "messages": messages })).await;
    let all =
        seen_until(&hearth, |seen| !of(seen, dead, &often).is_empty() && of(seen, main, &twice).len() == 2)
            .await;
    assert_eq!(attempts(&all, main, &plain), [1]);
    assert_eq!(attempts(&all, main, &twice), [1, 2]);
    assert_eq!(attempts(&all, main, &often), [1, 2, 3], "max_retries is 2");
    assert_eq!(attempts(&all, dead, &often), [1]);
    assert_eq!(of(&all, main, &often)[0]["id"], of(&all, dead, &often)[0]["id"], "it stays the same message");

    let messages: Vec<Value> = [&saved, &lost].iter().map(|body| json!({ "body": body })).collect();
    sent(&hearth, json!({ "messages": messages })).await;
    let all = seen_until(&hearth, |seen| !of(seen, dead, &lost).is_empty()).await;
    assert_eq!(attempts(&all, main, &saved), [1], "it was acknowledged before the handler threw");
    assert_eq!(attempts(&all, main, &lost), [1, 2, 3]);

    let again = json!({ "do": "retry all" });
    let kept = json!({ "do": "ack all and throw" });
    sent(&hearth, json!({ "body": again })).await;
    seen_until(&hearth, |seen| of(seen, main, &again).len() == 2).await;
    sent(&hearth, json!({ "body": kept })).await;
    let all = seen_until(&hearth, |seen| !of(seen, main, &kept).is_empty()).await;
    assert_eq!(attempts(&all, main, &again), [1, 2]);

    // Four of a batch of four go at once; later ones wait for theirs.
    let late = json!({ "late": true });
    sent(&hearth, json!({ "to": "LATE", "body": late })).await;
    sent(&hearth, json!({ "messages": vec![json!({ "body": "now" }); 4] })).await;
    let all = seen_until(&hearth, |seen| !of(seen, main, &late).is_empty()).await;
    let batch = of(&all, main, &json!("now"));
    assert_eq!(batch.len(), 4);
    assert!(batch.iter().all(|message| message["size"] == 4), "{batch:?}");
    let position = |body: &Value| all.iter().position(|message| message["body"] == *body);
    assert!(position(&json!("now")) < position(&late));
    assert_eq!(attempts(&all, main, &kept), [1], "ackAll() counts more than the exception");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_queue_keeps_its_messages_and_a_purge_takes_them() {
    let hearth = Hearth::start().await;
    let project = deployed(&hearth).await;
    let id =
        hearth.api("GET", &format!("{QUEUES}?name=queues-main"), None).await.result()[0]["queue_id"].clone();
    let queue = format!("{QUEUES}/{}", id.as_str().expect("an id"));
    let count = async || {
        let metrics = hearth.api("GET", &format!("{queue}/metrics"), None).await;
        metrics.result()["backlog_count"].as_u64().expect("a number")
    };
    project.wrangler(&["queues", "pause-delivery", "queues-main"]).await.expect_ok();
    sent(&hearth, json!({ "messages": vec![json!({ "body": "purged" }); 5] })).await;
    assert_eq!(count().await, 5);
    project.wrangler(&["queues", "purge", "queues-main", "--force"]).await.expect_ok();
    assert_eq!(count().await, 0);
    let purged = hearth.api("GET", &format!("{queue}/purge"), None).await;
    assert!(purged.result()["started_at"].is_string(), "{purged:?}");
    sent(&hearth, json!({ "messages": vec![json!({ "body": "kept" }); 5] })).await;
    // Longer than a batch waits.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((seen(&hearth).await.len(), count().await), (0, 5));
    project.wrangler(&["queues", "resume-delivery", "queues-main"]).await.expect_ok();
    let seen = seen_until(&hearth, |seen| seen.len() >= 5).await;
    assert!(seen.iter().all(|message| message["body"] == "kept"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_send_pull_acknowledge_and_look_over_http() {
    let mut hearth = Hearth::start().await;
    let (id, _) = (create(&hearth, "pulled").await, create(&hearth, "dead").await);
    let path = |rest: &str| format!("{QUEUES}/{id}/{rest}");
    let (status, code, _) = hearth.api("POST", &path("messages/pull"), Some(json!({}))).await.error();
    assert_eq!((status, code), (400, 11010), "nobody may pull yet");
    let consumer =
        json!({ "type": "http_pull", "dead_letter_queue": "dead", "settings": { "max_retries": 1 } });
    hearth.api("POST", &path("consumers"), Some(consumer)).await.result();

    hearth.api("POST", &path("messages"), Some(json!({ "body": { "n": 1 } }))).await.result();
    let batch = json!({ "messages": [{ "body": "two", "content_type": "text" }, { "body": 3, "delay_seconds": 3600 }] });
    let answer = hearth.api("POST", &path("messages/batch"), Some(batch)).await;
    assert_eq!(answer.result()["metadata"]["metrics"]["backlog_count"], 3);
    let looked = hearth.api("POST", &path("messages/peek"), Some(json!({ "batch_size": 10 }))).await;
    assert_eq!(looked.result()["messages"].as_array().map(Vec::len), Some(2));

    let pull = json!({ "batch_size": 10, "visibility_timeout_ms": 3_600_000 });
    let pulled = hearth.api("POST", &path("messages/pull"), Some(pull.clone())).await;
    let messages = pulled.result()["messages"].clone();
    let shown: Vec<_> = messages
        .as_array()
        .expect("a list")
        .iter()
        .map(|message| {
            (
                message["body"].clone(),
                message["attempts"].clone(),
                message["metadata"]["CF-Content-Type"].clone(),
            )
        })
        .collect();
    // {"n":1} in base64.
    assert_eq!(
        shown,
        [(json!("eyJuIjoxfQ=="), json!(1), json!("json")), (json!("two"), json!(1), json!("text"))]
    );
    let lease = |number: usize| messages[number]["lease_id"].clone();

    hearth.kill().await;
    hearth.start_again().await;
    let none = hearth.api("POST", &path("messages/pull"), Some(pull.clone())).await;
    assert_eq!(none.result()["messages"], json!([]), "somebody has them, also after a kill");
    let settle = json!({ "acks": [{ "lease_id": lease(0) }, { "lease_id": "none" }], "retries": [{ "lease_id": lease(1) }] });
    let settled = hearth.api("POST", &path("messages/ack"), Some(settle)).await;
    assert_eq!((&settled.result()["ackCount"], &settled.result()["retryCount"]), (&json!(1), &json!(1)));
    assert!(settled.result()["warnings"]["none"].is_string(), "{settled:?}");

    let again = hearth.api("POST", &path("messages/pull"), Some(pull.clone())).await;
    let again = again.result()["messages"].clone();
    assert_eq!((again.as_array().map(Vec::len), &again[0]["attempts"]), (Some(1), &json!(2)));
    let retry = json!({ "retries": [{ "lease_id": again[0]["lease_id"] }] });
    hearth.api("POST", &path("messages/ack"), Some(retry)).await.result();
    let dead = hearth.api("GET", &format!("{QUEUES}?name=dead"), None).await.result()[0]["queue_id"].clone();
    let dead = format!("{QUEUES}/{}/metrics", dead.as_str().expect("an id"));
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while hearth.api("GET", &dead, None).await.result()["backlog_count"] != 1 {
        assert!(tokio::time::Instant::now() < deadline, "the dead letter did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let left = hearth.api("GET", &path("metrics"), None).await;
    assert_eq!(left.result()["backlog_count"], 1, "the one that is delayed");
    let bad = hearth.api("POST", &path("messages/batch"), Some(json!({ "messages": [] }))).await;
    assert_eq!(bad.error().1, 10206);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_in_a_bucket_is_told_to_a_queue() {
    let hearth = Hearth::start().await;
    let id = create(&hearth, "events").await;
    hearth
        .api("POST", &format!("{QUEUES}/{id}/consumers"), Some(json!({ "type": "http_pull" })))
        .await
        .result();
    hearth.api("POST", "/accounts/:a/r2/buckets", Some(json!({ "name": "noisy" }))).await.result();
    let project = hearth.app("queues");
    let notification =
        ["r2", "bucket", "notification", "create", "noisy", "--queue", "events", "--prefix", "in/"];
    let args = [&notification[..], &["--event-types", "object-create", "object-delete"]].concat();
    project.wrangler(&args).await.expect_ok();
    let said = project.wrangler(&["r2", "bucket", "notification", "list", "noisy"]).await.expect_ok();
    assert!(said.contains("queue_name:  events"), "{said}");
    let said = project.wrangler(&["queues", "info", "events"]).await.expect_ok();
    assert!(said.contains("r2_bucket:noisy"), "{said}");

    for key in ["in/a", "out/b"] {
        put_object(&hearth, "noisy", key, "hello").await;
    }
    hearth.api("DELETE", "/accounts/:a/r2/buckets/noisy/objects/in/a", None).await.result();
    let pull = json!({ "batch_size": 10 });
    let pulled = hearth.api("POST", &format!("{QUEUES}/{id}/messages/pull"), Some(pull)).await;
    let messages = pulled.result()["messages"].as_array().expect("a list");
    let bodies: Vec<Value> = messages.iter().map(|message| decoded(&message["body"])).collect();
    let of = |number: usize| (&bodies[number]["action"], &bodies[number]["object"]);
    assert_eq!(bodies.len(), 2, "{bodies:#?}");
    let etag = "5d41402abc4b2a76b9719d911017c592";
    assert_eq!(of(0), (&json!("PutObject"), &json!({ "key": "in/a", "size": 5, "eTag": etag })));
    assert_eq!(of(1), (&json!("DeleteObject"), &json!({ "key": "in/a" })));
    assert_eq!((&bodies[0]["bucket"], &bodies[0]["account"]), (&json!("noisy"), &json!(hearth.account())));
    assert!(bodies[0]["eventTime"].is_string());
}

async fn put_object(hearth: &Hearth, bucket: &str, key: &str, content: &'static str) {
    let path = format!("/client/v4/accounts/{}/r2/buckets/{bucket}/objects/{key}", hearth.account());
    let request = Request::put(path)
        .header("host", format!("localhost:{}", hearth.address().port()))
        .header("authorization", format!("Bearer {}", hearth.token()))
        .body(content.into())
        .expect("a valid request");
    let answer: Answer = hearth.send(request).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// JSON in base64, as a client pulls it.
fn decoded(body: &Value) -> Value {
    use base64::Engine as _;
    let bytes = base64::prelude::BASE64_STANDARD.decode(body.as_str().expect("text")).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_and_a_consumer_need_what_they_name() {
    let hearth = Hearth::start().await;
    let upload = async |bindings: Value, source: &str| {
        let metadata =
            json!({ "main_module": "index.js", "compatibility_date": "2026-01-01", "bindings": bindings });
        let form = hearth_testing::Form::default().metadata(&metadata.to_string());
        hearth.upload("w", form.part("index.js", "application/javascript+module", source).finish()).await
    };
    let plain = "export default { fetch: () => new Response('x') }";
    let consumer = "export default { fetch: () => new Response('x'), queue() {} }";
    let binding = json!([{ "name": "Q", "type": "queue", "queue_name": "missing" }]);
    let (status, code, message) = upload(binding, plain).await.error();
    assert_eq!((status, code), (400, 11000), "{message}");
    assert!(message.contains("missing") && message.contains('Q'), "{message}");

    upload(json!([]), plain).await.result();
    let id = create(&hearth, "consumed").await;
    let consumers = format!("{QUEUES}/{id}/consumers");
    let wanted = json!({ "type": "worker", "script_name": "w" });
    assert_eq!(hearth.api("POST", &consumers, Some(wanted.clone())).await.error().1, 11001);
    upload(json!([]), consumer).await.result();
    hearth.api("POST", &consumers, Some(wanted.clone())).await.result();
    assert_eq!(hearth.api("POST", &consumers, Some(wanted)).await.error().1, 11004);
    assert_eq!(upload(json!([]), plain).await.error().1, 11001, "it would lose its handler");
    for settings in [json!({ "batch_size": 0 }), json!({ "batch_size": 101 }), json!({ "max_retries": 101 })]
    {
        let wanted = json!({ "type": "worker", "script_name": "w", "settings": settings });
        assert_eq!(hearth.api("PUT", &format!("{consumers}/x"), Some(wanted.clone())).await.error().1, 11003);
        assert_eq!(hearth.api("POST", &consumers, Some(wanted)).await.error().1, 100_127);
    }
    let bad = json!({ "queue_name": "x", "settings": { "message_retention_period": 59 } });
    assert_eq!(hearth.api("POST", QUEUES, Some(bad)).await.error().1, 100_128);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_queue_is_still_the_one_that_is_bound() {
    let hearth = Hearth::start().await;
    let (id, dead) = (create(&hearth, "before").await, create(&hearth, "dead-before").await);
    let other = create(&hearth, "other").await;
    let source = "export default {
      async fetch(request, env) {
        await env.Q.send(new URL(request.url).pathname);
        return new Response('sent');
      },
    };";
    // What an upload says of an id does not count.
    let binding = json!([{ "name": "Q", "type": "queue", "queue_name": "before", "queue_id": other }]);
    let upload = async |bindings: Value| {
        let metadata =
            json!({ "main_module": "index.js", "compatibility_date": "2026-01-01", "bindings": bindings });
        let form = hearth_testing::Form::default().metadata(&metadata.to_string());
        let form = form.part("index.js", "application/javascript+module", source);
        hearth.upload("sender", form.finish()).await.result();
    };
    upload(binding).await;
    let scripts = "/accounts/:a/workers/scripts/sender";
    hearth.api("POST", &format!("{scripts}/subdomain"), Some(json!({ "enabled": true }))).await.result();
    let pull = json!({ "type": "http_pull", "dead_letter_queue": "dead-before" });
    hearth.api("POST", &format!("{QUEUES}/{id}/consumers"), Some(pull)).await.result();
    let backlog = async || {
        let metrics = hearth.api("GET", &format!("{QUEUES}/{id}/metrics"), None).await;
        metrics.result()["backlog_count"].clone()
    };
    let send = async || hearth.get(&hearth.host("sender"), "/").await.text();
    assert_eq!((send().await.as_str(), backlog().await), ("sent", json!(1)));

    for (queue, name) in [(&id, "after"), (&dead, "dead-after")] {
        hearth.api("PUT", &format!("{QUEUES}/{queue}"), Some(json!({ "queue_name": name }))).await.result();
    }
    assert_eq!((send().await.as_str(), backlog().await), ("sent", json!(2)));
    let queue = hearth.api("GET", &format!("{QUEUES}/{id}"), None).await.result().clone();
    assert_eq!(queue["producers"][0]["script"], "sender", "{queue}");
    assert_eq!(queue["consumers"][0]["dead_letter_queue"], "dead-after", "{queue}");
    let (status, code, _) = hearth.api("DELETE", &format!("{QUEUES}/{id}"), None).await.error();
    assert_eq!((status, code), (400, 11005), "it is bound");
    // A version that takes the binding over from the one before.
    upload(json!([{ "name": "Q", "type": "inherit" }])).await;
    assert_eq!((send().await.as_str(), backlog().await), ("sent", json!(3)));
    let settings = hearth.api("GET", &format!("{scripts}/settings"), None).await.result().clone();
    let bound = settings["bindings"].as_array().expect("bindings").iter().find(|bound| bound["name"] == "Q");
    assert_eq!(bound.expect("it is there")["queue_name"], "after");
}

/// The consumer's worker is gone, and comes back.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_worker_the_messages_wait_for_it() {
    let hearth = Hearth::start().await;
    let project = deployed(&hearth).await;
    let id =
        hearth.api("GET", &format!("{QUEUES}?name=queues-main"), None).await.result()[0]["queue_id"].clone();
    let id = id.as_str().expect("an id");
    hearth.api("DELETE", "/accounts/:a/workers/services/queues?force=true", None).await.result();
    let messages: Vec<Value> = (0..20).map(|n| json!({ "body": n })).collect();
    let path = format!("{QUEUES}/{id}/messages/batch");
    hearth.api("POST", &path, Some(json!({ "messages": messages }))).await.result();
    // Time for more attempts than a message has, if they counted.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let metrics = hearth.api("GET", &format!("{QUEUES}/{id}/metrics"), None).await;
    assert_eq!(metrics.result()["backlog_count"], 20);
    project.wrangler(&["deploy"]).await.expect_ok();
    let seen = seen_until(&hearth, |seen| seen.len() >= 20).await;
    assert_eq!(seen.len(), 20);
    assert!(seen.iter().all(|message| message["attempts"] == 1), "{seen:#?}");
}

/// What is left out: `wrangler dev` retries a message that its handler acknowledged before it threw, which Cloudflare
/// documents not to, and it knows no error codes.
#[tokio::test(flavor = "multi_thread")]
async fn wrangler_dev_does_the_same_with_the_same_worker() {
    let hearth = Hearth::start().await;
    let project = deployed(&hearth).await;
    let dev = project.dev().await;
    let bytes = json!({ "contentType": "bytes" });
    let v8 = json!({ "contentType": "v8" });
    let none = json!({});
    let cases = [
        (json!({ "a": [1, null, "ü"] }), &none, vec![1], vec![]),
        (json!({ "$bytes": [0, 255, 7] }), &bytes, vec![1], vec![]),
        (json!({ "$map": [["k", 1]] }), &v8, vec![1], vec![]),
        (json!({ "do": "retry", "times": 1 }), &none, vec![1, 2], vec![]),
        (json!({ "do": "retry", "times": 9 }), &none, vec![1, 2, 3], vec![1]),
        (json!({ "do": "retry all" }), &none, vec![1, 2], vec![]),
        (json!({ "do": "throw" }), &none, vec![1, 2, 3], vec![1]),
    ];
    for (body, options, main, dead) in &cases {
        let path = told(&json!({ "body": body, "options": options }));
        let ours = hearth.get(&hearth.host("queues"), &path).await.json();
        let theirs = dev.get(&path).await.expect("an answer").json();
        assert_eq!(ours.get("gives").is_some(), theirs.get("gives").is_some(), "{ours} {theirs}");
        let is_done = |seen: &[Value]| {
            attempts(seen, "queues-main", body).len() >= main.len()
                && attempts(seen, "queues-dead", body).len() >= dead.len()
        };
        let ours = seen_until(&hearth, is_done).await;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let theirs = loop {
            let seen = dev.get("/seen").await.expect("an answer").json();
            let seen = seen.as_array().expect("a list").clone();
            if is_done(&seen) {
                break seen;
            }
            assert!(tokio::time::Instant::now() < deadline, "it did not come on wrangler dev: {seen:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        for (who, seen) in [("Hearth", &ours), ("wrangler dev", &theirs)] {
            let all = (attempts(seen, "queues-main", body), attempts(seen, "queues-dead", body));
            assert_eq!(all, (main.clone(), dead.clone()), "{who}: {body}");
        }
    }
    for command in [
        json!({ "body": { "$long": 127_999 } }),
        json!({ "body": 1, "options": { "delaySeconds": 86_401 } }),
        json!({ "messages": vec![json!({ "body": 1 }); 101] }),
        json!({ "messages": [] }),
    ] {
        let path = told(&command);
        let ours = hearth.get(&hearth.host("queues"), &path).await.json();
        let theirs = dev.get(&path).await.expect("an answer").json();
        assert!(ours.get("throws").is_some() && theirs.get("throws").is_some(), "{ours} {theirs}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_has_the_queues_and_what_is_in_them() {
    let mut hearth = Hearth::start().await;
    let id = create(&hearth, "kept").await;
    hearth
        .api("POST", &format!("{QUEUES}/{id}/consumers"), Some(json!({ "type": "http_pull" })))
        .await
        .result();
    let send = async |hearth: &Hearth, body: &str| {
        let message = json!({ "body": body, "content_type": "text" });
        hearth.api("POST", &format!("{QUEUES}/{id}/messages"), Some(message)).await.result();
    };
    send(&hearth, "before").await;
    let archive = hearth.folder().join("nightly.hearth");
    let archive = archive.to_str().expect("the path is UTF-8").to_owned();
    let said = hearth.operator(&["backup", &archive]);
    assert!(said.contains("written"), "{said}");
    send(&hearth, "after").await;
    hearth.kill().await;
    std::fs::rename(hearth.data(), hearth.folder().join("lost")).expect("the data folder can be moved");
    let said = hearth.operator(&["restore", &archive]);
    assert!(said.contains("is as it was at 20"), "{said}");
    hearth.start_again().await;
    let pulled = hearth.api("POST", &format!("{QUEUES}/{id}/messages/pull"), Some(json!({}))).await;
    let messages = pulled.result()["messages"].as_array().expect("a list");
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0]["body"], "before");
}
