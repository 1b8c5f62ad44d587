//! Zones, routes and custom domains.

mod support;

use hearth_model::{Hostname, RoutePattern};
use hearth_store::{DomainFilter, DomainSpec, DomainWrite, Entity, Page, RouteSpec, StoreError, ZoneId};
use support::{Fixture, modules, new_version};

fn host(text: &str) -> Hostname {
    text.parse().unwrap()
}

fn pattern(text: &str) -> RoutePattern {
    text.parse().unwrap()
}

fn route(text: &str) -> RouteSpec {
    RouteSpec { pattern: pattern(text), zone_id: None, zone_name: None }
}

fn domain(text: &str) -> DomainSpec {
    DomainSpec {
        hostname: host(text),
        zone_id: None,
        zone_name: None,
        enabled: true,
        previews_enabled: false,
    }
}

fn reason(error: StoreError, entity: Entity) -> String {
    match error {
        StoreError::Conflict { what, reason } | StoreError::Invalid { what, reason } if what == entity => {
            reason
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_longest_zone_has_the_host() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let outer = store.create_zone(&fixture.account, &host("example.com")).await.unwrap();
    let inner = store.create_zone(&fixture.account, &host("dev.example.com")).await.unwrap();
    let zone_of = |text: &'static str| async move {
        store.zone_for_host(&host(text)).await.unwrap().map(|zone| zone.id)
    };
    assert_eq!(zone_of("a.dev.example.com").await, Some(inner.id.clone()));
    assert_eq!(zone_of("dev.example.com").await, Some(inner.id.clone()));
    assert_eq!(zone_of("www.example.com").await, Some(outer.id.clone()));
    assert_eq!(zone_of("notexample.com").await, None);
    assert!(store.create_zone(&fixture.account, &host("Example.com")).await.is_err());
    let named = store.zones(None, Some(&outer.name), Page::ALL).await.unwrap();
    assert_eq!((named.items, named.total), (vec![outer.clone()], 1));
    let nobody = [hearth_model::AccountId::random()];
    assert!(store.zones(Some(&nobody), None, Page::ALL).await.unwrap().items.is_empty());
    let second = store.zones(None, None, Page::numbered(2, 1)).await.unwrap();
    assert_eq!((second.items, second.total), (vec![outer.clone()], 2));
    assert_eq!(store.zone(&outer.id).await.unwrap(), outer);
    store.delete_zone(&outer.id).await.unwrap();
    assert!(store.zone(&outer.id).await.unwrap_err().is_not_found(Entity::Zone));
    assert!("../x".parse::<ZoneId>().unwrap_err().is_not_found(Entity::Zone));
}

#[tokio::test]
async fn a_zone_does_not_overlap_with_another_accounts() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let other = store.create_account("other").await.unwrap().id;
    store.create_zone(&fixture.account, &host("a.example.com")).await.unwrap();
    for overlapping in ["example.com", "a.example.com", "x.a.example.com", "com"] {
        let error = store.create_zone(&other, &host(overlapping)).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { what: Entity::Zone, .. }), "{overlapping}");
    }
    store.create_zone(&other, &host("xa.example.com")).await.unwrap();

    let theirs = support::worker(store, &other, "w").await;
    let error = store.replace_routes(theirs, vec![route("www.a.example.com/*")]).await.unwrap_err();
    assert!(reason(error, Entity::Route).contains("another account"));
    let error =
        store.write_domains(theirs, vec![domain("a.example.com")], DomainWrite::default()).await.unwrap_err();
    assert!(reason(error, Entity::Domain).contains("another account"));
    // The apex example.com would enclose the zone of the first account, so only the host itself is claimed.
    let routes = store.replace_routes(theirs, vec![route("b.example.com/*")]).await.unwrap();
    assert_eq!(routes[0].zone_name, host("b.example.com"));
    let zone = store.zone_for_host(&host("a.example.com")).await.unwrap().unwrap();
    let error = store.insert_route(&zone.id, &pattern("a.example.com/x"), Some(theirs)).await.unwrap_err();
    assert!(reason(error, Entity::Route).contains("another account"));
}

#[tokio::test]
async fn replacing_routes_keeps_what_stays_and_is_all_or_nothing() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let (a, b) = (fixture.worker("a").await, fixture.worker("b").await);
    let before =
        store.replace_routes(a, vec![route("example.com/a*"), route("example.com/b")]).await.unwrap();
    assert_eq!(before[0].zone_name, host("example.com"));
    let after = store
        .replace_routes(a, vec![route("EXAMPLE.com/a*"), route("*.example.com/*"), route("*.example.com/*")])
        .await
        .unwrap();
    assert_eq!(after.len(), 2);
    assert!(after.contains(&before[0]) && !after.contains(&before[1]));

    let error = store.replace_routes(b, vec![route("b.test/*"), route("Example.com/a*")]).await.unwrap_err();
    assert!(reason(error, Entity::Route).contains("worker `a`"));
    assert!(store.routes_of_worker(b).await.unwrap().is_empty());
    assert!(store.zone_for_host(&host("b.test")).await.unwrap().is_none(), "claimed by what failed");
    assert_eq!(store.routes_of_worker(a).await.unwrap(), after);

    let error = store.replace_routes(b, vec![route("*/*")]).await.unwrap_err();
    assert!(reason(error, Entity::Route).contains("no host"));
    let elsewhere = RouteSpec { zone_name: Some(host("other.com")), ..route("x.example.com/*") };
    let error = store.replace_routes(b, vec![elsewhere]).await.unwrap_err();
    assert!(reason(error, Entity::Route).contains("not in the zone"));
    let named = RouteSpec { zone_name: Some(host("shop.example.org")), ..route("a.shop.example.org/*") };
    assert_eq!(store.replace_routes(b, vec![named]).await.unwrap()[0].zone_name, host("shop.example.org"));
    let published = store.published_routes().await.unwrap();
    let mut zones: Vec<_> = published.iter().map(|route| route.zone.as_str()).collect();
    zones.sort_unstable();
    assert_eq!(zones, ["example.com", "example.com", "shop.example.org"]);
}

