use hearth_model::{AccountId, PublishedAccess, PublishedVersion, Split, WorkerName};
use proptest::prelude::*;

use super::*;

fn published(name: &str) -> PublishedWorker {
    let version = VersionId::random();
    PublishedWorker {
        id: WorkerId::random(),
        dialect: Dialect::Workers,
        name: name.parse::<WorkerName>().unwrap(),
        account: AccountId::random(),
        account_label: None,
        subdomain: true,
        previews: true,
        access: PublishedAccess::default(),
        split: Some(Split::all(version)),
        versions: vec![PublishedVersion { id: version, label: None, alias: None, assets: false, code: true }],
    }
}

fn aliased(name: &str, alias: &str) -> PublishedWorker {
    let mut worker = published(name);
    worker.versions[0].alias = Some(alias.to_owned());
    worker
}

fn table(workers: Vec<PublishedWorker>, routes: Vec<PublishedRoute>) -> RouteTable {
    let config = TableConfig {
        base_domains: vec!["localhost".parse().unwrap(), "apps.example".parse().unwrap()],
        path_hosts: vec!["paths.example".parse().unwrap()],
    };
    RouteTable::new(config, Published { workers, routes, domains: vec![] })
}

fn route(pattern: &str, worker: Option<WorkerId>) -> PublishedRoute {
    let pattern: hearth_model::RoutePattern = pattern.parse().unwrap();
    // The zone that a deploy without another would claim, or for `*/*` none that any host is in.
    let zone = pattern.host_suffix().parse().unwrap_or_else(|_| "no.zone".parse().unwrap());
    PublishedRoute { pattern, zone, worker }
}

/// The worker's name, the version if the host named one, and what is stripped.
fn look(table: &RouteTable, host: &str, path: &str) -> Option<(String, Option<VersionId>, usize)> {
    match table.lookup(false, &HostName::parse(host).unwrap(), path) {
        Target::Worker(found) => Some((found.worker.worker.name.to_string(), found.version, found.prefix)),
        Target::SwitchedOff | Target::Unknown => None,
    }
}

fn name(table: &RouteTable, host: &str, path: &str) -> Option<String> {
    look(table, host, path).map(|(name, ..)| name)
}

#[test]
fn a_function_without_a_host_takes_nobody_s() {
    let function = PublishedWorker { dialect: Dialect::Nexo, ..published("hello") };
    let deployed = PublishedWorker { dialect: Dialect::Deploy, ..published("deployed") };
    let (worker, caller) = (published("hello"), published("caller"));
    let (id, of) = (worker.id, caller.id);
    let table = table(vec![worker, caller, deployed, function.clone()], vec![]);
    let served = || table.lookup(false, &HostName::parse("hello.localhost").unwrap(), "/");
    assert!(matches!(served(), Target::Worker(found) if found.worker.worker.id == id));
    table.remove_worker(function.id);
    assert!(matches!(served(), Target::Worker(found) if found.worker.worker.id == id));
    table.remove_worker(id);
    table.upsert_worker(function);
    assert!(matches!(served(), Target::Unknown));
    // A function has the host, and is still no worker that a service binding could mean.
    assert_eq!(name(&table, "deployed.localhost", "/").as_deref(), Some("deployed"));
    assert!(table.sibling(of, &"deployed".parse().unwrap()).is_none());
}

#[test]
fn a_worker_has_a_host_below_every_base_domain() {
    let table = table(vec![published("Hello")], vec![]);
    for host in ["hello.localhost", "HELLO.localhost:8787", "hello.apps.example."] {
        assert_eq!(name(&table, host, "/").as_deref(), Some("Hello"), "{host}");
    }
    for host in ["localhost", "hello.example", "x.hello.localhost", "xhello.localhost", "hellolocalhost"] {
        assert_eq!(name(&table, host, "/"), None, "{host}");
    }
}

