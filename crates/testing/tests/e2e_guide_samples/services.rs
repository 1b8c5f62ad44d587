//! Samples that answer requests, with what they keep in KV, R2 and D1, and with other workers.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hearth_testing::{Authority, Options, Origin, checkout};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::site::{Place, Site, until};

// ---- JWT ---------------------------------------------------------------------------------------------------

/// HMAC with SHA-256, by its definition: a second opinion about what the sample signs.
fn hmac(key: &[u8], data: &str) -> Vec<u8> {
    let pad =
        |with: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or_default() ^ with).collect() };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(data).finalize();
    Sha256::new().chain_update(pad(0x5C)).chain_update(inner).finalize().to_vec()
}

fn token(header: &Value, claims: &Value, key: &[u8]) -> String {
    let data = [header, claims].map(|part| BASE64.encode(part.to_string())).join(".");
    let signature = BASE64.encode(hmac(key, &data));
    format!("{data}.{signature}")
}

async fn with_token(site: &Site<'_>, token: &str) -> (u16, String) {
    let answer = site.send("GET", "/area", &[("authorization", &format!("Bearer {token}"))], "").await;
    (answer.status, answer.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn jwt() {
    let place = Place::start().await;
    let sample = place.project("guide-jwt").await.secret("JWT_SECRET", "sesame");
    let site = sample.deploy(&["wrangler.toml"]).await;
    let claims = json!({ "sub": "u1", "name": "值 ü ÿþ", "permissions": ["read"], "exp": 4_000_000_000_u64 });
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let ours = token(&header, &claims, b"sesame");
    assert!(ours.contains('-') || ours.contains('_'), "{ours} does not try base64url");

    let (status, text) = with_token(&site, &ours).await;
    assert_eq!(status, 200, "{text}");
    let seen: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(seen, json!({ "path": "/area", "claims": claims }));
    // What it signs holds by our own reckoning, and is good for itself.
    let signed = site.post("/", claims.clone()).await.text();
    let (data, signature) = signed.rsplit_once('.').expect("three parts");
    assert_eq!(BASE64.decode(signature).expect("base64url"), hmac(b"sesame", data));
    assert_eq!(with_token(&site, &signed).await.0, 200);

    assert_eq!(site.get("/area").await.status, 401, "no token");
    let refused = (401, "Invalid token".to_owned());
    assert_eq!(with_token(&site, &token(&header, &claims, b"other")).await, refused, "another key");
    let admin = BASE64.encode(json!({ "sub": "root", "permissions": ["read"] }).to_string());
    let parts: Vec<&str> = ours.split('.').collect();
    let forged = [parts[0], &admin, parts[2]].join(".");
    assert_eq!(with_token(&site, &forged).await, refused, "other claims under the signature");
    let none = BASE64.encode(json!({ "alg": "none" }).to_string());
    assert_eq!(with_token(&site, &format!("{none}.{}.", parts[1])).await, refused, "no signature");
    assert_eq!(with_token(&site, "nonsense").await, refused);
    let expired = json!({ "permissions": ["read"], "exp": 1_000_000_000 });
    assert_eq!(with_token(&site, &token(&header, &expired, b"sesame")).await, refused, "expired");
    let writer = json!({ "permissions": ["write"] });
    let forbidden = with_token(&site, &token(&header, &writer, b"sesame")).await;
    assert_eq!(forbidden, (403, "Forbidden".to_owned()));

    if place.hearth().is_some() {
        let listed = site.sample.run("secret list").await;
        assert!(listed.contains("JWT_SECRET") && !listed.contains("sesame"), "{listed}");
        site.sample.run("secret delete JWT_SECRET").await;
        assert_eq!(with_token(&site, &ours).await, refused, "its key is gone");
    }
}

// ---- validator ---------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_validator() {
    let place = Place::start().await;
    let site = place.deploy("guide-validator").await;
    let errors = async |data: Value| site.json("/", data, 400).await["errors"].clone();
    assert_eq!(errors(json!({})).await, json!(["email is required", "password is required"]));
    assert_eq!(
        errors(json!({ "email": "no address", "password": "short", "age": "20" })).await,
        json!(["email format is invalid", "Password must contain uppercase", "age must be number"])
    );
    let long = format!("{}@example.com", "a".repeat(255));
    assert_eq!(
        errors(json!({ "email": long, "password": "Sesame1" })).await,
        json!(["email must be at most 255 characters"])
    );
    // It does not look at `minLength`, `min` and `max`, which its own schema has; and it takes the semicolon of an HTML
    // entity for SQL.
    let data = json!({ "email": "o'b@example.com", "password": "<B>1\"", "age": 900, "role": "admin" });
    assert_eq!(
        site.json("/", data, 200).await,
        json!({ "cleaned": { "email": "o&#x27b@example.com", "password": "&ltB&gt1&quot", "age": 900 } })
    );
}

// ---- retry and circuit breaker -----------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn retries_and_the_circuit_breaker() {
    let place = Place::start().await;
    let origin = Origin::start(|path, before| {
        let (status, wait) = match path {
            "/third-time" => (if before < 2 { 503 } else { 200 }, 0),
            "/refused" => (404, 0),
            "/slow" => (200, 2000),
            // Down for seven requests.
            "/breaks" => (if before < 7 { 500 } else { 200 }, 0),
            _ => (503, 0),
        };
        (status, "the origin".to_owned(), Duration::from_millis(wait))
    })
    .await;
    place.allow(origin.address);
    let site = place.deploy("guide-retry").await;

    let options = json!({ "maxRetries": 2, "initialDelay": 10 });
    let retry = async |path: &str, status: u16| {
        let args = json!({ "url": origin.url(path), "options": options });
        let answer = site.json("/retry", args, status).await;
        (answer, origin.asked(path).len())
    };
    assert_eq!(retry("/third-time", 200).await, (json!({ "result": "the origin" }), 3));
    assert_eq!(retry("/down", 502).await, (json!({ "error": "the origin says 503" }), 3));
    assert_eq!(retry("/refused", 502).await, (json!({ "error": "the origin says 404" }), 1));

    let breaker = async |name: &str, path: &str, options: Value| {
        let args = json!({ "name": name, "url": origin.url(path), "options": options });
        let answer = site.post("/breaker", args).await.json();
        let text = answer["result"].as_str().or(answer["error"].as_str()).expect("either").to_owned();
        (text, answer["state"].as_str().expect("a state").to_owned())
    };
    let says = |text: &str, state: &str| (text.to_owned(), state.to_owned());
    let quick = json!({ "threshold": 5, "resetTimeout": 1000 });
    let call = async || breaker("one", "/breaks", quick.clone()).await;
    for _ in 0..4 {
        assert_eq!(call().await, says("the origin says 500", "CLOSED"));
    }
    assert_eq!(call().await, says("the origin says 500", "OPEN"), "the fifth failure opens it");
    for _ in 0..3 {
        assert_eq!(call().await, says("Circuit breaker is OPEN", "OPEN"));
    }
    assert_eq!(origin.asked("/breaks").len(), 5, "an open breaker asks nobody");
    // One more failure after the pause opens it at once; after the next pause three successes close it.
    let half_open = async |failure: &str| {
        until(failure, async || Some(call().await).filter(|answer| answer.0 != "Circuit breaker is OPEN"))
            .await
    };
    assert_eq!(half_open("a sixth failure").await, says("the origin says 500", "OPEN"));
    assert_eq!(half_open("a seventh failure").await, says("the origin says 500", "OPEN"));
    assert_eq!(half_open("a success").await, says("the origin", "HALF_OPEN"));
    assert_eq!(call().await, says("the origin", "HALF_OPEN"));
    assert_eq!(call().await, says("the origin", "CLOSED"));
    let slow = breaker("slow", "/slow", json!({ "timeout": 100, "threshold": 1 })).await;
    assert_eq!(slow, says("Timeout", "OPEN"));
}

