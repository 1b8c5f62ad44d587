//! Arbitrary operations, each held against a map in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::super::types::{
    CompleteOptions, Conditional, EtagMatch, ListOptions, PartOptions, PartTag, Range, StorageClass,
    UploadOptions,
};
use super::*;

#[derive(Debug, Clone)]
enum Step {
    Put { key: usize, size: usize, only_if: If },
    Delete { key: usize, only_if: If },
    Upload { key: usize, size: usize, only_if: If },
    Class { key: usize, class: StorageClass },
    Get { key: usize, range: Option<Range>, only_if: If },
    Head { key: usize },
    List { prefix: &'static str, delimiter: Option<&'static str>, limit: usize, after: Option<usize> },
    Reopen,
}

#[derive(Debug, Clone, Copy)]
enum If {
    Nothing,
    Absent,
    Present,
    Unchanged,
    Changed,
}

const KEYS: [&str; 8] = ["a", "a/1", "a/2", "a/b/1", "a0", "b", "é/ü", "\u{10ffff}x"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..KEYS.len();
    let only_if = prop_oneof![
        4 => Just(If::Nothing), 1 => Just(If::Absent), 1 => Just(If::Present), 1 => Just(If::Unchanged),
        1 => Just(If::Changed)
    ];
    let size = prop_oneof![0usize..20, INLINE - 1..INLINE + 2, 3000usize..5000];
    let range = prop_oneof![
        (0u64..5000, proptest::option::of(0u64..3000))
            .prop_map(|(offset, length)| Range::Offset { offset, length }),
        (0u64..6000).prop_map(Range::Suffix),
    ];
    let list = (
        proptest::sample::select(vec!["", "a", "a/", "é", "\u{10ffff}", "z"]),
        proptest::option::of(proptest::sample::select(vec!["/", "b/", "\u{10ffff}"])),
        1usize..6,
        proptest::option::of(0..KEYS.len()),
    );
    let step = prop_oneof![
        5 => (key.clone(), size, only_if.clone())
            .prop_map(|(key, size, only_if)| Step::Put { key, size, only_if }),
        2 => (key.clone(), only_if.clone()).prop_map(|(key, only_if)| Step::Delete { key, only_if }),
        1 => (key.clone(), 1usize..20, only_if.clone())
            .prop_map(|(key, size, only_if)| Step::Upload { key, size, only_if }),
        1 => (key.clone(), proptest::sample::select(vec![StorageClass::Standard, StorageClass::InfrequentAccess]))
            .prop_map(|(key, class)| Step::Class { key, class }),
        8 => (key.clone(), proptest::option::of(range), only_if)
            .prop_map(|(key, range, only_if)| Step::Get { key, range, only_if }),
        3 => key.prop_map(|key| Step::Head { key }),
        3 => list.prop_map(|(prefix, delimiter, limit, after)| Step::List { prefix, delimiter, limit, after }),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..60)
}

struct Kept {
    content: Vec<u8>,
    etag: String,
    class: StorageClass,
    /// Whether it lies in a file.
    file: bool,
}

type Model = BTreeMap<String, Kept>;

fn condition(only_if: If, present: Option<&Kept>) -> (Conditional, bool) {
    let etag = present.map_or("none", |kept| &kept.etag).to_owned();
    let conditional = |matches, differs| Conditional {
        etag_matches: matches,
        etag_does_not_match: differs,
        ..Conditional::default()
    };
    match only_if {
        If::Nothing => (Conditional::default(), true),
        If::Absent => (conditional(vec![], vec![EtagMatch::Any]), present.is_none()),
        If::Present => (conditional(vec![EtagMatch::Any], vec![]), present.is_some()),
        If::Unchanged => (conditional(vec![EtagMatch::Strong(etag)], vec![]), present.is_some()),
        If::Changed => (conditional(vec![], vec![EtagMatch::Strong(etag)]), present.is_none()),
    }
}

/// All pages of a list, as the model sees it: keys and folded prefixes, in order.
fn listed(model: &Model, prefix: &str, delimiter: Option<&str>, after: Option<&str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for key in
        model.keys().filter(|key| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after))
    {
        let folded = delimiter.and_then(|delimiter| {
            let position = key[prefix.len()..].find(delimiter)?;
            Some(key[..prefix.len() + position + delimiter.len()].to_owned())
        });
        let shown = folded.map_or_else(|| key.clone(), |folded| format!("{folded}\0"));
        if found.last() != Some(&shown) {
            found.push(shown);
        }
    }
    found
}

