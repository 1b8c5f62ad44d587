//! D1 from outside: every `wrangler d1` command that calls the API, files in and out, time travel, and what is refused.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hearth_testing::{Hearth, Project};
use http::{Request, header};
use serde_json::{Value, json};

/// A project that binds `app`, which is made for it; its id.
async fn project(hearth: &Hearth) -> (Project, String) {
    let project = hearth.app("plain");
    let output = project.wrangler(&["d1", "create", "app"]).await.expect_ok();
    assert!(output.contains("Successfully created DB 'app'"), "{output}");
    let listed = project.wrangler(&["d1", "list", "--json"]).await.expect_ok();
    let id = json_of(&listed)[0]["uuid"].as_str().expect("it is listed").to_owned();
    let config = json!({
        "name": "plain",
        "main": "src/index.js",
        "compatibility_date": "2026-01-01",
        "d1_databases": [{"binding": "DB", "database_name": "app", "database_id": id}],
    });
    for old in ["wrangler.jsonc", "wrangler.toml", "wrangler.json"] {
        let _ = fs::remove_file(project.path().join(old));
    }
    fs::write(project.path().join("wrangler.json"), config.to_string()).expect("the project can be written");
    (project, id)
}

/// The JSON that a command has printed after its first line, which is the command itself.
fn json_of(output: &str) -> Value {
    let from =
        output.find("\n[").or_else(|| output.find("\n{")).unwrap_or_else(|| panic!("no JSON: {output}"));
    serde_json::Deserializer::from_str(&output[from..])
        .into_iter::<Value>()
        .next()
        .expect("there is JSON")
        .unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// Runs SQL by the API; the rows of its last statement.
async fn query(hearth: &Hearth, id: &str, sql: &str) -> Value {
    let path = format!("/accounts/:a/d1/database/{id}/raw");
    let answer = hearth.api("POST", &path, Some(json!({"sql": sql}))).await;
    let results = answer.result().as_array().expect("an array of results").clone();
    results.last().map_or(Value::Null, |last| last["results"]["rows"].clone())
}

async fn execute(project: &Project, sql: &str) -> String {
    project.wrangler(&["d1", "execute", "app", "--remote", "--json", "--command", sql]).await.expect_ok()
}

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

/// Everything that a dump can get wrong.
const ODD: &str = r#"
CREATE TABLE odd(id INTEGER PRIMARY KEY AUTOINCREMENT, v);
INSERT INTO odd(v) VALUES (NULL), (0), (-9223372036854775808), (9223372036854775807), (1.5), (1e300), (9e999), (-9e999), (3.0),
    (''), ('it''s'), ('two' || char(10) || 'lines' || char(13) || char(10)), ('back\n\\slash'), ('nul' || char(0) || 'inside'),
    ('ünï😀'), ('a;b--c/*d*/'), (x''), (x'00ff10'), (CAST('text' AS BLOB)), (replace('\r\n_' || char(10), 'x', 'y'));
CREATE TABLE "spa ce""d"("a b" TEXT, "select" INTEGER, PRIMARY KEY ("a b", "select")) WITHOUT ROWID;
INSERT INTO "spa ce""d" VALUES ('k''ey', 1), ('other', 2);
CREATE TABLE made(a INTEGER, twice INTEGER GENERATED ALWAYS AS (a * 2) STORED) STRICT;
INSERT INTO made(a) VALUES (21);
CREATE TABLE parent(id INTEGER PRIMARY KEY);
CREATE TABLE child(id INTEGER PRIMARY KEY, up INTEGER REFERENCES parent(id));
INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1);
CREATE INDEX odd_v ON odd(v);
CREATE VIEW seen AS SELECT id FROM odd WHERE v IS NOT NULL;
CREATE TRIGGER note AFTER INSERT ON parent BEGIN INSERT INTO child(up) VALUES (new.id); END;
"#;

