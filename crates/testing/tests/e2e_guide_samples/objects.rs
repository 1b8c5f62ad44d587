//! Samples with Durable Objects, and with queues too.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use hearth_testing::{Authority, Options, Origin};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::site::{Place, Site, until};

// ---- chat room ---------------------------------------------------------------------------------------------

type Socket = WebSocketStream<TcpStream>;

async fn join(site: &Site<'_>) -> Socket {
    let request = format!("ws://{}/websocket", site.host).into_client_request().expect("a valid URL");
    let stream = TcpStream::connect(site.address).await.expect("it listens");
    let joined = tokio_tungstenite::client_async(request, stream).await;
    joined.unwrap_or_else(|error| panic!("the room lets nobody in: {error}")).0
}

async fn say(socket: &mut Socket, message: &Value) {
    socket.send(Message::text(message.to_string())).await.expect("it can be sent");
}

async fn heard(socket: &mut Socket) -> Value {
    let message = tokio::time::timeout(Duration::from_secs(20), socket.next()).await;
    let message = message.expect("nothing is heard").expect("the room is closed").expect("a message");
    serde_json::from_str(message.to_text().expect("a text")).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chat_room() {
    let mut place = Place::start().await;
    let (address, host, history) = {
        let site = place.deploy("guide-chat").await;
        let (mut alice, mut bob) = (join(&site).await, join(&site).await);
        let (hi, hello) =
            (json!({ "from": "alice", "text": "hi ü" }), json!({ "from": "bob", "text": "hello" }));
        say(&mut alice, &hi).await;
        assert_eq!(heard(&mut alice).await, hi);
        assert_eq!(heard(&mut bob).await, hi);
        say(&mut bob, &hello).await;
        assert_eq!(heard(&mut alice).await, hello);
        assert_eq!(heard(&mut bob).await, hello);
        let history = json!([hi, hello]);
        assert_eq!(site.get("/messages").await.json(), history);
        // Who has left is not sent to, and who comes later hears what is said from then on.
        bob.close(None).await.expect("it can be closed");
        let mut carol = join(&site).await;
        say(&mut carol, &json!({ "from": "carol", "text": "and me" })).await;
        assert_eq!(heard(&mut alice).await["from"], "carol");
        assert_eq!(heard(&mut carol).await["from"], "carol");
        assert_eq!(site.get("/else").await.status, 404);
        (site.address, site.host.clone(), site.get("/messages").await.json())
    };
    assert_eq!(history.as_array().map(Vec::len), Some(3));
    // What was said is there after a crash.
    if let Place::Hearth(hearth) = &mut place {
        hearth.kill().await;
        hearth.start_again().await;
        assert_eq!(hearth.address(), address);
        assert_eq!(hearth.get(&host, "/messages").await.json(), history);
    }
}

// ---- gateway and rate limiter ------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_api_gateway_and_its_limiter() {
    let (authority, folder) = (Authority::default(), tempfile::tempdir().expect("a folder"));
    let names = ["users-service.internal", "orders-service.internal", "products-service.internal"];
    let origin = Origin::start_tls(&authority, &names, |path, _| {
        (if path == "/gone" { 410 } else { 200 }, format!("the service's {path}"), Duration::ZERO)
    })
    .await;
    let config = authority.config(folder.path(), &origin, &names);
    let place = Place::start_with(Options { config, ..Options::default() }).await;
    let sample = place.project("guide-gateway").await;
    sample.put_text("KEYS", &[("key:k1", "alice"), ("key:k2", "bob"), ("key:k4", "carol")]).await;
    let site = sample.deploy(&["wrangler.toml"]).await;
    let call = async |key: &str, method: &str, path: &str| {
        let headers =
            [("authorization", &*format!("Bearer {key}")), ("x-user-id", "root"), ("x-mine", "kept")];
        let answer = site.send(method, path, &headers, if method == "GET" { "" } else { "a body" }).await;
        (answer.status, answer.text())
    };
    assert_eq!(site.get("/api/users/1").await.status, 401);
    assert_eq!(call("k3", "GET", "/api/users/1").await, (401, "Unauthorized".to_owned()));
    assert_eq!(call("k2", "GET", "/nowhere").await, (404, "Not Found".to_owned()));
    // The simulator has no way to say where those names lead.
    if place.hearth().is_some() {
        assert_eq!(call("k1", "GET", "/api/users/1").await, (200, "the service's /1".to_owned()));
        assert_eq!(call("k1", "POST", "/api/orders/new").await, (200, "the service's /new".to_owned()));
        assert_eq!(call("k1", "GET", "/api/products/gone").await, (410, "the service's /gone".to_owned()));
        let (parts, body) = &origin.asked("/new")[0];
        assert_eq!((parts.method.as_str(), &body[..]), ("POST", &b"a body"[..]));
        let header = |name: &str| parts.headers[name].to_str().expect("a text").to_owned();
        assert_eq!((header("host"), header("x-user-id")), (names[1].to_owned(), "alice".to_owned()));
        assert_eq!((header("x-mine"), header("x-request-id").len()), ("kept".to_owned(), 36));
        until("the calls are logged", async || {
            let logged =
                site.sample.wrangler("d1 execute guide-gateway --json --command SELECT*FROM/**/log").await;
            (logged.contains("/api/products/gone") && logged.contains("410")).then_some(())
        })
        .await;
    }
    // Four calls in ten seconds for each: eight at once are four too many.
    let calls = futures::future::join_all((0..8).map(|_| call("k4", "GET", "/nowhere"))).await;
    let refused = calls.iter().filter(|call| **call == (429, "Too Many Requests".to_owned())).count();
    assert_eq!((refused, calls.iter().filter(|call| call.0 == 404).count()), (4, 4), "{calls:?}");
    assert_eq!(call("k2", "GET", "/nowhere").await.0, 404, "bob has calls of his own");
    until("carol may call again", async || (call("k4", "GET", "/nowhere").await.0 == 404).then_some(()))
        .await;
}

