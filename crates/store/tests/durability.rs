//! What survives: `kill -9`, restarts, lost and rotated keys, collections of garbage.

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use hearth_model::{AccountId, Dialect, Module, Split, VersionId, WorkerId};
use hearth_store::{
    Collected, Entity, NewModule, NewVersion, NewWorker, Page, Store, StoreError, WorkerChanges,
};
use support::{Fixture, modules, new_version, open, release, secret};

const FOLDER: &str = "HEARTH_STORE_TEST_FOLDER";
const KEY_FILE: &str = "secrets.key";

/// Not a test: what `what_was_acknowledged_survives_kill_9` starts as a process and kills.
#[tokio::test]
#[ignore = "the child of another test"]
async fn deploys_without_end() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let (store, account) = open(Path::new(&folder)).await;
    let worker = support::worker(&store, &account, "a").await;
    for number in 0.. {
        let code = modules(&store, &format!("{} {number}", std::process::id())).await;
        let new = new_version(worker, code, vec![secret("S", Some("s3cret"))]);
        let version = store.insert_version(new, Some(release())).await.unwrap().version;
        println!("acknowledged {}", version.id);
        let code = modules(&store, "code").await;
        store.insert_version(first_deploy(&account, code), Some(release())).await.unwrap();
    }
}

fn first_deploy(account: &AccountId, code: Vec<Module>) -> NewVersion {
    let worker = WorkerId::random();
    let name = format!("w-{worker}").parse().unwrap();
    NewVersion {
        make: Some(NewWorker { account: account.clone(), dialect: Dialect::Workers, name }),
        settings: WorkerChanges { tags: Some(vec!["tag".to_owned()]), ..WorkerChanges::default() },
        ..new_version(worker, code, vec![secret("S", Some("s3cret"))])
    }
}

#[tokio::test]
async fn a_first_deploy_leaves_no_half_of_a_worker() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let code = modules(store, "code").await;
    let mut database = support::database(fixture.folder.path()).await;
    for what in
        ["BEFORE INSERT ON versions", "BEFORE INSERT ON deployments", "BEFORE UPDATE OF tags ON workers"]
    {
        let fail = format!("CREATE TRIGGER fail {what} BEGIN SELECT RAISE(ABORT, 'full'); END");
        sqlx::raw_sql(sqlx::AssertSqlSafe(fail)).execute(&mut database).await.unwrap();
        let new = first_deploy(&fixture.account, code.clone());
        assert!(store.insert_version(new, Some(release())).await.is_err(), "{what}");
        sqlx::raw_sql("DROP TRIGGER fail").execute(&mut database).await.unwrap();
        assert_eq!(store.workers(&fixture.account, None, Page::ALL).await.unwrap().total, 0, "{what}");
    }
    let new = first_deploy(&fixture.account, code);
    let inserted = store.insert_version(new, Some(release())).await.unwrap();
    assert_eq!(store.worker(inserted.version.worker).await.unwrap(), inserted.worker);
    assert_eq!((inserted.worker.tags.len(), inserted.version.number), (1, 1));
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<VersionId> = Vec::new();
    for round in 0..10 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "deploys_without_end", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut read = || {
            let line = lines.next()?.unwrap();
            Some(line.split_once("acknowledged ").and_then(|(_, id)| id.parse::<VersionId>().ok()))
        };
        let wanted = acknowledged.len() + 3 + round;
        while acknowledged.len() < wanted {
            acknowledged.extend(read().expect("the child ended by itself"));
        }
        // At another moment of the next deploy each time.
        std::thread::sleep(Duration::from_micros(300 * round as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        while let Some(line) = read() {
            acknowledged.extend(line);
        }

        let (store, account) = open(folder.path()).await;
        let worker =
            store.worker_by_name(&account, Dialect::Workers, &"a".parse().unwrap()).await.unwrap().id;
        // Of more than a hundred the oldest go.
        for version in acknowledged.iter().rev().take(90) {
            let launch = store.launch(*version).await.unwrap();
            assert_eq!(launch.bindings, [secret("S", Some("s3cret"))]);
        }
        let versions = store.versions(worker, Page::ALL).await.unwrap().items;
        let newest = store.current_deployment(worker).await.unwrap().unwrap().split;
        assert_eq!(newest, Split::all(versions[0].id), "a version and its deployment are one");
        assert!(versions.len() >= acknowledged.len().min(100));
        for worker in store.workers(&account, None, Page::ALL).await.unwrap().items {
            if worker.id != versions[0].worker {
                assert!(store.current_deployment(worker.id).await.unwrap().is_some());
                assert_eq!(worker.tags, ["tag"], "a worker, its version and its settings are one");
            }
        }
        store.close().await;
    }
}

