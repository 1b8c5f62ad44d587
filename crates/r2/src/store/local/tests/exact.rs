//! What must be exact while many do it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use futures::StreamExt;
use futures::future::join_all;

use super::super::super::types::{Conditional, EtagMatch, ListOptions};
use super::*;

fn absent() -> PutOptions {
    let only_if = Conditional { etag_does_not_match: vec![EtagMatch::Any], ..Conditional::default() };
    PutOptions { only_if, ..PutOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_create_a_key_exactly_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(bucket(folder.path()).await);
    for (round, size) in [10, 3 * INLINE, 10, 3 * INLINE].into_iter().enumerate() {
        let key = format!("key {round}");
        let racers = (0..64_u8).map(|racer| {
            let (store, key) = (Arc::clone(&store), key.clone());
            tokio::spawn(async move {
                let body = Incoming::bytes(vec![racer; size]);
                store.put("b", &key, absent(), body, Vec::new()).await
            })
        });
        let outcomes: Vec<_> = join_all(racers).await.into_iter().map(Result::unwrap).collect();
        let winners: Vec<usize> = outcomes
            .iter()
            .enumerate()
            .filter(|(_, outcome)| outcome.is_ok())
            .map(|(racer, _)| racer)
            .collect();
        assert_eq!(winners.len(), 1);
        let lost = |outcome: &Result<Object>| matches!(outcome, Err(R2Error::PreconditionFailed { .. }));
        assert_eq!(outcomes.iter().filter(|outcome| lost(outcome)).count(), 63);
        assert_eq!(get(&store, &key).await.unwrap(), vec![winners[0] as u8; size]);
    }
    settle(folder.path(), 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_counter_kept_by_if_match_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(bucket(folder.path()).await);
    put(&store, "n", b"0".to_vec()).await.unwrap();
    let adders = (0..8).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut added = 0;
            while added < 20 {
                let found = store.get("b", "n", GetOptions::default()).await.unwrap();
                let etag = found.object.etag.clone();
                let text = String::from_utf8(found.body.collect().await.unwrap()).unwrap();
                let next = (text.parse::<u32>().unwrap() + 1).to_string();
                let only_if =
                    Conditional { etag_matches: vec![EtagMatch::Strong(etag)], ..Conditional::default() };
                let options = PutOptions { only_if, ..PutOptions::default() };
                if store.put("b", "n", options, Incoming::bytes(next), Vec::new()).await.is_ok() {
                    added += 1;
                }
            }
        })
    });
    join_all(adders).await.into_iter().for_each(Result::unwrap);
    assert_eq!(get(&store, "n").await.unwrap(), b"160");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_one_version_whole_while_it_is_replaced_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(bucket(folder.path()).await);
    let size = 900_000;
    put(&store, "k", vec![0; size]).await.unwrap();
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 1..40_u8 {
                put(&store, "k", vec![number; size]).await.unwrap();
                if number % 10 == 0 {
                    store
                        .delete("b", vec!["k".to_owned()], Conditional::default(), Vec::new())
                        .await
                        .unwrap();
                }
            }
        })
    };
    let readers = (0..4).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut whole = 0;
            while whole < 60 {
                match get(&store, "k").await {
                    Ok(content) => {
                        assert_eq!(content.len(), size);
                        assert!(content.iter().all(|byte| *byte == content[0]));
                        whole += 1;
                    }
                    Err(error) => assert!(matches!(error, R2Error::NoSuchKey), "{error:?}"),
                }
            }
        })
    });
    join_all(readers).await.into_iter().for_each(Result::unwrap);
    writer.await.unwrap();
    settle(folder.path(), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_breaks_off_or_is_of_another_length_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = bucket(folder.path()).await;
    put(&store, "k", b"before".to_vec()).await.unwrap();
    for size in [10_usize, 5 * INLINE, 3 << 20] {
        let chunks =
            || futures::stream::iter((0..10).map(move |_| Ok(bytes::Bytes::from(vec![1; size / 10]))));
        let broken = chunks().chain(futures::stream::iter([Err(std::io::Error::other("gone"))]));
        for (stream, length) in [
            (broken.boxed(), None),
            (chunks().boxed(), Some(size as u64 + 1)),
            (chunks().boxed(), Some(size as u64 - 1)),
        ] {
            let body = Incoming::stream(stream, length);
            let error = store.put("b", "k", PutOptions::default(), body, Vec::new()).await.unwrap_err();
            assert!(matches!(error, R2Error::IncompleteBody), "{error:?}");
        }
        // A caller that goes away in the middle.
        let endless = futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from(vec![1; size]))])
            .chain(futures::stream::pending());
        let body = Incoming::stream(endless, None);
        let put = store.put("b", "k", PutOptions::default(), body, Vec::new());
        assert!(tokio::time::timeout(std::time::Duration::from_millis(100), put).await.is_err());
    }
    assert_eq!(get(&store, "k").await.unwrap(), b"before");
    settle(folder.path(), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_buckets_than_are_kept_open_all_work() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new(folder.path().to_owned());
    config.open_indexes = 3;
    let store = Local::open(&config).unwrap();
    for number in 0..10 {
        store.create_bucket(&format!("b{number}")).await.unwrap();
    }
    for round in 0..3_u8 {
        for number in 0..10 {
            let bucket = format!("b{number}");
            let body = Incoming::bytes(vec![round; 10]);
            store.put(&bucket, "k", PutOptions::default(), body, Vec::new()).await.unwrap();
            let found = store.get(&bucket, "k", GetOptions::default()).await.unwrap();
            assert_eq!(found.body.collect().await.unwrap(), vec![round; 10]);
        }
    }
    let open = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|path| path.starts_with(folder.path()) && path.ends_with("index.db"))
        .count();
    // A writer and a reader each, and what is still being closed.
    assert!(open <= 4 * 2, "{open} connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_bucket_is_gone_and_only_an_empty_one_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let store = bucket(folder.path()).await;
    put(&store, "k", vec![1; 5 * INLINE]).await.unwrap();
    assert!(matches!(store.close_bucket("b").await, Err(R2Error::BucketNotEmpty)));
    store.delete("b", vec!["k".to_owned()], Conditional::default(), Vec::new()).await.unwrap();
    store.close_bucket("b").await.unwrap();
    assert!(matches!(put(&store, "k", vec![1]).await, Err(R2Error::NoSuchBucket)));
    store.create_bucket("b").await.unwrap();
    put(&store, "k", vec![1]).await.unwrap();
    store.delete("b", vec!["k".to_owned()], Conditional::default(), Vec::new()).await.unwrap();
    store.close_bucket("b").await.unwrap();
    store.reclaim_bucket("b").await.unwrap();
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
    assert!(matches!(get(&store, "k").await, Err(R2Error::NoSuchBucket)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_knows_is_reclaimed_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = local(folder.path());
    for bucket in ["known", "unknown"] {
        store.create_bucket(bucket).await.unwrap();
    }
    std::fs::create_dir(folder.path().join("deleted-half")).unwrap();
    std::fs::create_dir(folder.path().join("foreign")).unwrap();
    store.retain_buckets(&["known".to_owned()]).await.unwrap();
    let mut left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["foreign", "known"]);
}

/// One key: its writer counts up, and deletes it instead of writing at every multiple of five.
#[derive(Default)]
struct Counted {
    /// Which write was asked for last.
    asked: AtomicU64,
    /// Which was answered last, or seen by a reader.
    known: AtomicU64,
}

impl Counted {
    /// Holds what a read said that began when `known` was so much.
    fn saw(&self, known: u64, number: Option<u64>, what: &str) {
        let asked = self.asked.load(SeqCst);
        match number {
            Some(number) => {
                assert!((known..=asked).contains(&number), "{what} {number}, known {known}, asked {asked}");
                self.known.fetch_max(number, SeqCst);
            }
            None => {
                let deleted = (known..=asked).any(|number| number % 5 == 0);
                assert!(deleted, "{what} nothing, known {known}, asked {asked}");
            }
        }
    }
}

/// Whoever begins to read after a write was answered, or after anybody saw it, sees it or a later one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_sees_what_was_before_an_answered_write_or_before_what_another_saw() {
    const KEYS: usize = 3;
    const WRITES: u64 = 200;
    let folder = tempfile::tempdir().unwrap();
    let store = bucket(folder.path()).await;
    let counted: Arc<[Counted; KEYS]> = Arc::default();
    let writers = (0..KEYS).map(|key| {
        let (store, counted) = (store.clone(), Arc::clone(&counted));
        tokio::spawn(async move {
            let (name, counted) = (key.to_string(), &counted[key]);
            for number in 1..=WRITES {
                counted.asked.store(number, SeqCst);
                if number % 5 == 0 {
                    store.delete("b", vec![name.clone()], Conditional::default(), Vec::new()).await.unwrap();
                } else {
                    let custom = vec![("n".to_owned(), number.to_string())];
                    let options = PutOptions { custom, ..PutOptions::default() };
                    let body = Incoming::bytes(number.to_string());
                    store.put("b", &name, options, body, Vec::new()).await.unwrap();
                }
                counted.known.fetch_max(number, SeqCst);
                let read = number_of(&store, &name, number.is_multiple_of(2)).await;
                assert_eq!(read, (number % 5 > 0).then_some(number), "the writer's own");
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let readers = (0..6).map(|reader: usize| {
        let (store, counted) = (store.clone(), Arc::clone(&counted));
        tokio::spawn(async move {
            let mut turn = reader;
            while counted.iter().any(|counted| counted.known.load(SeqCst) < WRITES) {
                turn += 1;
                let key = turn % KEYS;
                let known = counted[key].known.load(SeqCst);
                if reader == 0 {
                    // Lists ask the index.
                    let options = ListOptions { include_custom: true, ..ListOptions::default() };
                    let page = store.list("b", options).await.unwrap();
                    let found = page.objects.iter().find(|object| object.key == key.to_string());
                    counted[key].saw(known, found.map(number_in), "listed");
                } else {
                    let number = number_of(&store, &key.to_string(), turn.is_multiple_of(2)).await;
                    counted[key].saw(known, number, "read");
                }
                tokio::task::yield_now().await;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for task in writers.into_iter().chain(readers) {
        task.await.unwrap();
    }
}

fn number_in(object: &Object) -> u64 {
    object.custom[0].1.parse().unwrap()
}

async fn number_of(store: &Local, key: &str, whole: bool) -> Option<u64> {
    if whole {
        match get(store, key).await {
            Err(R2Error::NoSuchKey) => None,
            content => Some(String::from_utf8(content.unwrap()).unwrap().parse().unwrap()),
        }
    } else {
        match store.head("b", key).await {
            Err(R2Error::NoSuchKey) => None,
            object => Some(number_in(&object.unwrap())),
        }
    }
}