#[test]
fn previews_are_found_by_prefix_and_alias_in_both_forms() {
    let mut worker = aliased("my-app", "pr-7");
    let newest = worker.versions[0].id;
    let older = VersionId::random();
    worker.versions.push(PublishedVersion {
        id: older,
        label: None,
        alias: Some("pr-7".to_owned()),
        assets: false,
        code: true,
    });
    let table = table(vec![worker], vec![]);
    let hit = |version| Some(("my-app".to_owned(), Some(version), 0));
    for form in ["-", "."] {
        let host = |what: &str| format!("{what}{form}my-app.localhost");
        assert_eq!(look(&table, &host(&newest.prefix()), "/"), hit(newest));
        assert_eq!(look(&table, &host(&older.prefix()), "/"), hit(older));
        assert_eq!(look(&table, &host("pr-7"), "/"), hit(newest), "the newest has the alias");
        assert_eq!(look(&table, &host("pr-8"), "/"), None);
    }
}

#[test]
fn an_exact_worker_name_comes_before_a_preview_of_the_same_text() {
    let table = table(vec![aliased("app", "my"), published("my-app")], vec![]);
    assert_eq!(look(&table, "my-app.localhost", "/"), Some(("my-app".to_owned(), None, 0)));
}

#[test]
fn a_project_has_a_place_of_its_own() {
    let project = |name: &str| PublishedWorker { dialect: Dialect::Pages, ..aliased(name, "fix-api") };
    let site = project("site");
    let newest = site.versions[0].id;
    let of_team = PublishedWorker { account_label: Some("team".to_owned()), ..project("site") };
    let workers = vec![published("site"), aliased("pages", "site"), site, of_team.clone()];
    let (worker, team) = (workers[0].id, of_team.id);
    let table = table([workers, vec![of_team]].concat(), vec![]);
    let owner = |host: &str| match table.lookup(false, &HostName::parse(host).unwrap(), "/") {
        Target::Worker(found) => Some((found.worker.worker.id, found.worker.worker.dialect, found.version)),
        _ => None,
    };
    assert_eq!(owner("site.localhost").unwrap(), (worker, Dialect::Workers, None));
    // Not the version of the worker `pages` that has this alias.
    assert_eq!(
        owner("Site.pages.localhost").map(|(_, dialect, version)| (dialect, version)),
        Some((Dialect::Pages, None))
    );
    for name in ["fix-api".to_owned(), newest.prefix()] {
        let (_, dialect, version) = owner(&format!("{name}.site.pages.localhost")).unwrap();
        assert_eq!((dialect, version), (Dialect::Pages, Some(newest)), "{name}");
    }
    assert_eq!(owner("site.pages.team.localhost").unwrap(), (team, Dialect::Pages, None));
    assert_eq!(owner("other.pages.localhost"), None);
    assert_eq!(owner("pages.localhost").unwrap().1, Dialect::Workers);
    assert!(
        table.sibling(team, &"site".parse().unwrap()).is_none(),
        "a project is no worker that a binding means"
    );
    table.remove_worker(team);
    assert_eq!(owner("site.pages.team.localhost"), None);
}

#[test]
fn switches_are_honoured() {
    let mut worker = aliased("app", "beta");
    worker.subdomain = false;
    let table = table(vec![worker.clone()], vec![]);
    assert_eq!(name(&table, "app.localhost", "/"), None);
    assert_eq!(name(&table, "paths.example", "/app/x"), None);
    assert_eq!(name(&table, "beta-app.localhost", "/").as_deref(), Some("app"));
    worker.previews = false;
    worker.subdomain = true;
    table.upsert_worker(worker);
    assert_eq!(name(&table, "app.localhost", "/").as_deref(), Some("app"));
    assert_eq!(name(&table, "beta-app.localhost", "/"), None);
    assert_eq!(name(&table, "beta.app.localhost", "/"), None);
}

#[test]
fn another_account_has_its_label() {
    let mut worker = aliased("app", "beta");
    worker.account_label = Some("team".to_owned());
    let table = table(vec![worker, published("other")], vec![]);
    for host in ["app.team.localhost", "beta-app.team.localhost", "beta.app.team.localhost"] {
        assert_eq!(name(&table, host, "/").as_deref(), Some("app"), "{host}");
    }
    for host in ["app.localhost", "other.team.localhost", "app.other.localhost", "team.localhost"] {
        assert_eq!(name(&table, host, "/"), None, "{host}");
    }
}