#[tokio::test]
async fn two_stores_never_have_one_folder() {
    let fixture = Fixture::new().await;
    assert!(matches!(Store::open(fixture.folder.path()).await, Err(StoreError::Locked(_))));
    let Fixture { folder, store, .. } = fixture;
    let clone = store.clone();
    drop(store);
    assert!(matches!(Store::open(folder.path()).await, Err(StoreError::Locked(_))));
    drop(clone);
    open(folder.path()).await;
}

#[tokio::test]
async fn opening_again_changes_nothing_and_a_newer_format_is_refused() {
    let fixture = Fixture::new().await;
    let path = fixture.folder.path().to_owned();
    let schema = || async {
        let query =
            "SELECT group_concat(sql) || (SELECT user_version FROM pragma_user_version) FROM sqlite_schema";
        let text: String =
            sqlx::query_scalar(query).fetch_one(&mut support::database(&path).await).await.unwrap();
        text
    };
    let before = schema().await;
    let fixture = fixture.reopen().await.reopen().await;
    assert_eq!(schema().await, before);
    let Fixture { folder, store, .. } = fixture;
    drop(store);
    let mut database = support::database(folder.path()).await;
    sqlx::raw_sql("PRAGMA user_version = 1000").execute(&mut database).await.unwrap();
    assert!(matches!(Store::open(folder.path()).await, Err(StoreError::TooNew { found: 1000, .. })));
}

async fn with_a_secret() -> (Fixture, VersionId) {
    let fixture = Fixture::new().await;
    let worker = fixture.worker("a").await;
    let code = modules(&fixture.store, "code").await;
    let new = new_version(worker, code, vec![secret("S", Some("s3cret"))]);
    let version = fixture.store.insert_version(new, None).await.unwrap().version.id;
    (fixture, version)
}

#[tokio::test]
async fn a_lost_or_wrong_key_is_noticed_at_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let (fixture, version) = with_a_secret().await;
    let Fixture { folder, store, .. } = fixture;
    store.close().await;
    drop(store);
    let path = folder.path().join(KEY_FILE);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let key = std::fs::read(&path).unwrap();

    std::fs::remove_file(&path).unwrap();
    assert!(matches!(Store::open(folder.path()).await, Err(StoreError::Key(_))));
    assert!(!path.exists(), "no new key in the place of a lost one");
    std::fs::write(&path, "00".repeat(32)).unwrap();
    assert!(matches!(Store::open(folder.path()).await, Err(StoreError::Key(_))));
    std::fs::write(&path, key).unwrap();
    open(folder.path()).await.0.launch(version).await.unwrap();
}

#[tokio::test]
async fn nobody_else_reads_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (_store, _) = open(folder.path()).await;
    for file in ["hearth.db", "hearth.db-wal", "hearth.db-shm", "hearth.lock", KEY_FILE, "blobs"] {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
}

#[tokio::test]
async fn without_secrets_a_lost_key_is_made_anew() {
    let fixture = Fixture::new().await;
    std::fs::remove_file(fixture.folder.path().join(KEY_FILE)).unwrap();
    let fixture = fixture.reopen().await;
    assert!(fixture.folder.path().join(KEY_FILE).exists());
}

#[tokio::test]
async fn a_rotation_leaves_one_new_key_and_every_secret_readable() {
    let (fixture, version) = with_a_secret().await;
    let path = fixture.folder.path().join(KEY_FILE);
    let old = std::fs::read_to_string(&path).unwrap();
    fixture.store.launch(version).await.unwrap();
    assert_eq!(fixture.store.rotate_secrets().await.unwrap(), 1);
    let new = std::fs::read_to_string(&path).unwrap();
    assert_eq!(new.lines().count(), 1);
    assert_ne!(new, old);
    let text = |fixture: &Fixture| {
        let store = fixture.store.clone();
        async move { store.launch(version).await.unwrap().bindings }
    };
    assert_eq!(text(&fixture).await, [secret("S", Some("s3cret"))]);
    let fixture = fixture.reopen().await;
    assert_eq!(text(&fixture).await, [secret("S", Some("s3cret"))]);

    // Interrupted before its commit: both keys are in the file, the rows still want the old one.
    std::fs::write(&path, format!("{old}{new}")).unwrap();
    let fixture = fixture.reopen().await;
    assert_eq!(text(&fixture).await, [secret("S", Some("s3cret"))]);
    assert_eq!(fixture.store.rotate_secrets().await.unwrap(), 1);
    // Interrupted after its commit: the next start drops what nothing needs.
    let newest = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{newest}{old}")).unwrap();
    let fixture = fixture.reopen().await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), newest);
    assert_eq!(text(&fixture).await, [secret("S", Some("s3cret"))]);
}

