//! D1 from outside: databases that come and go as files.

mod d1;

use std::fs;

use bytes::Bytes;
use d1::{execute, project, query};
use hearth_testing::Hearth;
use http::{Request, header};
use serde_json::{Value, json};

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