// ---- orchestrator ------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_orchestrator() {
    let place = Place::start().await;
    let site = place.project("guide-orchestrator").await.deploy(&["backend.toml", "wrangler.toml"]).await;
    let book = json!([{ "id": "book", "quantity": 2 }]);
    let done = site.json("/", json!({ "userId": "alice", "items": book }), 200).await;
    assert_eq!(done["validateUser"]["address"], json!({ "country": "DE" }));
    assert_eq!(done["checkInventory"]["available"], true);
    let order = json!({ "userId": "alice", "items": book, "shippingCost": 5 });
    assert_eq!(site.get("/").await.json(), order, "the cost of shipping is in the order");
    assert_eq!(done["createOrder"]["id"], "o1");
    let time = |step: &str, end: &str| done[step][end].as_i64().expect("a time");
    let [one, two] = ["checkInventory", "calculateShipping"];
    let overlap = time(one, "from") < time(two, "to") && time(two, "from") < time(one, "to");
    assert!(overlap, "the two steps did not run side by side: {done}");

    let error = async |user: &str, items: Value| {
        site.json("/", json!({ "userId": user, "items": items }), 409).await["error"].clone()
    };
    assert_eq!(error("bob", book.clone()).await, "no user bob");
    let pen = json!([{ "id": "pen", "quantity": 1 }]);
    assert_eq!(error("alice", pen).await, "Step checkInventory failed: Error: pen is out of stock");
    assert_eq!(site.get("/").await.json(), order, "neither ordered anything");
    let heavy = json!([{ "id": "book", "quantity": 1, "heavy": true }]);
    let done = site.json("/", json!({ "userId": "alice", "items": heavy }), 200).await;
    assert_eq!(done["createOrder"]["shippingCost"], 0, "that step is not required: {done}");
}

