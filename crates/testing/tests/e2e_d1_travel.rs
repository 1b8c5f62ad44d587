//! D1 from outside: time travel.

mod d1;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use d1::{execute, json_of, project, query};
use hearth_testing::{Hearth, Project};
use http::{Request, header};
use serde_json::{Value, json};

async fn travel(project: &Project, args: &[&str]) -> Value {
    let args: Vec<&str> = ["d1", "time-travel"].iter().chain(args).copied().chain(["--json"]).collect();
    json_of(&project.wrangler(&args).await.expect_ok())
}

/// The present, as wrangler takes it; what follows happens later.
async fn moment() -> String {
    tokio::time::sleep(Duration::from_millis(5)).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis();
    tokio::time::sleep(Duration::from_millis(5)).await;
    now.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn time_travel_goes_back_and_forth_and_over_a_crash() {
    let mut hearth = Hearth::start().await;
    let (project, id) = project(&hearth).await;
    let count = "SELECT count(*) FROM t";
    execute(&project, "CREATE TABLE t(a); INSERT INTO t VALUES (1)").await;
    let one = travel(&project, &["info", "app"]).await["bookmark"].as_str().expect("a bookmark").to_owned();
    execute(&project, "INSERT INTO t VALUES (2)").await;
    let two = moment().await;
    execute(&project, "INSERT INTO t VALUES (3)").await;
    execute(&project, "DROP TABLE t").await;

    let at = travel(&project, &["info", "app", "--timestamp", &two]).await["bookmark"].clone();
    assert!(at.as_str().is_some_and(|at| *at > *one), "bookmarks sort: {at} {one}");
    let restored = travel(&project, &["restore", "app", "--timestamp", &two]).await;
    assert_eq!(restored["bookmark"], at);
    assert_eq!(query(&hearth, &id, count).await, json!([[2]]));
    let dropped = restored["previous_bookmark"].as_str().expect("a bookmark").to_owned();
    travel(&project, &["restore", "app", "--bookmark", &one]).await;
    assert_eq!(query(&hearth, &id, count).await, json!([[1]]));
    travel(&project, &["restore", "app", "--bookmark", &dropped]).await;
    let gone = query(&hearth, &id, "SELECT name FROM sqlite_schema WHERE name = 't'").await;
    assert_eq!(gone, json!([]), "undone");
    travel(&project, &["restore", "app", "--bookmark", &one]).await;

    // What is acknowledged is there after a crash, and so is what was before.
    let mut marks = vec![(1, one)];
    for round in 0..3 {
        let path = format!("/accounts/:a/d1/database/{id}/query");
        let mut rows = marks[marks.len() - 1].0;
        for _ in 0..20 + 7 * round {
            hearth.api("POST", &path, Some(json!({"sql": "INSERT INTO t VALUES (0)"}))).await.result();
            rows += 1;
        }
        let unanswered = {
            let request = Request::post(format!("/client/v4{}", path.replace(":a", hearth.account())))
                .header(header::HOST, format!("localhost:{}", hearth.address().port()))
                .header(header::AUTHORIZATION, format!("Bearer {}", hearth.token()))
                .body(Bytes::from(r#"{"sql":"INSERT INTO t SELECT 0 FROM t"}"#))
                .expect("a request");
            tokio::spawn(hearth_testing::send_to(hearth.address(), request))
        };
        tokio::time::sleep(Duration::from_millis(3 * round)).await;
        hearth.kill().await;
        let _ = unanswered.await;
        hearth.start_again().await;
        let found = query(&hearth, &id, count).await[0][0].as_u64().expect("a number");
        assert!(found == rows || found == 2 * rows, "{found} rows, {rows} were acknowledged");
        let mark =
            travel(&project, &["info", "app"]).await["bookmark"].as_str().expect("a bookmark").to_owned();
        marks.push((found, mark));
    }
    for (rows, mark) in marks.iter().rev() {
        travel(&project, &["restore", "app", "--bookmark", mark]).await;
        assert_eq!(query(&hearth, &id, count).await, json!([[rows]]), "{mark}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_and_writers_do_not_mix() {
    let hearth = std::sync::Arc::new(Hearth::start().await);
    let made = hearth.api("POST", "/accounts/:a/d1/database", Some(json!({"name": "app"}))).await;
    let id = made.result()["uuid"].as_str().expect("an id").to_owned();
    query(&hearth, &id, "CREATE TABLE t(a PRIMARY KEY); CREATE INDEX by_a ON t(a)").await;
    let bookmark = format!("/accounts/:a/d1/database/{id}/time_travel/bookmark");
    let mark = hearth.api("GET", &bookmark, None).await.result()["bookmark"]
        .as_str()
        .expect("a bookmark")
        .to_owned();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (hearth, id) = (std::sync::Arc::clone(&hearth), id.clone());
            tokio::spawn(async move {
                for number in 0..40 {
                    query(&hearth, &id, &format!("INSERT INTO t VALUES ('{writer}-{number}')")).await;
                }
            })
        })
        .collect();
    let restore = |mark: String| {
        let path = format!("/accounts/:a/d1/database/{id}/time_travel/restore?bookmark={mark}");
        let hearth = &hearth;
        async move { hearth.api("POST", &path, Some(json!({}))).await.result()["previous_bookmark"].clone() }
    };
    let mut before = Vec::new();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        before.push(restore(mark.clone()).await.as_str().expect("a bookmark").to_owned());
    }
    for writer in writers {
        writer.await.expect("no write was refused");
    }
    let rows = query(&hearth, &id, "SELECT count(*) FROM t").await[0][0].as_u64().expect("a number");
    let mut sum = rows;
    for mark in &before {
        restore(mark.clone()).await;
        sum += query(&hearth, &id, "SELECT count(*) FROM t").await[0][0].as_u64().expect("a number");
        assert_eq!(query(&hearth, &id, "PRAGMA quick_check").await, json!([["ok"]]));
    }
    assert_eq!(sum, 160, "each write is in the state before exactly one restore, or in the last one");
}