#[test]
fn the_most_specific_of_routes_and_domains_wins() {
    let (a, b, c) = (published("a"), published("b"), published("c"));
    let table = table(
        vec![a.clone(), b.clone(), c.clone()],
        vec![
            route("*.shop.test/*", Some(b.id)),
            route("*shop.test/static/*", Some(a.id)),
            route("www.shop.test/off/*", None),
            route("www.shop.test/api/*", Some(c.id)),
            route("gone.test/*", Some(WorkerId::random())),
        ],
    );
    table.set_domains(vec![PublishedDomain { hostname: "own.shop.test".parse().unwrap(), worker: c.id }]);
    for (host, path, expected) in [
        ("anything.test", "/", None),
        ("www.shop.test", "/", Some("b")),
        ("shop.test", "/", None),
        ("shop.test", "/static/x", Some("a")),
        ("www.shop.test", "/static/x", Some("b")),
        ("www.shop.test", "/api/x", Some("c")),
        ("www.shop.test", "/off/x", None),
        ("own.shop.test", "/", Some("c")),
        ("gone.test", "/", None),
    ] {
        assert_eq!(name(&table, host, path).as_deref(), expected, "{host}{path}");
    }
    let off = table.lookup(false, &HostName::parse("www.shop.test").unwrap(), "/off/x");
    assert!(matches!(off, Target::SwitchedOff));
    table.set_routes(vec![route("own.shop.test/x*", Some(a.id))]);
    assert_eq!(name(&table, "own.shop.test", "/xy").as_deref(), Some("a"), "a route runs before a domain");
    assert_eq!(name(&table, "own.shop.test", "/y").as_deref(), Some("c"));
}

#[test]
fn a_route_sees_the_hosts_of_its_zone_only() {
    let (shop, wide) = (published("shop"), published("wide"));
    let within = |zone: &str, pattern, worker: &PublishedWorker| PublishedRoute {
        zone: zone.parse().unwrap(),
        ..route(pattern, Some(worker.id))
    };
    let routes =
        vec![within("shop.test", "*shop.test/*", &shop), within("wide.test", "*op.wide.test/*", &wide)];
    let table = table(vec![shop, wide], routes);
    for (host, expected) in [
        ("shop.test", Some("shop")),
        ("www.shop.test", Some("shop")),
        ("myshop.test", None),
        ("www.myshop.test", None),
        ("op.wide.test", Some("wide")),
        ("shop.wide.test", Some("wide")),
        ("a.op.wide.test", Some("wide")),
    ] {
        assert_eq!(name(&table, host, "/").as_deref(), expected, "{host}");
    }
}

#[test]
fn nothing_takes_the_hosts_below_a_base_domain_away() {
    let (victim, thief) = (published("victim"), published("thief"));
    let routes = ["victim.apps.example/*", "*.apps.example/*", "*.example/*"]
        .map(|pattern| PublishedRoute { zone: "example".parse().unwrap(), ..route(pattern, Some(thief.id)) });
    let table = table(vec![victim, thief.clone()], routes.to_vec());
    let hostname = "victim.localhost".parse().unwrap();
    table.set_domains(vec![PublishedDomain { hostname, worker: thief.id }]);
    for host in ["victim.apps.example", "victim.localhost"] {
        assert_eq!(name(&table, host, "/").as_deref(), Some("victim"), "{host}");
    }
    assert_eq!(name(&table, "nobody.apps.example", "/"), None);
    assert_eq!(name(&table, "www.example", "/").as_deref(), Some("thief"));
}

#[test]
fn path_mode_is_for_named_hosts_only() {
    let table = table(vec![published("app")], vec![]);
    assert_eq!(look(&table, "paths.example", "/app/x/y"), Some(("app".to_owned(), None, 4)));
    assert_eq!(look(&table, "paths.example", "/App"), Some(("app".to_owned(), None, 4)));
    for (host, path) in [
        ("paths.example", "/"),
        ("paths.example", "//app"),
        ("paths.example", "/apps"),
        ("paths.example", "/%61pp"),
        ("other.example", "/app"),
    ] {
        assert_eq!(look(&table, host, path), None, "{host}{path}");
    }
}