#[tokio::test]
async fn single_routes_are_added_changed_and_removed() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let worker = fixture.worker("a").await;
    let zone = store.create_zone(&fixture.account, &host("example.com")).await.unwrap().id;
    let added = store.insert_route(&zone, &pattern("example.com/*"), Some(worker)).await.unwrap();
    assert_eq!(added.script.as_ref().map(|name| name.as_str()), Some("a"));
    let off = store.insert_route(&zone, &pattern("example.com/off*"), None).await.unwrap();
    assert!(store.insert_route(&zone, &pattern("example.com/*"), None).await.is_err());
    assert!(store.insert_route(&zone, &pattern("example.org/*"), None).await.is_err());
    assert_eq!(store.routes_of_zone(&zone).await.unwrap(), [added.clone(), off.clone()]);

    let changed =
        store.update_route(&zone, &off.id, &pattern("example.com/off*"), Some(worker)).await.unwrap();
    assert_eq!((changed.id.clone(), changed.worker), (off.id.clone(), Some(worker)));
    let error = store.update_route(&zone, &off.id, &pattern("example.com/*"), None).await.unwrap_err();
    assert!(reason(error, Entity::Route).contains("worker `a`"));
    assert_eq!(store.route(&zone, &off.id).await.unwrap(), changed);

    let other = store.create_zone(&fixture.account, &host("example.org")).await.unwrap().id;
    assert!(store.route(&other, &off.id).await.unwrap_err().is_not_found(Entity::Route));
    assert!(store.delete_route(&other, &off.id).await.unwrap_err().is_not_found(Entity::Route));
    store.delete_route(&zone, &off.id).await.unwrap();
    assert_eq!(store.routes_of_worker(worker).await.unwrap(), [added]);
}

#[tokio::test]
async fn domains_are_written_as_the_changeset_said() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let (a, b) = (fixture.worker("a").await, fixture.worker("b").await);
    for worker in [a, b] {
        store.insert_version(new_version(worker, modules(store, "x").await, vec![]), None).await.unwrap();
    }
    store
        .write_domains(a, vec![domain("one.example.com"), domain("two.example.com")], DomainWrite::default())
        .await
        .unwrap();
    store.write_domains(b, vec![domain("theirs.example.com")], DomainWrite::default()).await.unwrap();

    let disabled = DomainSpec { enabled: false, ..domain("two.example.com") };
    let wanted = vec![disabled, domain("three.example.com"), domain("theirs.example.com")];
    let changes = store.domain_changeset(a, &wanted, true).await.unwrap();
    assert_eq!(changes.added, [domain("three.example.com")]);
    assert_eq!(changes.removed[0].hostname, host("one.example.com"));
    assert_eq!((changes.updated.len(), changes.updated[0].1), (1, true));
    assert_eq!(changes.conflicting[0].script.as_str(), "b");
    assert!(store.domain_changeset(a, &wanted, false).await.unwrap().removed.is_empty());

    let replace = DomainWrite { replace: true, take_over: false };
    let error = store.write_domains(a, wanted.clone(), replace).await.unwrap_err();
    assert!(reason(error, Entity::Domain).contains("worker `b`"));
    assert_eq!(store.published_domains().await.unwrap().len(), 3, "nothing was written");

    let before = store.domains(&fixture.account, &DomainFilter::default()).await.unwrap();
    let after = store.write_domains(a, wanted, DomainWrite { replace: true, take_over: true }).await.unwrap();
    let hosts: Vec<_> = after.iter().map(|domain| domain.hostname.as_str()).collect();
    assert_eq!(hosts, ["theirs.example.com", "three.example.com", "two.example.com"]);
    let id_of = |name: &str| before.iter().find(|domain| domain.hostname == host(name)).unwrap().id.clone();
    assert_eq!(after[2].id, id_of("two.example.com"));
    assert!(!after[2].enabled);
    let published = store.published_domains().await.unwrap();
    assert!(published.len() == 2 && published.iter().all(|domain| domain.worker == a));

    let filter = DomainFilter { hostname: Some(host("three.example.com")), ..DomainFilter::default() };
    assert_eq!(store.domains(&fixture.account, &filter).await.unwrap(), [after[1].clone()]);
    let filter = DomainFilter { worker: Some(b), ..DomainFilter::default() };
    assert!(store.domains(&fixture.account, &filter).await.unwrap().is_empty());
    let filter = DomainFilter { zone: Some(after[0].zone.clone()), ..DomainFilter::default() };
    assert_eq!(store.domains(&fixture.account, &filter).await.unwrap().len(), 3);

    let stranger = store.create_account("stranger").await.unwrap().id;
    assert!(store.delete_domain(&stranger, &after[0].id).await.unwrap_err().is_not_found(Entity::Domain));
    // Nor is a stranger told what is on a host, by asking what would become of it.
    let theirs = support::worker(store, &stranger, "w").await;
    for asked in ["three.example.com", "free.example.com"] {
        let error = store.domain_changeset(theirs, &[domain(asked)], true).await.unwrap_err();
        assert!(reason(error, Entity::Domain).contains("another account"), "{asked}");
    }
    store.delete_domain(&fixture.account, &after[0].id).await.unwrap();
    assert!(store.domain(&fixture.account, &after[0].id).await.is_err());
    assert_eq!(store.domain(&fixture.account, &after[1].id).await.unwrap(), after[1]);
}