async fn check(steps: Vec<Step>, cache_bytes: usize) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let open = || local_with(Config { cache_bytes, ..Config::new(folder.path().to_owned()) });
    let mut store = open();
    store.create_bucket("b").await.unwrap();
    let mut model = Model::new();
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Put { key, size, only_if } => {
                let key = KEYS[key];
                let content: Vec<u8> = (0..size).map(|byte| ((byte * 7 + number) % 251) as u8).collect();
                let (only_if, holds) = condition(only_if, model.get(key));
                let options = PutOptions { only_if, ..PutOptions::default() };
                let body = Incoming::bytes(content.clone());
                match store.put("b", key, options, body, Vec::new()).await {
                    Ok(object) => {
                        prop_assert!(holds);
                        prop_assert_eq!(object.size, size as u64);
                        let (class, file) = (StorageClass::Standard, size > INLINE);
                        model.insert(key.to_owned(), Kept { content, etag: object.etag, class, file });
                    }
                    Err(error) => {
                        let failed = matches!(error, R2Error::PreconditionFailed { .. });
                        prop_assert!(failed && !holds, "{error:?}");
                    }
                }
            }
            Step::Delete { key, only_if } => {
                let key = KEYS[key];
                let (only_if, holds) = condition(only_if, model.get(key));
                let deleted = store.delete("b", vec![key.to_owned()], only_if, Vec::new()).await;
                // What is not there is deleted, whatever the condition says.
                prop_assert_eq!(deleted.is_ok(), holds || !model.contains_key(key));
                if deleted.is_ok() {
                    model.remove(key);
                }
            }
            Step::Upload { key, size, only_if } => {
                let key = KEYS[key];
                let content = vec![number as u8; size];
                let upload = store.create_upload("b", key, UploadOptions::default()).await.unwrap().id;
                let body = Incoming::bytes(content.clone());
                let part =
                    store.upload_part("b", key, &upload, 1, PartOptions::default(), body).await.unwrap();
                let tags = vec![PartTag { number: 1, etag: part.etag }];
                let (only_if, holds) = condition(only_if, model.get(key));
                let options = CompleteOptions { only_if, ..CompleteOptions::default() };
                match store.complete_upload("b", key, &upload, tags, options, Vec::new()).await {
                    Ok(object) => {
                        prop_assert!(holds);
                        let (class, file) = (StorageClass::Standard, true);
                        model.insert(key.to_owned(), Kept { content, etag: object.etag, class, file });
                    }
                    Err(error) => {
                        prop_assert!(!holds, "{error:?}");
                        store.abort_upload("b", key, &upload).await.unwrap();
                    }
                }
            }
            Step::Class { key, class } => {
                let key = KEYS[key];
                if let (Ok(object), Some(kept)) = (store.head("b", key).await, model.get_mut(key)) {
                    store.set_storage_class("b", key, &object.version, class).await.unwrap();
                    kept.class = class;
                    prop_assert_eq!(store.head("b", key).await.unwrap().storage_class, class);
                }
            }
            Step::Head { key } => {
                let key = KEYS[key];
                match (store.head("b", key).await, model.get(key)) {
                    (Err(R2Error::NoSuchKey), None) => {}
                    (Ok(object), Some(kept)) => {
                        prop_assert_eq!((&object.etag, object.storage_class), (&kept.etag, kept.class));
                        prop_assert_eq!(object.size, kept.content.len() as u64);
                    }
                    (got, expected) => prop_assert!(false, "{got:?} {}", expected.is_some()),
                }
            }
            Step::Get { key, range, only_if } => {
                let key = KEYS[key];
                let (only_if, holds) = condition(only_if, model.get(key));
                let options = GetOptions { range: range.clone(), only_if, ..GetOptions::default() };
                match (store.get("b", key, options).await, model.get(key)) {
                    (Err(R2Error::NoSuchKey), None) => {}
                    (Err(R2Error::PreconditionFailed { object, .. }), Some(kept)) => {
                        prop_assert!(!holds);
                        prop_assert_eq!(&object.unwrap().etag, &kept.etag);
                    }
                    (Err(R2Error::InvalidRange), Some(kept)) => {
                        prop_assert!(holds && range.unwrap().resolve(kept.content.len() as u64).is_err());
                    }
                    (Ok(found), Some(Kept { content, etag, class, .. })) => {
                        prop_assert!(holds);
                        prop_assert_eq!((&found.object.etag, found.object.storage_class), (etag, *class));
                        let (from, length) = (found.range.offset as usize, found.range.length as usize);
                        prop_assert_eq!(found.partial, range.is_some());
                        prop_assert!(range.is_some() || length == content.len());
                        prop_assert_eq!(found.body.collect().await.unwrap(), &content[from..from + length]);
                    }
                    (got, expected) => prop_assert!(false, "{got:?} {}", expected.is_some()),
                }
            }
            Step::List { prefix, delimiter, limit, after } => {
                let after = after.map(|after| KEYS[after]);
                let mut options = ListOptions {
                    prefix: prefix.to_owned(),
                    delimiter: delimiter.map(str::to_owned),
                    start_after: after.map(str::to_owned),
                    limit: Some(limit),
                    ..ListOptions::default()
                };
                let mut found = Vec::new();
                loop {
                    let page = store.list("b", options.clone()).await.unwrap();
                    prop_assert!(page.objects.len() + page.prefixes.len() <= limit);
                    let keys = page.objects.into_iter().map(|object| object.key);
                    let mut shown: Vec<String> =
                        keys.chain(page.prefixes.into_iter().map(|prefix| format!("{prefix}\0"))).collect();
                    shown.sort();
                    found.extend(shown);
                    match page.cursor {
                        Some(cursor) => options.cursor = Some(cursor),
                        None => break,
                    }
                }
                let mut expected = listed(&model, prefix, delimiter, after);
                expected.sort();
                found.sort();
                prop_assert_eq!(found, expected);
            }
            Step::Reopen => {
                drop(store);
                store = open();
            }
        }
        let usage = store.usage("b").await.unwrap();
        let bytes: usize = model.values().map(|kept| kept.content.len()).sum();
        prop_assert_eq!((usage.objects, usage.bytes), (model.len() as u64, bytes as u64));
    }
    settle(folder.path(), model.values().filter(|kept| kept.file).count()).await;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn any_history_matches_a_map(
        steps in steps(),
        // None at all, so little that others are pushed out, and enough.
        cache_bytes in proptest::sample::select(vec![0, 16 * 4000, 64 << 20]),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(check(steps, cache_bytes))?;
    }
}