// ---- SSR ---------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_rendered_shop() {
    let mmdb = checkout().join("crates/gateway/tests/geo/city.mmdb");
    let config = format!("mmdb = [{mmdb:?}]\ntrusted-proxies = [\"127.0.0.1/32\"]\n");
    let place = Place::start_with(Options { config, ..Options::default() }).await;
    let sample = place.project("guide-ssr").await;
    let tea = json!({ "title": "Tea & <more>", "tag": "tea", "variants": ["green", "black"], "price": 10 });
    sample.put("PRODUCTS", &[("product:tea", tea)]).await;
    let site = sample.deploy(&["wrangler.toml"]).await;
    // A proxy says whose request it is, and the operator's file where that is. The simulator looks nothing up.
    let german = match place.hearth() {
        Some(_) => ("x-forwarded-for", "81.2.69.7"),
        None => ("cf-ipcountry", "DE"),
    };
    for (headers, price, others) in
        [(&[german][..], "€9.00", "<li>Cup</li><li>Stövchen</li>"), (&[], "$10.00", "<li>Cup</li>")]
    {
        let answer = site.send("GET", "/products/tea", headers, "").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/html"));
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
        assert_eq!(
            answer.text(),
            format!(
                "<!doctype html><title>Tea &#38; &#60;more&#62;</title><b>{price}</b>\
                 <ul><li>green: 3</li><li>black: 0</li></ul><ol>{others}</ol>"
            )
        );
    }
    let site = site.and_deploy("hydrogen.toml").await;
    assert_eq!(site.get("/products/tea").await.json(), json!({ "product": { "title": "Tea & <more>" } }));
    assert_eq!(site.get("/products/none").await.json(), json!({ "product": null }));
}

// ---- performance -------------------------------------------------------------------------------------------

