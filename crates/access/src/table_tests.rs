//! Which applications stand before what.

use hearth_store::{AccessApp, AccessGroup, AccessPolicy};
use jiff::Timestamp;
use serde_json::json;

use super::*;

fn account(n: u8) -> AccountId {
    format!("{n:032x}").parse().unwrap()
}

fn app((name, owner, domains): &(&str, u8, &[&str])) -> AccessApp {
    AccessApp {
        id: (*name).into(),
        account: account(*owner),
        aud: format!("aud-{name}"),
        document: json!({ "name": name, "self_hosted_domains": domains }),
        policies: Vec::new(),
        created_on: Timestamp::UNIX_EPOCH,
        updated_on: Timestamp::UNIX_EPOCH,
        revoked_on: Timestamp::UNIX_EPOCH,
    }
}

fn table(apps: &[(&str, u8, &[&str])]) -> Table {
    let records = AccessRecords { apps: apps.iter().map(app).collect(), ..AccessRecords::default() };
    Table::new(records, &config())
}

fn config() -> Config {
    let hosts = |all: &[&str]| all.iter().map(|host| host.parse().unwrap()).collect();
    Config {
        control: "https://hearth.test".into(),
        base_domains: hosts(&["apps.test", "localhost"]),
        control_hosts: hosts(&["hearth.test"]),
        countries: false,
    }
}

fn found(table: &Table, host: &str, path: &str, key: Option<&str>, prefix: usize) -> Vec<String> {
    let account = account(1);
    shown(table.before(&Place { account: &account, host, path, key, prefix, control: false }))
}

fn shown(all: Vec<Before>) -> Vec<String> {
    all.iter().map(|before| format!("{} {}", before.app.name, before.cookie_path)).collect()
}

#[test]
fn an_application_stands_before_every_way_to_the_worker_that_its_host_names() {
    let table = table(&[("all", 1, &["hello.apps.test"]), ("admin", 1, &["other.apps.test/admin"])]);
    for (host, path, prefix) in [
        ("hello.apps.test", "/", 0),
        ("hello.localhost", "/x", 0),
        ("0123abcd-hello.apps.test", "/", 0),
        ("beta.hello.localhost", "/", 0),
    ] {
        assert_eq!(found(&table, host, path, Some("hello"), prefix), ["all /"], "{host}{path}");
    }
    assert_eq!(found(&table, "apps.test", "/hello/x", Some("hello"), 6), ["all /hello"]);
    assert_eq!(
        found(&table, "apps.test", "/other/ADMIN/x", Some("other"), 6),
        ["admin /other/ADMIN"],
        "as it was spelled"
    );
    assert!(found(&table, "apps.test", "/other/x", Some("other"), 6).is_empty());
    assert!(found(&table, "third.apps.test", "/admin", Some("third"), 0).is_empty());
    assert!(found(&table, "custom.test", "/", None, 0).is_empty(), "a host of its own");
    assert!(table.stands_before("beta.hello.localhost", Some("hello")));
    assert!(!table.stands_before("third.localhost", Some("third")));
}

#[test]
fn wildcards_name_workers_however_they_are_reached() {
    let table = table(&[("all", 1, &["*.apps.test"]), ("one", 1, &["hello.apps.test"])]);
    assert_eq!(found(&table, "any.apps.test", "/", Some("any"), 0), ["all /"]);
    assert_eq!(found(&table, "any.localhost", "/", Some("any"), 0), ["all /"]);
    assert_eq!(found(&table, "v.any.localhost", "/", Some("any"), 0), ["all /"]);
    assert_eq!(found(&table, "apps.test", "/any/", Some("any"), 4), ["all /any"]);
    for host in ["hello.apps.test", "v-hello.apps.test", "hello.localhost"] {
        assert_eq!(found(&table, host, "/", Some("hello"), 0), ["one /"], "the more specific at {host}");
    }
    assert!(table.stands_before("apps.test", Some("any")));
}

