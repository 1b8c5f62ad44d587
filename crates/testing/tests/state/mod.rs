//! A worker with a KV namespace, a bucket and a database, and a look at what lies on the disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_testing::{Form, Hearth, tests_folder};
use serde_json::{Value, json};

/// What a worker is bound to.
pub struct State {
    /// The namespace's id.
    pub kv: String,
    /// The bucket's name.
    pub bucket: &'static str,
    /// The database's id.
    pub d1: String,
}

impl State {
    /// Makes one of each, and deploys `tests/apps/torture` with them under this name.
    pub async fn deploy(hearth: &Hearth, worker: &str) -> Self {
        let bucket = "state";
        let kv =
            hearth.api("POST", "/accounts/:a/storage/kv/namespaces", Some(json!({ "title": "n" }))).await;
        hearth.api("POST", "/accounts/:a/r2/buckets", Some(json!({ "name": bucket }))).await.result();
        let d1 = hearth.api("POST", "/accounts/:a/d1/database", Some(json!({ "name": "d" }))).await;
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        let state = Self { kv: text(&kv.result()["id"]), bucket, d1: text(&d1.result()["uuid"]) };
        let tables = "CREATE TABLE numbers (id TEXT PRIMARY KEY, n INTEGER);
                      CREATE TABLE pads (id INTEGER PRIMARY KEY, n INTEGER, pad BLOB)";
        hearth.api("POST", &state.query(), Some(json!({ "sql": tables }))).await.result();
        let source = fs::read_to_string(tests_folder("apps/torture/index.js")).expect("the app is there");
        let metadata = json!({
            "main_module": "index.js",
            "compatibility_date": "2026-01-01",
            "bindings": [
                { "type": "kv_namespace", "name": "KV", "namespace_id": state.kv },
                { "type": "r2_bucket", "name": "R2", "bucket_name": bucket },
                { "type": "d1", "name": "DB", "id": state.d1 },
            ],
        });
        let form = Form::default().metadata(&metadata.to_string());
        let form = form.part("index.js", "application/javascript+module", source);
        hearth.upload(worker, form.finish()).await.result();
        let path = format!("/accounts/:a/workers/scripts/{worker}/subdomain");
        hearth.api("POST", &path, Some(json!({ "enabled": true }))).await.result();
        state
    }

    /// Where the API takes SQL.
    pub fn query(&self) -> String {
        format!("/accounts/:a/d1/database/{}/query", self.d1)
    }
}

/// Looks whether every SQLite file of a data folder is whole. Nothing may be writing to them: copies are looked at, so
/// that their logs stay as they are.
///
/// # Panics
/// If one is not.
pub async fn check_databases(data: &Path) -> usize {
    let mut found = Vec::new();
    databases(data, &mut found);
    for path in &found {
        // A process of D1 that outlived its server may still be on its way out.
        for attempt in 1.. {
            match check(path) {
                Ok(()) => break,
                Err(_) if attempt < 5 => tokio::time::sleep(Duration::from_millis(200)).await,
                Err(fault) => panic!("{}: {fault}", path.display()),
            }
        }
    }
    found.len()
}

fn databases(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            databases(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "db") {
            found.push(path);
        }
    }
}

fn check(path: &Path) -> Result<(), String> {
    let copies = tempfile::tempdir().map_err(|error| error.to_string())?;
    let copy = copies.path().join("copy.db");
    let log = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    fs::copy(path, &copy).map_err(|error| error.to_string())?;
    if log(path).exists() {
        fs::copy(log(path), log(&copy)).map_err(|error| error.to_string())?;
    }
    let ask = || -> rusqlite::Result<String> {
        rusqlite::Connection::open(&copy)?.query_row("PRAGMA integrity_check", [], |row| row.get(0))
    };
    match ask().map_err(|error| error.to_string())? {
        answer if answer == "ok" => Ok(()),
        answer => Err(answer),
    }
}