/// It fetches from a name of the public web, which is an origin here: on Hearth only, an operator can say so.
#[tokio::test(flavor = "multi_thread")]
async fn the_performance_tracker() {
    let (authority, folder) = (Authority::default(), tempfile::tempdir().expect("a folder"));
    let names = ["api.example.com"];
    let origin = Origin::start_tls(&authority, &names, |_, _| (200, "data".to_owned(), Duration::ZERO)).await;
    let config = authority.config(folder.path(), &origin, &names);
    let place = Place::start_with(Options { config, ..Options::default() }).await;
    if place.hearth().is_none() {
        return;
    }
    let site = place.deploy("guide-performance").await;
    let users = site.get("/").await.json();
    let names: Vec<_> = users["results"].as_array().expect("rows").iter().map(|user| &user["name"]).collect();
    assert_eq!(names, ["alice", "bob"]);
    assert_eq!(origin.asked("/data").len(), 1);
    let listed = until("the metrics are kept", async || {
        let listed = site.sample.wrangler("kv key list --binding METRICS_KV --prefix metrics:").await;
        listed.contains("metrics:").then_some(listed)
    })
    .await;
    let key = listed.split('"').find(|text| text.starts_with("metrics:")).expect("a key");
    let kept = site.sample.wrangler(&format!("kv key get {key} --binding METRICS_KV")).await;
    let metrics: Value = serde_json::from_str(kept.lines().last().unwrap_or_default()).expect("JSON");
    let names: Vec<_> = metrics.as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["db_query", "api_call"]);
    assert!(listed.contains("\"expiration\""), "{listed}");
}

// ---- coalescer and batch -----------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_coalescer_and_the_batch_processor() {
    let place = Place::start().await;
    let origin = Origin::start(|path, before| {
        (200, format!("{path} for the {before}. time"), Duration::from_millis(700))
    })
    .await;
    place.allow(origin.address);
    let site = place.deploy("guide-coalescer").await;
    let together = async |piece: &str, path: &str| {
        let args = json!({ "url": origin.url(path) });
        futures::future::join_all((0..4).map(|_| site.post(piece, args.clone()))).await
    };
    for answer in together("/text", "/data").await {
        assert_eq!((answer.status, answer.text()), (200, "\"/data for the 0. time\"".to_owned()));
    }
    assert_eq!(origin.asked("/data").len(), 1, "four requests at a time are one to the origin");
    let later = site.post("/text", json!({ "url": origin.url("/data") })).await;
    assert_eq!(later.text(), "\"/data for the 1. time\"", "nothing is kept");

    // Why it has to be a text.
    let answers = together("/response", "/shared").await;
    assert_eq!(origin.asked("/shared").len(), 1);
    let ok = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(ok, 1, "{answers:?}");
    let refused = answers.iter().find(|answer| answer.status == 500).expect("three of four");
    // Which of the two depends on whether the one whose response it is has begun to read.
    let reasons = ["on behalf of a different request", "currently locked to a reader"];
    assert!(reasons.iter().any(|reason| refused.text().contains(reason)), "{}", refused.text());

    let options = json!({ "batchSize": 2, "batchTimeout": 50 });
    let args = json!({ "items": ["a", "b", "c", "bad", "e"], "options": options });
    let done = site.json("/batch", args, 200).await;
    let refused = "refused: a bad item";
    assert_eq!(
        done,
        json!({ "results": ["a done", "b done", refused, refused, "e done"], "sizes": [2, 2, 1] }),
        "a batch fails as a whole"
    );
}

