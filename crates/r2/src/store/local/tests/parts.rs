//! Multipart uploads, encryption, locks and snapshots.

use super::super::super::rules::{LockCondition, LockRule};
use super::super::super::types::{
    CompleteOptions, Conditional, CustomerKey, Expected, ListUploads, Part, PartOptions, PartTag, Range,
    UploadOptions,
};
use super::super::faults::{FAULT, Fault};
use super::*;

async fn begin(store: &Local, key: &str) -> String {
    store.create_upload("b", key, UploadOptions::default()).await.unwrap().id
}

async fn part(store: &Local, upload: &str, number: u32, content: Vec<u8>) -> Result<Part> {
    store.upload_part("b", "k", upload, number, PartOptions::default(), Incoming::bytes(content)).await
}

async fn complete(store: &Local, upload: &str, parts: &[&Part], equal_sizes: bool) -> Result<Object> {
    let tags = parts.iter().map(|part| PartTag { number: part.number, etag: part.etag.clone() }).collect();
    let options = CompleteOptions { equal_sizes, ..CompleteOptions::default() };
    store.complete_upload("b", "k", upload, tags, options, Vec::new()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_become_an_object_and_every_range_of_it_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = bucket(folder.path()).await;
    let upload = begin(&store, "k").await;
    let second = part(&store, &upload, 7, vec![2; 50]).await.unwrap();
    part(&store, &upload, 3, vec![9; 20]).await.unwrap();
    let first = part(&store, &upload, 3, vec![1; 50]).await.unwrap();
    let last = part(&store, &upload, 9, vec![3; 5]).await.unwrap();
    part(&store, &upload, 10, vec![4; 5]).await.unwrap();
    let usage = store.usage("b").await.unwrap();
    assert_eq!((usage.objects, usage.uploads, usage.upload_bytes), (0, 1, 110));
    let object = complete(&store, &upload, &[&first, &second, &last], true).await.unwrap();
    // md5 of the three md5s, computed with Python's hashlib.
    assert_eq!(object.etag, "c345fcede31390a7c7212c467b77f437-3");
    assert_eq!((object.size, object.parts), (105, Some(3)));
    let whole: Vec<u8> = [vec![1; 50], vec![2; 50], vec![3; 5]].concat();
    assert_eq!(get(&store, "k").await.unwrap(), whole);
    for offset in 0..105 {
        for length in [1, 49, 50, 51, 200] {
            let range = Some(Range::Offset { offset, length: Some(length) });
            let options = GetOptions { range, ..GetOptions::default() };
            let body = store.get("b", "k", options).await.unwrap().body.collect().await.unwrap();
            let end = (offset + length).min(105);
            assert_eq!(body, &whole[offset as usize..end as usize]);
        }
    }
    let part_of = async |number: u32| {
        let options = GetOptions { range: Some(Range::Part(number)), ..GetOptions::default() };
        store.get("b", "k", options).await
    };
    for (number, offset, content) in [(1, 0, vec![1; 50]), (2, 50, vec![2; 50]), (3, 100, vec![3; 5])] {
        let found = part_of(number).await.unwrap();
        assert_eq!((found.range.offset, found.partial), (offset, true));
        assert_eq!(found.body.collect().await.unwrap(), content, "whatever its number was");
    }
    for number in [0, 4] {
        assert!(matches!(part_of(number).await, Err(R2Error::InvalidRange)), "{number}");
    }
    settle(folder.path(), 3).await;
    let usage = store.usage("b").await.unwrap();
    assert_eq!((usage.objects, usage.bytes, usage.uploads, usage.upload_bytes), (1, 105, 0, 0));
    for over in [
        part(&store, &upload, 1, vec![1]).await.unwrap_err(),
        complete(&store, &upload, &[&first], true).await.unwrap_err(),
    ] {
        assert!(matches!(over, R2Error::NoSuchUpload), "{over:?}");
    }
    store.abort_upload("b", "k", &upload).await.unwrap();
    assert_eq!(get(&store, "k").await.unwrap(), whole);
    store.delete("b", vec!["k".to_owned()], Conditional::default(), Vec::new()).await.unwrap();
    settle(folder.path(), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_that_is_being_read_outlives_its_object_and_then_goes() {
    use futures::StreamExt;
    let folder = tempfile::tempdir().unwrap();
    let store = bucket(folder.path()).await;
    let size = 1_500_000;
    let upload = begin(&store, "k").await;
    let mut parts = Vec::new();
    for number in 1..4 {
        parts.push(part(&store, &upload, number, vec![number as u8; size]).await.unwrap());
    }
    complete(&store, &upload, &parts.iter().collect::<Vec<_>>(), true).await.unwrap();
    put(&store, "whole", vec![9; 3 * size]).await.unwrap();
    for (key, left) in [("k", 4), ("whole", 0)] {
        let mut found = store.get("b", key, GetOptions::default()).await.unwrap();
        let mut read = found.body.next().await.unwrap().unwrap().to_vec();
        store.delete("b", vec![key.to_owned()], Conditional::default(), Vec::new()).await.unwrap();
        assert!(matches!(get(&store, key).await, Err(R2Error::NoSuchKey)));
        // The next write begins when what the last one left to remove is removed.
        put(&store, "next", vec![1]).await.unwrap();
        if key == "k" {
            // Those that are yet to be opened are still there; of the other object the one open file is enough.
            assert_eq!(files(folder.path()).len(), left);
        }
        read.extend(found.body.collect().await.unwrap());
        let expected: Vec<u8> = if key == "k" {
            (1..4).flat_map(|number| vec![number; size]).collect()
        } else {
            vec![9; 3 * size]
        };
        assert!(read == expected, "{key}");
        settle(folder.path(), if key == "k" { 1 } else { 0 }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_completions_say_what_is_wrong_and_leave_the_upload() {
    let folder = tempfile::tempdir().unwrap();
    let store = bucket(folder.path()).await;
    let upload = begin(&store, "k").await;
    let small = part(&store, &upload, 1, vec![1; 9]).await.unwrap();
    let large = part(&store, &upload, 2, vec![2; 20]).await.unwrap();
    let larger = part(&store, &upload, 3, vec![3; 21]).await.unwrap();
    let wrong = Part { etag: "00".to_owned(), ..large.clone() };
    let unknown = Part { number: 4, ..large.clone() };
    let outcomes = [
        (complete(&store, &upload, &[], true).await, 10048),
        (complete(&store, &upload, &[&large, &large], true).await, 10048),
        (complete(&store, &upload, &[&wrong], true).await, 10025),
        (complete(&store, &upload, &[&unknown], true).await, 10025),
        (complete(&store, &upload, &[&small, &large], true).await, 10011),
        (complete(&store, &upload, &[&large, &larger], true).await, 10048),
        (complete(&store, "unknown", &[&large], true).await, 10024),
        (store.abort_upload("b", "k", "unknown").await.map(|()| unreachable!()), 10024),
        (store.abort_upload("b", "other", &upload).await.map(|()| unreachable!()), 10024),
    ];
    for (number, (outcome, code)) in outcomes.into_iter().enumerate() {
        assert_eq!(outcome.unwrap_err().code(), code, "outcome {number}");
    }
    assert!(matches!(get(&store, "k").await, Err(R2Error::NoSuchKey)));
    complete(&store, &upload, &[&large, &larger], false).await.unwrap();
    settle(folder.path(), 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aborted_uploads_files_go_and_uploads_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let store = bucket(folder.path()).await;
    let mut ids = Vec::new();
    for key in ["b", "a/1", "a/2", "a/2"] {
        ids.push((key.to_owned(), begin(&store, key).await));
    }
    ids.sort();
    let all = |prefix: &str, after, limit| {
        let options = ListUploads { prefix: prefix.to_owned(), after, limit };
        let store = store.clone();
        async move {
            let found = store.list_uploads("b", options).await.unwrap();
            found.into_iter().map(|upload| (upload.key, upload.id)).collect::<Vec<_>>()
        }
    };
    assert_eq!(all("", None, 10).await, ids);
    assert_eq!(all("a/", None, 10).await, ids[..3]);
    let (key, id) = ids[1].clone();
    assert_eq!(all("", Some((key.clone(), Some(id))), 10).await, ids[2..]);
    assert_eq!(all("", Some((key, None)), 10).await, ids[3..]);
    assert_eq!(all("", None, 2).await, ids[..2]);
    let upload = begin(&store, "k").await;
    for number in 1..4 {
        part(&store, &upload, number, vec![1; 5]).await.unwrap();
    }
    let (_, parts) = store.list_parts("b", "k", &upload, 1, 1).await.unwrap();
    assert_eq!(parts.iter().map(|part| (part.number, part.size)).collect::<Vec<_>>(), [(2, 5)]);
    settle(folder.path(), 3).await;
    store.abort_upload("b", "k", &upload).await.unwrap();
    store.abort_upload("b", "k", &upload).await.unwrap();
    settle(folder.path(), 0).await;
    assert_eq!(all("", None, 10).await, ids);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customers_key_encrypts_what_is_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = bucket(folder.path()).await;
    let key = CustomerKey([5; 32]);
    let content = b"a text that is not to be found anywhere. ".repeat(4000);
    for (name, size) in [("small", 80), ("large", content.len())] {
        let options = PutOptions { customer_key: Some(key.clone()), ..PutOptions::default() };
        let body = Incoming::bytes(content[..size].to_vec());
        let object = store.put("b", name, options, body, Vec::new()).await.unwrap();
        assert_eq!(object.customer_key_md5.as_deref(), Some(key.md5().as_str()));
        let options = |key: Option<CustomerKey>, range| GetOptions {
            range,
            customer_key: key,
            ..GetOptions::default()
        };
        for wrong in [None, Some(CustomerKey([6; 32]))] {
            assert!(matches!(
                store.get("b", name, options(wrong, None)).await,
                Err(R2Error::WrongCustomerKey)
            ));
        }
        let read = |range| {
            let (store, options) = (store.clone(), options(Some(key.clone()), range));
            async move { store.get("b", name, options).await.unwrap().body.collect().await.unwrap() }
        };
        assert_eq!(read(None).await, &content[..size]);
        let range = Range::Offset { offset: size as u64 - 50, length: Some(20) };
        assert_eq!(read(Some(range)).await, &content[size - 50..size - 30]);
    }
    let upload = UploadOptions { customer_key: Some(key.clone()), ..UploadOptions::default() };
    let upload = store.create_upload("b", "k", upload).await.unwrap().id;
    assert!(matches!(part(&store, &upload, 1, vec![1; 20]).await, Err(R2Error::WrongCustomerKey)));
    let options = PartOptions { customer_key: Some(key.clone()), ..PartOptions::default() };
    let body = Incoming::bytes(content.clone());
    let part = store.upload_part("b", "k", &upload, 1, options, body).await.unwrap();
    complete(&store, &upload, &[&part], true).await.unwrap();
    let options = GetOptions { customer_key: Some(key), ..GetOptions::default() };
    assert_eq!(store.get("b", "k", options).await.unwrap().body.collect().await.unwrap(), content);
    drop(store);
    let mut folders = vec![folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(24).any(|window| window == &content[..24]), "{}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_digests_leave_what_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = bucket(folder.path()).await;
    put(&store, "k", b"before".to_vec()).await.unwrap();
    for size in [10, 5 * INLINE] {
        for expected in [
            Expected { md5: Some([0; 16]), ..Expected::default() },
            Expected { sha1: Some([0; 20]), ..Expected::default() },
            Expected { sha256: Some([0; 32]), ..Expected::default() },
            Expected { sha384: Some([0; 48]), ..Expected::default() },
            Expected { sha512: Some([0; 64]), ..Expected::default() },
        ] {
            let options = PutOptions { expected, ..PutOptions::default() };
            let body = Incoming::bytes(vec![1; size]);
            let error = store.put("b", "k", options, body, Vec::new()).await.unwrap_err();
            assert_eq!(error.code(), 10037, "{error}");
        }
        let refuse = PutOptions {
            finish: Some(Box::new(|_| Err(R2Error::InvalidArgument("the trailer differs".to_owned())))),
            ..PutOptions::default()
        };
        let body = Incoming::bytes(vec![1; size]);
        assert_eq!(store.put("b", "k", refuse, body, Vec::new()).await.unwrap_err().code(), 10029);
    }
    assert_eq!(get(&store, "k").await.unwrap(), b"before");
    settle(folder.path(), 0).await;
    let md5 = hex::decode("9e107d9d372bb6826bd81d3542a419d6").unwrap().try_into().ok();
    let sha1 = hex::decode("2fd4e1c67a2d28fced849ee1bb76e7391b93eb12").unwrap().try_into().ok();
    let options =
        PutOptions { expected: Expected { md5, sha1, ..Expected::default() }, ..PutOptions::default() };
    let body = Incoming::bytes("The quick brown fox jumps over the lazy dog");
    let object = store.put("b", "k", options, body, Vec::new()).await.unwrap();
    assert_eq!(object.checksums.md5, Some(object.etag));
    assert!(object.checksums.sha1.is_some() && object.checksums.sha256.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_keeps_an_object_from_being_replaced_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = bucket(folder.path()).await;
    let rule = |condition, enabled| LockRule {
        id: "r".to_owned(),
        enabled,
        prefix: Some("locked/".to_owned()),
        condition,
    };
    let age = |max_age_seconds| LockCondition::Age { max_age_seconds };
    let holding = vec![rule(age(3600), true)];
    let try_both = |key: &'static str, locks: Vec<LockRule>| {
        let store = store.clone();
        async move {
            let body = Incoming::bytes("new");
            let replaced = store.put("b", key, PutOptions::default(), body, locks.clone()).await.is_ok();
            let none = Conditional::default();
            let deleted = store.delete("b", vec!["free".to_owned(), key.to_owned()], none, locks).await;
            (replaced, deleted.map_err(|error| error.code()))
        }
    };
    put(&store, "free", b"x".to_vec()).await.unwrap();
    put(&store, "locked/1", b"old".to_vec()).await.unwrap();
    for locks in [holding.clone(), vec![rule(LockCondition::Indefinite {}, true)]] {
        assert_eq!(try_both("locked/1", locks).await, (false, Err(10069)));
    }
    assert_eq!(get(&store, "locked/1").await.unwrap(), b"old");
    assert_eq!(get(&store, "free").await.unwrap(), b"x");
    let past = LockCondition::Date { date: jiff::Timestamp::UNIX_EPOCH };
    for locks in [vec![rule(age(3600), false)], vec![rule(age(0), true)], vec![rule(past, true)]] {
        assert_eq!(try_both("locked/1", locks).await, (true, Ok(())));
    }
    assert_eq!(try_both("other", holding).await, (true, Ok(())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_of_one_moment_and_a_bucket_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("r2");
    let store = bucket(&root).await;
    for number in 0..20_u8 {
        put(&store, &format!("k{number}"), vec![number; usize::from(number) * 200]).await.unwrap();
    }
    let upload = begin(&store, "k").await;
    let begun = part(&store, &upload, 1, vec![7; 20]).await.unwrap();
    let churn = {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 0..200_u8 {
                for number in 0..20_u8 {
                    put(&store, &format!("k{number}"), vec![round; 3000]).await.unwrap();
                }
            }
        })
    };
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let copy = folder.path().join("copy");
    store.snapshot(&copy).await.unwrap();
    churn.abort();
    let _ = churn.await;
    let copied = local(&copy);
    for number in 0..20_u8 {
        let content = get(&copied, &format!("k{number}")).await.unwrap();
        assert!(content.iter().all(|byte| *byte == content[0]));
    }
    assert_eq!(copied.usage("b").await.unwrap().objects, 20);
    complete(&copied, &upload, &[&begun], true).await.unwrap();
    assert_eq!(get(&copied, "k").await.unwrap(), vec![7; 20]);
    put(&copied, "new", vec![1; 5000]).await.unwrap();
    assert!(matches!(get(&store, "new").await, Err(R2Error::NoSuchKey)));
    assert!(store.snapshot(&copy).await.is_err());
}

/// Between the copy of the index and that of the files, objects are replaced and deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_that_a_snapshots_index_names_stay_until_they_are_copied() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("r2");
    let store = bucket(&root).await;
    for key in ["replaced", "deleted"] {
        put(&store, key, vec![1; 3 * INLINE]).await.unwrap();
    }
    let (meanwhile, runtime) = (store.clone(), tokio::runtime::Handle::current());
    let change = move || {
        runtime.block_on(async {
            put(&meanwhile, "replaced", vec![2; 3 * INLINE]).await.unwrap();
            let deleted = vec!["deleted".to_owned()];
            meanwhile.delete("b", deleted, Conditional::default(), Vec::new()).await.unwrap();
            // What goes away with a write is gone before the next one's answer.
            put(&meanwhile, "last", vec![3]).await.unwrap();
        });
    };
    *FAULT.lock() = Some(("index copied".to_owned(), Fault::Run(Box::new(change))));
    let copy = folder.path().join("copy");
    store.snapshot(&copy).await.unwrap();
    assert!(FAULT.lock().is_none());
    assert_eq!(get(&store, "replaced").await.unwrap(), vec![2; 3 * INLINE]);
    let copied = local(&copy);
    for key in ["replaced", "deleted"] {
        assert_eq!(get(&copied, key).await.unwrap(), vec![1; 3 * INLINE]);
    }
    assert!(matches!(get(&copied, "last").await, Err(R2Error::NoSuchKey)));
    // Then they go.
    settle(&root, 1).await;
}
