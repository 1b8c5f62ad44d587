use http::{HeaderMap, HeaderName, StatusCode};
use proptest::prelude::*;
use std::time::Duration;

use super::*;
use crate::key::Room;

fn key(account: &str, name: &str) -> Key {
    Key::new(account, Room::Default, &format!("https://x.test/{name}"), None).unwrap()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn entry(key: &Key, stored_at: u64, response: &HeaderMap, request: &HeaderMap) -> Entry {
    Entry {
        key: key.clone(),
        status: StatusCode::OK,
        headers: response.clone(),
        vary: Vary::of(response, request).unwrap(),
        tags: vec![format!("tag-{stored_at}")],
        stored_at,
        age: Duration::ZERO,
        fresh_for: Duration::from_secs(60),
        address: None,
    }
}

fn put(index: &mut Index, key: &Key, id: Id, bytes: u64) -> Vec<Id> {
    let entry = entry(key, id, &HeaderMap::new(), &HeaderMap::new());
    index.insert(key, Variant::new(id, bytes, &entry))
}

fn has(index: &mut Index, key: &Key) -> Option<Id> {
    index.find(&key.digest(), &HeaderMap::new()).map(|hit| hit.id)
}

#[test]
fn the_least_recently_used_goes() {
    let mut index = Index::new(3 * LEAST);
    let keys: Vec<Key> = ["a", "b", "c", "d", "e"].iter().map(|name| key("x", name)).collect();
    for (id, key) in keys[..3].iter().enumerate() {
        assert!(put(&mut index, key, id as u64, 1).is_empty());
    }
    assert_eq!(has(&mut index, &keys[0]), Some(0));
    assert_eq!(put(&mut index, &keys[3], 3, 1), [1]);
    assert_eq!(put(&mut index, &keys[4], 4, 2 * LEAST), [2, 0]);
    assert_eq!(index.usage(), Usage { entries: 2, bytes: 3 * LEAST });
}

#[test]
fn what_is_being_written_has_its_room() {
    let mut index = Index::new(2 * LEAST);
    put(&mut index, &key("x", "a"), 1, 1);
    assert_eq!(index.reserve(LEAST), Ok(vec![]));
    assert_eq!(index.reserve(LEAST), Ok(vec![1]));
    assert_eq!(index.reserve(1), Err(NoRoom));
    index.release(2 * LEAST);
    assert_eq!(index.usage(), Usage::default());
}

#[test]
fn each_variant_is_found_by_its_own_requests() {
    let mut index = Index::new(100 * LEAST);
    let key = key("x", "a");
    let response = headers(&[("vary", "accept-encoding")]);
    let (br, gzip) = (headers(&[("accept-encoding", "br")]), headers(&[("accept-encoding", "gzip")]));
    for (id, request) in [(1, &br), (2, &gzip), (3, &br)] {
        let gone = index.insert(&key, Variant::new(id, 1, &entry(&key, id, &response, request)));
        assert_eq!(gone, if id == 3 { vec![1] } else { vec![] });
    }
    let find = |index: &mut Index, request| index.find(&key.digest(), request).map(|hit| hit.id);
    assert_eq!((find(&mut index, &br), find(&mut index, &gzip)), (Some(3), Some(2)));
    assert_eq!(find(&mut index, &HeaderMap::new()), None);
    for id in 10..10 + MOST_VARIANTS as u64 {
        let request = headers(&[("accept-encoding", id.to_string().as_str())]);
        index.insert(&key, Variant::new(id, 1, &entry(&key, id, &response, &request)));
    }
    assert_eq!(index.usage().entries, MOST_VARIANTS as u64);
    assert_eq!(index.remove(&key.digest()).len(), MOST_VARIANTS);
    assert_eq!(index.usage(), Usage::default());
}

#[test]
fn an_older_one_does_not_take_the_place_of_a_newer() {
    let mut index = Index::new(100 * LEAST);
    let key = key("x", "a");
    assert!(put(&mut index, &key, 9, 1).is_empty());
    assert_eq!(put(&mut index, &key, 4, 1), [4]);
    assert_eq!((has(&mut index, &key), index.usage().entries), (Some(9), 1));
}

#[test]
fn what_begins_since_the_start_is_told_from_what_was_there() {
    let mut index = Index::new(100 * LEAST);
    index.begin(7);
    assert!(index.is_new(7) && !index.is_new(8));
    index.all_known();
    assert!(index.is_new(8));
}

#[test]
fn a_purge_takes_what_it_names_of_its_account() {
    let mut index = Index::new(100 * LEAST);
    for (id, account, name) in [(1, "x", "a"), (2, "x", "b"), (3, "y", "a")] {
        put(&mut index, &key(account, name), id, 1);
    }
    assert_eq!(index.purge("x", |seen| seen.url.ends_with("/a")), [1]);
    assert_eq!(index.purge("x", |seen| seen.tags.contains(&"tag-2".to_owned())), [2]);
    assert!(index.purge("x", |_| true).is_empty());
    assert_eq!((index.purges("x"), index.purges("y")), (3, 0));
    assert_eq!((has(&mut index, &key("y", "a")), index.usage().entries), (Some(3), 1));
}

proptest! {
    #[test]
    fn it_never_holds_more_than_it_may_and_loses_no_file(
        steps in prop::collection::vec((0_u8..6, 0_u8..12, 1_u64..200_000), 1..200)
    ) {
        let most = 20 * LEAST;
        let mut index = Index::new(most);
        let (mut files, mut reserved) = (std::collections::BTreeSet::new(), 0);
        for (id, (step, name, bytes)) in steps.into_iter().enumerate() {
            let id = id as u64;
            let key = key("x", &name.to_string());
            let gone = match step {
                0..=2 => {
                    if charge(bytes) > most - reserved {
                        continue;
                    }
                    files.insert(id);
                    put(&mut index, &key, id, bytes)
                }
                3 => index.reserve(bytes).inspect(|_| reserved += bytes).unwrap_or_default(),
                4 => {
                    index.release(reserved);
                    reserved = 0;
                    index.purge("x", |seen| seen.url.ends_with('1'))
                }
                _ => index.remove(&key.digest()),
            };
            for id in gone {
                prop_assert!(files.remove(&id));
            }
            prop_assert!(index.usage().bytes <= most);
            prop_assert_eq!(index.usage().entries, files.len() as u64);
        }
    }
}
