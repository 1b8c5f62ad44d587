//! Analytics Engine: what a worker writes is asked for by SQL over REST, in its own account.

mod second_account;

use std::time::{Duration, Instant};

use bytes::Bytes;
use hearth_testing::{Answer, Hearth};
use http::{Request, header};
use second_account::second_account;
use serde_json::{Value, json};

/// Sends SQL as curl does, with a token.
async fn send(hearth: &Hearth, account: &str, sql: &str, token: &str) -> Answer {
    let request = Request::builder()
        .method("POST")
        .uri(format!("/client/v4/accounts/{account}/analytics_engine/sql"))
        .header(header::HOST, format!("localhost:{}", hearth.address().port()))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Bytes::from(sql.to_owned()))
        .expect("the request is valid");
    hearth.send(request).await.expect("an answer")
}

async fn ask(hearth: &Hearth, sql: &str) -> Value {
    let answer = send(hearth, hearth.account(), sql, hearth.token()).await;
    assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
    answer.json()
}

/// Asks again until the answer is what it has to become: nobody waits for a point.
async fn becomes(hearth: &Hearth, sql: &str, expected: Value) {
    let began = Instant::now();
    loop {
        let answer = send(hearth, hearth.account(), sql, hearth.token()).await;
        let data = if answer.status == 200 { answer.json()["data"].clone() } else { json!(answer.text()) };
        if data == expected {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{sql}: {data}, expected {expected}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_points_are_found_by_sql() {
    let mut hearth = Hearth::start().await;
    assert_eq!(ask(&hearth, "SHOW TABLES").await["data"], json!([]));
    let project = hearth.app("analytics");
    let said = project.wrangler(&["deploy"]).await.expect_ok();
    assert!(said.contains("env.ANALYTICS (requests)"), "{said}");
    let host = hearth.host("analytics");
    for (path, status) in [
        ("/purchase?user=user123&price=99.99", 200),
        ("/purchase?user=user123&price=0.01", 200),
        ("/purchase?user=other&price=5", 200),
        ("/two-indexes", 200),
        ("/many", 200),
        ("/bytes", 200),
        ("/nothing", 404),
    ] {
        assert_eq!(hearth.get(&host, path).await.status, status, "{path}");
    }
    let bought = "SELECT index1 AS user, sum(_sample_interval) AS count, sum(double1) AS total FROM purchases
                  WHERE blob1 = 'product-xyz' GROUP BY user ORDER BY total DESC";
    let expected =
        json!([{"user": "user123", "count": "2", "total": 100}, {"user": "other", "count": "1", "total": 5}]);
    becomes(&hearth, bought, expected.clone()).await;
    becomes(&hearth, "SELECT count() AS n FROM requests", json!([{"n": "7"}])).await;
    let requests = "SELECT blob1 AS method, blob3 AS status, count() AS n, argMax(blob2, blob3) AS last,
                    countIf(blob2 = '/purchase') AS purchases, quantileExactWeighted(0.5)(double1, _sample_interval) >= 0 AS sane
                    FROM requests WHERE timestamp > NOW() - INTERVAL '1' HOUR GROUP BY method, status ORDER BY status";
    assert_eq!(
        ask(&hearth, requests).await["data"],
        json!([
            {"method": "GET", "status": "200", "n": "6", "last": "/purchase", "purchases": "3", "sane": 1},
            {"method": "GET", "status": "404", "n": "1", "last": "/nothing", "purchases": "0", "sane": 1},
        ])
    );
    // What is over a limit is dropped: a second index, and all beyond 250 points at once.
    becomes(&hearth, "SELECT count() AS n FROM purchases WHERE index1 = 'many'", json!([{"n": "250"}])).await;
    let none = "SELECT count() AS n FROM purchases WHERE double1 = 1 AND index1 <> 'many'";
    assert_eq!(ask(&hearth, none).await["data"], json!([{"n": "0"}]));
    let bytes = "SELECT blob1, blob2, blob3 FROM purchases WHERE index1 = 'bytes'";
    assert_eq!(ask(&hearth, bytes).await["data"], json!([{"blob1": "as bytes", "blob2": "", "blob3": "x"}]));

    let tables = ask(&hearth, "SHOW TABLES").await;
    assert_eq!(tables["data"], json!([{"dataset": "purchases"}, {"dataset": "requests"}]));
    hearth.stop().await;
    hearth.start_again().await;
    assert_eq!(ask(&hearth, bought).await["data"], expected, "points outlive a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_reaches_its_own_account_only_and_says_what_is_wrong() {
    let mut hearth = Hearth::start().await;
    hearth.app("analytics").wrangler(&["deploy"]).await.expect_ok();
    hearth.get(&hearth.host("analytics"), "/purchase?user=mine&price=1").await;
    becomes(&hearth, "SELECT count() AS n FROM purchases", json!([{"n": "1"}])).await;

    let other = second_account(&mut hearth).await;
    let answer = send(&hearth, &other.id, "SELECT * FROM purchases", &other.token).await;
    assert_eq!(
        (answer.status, answer.text().contains("unknown table: purchases")),
        (422, true),
        "{}",
        answer.text()
    );
    let answer = send(&hearth, &other.id, "SHOW TABLES", &other.token).await;
    assert_eq!(answer.json()["data"], json!([]));
    let answer = send(&hearth, hearth.account(), "SELECT * FROM purchases", &other.token).await;
    assert_eq!((answer.status, &answer.json()["errors"][0]["code"]), (403, &json!(10000)));
    for token in ["", "wrong"] {
        assert_eq!(send(&hearth, hearth.account(), "SHOW TABLES", token).await.status, 401);
    }

    for (sql, says) in [
        ("SELECT", "parse"),
        ("SELECT * FROM nothing", "unknown table: nothing"),
        ("SELECT load_extension('x') FROM purchases", "unknown function: load_extension"),
        ("ATTACH DATABASE '/etc/passwd' AS x", "SELECT"),
        ("SELECT * FROM purchases; DROP TABLE purchases", "one statement"),
    ] {
        let answer = send(&hearth, hearth.account(), sql, hearth.token()).await;
        assert_eq!(answer.status, 422, "{sql}");
        assert!(answer.text().contains(says), "{sql}: {}", answer.text());
    }
    let get = Request::builder()
        .uri(format!(
            "/client/v4/accounts/{}/analytics_engine/sql?query=SELECT%201%20AS%20one%20FORMAT%20TabSeparated",
            hearth.account()
        ))
        .header(header::HOST, format!("localhost:{}", hearth.address().port()))
        .header(header::AUTHORIZATION, format!("Bearer {}", hearth.token()))
        .body(Bytes::new())
        .expect("the request is valid");
    assert_eq!(hearth.send(get).await.expect("an answer").text(), "1\n");
}