#[test]
fn who_names_previews_means_all_of_them_and_only_them() {
    let table = table(&[
        ("all", 1, &["*.apps.test"]),
        ("live", 1, &["hello.apps.test"]),
        ("drafts", 1, &["*-hello.apps.test"]),
        ("beta", 1, &["beta.hello.apps.test/x"]),
    ]);
    for host in ["v-hello.apps.test", "v.hello.apps.test", "v-hello.localhost", "v.hello.localhost"] {
        assert_eq!(found(&table, host, "/", Some("hello"), 0), ["drafts /"], "{host}");
        assert!(table.stands_before(host, Some("hello")));
    }
    for host in ["beta.hello.localhost", "beta-hello.apps.test"] {
        assert_eq!(found(&table, host, "/x", Some("hello"), 0), ["beta /x"], "{host}");
    }
    assert_eq!(found(&table, "hello.localhost", "/", Some("hello"), 0), ["live /"]);
    assert_eq!(found(&table, "v-other.apps.test", "/", Some("other"), 0), ["all /"]);
    // A project's previews, which have a dot; a hyphen leads there too.
    let pages = self::table(&[("drafts", 1, &["*.site.pages.apps.test"])]);
    for host in ["fix-api.site.pages.apps.test", "fix-api-site.pages.apps.test"] {
        assert_eq!(found(&pages, host, "/", Some("site.pages"), 0), ["drafts /"], "{host}");
    }
    assert!(found(&pages, "site.pages.apps.test", "/", Some("site.pages"), 0).is_empty());
}

#[test]
fn the_control_host_s_functions_are_protected_under_each_of_its_names() {
    let table = table(&[
        ("fn", 1, &["localhost/fn/a"]),
        ("all", 1, &["hearth.test/fn"]),
        ("theirs", 2, &["localhost/fn"]),
    ]);
    let account = account(1);
    let ask = |path| {
        let place = Place { account: &account, host: "127.0.0.1", path, key: None, prefix: 0, control: true };
        shown(table.before(&place))
    };
    assert_eq!(ask("/fn/A/x"), ["fn /fn/A"]);
    assert_eq!(ask("/fn/b"), ["all /fn"]);
    assert!(ask("/fm").is_empty());
    assert!(found(&table, "localhost", "/fn/a", None, 0).is_empty(), "it is no worker's host");
    assert!(table.stands_before_control());
}

#[test]
fn the_more_specific_path_counts_and_no_spelling_leads_around_the_other() {
    let table = table(&[("site", 1, &["a.test"]), ("public", 1, &["a.test/public"])]);
    assert_eq!(found(&table, "a.test", "/x", None, 0), ["site /"]);
    assert_eq!(found(&table, "a.test", "/public/x", None, 0), ["public /public"]);
    let both = found(&table, "a.test", "/public/..%2fsecret", None, 0);
    assert_eq!(both, ["public /public", "site /"], "it has to pass both");
    let half = self::table(&[("admin", 1, &["a.test/admin"])]);
    for path in ["/%61dmin", "//admin", "/x/../admin", "/admin%2fx", "/x%2f..%2fadmin"] {
        assert_eq!(found(&half, "a.test", path, None, 0), ["admin /admin"], "{path}");
    }
}

/// One of a deny policy or an exclusion would open what it was made to close.
#[test]
fn an_application_with_a_policy_that_cannot_be_read_is_closed() {
    let app = |policies: Vec<String>| AccessApp { policies, ..app(&("a", 1, &["a.test"])) };
    let policy = |id: &str, n: u8, rule: Value| AccessPolicy {
        id: id.into(),
        account: account(n),
        app: None,
        document: json!({ "name": id, "decision": "allow", "include": [rule] }),
        created_on: Timestamp::UNIX_EPOCH,
        updated_on: Timestamp::UNIX_EPOCH,
    };
    let group = AccessGroup {
        id: "theirs".into(),
        account: account(2),
        document: json!({ "name": "g", "include": [{ "everyone": {} }] }),
        created_on: Timestamp::UNIX_EPOCH,
        updated_on: Timestamp::UNIX_EPOCH,
    };
    let records = |asked: &str| AccessRecords {
        apps: vec![app(vec!["open".into(), asked.into()])],
        policies: vec![
            policy("open", 1, json!({ "everyone": {} })),
            policy("geo", 1, json!({ "geo": { "country_code": "DE" } })),
            policy("foreign", 1, json!({ "group": { "id": "theirs" } })),
            policy("theirs", 2, json!({ "group": { "id": "theirs" } })),
        ],
        groups: vec![group.clone()],
        ..AccessRecords::default()
    };
    for (asked, open) in [("geo", 0), ("foreign", 0), ("theirs", 2)] {
        let table = Table::new(records(asked), &config());
        assert_eq!(table.app("aud-a").unwrap().policies.len(), open, "{asked}");
    }
}

#[test]
fn nobody_stands_before_what_is_another_accounts() {
    let table = table(&[("theirs", 2, &["a.test", "hello.apps.test", "*.apps.test"])]);
    assert!(found(&table, "a.test", "/", None, 0).is_empty());
    assert!(found(&table, "hello.apps.test", "/", Some("hello"), 0).is_empty());
}