#[test]
fn a_worker_made_anew_under_its_name_survives_the_removal_of_the_old_one() {
    let (old, new) = (published("app"), published("app"));
    let table = table(vec![old.clone()], vec![]);
    table.upsert_worker(new);
    table.remove_worker(old.id);
    assert_eq!(name(&table, "app.localhost", "/").as_deref(), Some("app"));
    assert_eq!(table.len(), 1);
}

#[test]
fn a_rename_frees_the_old_name() {
    let mut worker = published("before");
    let table = table(vec![worker.clone()], vec![]);
    worker.name = "after".parse().unwrap();
    table.upsert_worker(worker);
    assert_eq!(name(&table, "before.localhost", "/"), None);
    assert_eq!(name(&table, "after.localhost", "/").as_deref(), Some("after"));
}

#[test]
fn one_worker_among_a_hundred_thousand_changes_alone() {
    let workers: Vec<_> = (0..100_000).map(|i| published(&format!("w{i}"))).collect();
    let mut changed = workers[77_777].clone();
    let table = table(workers, vec![]);
    let before = table.current.load_full();
    changed.subdomain = false;
    table.upsert_worker(changed);
    assert_eq!(name(&table, "w77777.localhost", "/"), None);
    assert_eq!(name(&table, "w99999.localhost", "/").as_deref(), Some("w99999"));
    assert_eq!(table.len(), 100_000);
    // A reader that holds the old snapshot still sees it whole, and both share what did not change.
    assert!(before.below_base("w77777").is_some());
    let after = table.current.load_full();
    assert!(Arc::ptr_eq(&before.by_key["w99999"], &after.by_key["w99999"]));
}

proptest! {
    #[test]
    fn lookup_never_panics_and_serves_no_stranger(host in "[a-z0-9.-]{1,40}", path in "/[ -~]{0,20}") {
        let table = table(vec![published("app")], vec![]);
        if let Some(parsed) = HostName::parse(&host)
            && let Target::Worker(found) = table.lookup(false, &parsed, &path)
        {
            prop_assert_eq!(found.worker.worker.name.as_str(), "app");
            prop_assert!(host.contains("app"));
        }
    }

    #[test]
    fn every_alias_leads_to_its_worker(
        alias in "[a-z][a-z0-9-]{0,12}[a-z0-9]",
        worker in "[a-z][a-z0-9-]{0,12}[a-z0-9]",
    ) {
        let served = aliased(&worker, &alias);
        let version = served.versions[0].id;
        let table = table(vec![served], vec![]);
        let expected = Some((worker.clone(), Some(version), 0));
        let dotted = look(&table, &format!("{alias}.{worker}.localhost"), "/");
        prop_assert_eq!(&dotted, &expected);
        let dashed = look(&table, &format!("{alias}-{worker}.localhost"), "/");
        prop_assert_eq!(&dashed, &expected);
    }

    #[test]
    fn updates_end_where_a_fresh_table_begins(operations in prop::collection::vec((0..6_usize, any::<bool>()), 0..30)) {
        let pool: Vec<_> = (0..6).map(|i| published(&format!("w{}", i % 4))).collect();
        let table = table(vec![], vec![]);
        let mut alive: Vec<usize> = vec![];
        for (index, add) in operations {
            alive.retain(|other| *other != index);
            if add {
                // Two workers never have one name at a time; the store sees to that.
                let rivals: Vec<_> = alive.iter().copied().filter(|other| other % 4 == index % 4).collect();
                for rival in rivals {
                    table.remove_worker(pool[rival].id);
                    alive.retain(|other| *other != rival);
                }
                table.upsert_worker(pool[index].clone());
                alive.push(index);
            } else {
                table.remove_worker(pool[index].id);
            }
        }
        for i in 0..4 {
            let expected = alive.iter().any(|index| index % 4 == i);
            prop_assert_eq!(name(&table, &format!("w{i}.localhost"), "/").is_some(), expected);
        }
        prop_assert_eq!(table.len(), alive.len());
    }
}
