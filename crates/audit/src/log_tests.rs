use hearth_model::AccountId;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::entry::Actor;
use crate::query::Scope;

fn config(folder: &Path) -> Config {
    Config { path: folder.join("audit.db"), retention: Duration::from_secs(3600), most_bytes: 1 << 30 }
}

fn entry(account: Option<&str>, operation: &str, at: i64) -> Entry {
    Entry {
        id: Uuid::now_v7(),
        at,
        account: account.map(|id| id.parse::<AccountId>().unwrap()),
        actor: Actor { kind: "user".into(), email: Some("a@x.test".into()), ..Actor::default() },
        operation: operation.into(),
        title: "T".into(),
        product: "P".into(),
        method: "POST".into(),
        path: "/p".into(),
        resource_type: "things".into(),
        resource_id: Some("1".into()),
        status: 200,
        code: None,
        before: None,
        after: Some(json!({"a": 1})),
    }
}

fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

fn a() -> Filter {
    Filter::of(Scope::Account("a".parse().unwrap()))
}

async fn operations(log: &Log, filter: Filter) -> Vec<String> {
    let (entries, _) = log.page(filter, 0, 100).await.unwrap();
    entries.into_iter().map(|entry| entry.operation).collect()
}

#[tokio::test]
async fn what_is_added_is_there_when_it_was_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(&config(folder.path())).unwrap();
    let first = entry(Some("a"), "first", now());
    log.add(first.clone()).await;
    // Another process would see it now.
    let other = File::reader(&folder.path().join("audit.db")).unwrap();
    assert_eq!(file::count(&other, &a()).unwrap(), 1);
    log.add_soon(entry(None, "second", now())).await;
    log.flush().await;
    drop(log);
    let log = Log::open(&config(folder.path())).unwrap();
    assert_eq!(log.page(a(), 0, 9).await.unwrap(), (vec![first], 1));
    assert_eq!(operations(&log, Filter::of(Scope::Installation)).await, ["second"]);
    assert_eq!(operations(&log, Filter::of(Scope::Everything)).await, ["second", "first"]);
    let copy = folder.path().join("copy.db");
    log.snapshot(&copy).await.unwrap();
    assert_eq!(file::count(&File::reader(&copy).unwrap(), &Filter::of(Scope::Everything)).unwrap(), 2);
}

#[tokio::test]
async fn filters_narrow_and_pages_and_cursors_see_each_entry_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(&config(folder.path())).unwrap();
    let start = now();
    for n in 0..10 {
        let mut entry = entry(Some(if n < 8 { "a" } else { "b" }), &format!("op{n}"), start + n);
        entry.method = ["POST", "PUT", "DELETE", "PATCH"][n as usize % 4].into();
        entry.status = if n == 3 { 403 } else { 200 };
        entry.actor.email = Some(if n == 5 { "Other@x.test" } else { "a@x.test" }.into());
        log.add_soon(entry).await;
    }
    log.flush().await;
    let with = |change: fn(&mut Filter)| {
        let mut filter = Filter { ascending: true, ..a() };
        change(&mut filter);
        filter
    };
    assert_eq!(operations(&log, with(|f| f.action = Some("op2".into()))).await, ["op2"]);
    assert_eq!(operations(&log, with(|f| f.action = Some("delete".into()))).await, ["op2", "op6"]);
    assert_eq!(
        operations(&log, with(|f| f.action = Some("update".into()))).await,
        ["op1", "op3", "op5", "op7"]
    );
    assert_eq!(operations(&log, with(|f| f.email = Some("other@X.test".into()))).await, ["op5"]);
    assert_eq!(operations(&log, with(|f| f.done = Some(false))).await, ["op3"]);
    let between = Filter { since: Some(start + 2), before: Some(start + 4), ..with(|_| {}) };
    assert_eq!(operations(&log, between).await, ["op2", "op3"]);
    assert_eq!(operations(&log, with(|f| f.id = Some("none".into()))).await, [""; 0]);

    let mut paged = Vec::new();
    for page in 0.. {
        let (entries, total) = log.page(a(), page * 3, 3).await.unwrap();
        assert_eq!(total, 8);
        if entries.is_empty() {
            break;
        }
        paged.extend(entries.into_iter().map(|entry| entry.operation));
    }
    let (mut by_cursor, mut after) = (Vec::new(), None);
    loop {
        let found = log.after(a(), after, 3).await.unwrap();
        let Some((last, _)) = found.last() else { break };
        after = Some(*last);
        by_cursor.extend(found.into_iter().map(|(_, entry)| entry.operation));
    }
    let expected: Vec<String> = (0..8).rev().map(|n| format!("op{n}")).collect();
    assert_eq!((paged, by_cursor), (expected.clone(), expected));
}

#[test]
fn the_oldest_go_and_no_account_pushes_out_what_another_did() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.db");
    let mut file = File::open(&path).unwrap();
    let start = now();
    let many: Vec<_> = (0..3000).map(|n| entry(Some("noisy"), "op", start + n)).collect();
    file.add(&[entry(Some("a"), "kept", start), entry(None, "kept", start)]).unwrap();
    file.add(&many).unwrap();
    file.add(&[entry(Some("a"), "old", start - 10)]).unwrap();
    file.prune(start, 300_000).unwrap();
    let reader = File::reader(&path).unwrap();
    let count = |scope| file::count(&reader, &Filter::of(scope)).unwrap();
    assert_eq!(count(Scope::Account("a".parse().unwrap())), 1, "what is old goes, the rest stays");
    assert_eq!(count(Scope::Installation), 1);
    let left = count(Scope::Account("noisy".parse().unwrap()));
    assert!((500..1500).contains(&left), "{left}");
    // A sum that was counted wrong would take away more and more.
    let mut again = File::open(&path).unwrap();
    again.prune(start, 300_000).unwrap();
    assert_eq!(count(Scope::Account("noisy".parse().unwrap())), left);
}

#[tokio::test]
async fn what_is_too_old_goes_though_nothing_happens() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { retention: Duration::from_millis(300), ..config(folder.path()) };
    let log = Log::begin(&config, Duration::from_millis(20)).unwrap();
    log.add(entry(Some("a"), "op", now())).await;
    while log.page(a(), 0, 9).await.unwrap().1 > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