/// What of it is compared; texts and blobs as bytes, so that nothing is lost on the way to us.
const SEEN: [&str; 6] = [
    "SELECT id, typeof(v), CASE WHEN typeof(v) IN ('text', 'blob') THEN hex(v) WHEN v IN (9e999, -9e999) THEN v > 0 ELSE v END FROM odd ORDER BY id",
    r#"SELECT "a b", "select" FROM "spa ce""d" ORDER BY 1"#,
    "SELECT a, twice FROM made",
    "SELECT parent.id, child.id FROM parent JOIN child ON up = parent.id ORDER BY 2",
    "SELECT name, seq FROM sqlite_sequence ORDER BY name",
    "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE '_cf_%' ORDER BY name",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_the_same_database_in_sqlite_and_in_d1() {
    let hearth = Hearth::start().await;
    let (project, id) = project(&hearth).await;
    fs::write(project.path().join("odd.sql"), ODD).expect("is written");
    let run = ["d1", "execute", "app", "--remote", "--file", "odd.sql"];
    let output = project.wrangler(&run).await.expect_ok();
    assert!(output.contains("Executed 13 queries") && output.contains("bookmark 0000"), "{output}");
    let mut here = Vec::new();
    for sql in SEEN {
        here.push(query(&hearth, &id, sql).await);
    }
    assert_eq!(here[0].as_array().map(Vec::len), Some(20));

    project.wrangler(&["d1", "export", "app", "--remote", "--output", "dump.sql"]).await.expect_ok();
    let dump = fs::read_to_string(project.path().join("dump.sql")).expect("it was downloaded");
    assert!(!dump.contains("_cf_") && dump.starts_with("PRAGMA defer_foreign_keys=TRUE;"), "{dump}");
    let script = format!(
        "import sqlite3, json\n\
         db = sqlite3.connect(':memory:')\n\
         db.executescript(open('dump.sql', encoding='utf-8', newline='').read())\n\
         assert db.execute('PRAGMA integrity_check').fetchone() == ('ok',)\n\
         assert not db.execute('PRAGMA foreign_key_check').fetchall()\n\
         print(json.dumps([db.execute(sql).fetchall() for sql in json.loads({:?})]))\n",
        json!(SEEN).to_string()
    );
    fs::write(project.path().join("load.py"), script).expect("is written");
    let loaded = project.python("load.py").await.expect_ok();
    let loaded: Vec<Value> =
        serde_json::from_str(&loaded).unwrap_or_else(|error| panic!("{error}: {loaded}"));
    for ((sql, here), there) in SEEN.iter().zip(&here).zip(&loaded) {
        assert_eq!(here, there, "{sql}");
    }

    project.wrangler(&["d1", "create", "again"]).await.expect_ok();
    project.wrangler(&["d1", "execute", "again", "--remote", "--file", "dump.sql"]).await.expect_ok();
    let again = hearth.api("GET", "/accounts/:a/d1/database/again", None).await.result()["uuid"].clone();
    for (sql, here) in SEEN.iter().zip(&here) {
        assert_eq!(here, &query(&hearth, again.as_str().expect("an id"), sql).await, "{sql}");
    }

    let export = ["d1", "export", "app", "--remote", "--output", "part.sql"];
    let part = |options: &'static [&'static str]| {
        let (project, export) = (&project, export);
        async move {
            let args: Vec<&str> = export.iter().chain(options).copied().collect();
            project.wrangler(&args).await.expect_ok();
            fs::read_to_string(project.path().join("part.sql")).expect("it was downloaded")
        }
    };
    let schema = part(&["--no-data"]).await;
    assert!(schema.contains("CREATE TABLE odd") && !schema.contains("INSERT INTO \"odd\""), "{schema}");
    let data = part(&["--no-schema"]).await;
    assert!(!data.contains("CREATE TABLE") && data.contains("INSERT INTO \"odd\""), "{data}");
    let table = part(&["--table", "parent"]).await;
    assert!(
        table.contains("CREATE TABLE parent") && !table.contains("child") && !table.contains("odd"),
        "{table}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_fails_half_way_leaves_nothing() {
    let hearth = Hearth::start().await;
    let (project, id) = project(&hearth).await;
    execute(&project, "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES (1)").await;
    let mut script = String::new();
    for number in 2..20_000 {
        script.push_str(&format!("INSERT INTO t VALUES ({number});\n"));
    }
    let run = ["d1", "execute", "app", "--remote", "--file", "script.sql"];
    let with = |end: &str| {
        fs::write(project.path().join("script.sql"), format!("{script}{end}")).expect("is written")
    };
    for (end, expected) in [
        ("INSERT INTO t VALUES (1);", "UNIQUE constraint failed: t.a"),
        ("INSERT INTO nowhere VALUES (1)", "no such table: nowhere"),
        ("COMMIT; INSERT INTO nowhere VALUES (1);", "BEGIN TRANSACTION or SAVEPOINT"),
        ("INSERT INTO t VALUES ('unfinished", "SQLITE_ERROR"),
    ] {
        with(end);
        let output = project.wrangler(&run).await.expect_failure();
        assert!(output.contains(expected), "{end}: {output}");
        assert_eq!(query(&hearth, &id, "SELECT count(*) FROM t").await, json!([[1]]), "{end}");
    }
    with("");
    project.wrangler(&run).await.expect_ok();
    assert_eq!(query(&hearth, &id, "SELECT count(*) FROM t").await, json!([[19_999]]));
    let left = fs::read_dir(hearth.data().join("d1-transfers")).expect("the folder is there").count();
    assert_eq!(left, 0, "files go when they have been imported");
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

    let ask = |operation: &str| json!({"operationName": operation, "query": "", "variables": {"accountTag": "someone"}});
    let answer = hearth.api("POST", "/graphql", Some(ask("getD1QueriesOverviewQuery"))).await;
    let groups = &answer.body["data"]["viewer"]["accounts"][0]["d1QueriesAdaptiveGroups"];
    assert_eq!(groups, &json!([]), "another account's: {answer:?}");
    let answer = hearth.api("POST", "/graphql", Some(ask("getSomethingElse"))).await;
    assert!(
        answer.body["errors"][0]["message"].as_str().is_some_and(|text| text.contains("getSomethingElse"))
    );
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
async fn files_come_by_their_own_urls_only_and_whole() {
    let hearth = Hearth::start().await;
    let made = hearth.api("POST", "/accounts/:a/d1/database", Some(json!({"name": "app"}))).await;
    let id = made.result()["uuid"].as_str().expect("an id").to_owned();
    let import = |body: Value| {
        let path = format!("/accounts/:a/d1/database/{id}/import");
        let hearth = &hearth;
        async move { hearth.api("POST", &path, Some(body)).await.result().clone() }
    };
    let put = |path: String, body: &'static str| {
        let request = Request::put(path)
            .header(header::HOST, format!("localhost:{}", hearth.address().port()))
            .body(Bytes::from_static(body.as_bytes()))
            .expect("a request");
        hearth.send(request)
    };
    let path_of = |url: &Value| {
        let url = url.as_str().expect("a URL");
        url.split_once("/signed/").map(|(_, path)| format!("/signed/{path}")).expect("a signed URL")
    };
    // The MD5 of `CREATE TABLE t(a);`.
    let etag = "39fbac82f5e4dbb0e99ddaedeb0a8fb6";
    let begun = import(json!({"action": "init", "etag": etag})).await;
    let (path, file) = (path_of(&begun["upload_url"]), begun["filename"].clone());
    let ingest = json!({"action": "ingest", "filename": file, "etag": etag});
    assert_eq!(import(ingest.clone()).await["success"], false, "nothing was uploaded");

    for wrong in [
        path.replace("signature=", "signature=0"),
        path.replace("expires=", "expires=1"),
        path.split_once('?').expect("a query").0.to_owned(),
        path.replace(&id, "00000000-0000-4000-8000-000000000000"),
    ] {
        let answer = put(wrong.clone(), "CREATE TABLE t(a);").await.expect("an answer");
        assert_eq!(answer.status, 403, "{wrong}");
    }
    let answer = put(path.clone(), "CREATE TABLE t(b);").await.expect("an answer");
    assert_eq!((answer.status, answer.text().contains("MD5")), (400, true), "{}", answer.text());
    assert_eq!(import(ingest.clone()).await["success"], false, "what came was not what was announced");
    let answer = put(path.clone(), "CREATE TABLE t(a);").await.expect("an answer");
    assert_eq!((answer.status, answer.header("etag")), (200, format!("\"{etag}\"").as_str()));
    assert_eq!(put(path, "CREATE TABLE t(a);").await.expect("an answer").status, 409);
    let other = json!({"action": "ingest", "filename": file, "etag": "0".repeat(32)});
    assert_eq!(import(other).await["success"], false);
    let done = import(ingest).await;
    assert_eq!((&done["status"], &done["result"]["num_queries"]), (&json!("complete"), &json!(1)), "{done}");
    let again = import(json!({"action": "poll", "current_bookmark": done["at_bookmark"]})).await;
    assert_eq!(again["status"], "complete", "a poll may be repeated");

    let export = json!({"output_format": "polling"});
    let path = format!("/accounts/:a/d1/database/{id}/export");
    let exported = hearth.api("POST", &path, Some(export)).await.result().clone();
    let path = path_of(&exported["result"]["signed_url"]);
    let host = format!("localhost:{}", hearth.address().port());
    assert!(hearth.get(&host, &path).await.text().contains("CREATE TABLE t(a);"));
    assert_eq!(hearth.get(&host, &path.replace("/export/", "/import/")).await.status, 405);
    assert_eq!(hearth.get(&host, &path.replace("signature=", "signature=0")).await.status, 403);
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
