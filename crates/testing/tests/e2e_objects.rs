//! Durable Objects: what they can, their migrations, their alarms, and that nothing acknowledged is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use hearth_testing::{Hearth, Options, Project};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

const NAMESPACES: &str = "/accounts/:a/workers/durable_objects/namespaces";

/// How long something may take that has no other bound.
const PATIENCE: Duration = Duration::from_secs(60);

async fn ask(hearth: &Hearth, path: &str) -> Value {
    let answer = hearth.get(&hearth.host("objects"), path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

async fn deployed(hearth: &Hearth) -> Project {
    let app = hearth.app("objects");
    app.wrangler(&["deploy"]).await.expect_ok();
    app
}

/// Asks until the answer is right.
async fn until(hearth: &Hearth, path: &str, right: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let answer = ask(hearth, path).await;
        if right(&answer) {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{path} stays {answer}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The same worker on `wrangler dev` and here: storage, ids, RPC, facets, errors.
#[tokio::test(flavor = "multi_thread")]
async fn objects_do_what_they_do_on_wrangler_dev() {
    let hearth = Hearth::start().await;
    let app = deployed(&hearth).await;
    let dev = app.dev().await;
    for path in [
        "/add",
        "/add",
        "/old",
        "/old",
        "/births",
        "/keys",
        "/sql",
        "/sql",
        "/ids",
        "/fail",
        "/rpc",
        "/facet",
        "/facet",
        "/abort",
        "/births",
        "/wipe",
        "/add",
        "/plain?name=other",
    ] {
        let theirs = dev.get(path).await.expect("wrangler dev answers");
        let ours = hearth.get(&hearth.host("objects"), path).await;
        assert_eq!((ours.status, ours.text()), (theirs.status, theirs.text()), "{path}");
    }
    let listed = hearth.api("GET", NAMESPACES, None).await.result().clone();
    let of = |class: &str| listed.as_array().unwrap().iter().find(|n| n["class"] == class).unwrap().clone();
    assert_eq!(of("Thing")["use_sqlite"], true);
    assert_eq!(of("Old")["use_sqlite"], false);
    let objects = format!("{NAMESPACES}/{}/objects?limit=1", of("Thing")["id"].as_str().unwrap());
    let first = hearth.api("GET", &objects, None).await;
    assert_eq!(first.result()[0]["hasStoredData"], true);
    let cursor = first.body["result_info"]["cursor"].as_str().expect("there are two").to_owned();
    let second = hearth.api("GET", &format!("{objects}&cursor={cursor}"), None).await;
    assert_ne!(second.result()[0]["id"], first.result()[0]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn classes_are_made_renamed_moved_and_deleted() {
    let hearth = Hearth::start().await;
    let app = deployed(&hearth).await;
    assert_eq!(ask(&hearth, "/add").await, 1);
    let namespaces = async || hearth.api("GET", NAMESPACES, None).await.result().clone();
    let id_of = |listed: &Value, class: &str| {
        let found = listed.as_array().unwrap().iter().find(|namespace| namespace["class"] == class);
        found.map(|namespace| namespace["id"].as_str().unwrap().to_owned())
    };
    let before = namespaces().await;
    let (thing, old) = (id_of(&before, "Thing").unwrap(), id_of(&before, "Old").unwrap());
    assert_eq!(ask(&hearth, "/old").await[0], 1);
    assert!(hearth.data().join("do").join(&old).is_dir());

    // A class that the code lacks, a binding that nothing is behind, a migration that was not applied.
    let broken = hearth.app("objects");
    broken.edit("src/index.js", "export class Old", "class Old");
    broken.edit("src/index.js", "const old = env.OLD.get(env.OLD.idFromName(\"old\"));", "const old = null;");
    broken.edit("wrangler.jsonc", ",\n      { \"name\": \"OLD\", \"class_name\": \"Old\" }", "");
    let said = broken.wrangler(&["deploy"]).await.expect_failure();
    assert!(said.contains("[code: 10064]"), "{said}");
    let unbound = hearth.app("objects");
    unbound.edit("wrangler.jsonc", "\"class_name\": \"Old\"", "\"class_name\": \"Facet\"");
    let said = unbound.wrangler(&["deploy"]).await.expect_failure();
    assert!(
        said.contains("Cannot create binding for class 'Facet'") && said.contains("[code: 10061]"),
        "{said}"
    );
    let pending = hearth.app("objects");
    pending.edit(
        "wrangler.jsonc",
        "}]\n}",
        "}, { \"tag\": \"v2\", \"new_sqlite_classes\": [\"Facet\"] }]\n}",
    );
    let said = pending.wrangler(&["versions", "upload"]).await.expect_failure();
    assert!(said.to_lowercase().contains("migration"), "{said}");

    // Renamed and deleted, in one step each; the code changes with it.
    app.edit("wrangler.jsonc", ",\n      { \"name\": \"OLD\", \"class_name\": \"Old\" }", "");
    app.edit("wrangler.jsonc", "\"class_name\": \"Thing\"", "\"class_name\": \"Ding\"");
    app.edit(
        "wrangler.jsonc",
        "}]\n}",
        "}, { \"tag\": \"v2\", \"renamed_classes\": [{ \"from\": \"Thing\", \"to\": \"Ding\" }], \"deleted_classes\": [\"Old\"] }]\n}",
    );
    app.edit("src/index.js", "export class Thing", "export class Ding");
    app.edit("src/index.js", "const old = env.OLD.get(env.OLD.idFromName(\"old\"));", "const old = null;");
    app.wrangler(&["deploy"]).await.expect_ok();
    assert_eq!(ask(&hearth, "/add").await, 2);
    let after = namespaces().await;
    assert_eq!((id_of(&after, "Ding"), id_of(&after, "Old")), (Some(thing.clone()), None));
    let began = Instant::now();
    while hearth.data().join("do").join(&old).exists() {
        assert!(began.elapsed() < PATIENCE, "what a deleted class stored is still there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    // To another worker, with all it has.
    let moved = hearth.app("objects");
    moved.edit("wrangler.jsonc", "\"name\": \"objects\"", "\"name\": \"elsewhere\"");
    moved.edit("wrangler.jsonc", ",\n      { \"name\": \"OLD\", \"class_name\": \"Old\" }", "");
    moved.edit(
        "wrangler.jsonc",
        "\"new_sqlite_classes\": [\"Thing\"], \"new_classes\": [\"Old\"]",
        "\"transferred_classes\": [{ \"from\": \"Ding\", \"from_script\": \"objects\", \"to\": \"Thing\" }]",
    );
    moved.edit("src/index.js", "const old = env.OLD.get(env.OLD.idFromName(\"old\"));", "const old = null;");
    moved.wrangler(&["deploy"]).await.expect_ok();
    let answer = hearth.get(&hearth.host("elsewhere"), "/add").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "3"));
    assert_eq!(id_of(&namespaces().await, "Thing"), Some(thing.clone()));

    // And all of it goes with the worker.
    moved.wrangler(&["delete", "--force"]).await.expect_ok();
    let began = Instant::now();
    while hearth.data().join("do").join(&thing).exists() {
        assert!(began.elapsed() < PATIENCE, "what a deleted worker stored is still there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_classes_are_reconciled() {
    let hearth = Hearth::start().await;
    let app = hearth.app("objects");
    let migrations = "\"migrations\": [{ \"tag\": \"v1\", \"new_sqlite_classes\": [\"Thing\"], \"new_classes\": [\"Old\"] }]";
    let exports = |entries: &str| format!("\"exports\": {{ {entries} }}");
    let both = "\"Thing\": { \"type\": \"durable-object\", \"storage\": \"sqlite\" }, \"Old\": { \"type\": \"durable-object\", \"storage\": \"legacy-kv\" }";
    app.edit("wrangler.jsonc", migrations, &exports(both));
    let said = app.wrangler(&["deploy"]).await.expect_ok();
    assert!(said.contains("Created: Old, Thing"), "{said}");
    assert_eq!(ask(&hearth, "/add").await, 1);
    let other = both.replace("legacy-kv", "sqlite");
    app.edit("wrangler.jsonc", both, &other);
    let said = app.wrangler(&["deploy"]).await.expect_failure();
    assert!(said.contains("storage-mismatch") && said.contains("Old"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_ring_again_after_a_failure_and_wake_a_stopped_server() {
    let mut hearth = Hearth::start().await;
    deployed(&hearth).await;
    assert_eq!(ask(&hearth, "/arm?ms=100&failures=1").await, true);
    let rings =
        until(&hearth, "/rings", |rings| rings.as_array().is_some_and(|rings| rings.len() == 2)).await;
    assert_eq!(rings, json!([0, 1]));

    // Due while nothing runs; nobody asks for it afterwards but the listing, which starts nothing.
    ask(&hearth, "/arm?name=late&ms=1500").await;
    hearth.kill().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    hearth.start_again().await;
    let namespace = namespace_folder(&hearth, "Thing").await;
    let began = Instant::now();
    while next_alarm(&namespace).is_some() {
        assert!(began.elapsed() < PATIENCE, "the alarm did not ring");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(ask(&hearth, "/rings?name=late").await, json!([0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_starts_a_worker_that_was_idle() {
    let config = "[processes]\nidle-timeout-s = 1\n".to_owned();
    let hearth = Hearth::start_with(Options { config, ..Options::default() }).await;
    deployed(&hearth).await;
    ask(&hearth, "/arm?ms=45000").await;
    let namespace = namespace_folder(&hearth, "Thing").await;
    // Idle, and past the 30 s that `waitUntil` may take, it leaves; a clean end takes the log along.
    let log = namespace.join("metadata.sqlite-wal");
    let began = Instant::now();
    while log.exists() {
        assert!(began.elapsed() < PATIENCE, "the idle process stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(next_alarm(&namespace).is_some());
    while next_alarm(&namespace).is_some() {
        assert!(began.elapsed() < 2 * PATIENCE, "the alarm did not ring");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(ask(&hearth, "/rings").await, json!([0]));
}

async fn namespace_folder(hearth: &Hearth, class: &str) -> std::path::PathBuf {
    let listed = hearth.api("GET", NAMESPACES, None).await.result().clone();
    let found = listed.as_array().unwrap().iter().find(|n| n["class"] == class).unwrap().clone();
    hearth.data().join("do").join(found["id"].as_str().unwrap())
}

fn next_alarm(namespace: &std::path::Path) -> Option<i64> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(namespace.join("metadata.sqlite"), flags).unwrap();
    connection.query_row("SELECT min(scheduled_time) FROM _cf_ALARM", [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_hibernate_and_wake_as_they_were() {
    let hearth = Hearth::start().await;
    deployed(&hearth).await;
    let host = hearth.host("objects");
    let mut ada = hearth.websocket(&host, "/socket?who=ada").await;
    let mut bob = hearth.websocket(&host, "/socket?who=bob").await;
    let hear = async |socket: &mut hearth_testing::Socket| {
        let heard = tokio::time::timeout(PATIENCE, socket.next()).await.expect("something is heard");
        heard.expect("it is open").expect("it is well").into_text().expect("text").to_string()
    };
    ada.send(Message::text("hi")).await.expect("it is sent");
    for socket in [&mut ada, &mut bob] {
        assert_eq!(hear(socket).await, "ada (ada+all, 0 births later): hi");
    }
    // An object without work is put away after ten seconds; an answer that needs none does not bring it back.
    tokio::time::sleep(Duration::from_secs(12)).await;
    bob.send(Message::text("ping")).await.expect("it is sent");
    assert_eq!(hear(&mut bob).await, "pong");
    bob.send(Message::text("still there?")).await.expect("it is sent");
    assert_eq!(hear(&mut ada).await, "bob (bob+all, 1 births later): still there?");
}

/// Deploys under load: who comes during a swap waits, and what was acknowledged is there.
#[tokio::test(flavor = "multi_thread")]
async fn redeploys_under_load_lose_no_acknowledged_increment() {
    let hearth = Arc::new(Hearth::start().await);
    let app = deployed(&hearth).await;
    ask(&hearth, "/add").await;
    let (stop, acknowledged, refused) = (AtomicBool::new(false), AtomicU64::new(1), AtomicU64::new(0));
    let shared = Arc::new((stop, acknowledged, refused));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (hearth, shared) = (Arc::clone(&hearth), Arc::clone(&shared));
            tokio::spawn(async move {
                let host = hearth.host("objects");
                while !shared.0.load(Ordering::Relaxed) {
                    let good = hearth.try_get(&host, "/add").await.is_ok_and(|answer| answer.status == 200);
                    let count = if good { &shared.1 } else { &shared.2 };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for _ in 0..3 {
        app.wrangler(&["deploy"]).await.expect_ok();
    }
    shared.0.store(true, Ordering::Relaxed);
    for task in load {
        task.await.expect("it does not panic");
    }
    let (acknowledged, refused) = (shared.1.load(Ordering::Relaxed), shared.2.load(Ordering::Relaxed));
    let counted = ask(&hearth, "/add").await.as_u64().expect("a number") - 1;
    assert!(counted >= acknowledged, "{counted} counted, {acknowledged} acknowledged");
    assert!(
        counted <= acknowledged + refused,
        "{counted} counted, {acknowledged} acknowledged, {refused} refused"
    );
    assert_eq!(refused, 0, "who comes during a swap waits");
}

/// A server that is killed leaves its storage to the next one only when its processes are gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing_and_two_never_share_a_folder() {
    let mut hearth = Hearth::start().await;
    deployed(&hearth).await;
    let mut expected = 0;
    for _ in 0..5 {
        for _ in 0..3 {
            expected += 1;
            assert_eq!(ask(&hearth, "/add").await, expected);
        }
        hearth.kill().await;
        hearth.start_again().await;
    }
    expected += 1;
    assert_eq!(ask(&hearth, "/add").await, expected);
    // Somebody else has the folder: nothing starts on it, and it is waited for.
    hearth.kill().await;
    hearth.start_again().await;
    let folder = std::fs::File::open(namespace_folder(&hearth, "Thing").await).expect("the folder is there");
    let began = Instant::now();
    while rustix::fs::flock(&folder, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
        assert!(began.elapsed() < PATIENCE, "the old process stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let held = Duration::from_secs(2);
    let release = tokio::spawn(async move {
        tokio::time::sleep(held).await;
        drop(folder);
    });
    let began = Instant::now();
    assert_eq!(ask(&hearth, "/add").await, expected + 1);
    assert!(release.is_finished() && began.elapsed() >= held, "a process ran on a folder that was another's");
}
