//! Samples with queues, and what goes with them.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_testing::Origin;
use serde_json::{Value, json};

use crate::site::{Place, Site, until};

/// What the queues brought, once it is so much.
async fn seen(site: &Site<'_>, count: usize) -> Vec<Value> {
    let mut last = Value::Null;
    let found = async || {
        last = site.get("/_seen").await.json();
        last.as_array().filter(|seen| seen.len() >= count).cloned()
    };
    let seen = until(&format!("{count} messages arrive"), found).await;
    assert_eq!(seen.len(), count, "{seen:?}");
    seen
}

// ---- queues ------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_a_consumer_and_dead_letters() {
    let place = Place::start().await;
    let origin = Origin::start(|path, before| {
        let status = match path {
            "/second-time" if before == 0 => 500,
            "/broken" => 500,
            _ => 200,
        };
        (status, String::new(), Duration::ZERO)
    })
    .await;
    place.allow(origin.address);
    let workers = ["dead-letters.toml", "consumer.toml", "wrangler.toml"];
    let site = place.project("guide-queues").await.deploy(&workers).await;
    let sent = site.post("/", json!({ "email": "a@example.com", "users": [{ "id": 1 }, { "id": 2 }] })).await;
    assert_eq!((sent.status, sent.text()), (200, "Queued".to_owned()));
    let hook = |path: &str| json!({ "type": "webhook", "url": origin.url(path), "data": { "n": 7 } });
    for message in [
        json!({ "type": "sms", "to": "+49", "text": "hi" }),
        hook("/ok"),
        hook("/second-time"),
        hook("/broken"),
    ] {
        assert_eq!(site.post("/message", message).await.text(), "Queued");
    }

    let outbox = until("the letters are out", async || {
        let outbox = site.get("/outbox").await.json();
        (outbox.as_array().map(Vec::len) == Some(2)).then_some(outbox)
    })
    .await;
    let letters: BTreeMap<_, _> = outbox
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| (row["kind"].as_str(), (row["recipient"].as_str(), row["text"].as_str())))
        .collect();
    assert_eq!(letters[&Some("email")], (Some("a@example.com"), Some("Welcome!")));
    assert_eq!(letters[&Some("sms")], (Some("+49"), Some("hi")));

    let failed = until("a dead letter", async || {
        let failed = site.get("/failed_messages").await.json();
        failed.as_array().is_some_and(|failed| !failed.is_empty()).then_some(failed)
    })
    .await;
    let [letter] = &failed.as_array().expect("rows")[..] else { panic!("one is dead: {failed}") };
    let body: Value = serde_json::from_str(letter["body"].as_str().expect("a text")).expect("JSON");
    assert_eq!((body, &letter["error"]), (hook("/broken"), &Value::Null));
    let times = ["/ok", "/second-time", "/broken"].map(|path| origin.asked(path).len());
    assert_eq!(times, [1, 2, 4], "what fails is tried three times more, what is acknowledged is not");
    assert_eq!(origin.asked("/ok")[0].1, r#"{"n":7}"#);
}

// ---- event bus ---------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_event_bus() {
    let place = Place::start().await;
    let site = place.deploy("guide-event-bus").await;
    let order = json!({ "id": "o1", "items": ["tea"] });
    assert_eq!(site.json("/", order.clone(), 200).await, json!({ "status": "accepted", "orderId": "o1" }));
    let created = seen(&site, 3).await;
    let queues: Vec<_> = created.iter().map(|one| one["queue"].as_str().expect("a name")).collect();
    assert_eq!(queues, ["bus-email", "bus-inventory", "bus-payment"]);
    for one in &created {
        assert_eq!((&one["body"]["event"], &one["body"]["data"]), (&json!("order.created"), &order));
    }
    let id = |number: usize| created[number]["body"]["correlationId"].as_str().expect("an id");
    assert!(id(0) != id(1) && id(1) != id(2) && id(0).len() == 36, "{created:?}");

    for event in ["order.paid", "order.shipped", "order.delivered", "order.lost"] {
        assert_eq!(site.post("/_emit", json!({ "event": event, "data": 1 })).await.status, 204);
    }
    let all = seen(&site, 9).await;
    let mut routed: Vec<_> = all
        .iter()
        .map(|one| (one["body"]["event"].as_str().expect("an event"), one["queue"].as_str().expect("a name")))
        .filter(|(event, _)| *event != "order.created")
        .collect();
    routed.sort_unstable();
    let wanted = [
        ("order.delivered", "bus-analytics"),
        ("order.delivered", "bus-review"),
        ("order.paid", "bus-analytics"),
        ("order.paid", "bus-shipping"),
        ("order.shipped", "bus-email"),
        ("order.shipped", "bus-tracking"),
    ];
    assert_eq!(routed, wanted);
}