#[tokio::test]
async fn garbage_is_what_no_version_refers_to() {
    let (fixture, version) = with_a_secret().await;
    let store = &fixture.store;
    let kind = hearth_model::ModuleKind::Text;
    let orphan = NewModule { name: "orphan".to_owned(), kind, content: "orphan".into() };
    let orphan = store.put_modules(vec![orphan]).await.unwrap().remove(0);
    let hour = Duration::from_secs(3600);
    assert_eq!(store.collect_garbage(hour).await.unwrap(), Collected::default(), "still in its grace time");
    let collected = store.collect_garbage(Duration::ZERO).await.unwrap();
    assert_eq!(collected, Collected { blobs: 1, bytes: 6 });
    let fixture = fixture.reopen().await;
    let store = &fixture.store;
    assert!(store.module_content(&orphan).await.unwrap_err().is_not_found(Entity::Blob));
    store.launch(version).await.unwrap();

    let worker = fixture.worker("a").await;
    let second = new_version(fixture.worker("b").await, modules(store, "code").await, vec![]);
    let second = store.insert_version(second, None).await.unwrap().version;
    store.delete_worker(worker).await.unwrap();
    assert_eq!(store.collect_garbage(Duration::ZERO).await.unwrap(), Collected::default(), "shared with b");
    store.launch(second.id).await.unwrap();
    store.delete_worker(second.worker).await.unwrap();
    assert_eq!(store.collect_garbage(Duration::ZERO).await.unwrap().blobs, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_beside_deploys_takes_nothing_they_use() {
    let fixture = Fixture::new().await;
    let hour = Duration::from_secs(3600);
    let hash = modules(&fixture.store, "code").await[0].hash.clone();
    let blob = blob_path(fixture.folder.path(), &hash);
    let age = || {
        let file = File::options().write(true).open(&blob);
        file.is_ok_and(|file| file.set_modified(SystemTime::now() - 2 * hour).is_ok())
    };
    let (store, done) = (fixture.store.clone(), Arc::new(AtomicBool::new(false)));
    let ended = done.clone();
    let collecting = tokio::spawn(async move {
        while !ended.load(Ordering::Relaxed) {
            store.collect_garbage(hour).await.unwrap();
        }
    });
    for round in 0..40 {
        // Unreferred and past its grace time: it may be gone already, or go while it is stored again.
        let code = modules(&fixture.store, "code").await;
        let worker = fixture.worker("a").await;
        fixture.store.insert_version(new_version(worker, code, vec![]), None).await.unwrap();
        // Referred to: however old, it stays.
        assert!(age());
        fixture.store.collect_garbage(hour).await.unwrap();
        assert!(blob.exists());
        fixture.store.delete_worker(worker).await.unwrap();
        if round % 2 == 0 {
            fixture.store.collect_garbage(hour).await.unwrap();
            assert!(!blob.exists());
        }
    }
    done.store(true, Ordering::Relaxed);
    collecting.await.unwrap();
}

fn blob_path(folder: &Path, hash: &str) -> PathBuf {
    folder.join("blobs").join(&hash[..2]).join(&hash[2..4]).join(hash)
}

#[tokio::test]
async fn a_changed_blob_is_not_launched() {
    let (fixture, version) = with_a_secret().await;
    let worker = fixture.worker("a").await;
    let hash = fixture.store.version(worker, version).await.unwrap().modules[0].hash.clone();
    std::fs::write(blob_path(fixture.folder.path(), &hash), "c0de").unwrap();
    let fixture = fixture.reopen().await;
    assert!(matches!(fixture.store.launch(version).await, Err(StoreError::Corrupt(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_taken_between_deploys_is_a_whole_store() {
    let fixture = Fixture::new().await;
    let worker = fixture.worker("a").await;
    let deploy = |number: usize| {
        let store = fixture.store.clone();
        async move {
            let code = modules(&store, &format!("code {number}")).await;
            let new = new_version(worker, code, vec![secret("S", Some("s3cret"))]);
            store.insert_version(new, Some(release())).await.unwrap().version.id
        }
    };
    let before = deploy(0).await;
    let (stop, copy) = (AtomicBool::new(false), fixture.folder.path().join("copy"));
    let deploying = async {
        let mut number = 1;
        while !stop.load(Ordering::Relaxed) {
            deploy(number).await;
            number += 1;
        }
        number
    };
    let copying = async {
        let done = fixture.store.snapshot(&copy).await;
        stop.store(true, Ordering::Relaxed);
        done.unwrap();
    };
    let (deployed, ()) = tokio::join!(deploying, copying);
    assert!(deployed > 1, "nothing was deployed meanwhile");

    let (store, _) = open(&copy).await;
    let versions = store.versions(worker, Page::ALL).await.unwrap().items;
    assert!(versions.iter().any(|version| version.id == before));
    for version in versions {
        for module in &version.modules {
            store.module_content(module).await.unwrap();
        }
        assert_eq!(store.secret_texts(worker, version.id).await.unwrap()["S"], "s3cret");
    }
}