// ---- saga --------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_saga() {
    let place = Place::start().await;
    let site = place.deploy("guide-saga").await;
    let run = async |order: Value, status: u16, actions: &[&str]| {
        let done = site.json("/", order, status).await;
        let path = format!("/{}", done["sagaId"].as_str().expect("an id"));
        let kept = until("everybody has acted", async || {
            let told = site.get(&path).await.json();
            let acted = told["actions"].as_array().is_some_and(|acted| acted.len() >= actions.len());
            acted.then_some(told)
        })
        .await;
        assert_eq!(kept["actions"], json!(actions), "{done}");
        (done, kept["kept"].clone())
    };
    let (done, kept) = run(json!({ "amount": 50 }), 200, &["RESERVE", "CHARGE", "CREATE_SHIPMENT"]).await;
    assert_eq!((&done["success"], &kept["status"]), (&json!(true), &json!("completed")));
    assert_eq!(
        kept["completedSteps"][2],
        json!({
            "step": "create_shipping",
            "result": { "action": "CREATE_SHIPMENT" },
            "compensate": { "queue": "SHIPPING_QUEUE", "action": "CANCEL_SHIPMENT" },
        })
    );

    let (done, kept) = run(json!({ "amount": 500 }), 409, &["RESERVE", "CHARGE", "RELEASE"]).await;
    assert_eq!(done["error"], "the card is refused");
    assert_eq!((&kept["status"], &kept["error"]), (&json!("compensated"), &json!("the card is refused")));

    let order = json!({ "amount": 50, "island": true });
    let path = site.json("/", order, 409).await["sagaId"].as_str().expect("an id").to_owned();
    let acted = until("what was done is undone", async || {
        let acted = site.get(&format!("/{path}")).await.json()["actions"].clone();
        acted.as_array().filter(|acted| acted.len() == 5).cloned()
    })
    .await;
    assert_eq!(acted[..3], ["RESERVE", "CHARGE", "CREATE_SHIPMENT"]);
    let undone: std::collections::BTreeSet<_> = acted[3..].iter().filter_map(Value::as_str).collect();
    // Two queues keep no order between them.
    assert_eq!(undone, ["REFUND", "RELEASE"].into());
}