// ---- CQRS --------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_queries() {
    let place = Place::start().await;
    let site = place.deploy("guide-cqrs").await;
    let command = async |kind: &str, data: Value| {
        let done = site.json("/command", json!({ "type": kind, "data": data }), 200).await;
        assert_eq!(done["success"], true, "{done}");
        done["eventId"].clone()
    };
    let query = async |query: Value| site.json("/query", query, 200).await;
    let created = command("CREATE_ORDER", json!({ "orderId": "o1", "total": 30 })).await;
    let other = command("CREATE_ORDER", json!({ "orderId": "o2", "total": 5 })).await;
    let paid = command("PROCESS_PAYMENT", json!({ "orderId": "o1" })).await;
    let order = until("the read model follows", async || {
        let order = query(json!({ "type": "GET_ORDER", "orderId": "o1" })).await;
        (order["status"] == "paid" && order["total"] == 30).then_some(order)
    })
    .await;
    assert_eq!(order, json!({ "id": "o1", "total": 30, "status": "paid" }));
    until("the other order is there", async || {
        let open = query(json!({ "type": "LIST_ORDERS", "filters": { "status": "open" } })).await;
        (open == json!([{ "id": "o2", "total": 5, "status": "open" }])).then_some(())
    })
    .await;
    let history = query(json!({ "type": "GET_ORDER_HISTORY", "orderId": "o1" })).await;
    let events: Vec<_> =
        history.as_array().expect("events").iter().map(|one| (&one["type"], &one["id"])).collect();
    assert_eq!(events, [(&json!("OrderCreated"), &created), (&json!("PaymentProcessed"), &paid)]);
    let history = query(json!({ "type": "GET_ORDER_HISTORY", "orderId": "o2" })).await;
    assert_eq!(history[0]["id"], other);
    assert_eq!(query(json!({ "type": "GET_ORDER", "orderId": "o3" })).await, Value::Null);
}

// ---- logger and tracer -------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_logger_and_the_tracer() {
    let place = Place::start().await;
    let site = place.deploy("guide-monitoring").await;
    let answer = site.send("GET", "/users?q=1", &[("x-mine", "kept")], "").await;
    assert_eq!(answer.json()["results"], json!([{ "id": 1, "name": "alice" }]));
    let of = |seen: &[Value], queue: &str| -> Vec<Value> {
        seen.iter().filter(|one| one["queue"] == queue).map(|one| one["body"].clone()).collect()
    };
    let all = seen(&site, 3).await;
    let [log] = &of(&all, "guide-logs")[..] else { panic!("one entry: {all:?}") };
    assert_eq!((&log["level"], &log["message"]), (&json!("INFO"), &json!("Request received")));
    assert_eq!((&log["environment"], &log["region"]), (&json!("staging"), &json!("test")));
    assert_eq!((&log["method"], &log["headers"]["x-mine"]), (&json!("GET"), &json!("kept")));
    assert_eq!(log["url"], format!("http://{}/users?q=1", site.host));
    let [metric] = &of(&all, "guide-metrics")[..] else { panic!("one metric: {all:?}") };
    assert_eq!((&metric["name"], &metric["value"]), (&json!("request_count"), &json!(1)));
    assert_eq!(metric["tags"], json!({ "endpoint": "/users" }));
    let [trace] = &of(&all, "guide-traces")[..] else { panic!("one trace: {all:?}") };
    let spans: Vec<_> = trace["spans"].as_array().expect("spans").iter().collect();
    let names: Vec<_> = spans.iter().map(|span| (&span["name"], &span["status"])).collect();
    let success = json!("success");
    assert_eq!(names, [(&json!("handle_request"), &success), (&json!("database_query"), &success)]);
    for span in spans {
        let time = |field: &str| span[field].as_i64().expect("a time");
        assert_eq!(time("duration"), time("endTime") - time("startTime"));
        assert_eq!(span["traceId"], trace["traceId"]);
    }

    site.sample.wrangler("d1 execute guide-monitoring --command DROP/**/TABLE/**/users").await;
    assert_eq!(site.get("/broken").await.status, 500);
    let all = seen(&site, 5).await;
    let log = of(&all, "guide-logs").into_iter().find(|log| log["level"] == "ERROR").expect("an error");
    assert_eq!((&log["message"], &log["error"]["name"]), (&json!("Request failed"), &json!("Error")));
    assert!(
        log["error"]["message"].as_str().is_some_and(|text| text.contains("no such table: users")),
        "{log}"
    );
    assert!(log["error"]["stack"].as_str().is_some_and(|text| text.contains("at ")), "{log}");
}

