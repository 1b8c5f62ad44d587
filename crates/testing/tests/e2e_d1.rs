//! D1 from outside: databases, migrations and insights by every `wrangler d1` command that calls the API, and what is
//! refused.

mod d1;

use std::fs;

use d1::{execute, json_of, project, query};
use hearth_testing::Hearth;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_made_looked_at_used_and_deleted() {
    let hearth = Hearth::start().await;
    let (project, id) = project(&hearth).await;
    let output = project.wrangler(&["d1", "create", "app"]).await.expect_failure();
    assert!(output.contains("7502") || output.contains("already exists"), "{output}");
    let output = project.wrangler(&["d1", "list"]).await.expect_ok();
    assert!(output.contains("app") && output.contains(&id) && output.contains("production"), "{output}");

    let sql = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t(name) VALUES ('a;b'), ('c'); SELECT * FROM t";
    let results = json_of(&execute(&project, sql).await);
    assert_eq!(results[2]["results"], json!([{"id": 1, "name": "a;b"}, {"id": 2, "name": "c"}]));
    assert_eq!((&results[1]["meta"]["changes"], results.as_array().map(Vec::len)), (&json!(2), Some(3)));

    let info = json_of(&project.wrangler(&["d1", "info", "app", "--json"]).await.expect_ok());
    assert_eq!((&info["uuid"], &info["num_tables"]), (&json!(id), &json!(1)));
    assert!(info["database_size"].as_u64().is_some_and(|size| size >= 4096), "{info}");
    assert!(info["write_queries_24h"].as_u64().is_some_and(|count| count >= 1), "{info}");
    project.wrangler(&["d1", "info", "app"]).await.expect_ok();

    let output = project
        .wrangler(&["d1", "execute", "app", "--remote", "--command", "SELEC 1"])
        .await
        .expect_failure();
    assert!(output.contains("near \"SELEC\": syntax error") && output.contains("7500"), "{output}");
    let output = project
        .wrangler(&[
            "d1",
            "execute",
            "app",
            "--remote",
            "--command",
            "INSERT INTO t(name) VALUES ('x'); SELECT missing",
        ])
        .await
        .expect_failure();
    assert!(output.contains("no such column: missing"), "{output}");
    assert_eq!(
        query(&hearth, &id, "SELECT count(*) FROM t").await,
        json!([[2]]),
        "a call is one transaction"
    );

    let folders = ["d1", "d1-history"].map(|folder| hearth.data().join(folder).join(&id));
    assert!(folders.iter().all(|folder| folder.exists()));
    project.wrangler(&["d1", "delete", "app", "-y"]).await.expect_ok();
    assert!(folders.iter().all(|folder| !folder.exists()), "its space is reclaimed");
    let output = project.wrangler(&["d1", "info", "app"]).await.expect_failure();
    assert!(output.contains("Couldn't find") || output.contains("7404"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_are_listed_applied_once_and_each_is_whole() {
    let hearth = Hearth::start().await;
    let (project, id) = project(&hearth).await;
    let output = project.wrangler(&["d1", "migrations", "create", "app", "first"]).await.expect_ok();
    assert!(output.contains("0001_first.sql"), "{output}");
    let write = |name: &str, sql: &str| {
        fs::write(project.path().join("migrations").join(name), sql).expect("is written")
    };
    write(
        "0001_first.sql",
        "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT);\nCREATE INDEX by_name ON users(name);",
    );
    write(
        "0002_trigger.sql",
        "CREATE TRIGGER shout AFTER INSERT ON users BEGIN UPDATE users SET name = upper(new.name) WHERE id = new.id; END;
         INSERT INTO users(name) VALUES ('it''s; me');",
    );
    let listed = project.wrangler(&["d1", "migrations", "list", "app", "--remote"]).await.expect_ok();
    assert!(listed.contains("0001_first.sql") && listed.contains("0002_trigger.sql"), "{listed}");
    project.wrangler(&["d1", "migrations", "apply", "app", "--remote"]).await.expect_ok();
    assert_eq!(query(&hearth, &id, "SELECT name FROM users").await, json!([["IT'S; ME"]]));

    write(
        "0003_broken.sql",
        "CREATE TABLE more(a);\nINSERT INTO more VALUES (1);\nINSERT INTO nowhere VALUES (1);",
    );
    let output = project.wrangler(&["d1", "migrations", "apply", "app", "--remote"]).await.expect_failure();
    assert!(output.contains("no such table: nowhere"), "{output}");
    let tables = query(&hearth, &id, "SELECT name FROM sqlite_schema WHERE name = 'more'").await;
    assert_eq!(tables, json!([]), "what a broken migration began is taken back");
    let applied = query(&hearth, &id, "SELECT name FROM d1_migrations ORDER BY id").await;
    assert_eq!(applied, json!([["0001_first.sql"], ["0002_trigger.sql"]]));
    let listed = project.wrangler(&["d1", "migrations", "list", "app", "--remote"]).await.expect_ok();
    assert!(listed.contains("0003_broken.sql") && !listed.contains("0001_first.sql"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn insights_tell_what_ran_by_worker_and_by_hand() {
    let mut hearth = Hearth::start().await;
    let (project, id) = project(&hearth).await;
    execute(&project, "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)").await;
    let worker = "export default { async fetch(_, env) {
        const all = await env.DB.prepare('SELECT * FROM t WHERE a > ?').bind(1).all();
        await env.DB.batch([env.DB.prepare(\"INSERT INTO t VALUES ('x')\"), env.DB.prepare('DELETE FROM t WHERE a = 99')]);
        return Response.json(all.results);
    } }";
    fs::write(project.path().join("src/index.js"), worker).expect("is written");
    project.wrangler(&["deploy"]).await.expect_ok();
    for _ in 0..3 {
        let answer = hearth.get(&hearth.host("plain"), "/").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()[1], json!({"a": 3}));
    }
    let insights = ["d1", "insights", "app", "--time-period", "1h", "--sort-by", "count", "--limit", "20"];
    let found = json_of(&project.wrangler(&insights).await.expect_ok());
    let of = |found: &Value, kind: &str| {
        let all = found.as_array().expect("a list").clone();
        all.into_iter().find(|query| query["query"] == kind).unwrap_or_else(|| panic!("{kind}: {found}"))
    };
    let read = of(&found, "SELECT * FROM t WHERE a > ?");
    assert_eq!((&read["numberOfTimesRun"], &read["totalRowsWritten"]), (&json!(3), &json!(0)));
    assert!(read["totalRowsRead"].as_u64().is_some_and(|rows| rows >= 9), "{read}");
    assert!(read["totalDurationMs"].as_f64().is_some_and(|ms| ms > 0.0), "{read}");
    assert_eq!(of(&found, "INSERT INTO t VALUES (?)")["totalRowsWritten"], 3);
    assert_eq!(of(&found, "INSERT INTO t VALUES (?), (?), (?)")["numberOfTimesRun"], 1);

    hearth.stop().await;
    hearth.start_again().await;
    let again = json_of(
        &project.wrangler(&["d1", "insights", "--time-period", "1d", "--limit", "20"]).await.expect_ok(),
    );
    assert_eq!(of(&again, "SELECT * FROM t WHERE a > ?")["databaseId"], json!(id));

    let ask = |node: &str| {
        let query = format!(
            "{{ viewer {{ accounts(filter: {{accountTag: \"someone\"}}) {{ {node} {{ count }} }} }} }}"
        );
        json!({ "query": query })
    };
    let answer = hearth.api("POST", "/graphql", Some(ask("d1QueriesAdaptiveGroups"))).await;
    let groups = &answer.body["data"]["viewer"]["accounts"][0]["d1QueriesAdaptiveGroups"];
    assert_eq!(groups, &json!([]), "another account's: {answer:?}");
    let answer = hearth.api("POST", "/graphql", Some(ask("somethingElse"))).await;
    assert!(answer.body["errors"][0]["message"].as_str().is_some_and(|text| text.contains("somethingElse")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_by_name() {
    let hearth = Hearth::start().await;
    let account = "/accounts/:a/d1/database";
    let make = |body: Value| hearth.api("POST", account, Some(body));
    let made = make(json!({"name": "one"})).await;
    let id = made.result()["uuid"].as_str().expect("an id").to_owned();
    assert_eq!(made.result()["version"], "production");
    for (body, code) in [
        (json!({"name": "one"}), 7502),
        (json!({"name": ""}), 7400),
        (json!({"name": "a/b"}), 7400),
        (json!({"name": "00000000-0000-4000-8000-000000000000"}), 7400),
        (json!({"name": "x".repeat(300)}), 7400),
        (json!({"name": "two", "read_replication": {"mode": "sometimes"}}), 7400),
        (json!({}), 10001),
    ] {
        assert_eq!(make(body.clone()).await.error().1, code, "{body}");
    }
    for wrong in ["nothing", "00000000-0000-4000-8000-000000000000"] {
        for (method, below) in
            [("GET", ""), ("DELETE", ""), ("POST", "/query"), ("GET", "/time_travel/bookmark")]
        {
            let body = (method == "POST").then(|| json!({"sql": "SELECT 1"}));
            let (status, code, message) =
                hearth.api(method, &format!("{account}/{wrong}{below}"), body).await.error();
            assert_eq!((status, code), (404, 7404), "{message}");
        }
    }
    let at = |below: &str| format!("{account}/{id}{below}");
    for (below, body, code) in [
        ("/query", json!({}), 7400),
        ("/query", json!({"sql": "SELECT 1", "batch": []}), 7400),
        ("/query", json!({"sql": "SELECT ?", "params": [{}]}), 7500),
        ("/raw", json!({"sql": "SELECT * FROM nowhere"}), 7500),
        ("/query", json!({"sql": "ATTACH 'x' AS y"}), 7500),
        ("/import", json!({"action": "init", "etag": "short"}), 7400),
        ("/import", json!({"action": "dance"}), 10001),
        ("/export", json!({"output_format": "file"}), 7400),
        (
            "/export",
            json!({"output_format": "polling", "dump_options": {"no_data": true, "no_schema": true}}),
            7400,
        ),
        ("/time_travel/restore?bookmark=soon", json!({}), 7400),
        (
            "/time_travel/restore?bookmark=ffffffff-00000000-00000000-00000000000000000000000000000000",
            json!({}),
            7400,
        ),
        ("/time_travel/restore?timestamp=2020-01-01T00:00:00Z", json!({}), 7400),
        ("/time_travel/restore", json!({}), 7400),
    ] {
        let (status, found, message) = hearth.api("POST", &at(below), Some(body.clone())).await.error();
        assert_eq!((status, found), (400, code), "{below} {body}: {message}");
    }
    for time in ["2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "yesterday"] {
        let path = at(&format!("/time_travel/bookmark?timestamp={time}"));
        assert_eq!(hearth.api("GET", &path, None).await.error().1, 7400, "{time}");
    }
    for body in [
        json!({"action": "poll", "current_bookmark": "x"}),
        json!({"action": "ingest", "filename": "x", "etag": "y"}),
    ] {
        let answer = hearth.api("POST", &at("/import"), Some(body)).await;
        assert_eq!(answer.result()["success"], false, "{answer:?}");
    }

    let batch = json!({"batch": [{"sql": "CREATE TABLE t(a)"}, {"sql": "INSERT INTO t VALUES (?)", "params": ["x"]}, {"sql": "SELECT a FROM t"}]});
    let answer = hearth.api("POST", &at("/query"), Some(batch)).await;
    assert_eq!(answer.result()[2]["results"], json!([{"a": "x"}]));
    let answer = hearth.api("PATCH", &at(""), Some(json!({"read_replication": {"mode": "auto"}}))).await;
    assert_eq!(answer.result()["read_replication"]["mode"], "auto");

    for number in 0..4 {
        make(json!({"name": format!("more-{number}")})).await.result();
    }
    let names = |page: u32, filter: &'static str| {
        let path = format!("{account}?per_page=2&page={page}{filter}");
        let hearth = &hearth;
        async move {
            let answer = hearth.api("GET", &path, None).await;
            let names = answer.result().as_array().expect("a list").iter();
            names.map(|item| item["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!(names(2, "").await, ["more-2", "more-3"]);
    assert!(names(4, "").await.is_empty());
    assert_eq!(names(1, "&name=on").await, ["one"]);
    let narrow = hearth.api("GET", &at("?fields=uuid,name"), None).await;
    assert_eq!(narrow.result(), &json!({"uuid": id, "name": "one"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_a_token_reaches_a_database() {
    let hearth = Hearth::start().await;
    let made = hearth.api("POST", "/accounts/:a/d1/database", Some(json!({"name": "app"}))).await;
    let id = made.result()["uuid"].as_str().expect("an id").to_owned();
    let database = format!("/accounts/:a/d1/database/{id}");
    for (method, path) in [
        ("GET", "/accounts/:a/d1/database".to_owned()),
        ("POST", "/accounts/:a/d1/database".to_owned()),
        ("GET", database.clone()),
        ("DELETE", database.clone()),
        ("PATCH", database.clone()),
        ("PUT", database.clone()),
        ("POST", format!("{database}/query")),
        ("POST", format!("{database}/raw")),
        ("POST", format!("{database}/export")),
        ("POST", format!("{database}/import")),
        ("GET", format!("{database}/time_travel/bookmark")),
        ("POST", format!("{database}/time_travel/restore")),
        ("POST", "/graphql".to_owned()),
    ] {
        for token in [None, Some("wrong")] {
            let (status, code, _) = hearth.api_raw(method, &path, "", "{}".into(), token).await.error();
            assert_eq!((status, code), (401, 10000), "{method} {path}");
        }
    }
}