// ---- commerce ----------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_shop() {
    let place = Place::start().await;
    let site = place.deploy("guide-commerce").await;
    let tea = site.get("/products/tea").await.json();
    assert_eq!((&tea["title"], &tea["price"], &tea["inventory"]), (&json!("Tea"), &json!(20), &json!(10)));
    let cart = async |user: &str, method: &str, path: &str, body: Value| {
        let answer = site.send(method, &format!("/cart{path}"), &[("x-user", user)], body.to_string()).await;
        (answer.status, answer.text())
    };
    let read = async |user: &str| site.send("GET", "/cart/", &[("x-user", user)], "").await.json();
    let item = |id: &str, quantity: u32| json!({ "productId": id, "quantity": quantity });
    for (id, quantity) in [("tea", 1), ("cup", 1), ("tea", 2)] {
        assert_eq!(cart("alice", "POST", "/add", item(id, quantity)).await.0, 200);
    }
    assert_eq!(read("alice").await, json!({ "items": [item("tea", 3), item("cup", 1)] }));
    assert_eq!(read("bob").await, json!({ "items": [] }));
    assert_eq!(cart("bob", "POST", "/checkout", Value::Null).await, (400, "Cart is empty".to_owned()));
    assert_eq!(cart("alice", "DELETE", "/remove", item("cup", 1)).await.0, 200);
    assert_eq!(read("alice").await, json!({ "items": [item("tea", 3)] }));
    let (status, text) = cart("alice", "POST", "/checkout", Value::Null).await;
    assert_eq!((status, text.contains("Order created")), (200, true), "{text}");
    assert_eq!(read("alice").await, json!({ "items": [] }));

    let ordered = json!({ "userId": "bob", "items": [item("pot", 1), item("pen", 5)], "coupon": "TEN", "paymentMethod": "card" });
    let order = site.json("/orders", ordered, 202).await;
    assert_eq!((&order["total"], &order["status"]), (&json!(40), &json!("processing")));
    let payments = until("both are paid for", async || {
        let payments = site.get("/_payments").await.json();
        payments.as_array().filter(|paid| paid.len() == 2).cloned()
    })
    .await;
    let mut amounts: Vec<_> = payments.iter().filter_map(|paid| paid["amount"].as_i64()).collect();
    amounts.sort_unstable();
    assert_eq!(amounts, [40, 60]);
    until("the stock is taken", async || {
        let left = async |id: &str| site.get(&format!("/products/{id}")).await.json()["inventory"].clone();
        (left("tea").await == 7 && left("pot").await == 4 && left("pen").await == 95).then_some(())
    })
    .await;
    let orders = site.get("/_orders").await.json();
    let mut users: Vec<_> =
        orders.as_array().expect("rows").iter().map(|order| order["user_id"].as_str()).collect();
    users.sort_unstable();
    assert_eq!(users, [Some("alice"), Some("bob")]);

    let refused = site.json("/orders", json!({ "userId": "bob", "items": [item("cup", 2)] }), 409).await;
    assert_eq!(refused, json!({ "error": "Product cup out of stock" }));
    let went = site.get("/_transactions").await.json();
    let went: Vec<_> =
        went.as_array().expect("rows").iter().map(|one| (&one["steps"], &one["outcome"])).collect();
    let all = json!("VALIDATE_INVENTORY CALCULATE_TOTAL CREATE_ORDER RESERVE_INVENTORY PROCESS_PAYMENT");
    let committed = (&all, &json!("committed"));
    assert_eq!(went, [committed, committed, (&json!("VALIDATE_INVENTORY"), &json!("rolled back"))]);

    let offered = site.send("GET", "/recommendations", &[("x-user", "bob")], "").await.json();
    let titles: Vec<_> = offered.as_array().expect("rows").iter().map(|product| &product["title"]).collect();
    assert_eq!(titles, ["Tea", "Cup"], "of the kinds that he buys, without what he has");
}

// ---- a worker with everything ------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_three_handlers() {
    let place = Place::start().await;
    let sample = place.project("guide-worker").await.secret("API_KEY", "sesame");
    sample.put("MY_KV", &[("old:1", json!(1)), ("old:2", json!(2)), ("new", json!(3))]).await;
    let site = sample.deploy(&["wrangler.toml"]).await;
    assert_eq!(site.get("/api/users").await.status, 403);
    let users = site.send("GET", "/api/users", &[("x-api-key", "sesame")], "").await;
    assert_eq!(users.json(), json!([{ "name": "alice" }, { "name": "bob" }]));
    assert_eq!(site.get("/").await.status, 404);
    for (number, text) in [(1, "one two three"), (2, "four")] {
        let post = json!({ "id": format!("p{number}"), "text": text });
        assert_eq!(site.json("/api/posts", post, 202).await, json!({ "number": number }));
    }
    let look = async || site.get("/api/posts").await.json();
    let posts = until("the posts are indexed", async || {
        Some(look().await["posts"].clone()).filter(|posts| posts.as_array().map(Vec::len) == Some(2))
    })
    .await;
    assert_eq!(posts, json!([{ "id": "p1", "words": 3 }, { "id": "p2", "words": 1 }]));

    assert_eq!(look().await["old"], json!(["old:1", "old:2"]));
    if let Some(hearth) = place.hearth() {
        let path = "/accounts/:a/workers/scripts/guide-worker/hearth/scheduled";
        assert_eq!(hearth.api("POST", path, Some(json!({}))).await.result()["outcome"], "ok");
    } else {
        assert_eq!(site.get("/cdn-cgi/handler/scheduled").await.text(), "ok");
    }
    assert_eq!(look().await["old"], json!([]), "the clean-up ran");
}