// ---- SaaS and billing --------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn tenants_and_their_bills() {
    let place = Place::start().await;
    let sample = place.project("guide-saas").await.routes(&["*.saas.example/*", "notes.acme.example/*"]);
    let config = |name: &str| json!({ "name": name, "limits": { "requests": 4 } });
    sample.put("KV", &[("config:t1", config("Acme")), ("config:t2", config("Globex"))]).await;
    let mut site = sample.deploy(&["wrangler.toml"]).await;
    let mut ask = async |host: &str, method: &str, path: &str, body: &str| {
        host.clone_into(&mut site.host);
        let answer = site.send(method, path, &[], body.to_owned()).await;
        (answer.status, answer.text())
    };
    let notes = |name: &str, notes: &[&str]| (200, json!({ "name": name, "notes": notes }).to_string());
    let [acme, own, globex] = ["acme.saas.example", "notes.acme.example", "globex.saas.example"];
    assert_eq!(ask(acme, "GET", "/", "").await, notes("Acme", &["of Acme", "also of Acme"]));
    assert_eq!(ask(own, "GET", "/", "").await, notes("Acme", &["of Acme", "also of Acme"]));
    assert_eq!(ask(globex, "GET", "/", "").await, notes("Globex", &["of Globex"]));
    assert_eq!(ask("nobody.saas.example", "GET", "/", "").await, (404, "Tenant not found".to_owned()));
    assert_eq!(ask(globex, "PUT", "/files/a", "theirs").await.0, 204);
    assert_eq!(ask(globex, "GET", "/files/a", "").await, (200, "theirs".to_owned()));
    assert_eq!(ask(acme, "GET", "/files/a", "").await.0, 404, "another tenant's file");

    assert_eq!(ask(acme, "GET", "/", "").await.0, 200, "the fourth");
    let over = (402, "Usage limit exceeded for requests".to_owned());
    assert_eq!(ask(acme, "GET", "/", "").await, over, "the fifth");
    assert_eq!(ask(own, "GET", "/", "").await, over);
    assert_eq!(ask(globex, "GET", "/", "").await.0, 200, "the other's fourth");
    let bills = json!([{ "tenant": "t1", "amount": 4 }, { "tenant": "t2", "amount": 4 }]);
    let billed = async || {
        let (_, text) = ask(acme, "GET", "/_billed", "").await;
        serde_json::from_str::<Value>(&text).is_ok_and(|billed| billed == bills).then_some(())
    };
    until("everything is billed", billed).await;
}

// ---- invite links ------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn invite_links() {
    let place = Place::start().await;
    let sample = place.project("guide-invites").await;
    let invites = [
        ("invite:twice", json!({ "maxUses": 2 })),
        ("invite:old", json!({ "expiresAt": 1000 })),
        ("invite:ever", json!({ "expiresAt": 4_000_000_000_000_u64 })),
    ];
    sample.put("KV", &invites).await;
    let site = sample.deploy(&["wrangler.toml"]).await;
    let follow = async |code: &str| {
        let headers = [("user-agent", "a test"), ("referer", "https://there.example/")];
        let answer = site.send("GET", &format!("/{code}"), &headers, "").await;
        (answer.status, answer.header("location").to_owned())
    };
    let to = |place: &str| (302, place.to_owned());
    assert_eq!(follow("none").await, to("https://discord.com/404"));
    assert_eq!(follow("old").await, to("https://discord.com/expired"));
    assert_eq!(follow("old").await, to("https://discord.com/404"), "it is gone");
    for _ in 0..3 {
        assert_eq!(follow("ever").await, to("discord://invite/ever"));
    }
    for _ in 0..2 {
        assert_eq!(follow("twice").await, to("discord://invite/twice"));
    }
    assert_eq!(follow("twice").await, to("https://discord.com/404"), "it was for two");
    let clicks = seen(&site, 5).await;
    let codes: Vec<_> = clicks.iter().map(|click| click["inviteCode"].as_str().expect("a code")).collect();
    assert_eq!(codes.iter().filter(|code| **code == "twice").count(), 2, "{codes:?}");
    assert_eq!(
        (&clicks[0]["referrer"], &clicks[0]["userAgent"]),
        (&json!("https://there.example/"), &json!("a test"))
    );
}