// ---- requests ----------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn request_optimisations() {
    let place = Place::start().await;
    let origin = Origin::start(|path, before| {
        (if path == "/gone" { 404 } else { 200 }, format!("{path} for the {before}. time"), Duration::ZERO)
    })
    .await;
    place.allow(origin.address);
    let site = place.deploy("guide-requests").await;
    for handled in [true, false] {
        let once = site.get("/dedupe?id=r1").await.json();
        assert_eq!(once, json!({ "handled": handled, "result": { "answer": 42 } }));
    }

    let text = "a line of text\n".repeat(2000);
    for (wanted, encoding) in [("gzip, br", "gzip"), ("deflate", "deflate"), ("identity", "")] {
        // Else whatever stands in front of the worker may compress what the worker did not.
        let headers = [("x-encodings", wanted), ("accept-encoding", wanted)];
        let answer = site.send("GET", "/compress", &headers, "").await;
        assert_eq!((answer.status, answer.header("x-kept")), (200, "yes"));
        assert_eq!(answer.header("content-type"), "text/csv");
        assert_eq!(answer.header("content-encoding"), encoding, "{wanted}");
        let plain = decoded(encoding, &answer.body).await;
        assert!(plain == text, "{wanted}: {} bytes", plain.len());
    }
    let brotli = site.get("/brotli").await;
    assert_eq!(brotli.status, 500, "{}", brotli.text());

    let smart = async |method: &str, status: u16, headers: Value| {
        let args = json!({ "method": method, "status": status, "headers": headers });
        let told = site.json("/smart", args, 200).await;
        (told["should"].as_bool().expect("a flag"), told["seconds"].as_u64().expect("seconds"))
    };
    assert_eq!(smart("GET", 200, json!({})).await, (true, 3600));
    assert_eq!(smart("GET", 200, json!({ "content-type": "text/css" })).await, (true, 604_800));
    assert_eq!(smart("GET", 200, json!({ "content-type": "text/html" })).await, (true, 300));
    assert_eq!(smart("GET", 200, json!({ "content-type": "image/png" })).await, (true, 2_592_000));
    assert!(!smart("PUT", 200, json!({})).await.0);
    assert!(!smart("GET", 404, json!({})).await.0);
    assert!(!smart("GET", 200, json!({ "cache-control": "no-store" })).await.0);
    assert!(!smart("GET", 200, json!({ "content-length": "5242881" })).await.0);

    let kept = async |path: &str| {
        let answer = site.get(&format!("/kept?url={}", origin.url(path))).await;
        (answer.header("x-from").to_owned(), answer.header("x-kept").to_owned(), answer.text())
    };
    let says = |from: &str, kept: &str, text: &str| (from.to_owned(), kept.to_owned(), text.to_owned());
    assert_eq!(kept("/page").await, says("origin", "", "/page for the 0. time"));
    assert_eq!(kept("/page").await, says("cache", "max-age=3600", "/page for the 0. time"));
    for before in 0..2 {
        assert_eq!(kept("/gone").await, says("origin", "", &format!("/gone for the {before}. time")));
    }
}

async fn decoded(encoding: &str, body: &[u8]) -> String {
    use async_compression::tokio::bufread::{GzipDecoder, ZlibDecoder};
    use tokio::io::AsyncReadExt as _;
    let mut plain = String::new();
    let read = match encoding {
        "gzip" => GzipDecoder::new(body).read_to_string(&mut plain).await,
        "deflate" => ZlibDecoder::new(body).read_to_string(&mut plain).await,
        _ => return String::from_utf8_lossy(body).into_owned(),
    };
    read.unwrap_or_else(|error| panic!("this is not {encoding}: {error}"));
    plain
}

// ---- clean-up ----------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_pool_and_the_clean_up() {
    let place = Place::start().await;
    let site = place.deploy("guide-cleanup").await;
    let requests = (0..4).map(|_| site.get("/?ms=400"));
    let answers: Vec<Value> =
        futures::future::join_all(requests).await.iter().map(|answer| answer.json()).collect();
    assert!(answers.iter().all(|answer| answer["made"] == 2), "a pool of two: {answers:?}");
    for connection in [1, 2] {
        let uses = answers.iter().filter(|answer| answer["connection"] == connection);
        let times: Vec<(i64, i64)> = uses
            .map(|answer| ["from", "to"].map(|end| answer[end].as_i64().expect("a time")).into())
            .collect();
        let [one, two] = times[..] else { panic!("each is used twice: {answers:?}") };
        assert!(one.1 <= two.0 || two.1 <= one.0, "two had connection {connection} at a time: {answers:?}");
    }
    // One that fails gives back what it had.
    for _ in 0..3 {
        assert_eq!(site.get("/?fail").await.status, 500);
    }
    assert_eq!(site.get("/").await.json()["made"], 2);
    until("the temporary files are gone", async || {
        let left = site.get("/?left").await.json();
        (left == json!([])).then_some(())
    })
    .await;
}
