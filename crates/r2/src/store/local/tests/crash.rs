//! A process that dies at each step of a write, and a disk that is full at each.

use std::process::Command;

use super::super::super::types::{CompleteOptions, Conditional, PartOptions, PartTag, UploadOptions};
use super::super::faults::{FAULT, Fault};
use super::*;

const STEPS: [&str; 7] = ["writing", "written", "synced", "renamed", "settled", "before commit", "committed"];
const FOLDER: &str = "HEARTH_R2_CRASH_FOLDER";
const STEP: &str = "HEARTH_R2_CRASH_STEP";
const WHAT: &str = "HEARTH_R2_CRASH_WHAT";

/// The child of the tests below: does one write and dies in it.
#[test]
#[ignore = "run by the other tests of this file"]
fn child() {
    let folder = std::env::var(FOLDER).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = local(folder.as_ref());
        let what = std::env::var(WHAT).unwrap();
        let upload = store.create_upload("b", "k", UploadOptions::default()).await.unwrap().id;
        let options = PartOptions::default;
        let part = if what == "complete" {
            let body = Incoming::bytes(vec![3; 5 * INLINE]);
            Some(store.upload_part("b", "k", &upload, 1, options(), body).await.unwrap())
        } else {
            None
        };
        *FAULT.lock() = Some((std::env::var(STEP).unwrap(), Fault::Abort));
        match what.as_str() {
            "small" => drop(put(&store, "k", vec![2; 10]).await),
            "large" => drop(put(&store, "k", vec![2; 5 * INLINE]).await),
            "part" => {
                let body = Incoming::bytes(vec![3; 5 * INLINE]);
                drop(store.upload_part("b", "k", &upload, 1, options(), body).await);
            }
            _ => {
                let tags = part.map(|part| PartTag { number: 1, etag: part.etag }).into_iter().collect();
                let options = CompleteOptions::default();
                drop(store.complete_upload("b", "k", &upload, tags, options, Vec::new()).await);
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_step_a_process_dies_at_the_object_is_the_old_or_the_new_one_and_nothing_leaks() {
    for (what, new) in [
        ("small", vec![2; 10]),
        ("large", vec![2; 5 * INLINE]),
        ("part", vec![]),
        ("complete", vec![3; 5 * INLINE]),
    ] {
        let mut reached = 0;
        for step in STEPS {
            let folder = tempfile::tempdir().unwrap();
            let old = vec![1; 4 * INLINE];
            let store = bucket(folder.path()).await;
            put(&store, "k", old.clone()).await.unwrap();
            drop(store);
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "store::local::tests::crash::child", "--ignored"])
                .envs([(FOLDER, folder.path().to_str().unwrap()), (STEP, step), (WHAT, what)])
                .output()
                .unwrap()
                .status;
            let store = local(folder.path());
            let found = get(&store, "k").await.unwrap();
            if status.success() {
                // A step that this write does not have.
                assert!(found == if new.is_empty() { old } else { new.clone() }, "{what}, {step}");
                continue;
            }
            reached += 1;
            let expected = if step == "committed" && !new.is_empty() { &new } else { &old };
            assert!(&found == expected, "{what}, {step}");
            let upload_files = store.usage("b").await.unwrap().upload_bytes / (5 * INLINE as u64);
            let object_files = u64::from(found.len() > INLINE);
            settle(folder.path(), usize::try_from(object_files + upload_files).unwrap()).await;
            let expected_upload = match (what, step) {
                ("complete", "committed") | ("small" | "large", _) => 0,
                ("complete", _) | ("part", "committed") => 1,
                _ => 0,
            };
            assert_eq!(upload_files, expected_upload, "{what}, {step}");
            put(&store, "k", vec![9; 2 * INLINE]).await.unwrap();
            assert!(get(&store, "k").await.unwrap() == vec![9; 2 * INLINE]);
        }
        let expected = if matches!(what, "large" | "part") { STEPS.len() } else { 2 };
        assert_eq!(reached, expected, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_at_any_step_gives_an_error_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = bucket(folder.path()).await;
    put(&store, "k", b"old".to_vec()).await.unwrap();
    for size in [10, 5 * INLINE] {
        for step in &STEPS[..STEPS.len() - 1] {
            *FAULT.lock() = Some(((*step).to_owned(), Fault::Full));
            let outcome = put(&store, "k", vec![2; size]).await;
            *FAULT.lock() = None;
            if let Err(error) = outcome {
                assert!(matches!(error, R2Error::StorageFull), "{step}: {error:?}");
                assert_eq!(get(&store, "k").await.unwrap(), b"old", "{step}");
            } else {
                assert!(size == 10 && *step != "before commit", "{step}");
                put(&store, "k", b"old".to_vec()).await.unwrap();
            }
        }
    }
    drop(store);
    let store = local(folder.path());
    assert_eq!(get(&store, "k").await.unwrap(), b"old");
    settle(folder.path(), 0).await;
}

fn space(account_quota: Option<u64>, reserve: u64) -> hearth_space::Space {
    let folder = std::env::temp_dir();
    let config = hearth_space::Config { folder, account_quota, reserve: Some(reserve) };
    hearth_space::Space::new(config).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_an_accounts_quota_is_refused_until_something_is_deleted() {
    const QUOTA: u64 = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let space = space(Some(QUOTA), 0);
    let account = "a".parse().unwrap();
    space.opened("b", &account, hearth_space::Kind::R2);
    let mut config = Config::new(folder.path().to_owned());
    config.inline_bytes = INLINE;
    config.space = space.clone();
    let store = Local::open(&config).unwrap();
    store.create_bucket("b").await.unwrap();
    let is_refused = |error: R2Error| {
        matches!(error, R2Error::NoRoom(hearth_space::Refusal::Quota { quota: QUOTA }))
            && error.status() == http::StatusCode::INSUFFICIENT_STORAGE
    };
    put(&store, "a", vec![0; 9_500]).await.unwrap();
    assert_eq!(space.used(&account), 9_500);
    for (size, announced) in [(501, true), (501, false), (5 * INLINE, true), (5 * INLINE, false)] {
        let mut body = Incoming::bytes(vec![0; size]);
        body.length = body.length.filter(|_| announced);
        let outcome = store.put("b", "x", PutOptions::default(), body, Vec::new()).await;
        assert!(is_refused(outcome.unwrap_err()), "{size} {announced}");
    }
    settle(folder.path(), 1).await;
    // Parts count before they are an object.
    let upload = store.create_upload("b", "u", UploadOptions::default()).await.unwrap();
    let part = async |number, size| {
        let body = Incoming::bytes(vec![0; size]);
        store.upload_part("b", "u", &upload.id, number, PartOptions::default(), body).await
    };
    part(1, 400).await.unwrap();
    assert!(is_refused(part(2, 101).await.unwrap_err()));
    assert_eq!(space.used(&account), 9_900);
    assert_eq!(get(&store, "a").await.unwrap().len(), 9_500);
    store.delete("b", vec!["a".to_owned()], Conditional::default(), Vec::new()).await.unwrap();
    store.abort_upload("b", "u", &upload.id).await.unwrap();
    assert_eq!(space.used(&account), 0);
    put(&store, "x", vec![0; 5 * INLINE]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disks_reserve_is_not_for_contents() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new(folder.path().to_owned());
    config.inline_bytes = INLINE;
    config.space = space(None, u64::MAX);
    let store = Local::open(&config).unwrap();
    store.create_bucket("b").await.unwrap();
    for size in [10, 5 * INLINE] {
        let outcome = put(&store, "k", vec![1; size]).await;
        assert!(matches!(outcome, Err(R2Error::NoRoom(hearth_space::Refusal::Disk))));
    }
    store.delete("b", vec!["k".to_owned()], Conditional::default(), Vec::new()).await.unwrap();
    settle(folder.path(), 0).await;
}
