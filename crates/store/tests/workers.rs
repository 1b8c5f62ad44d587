//! Workers, their settings, and what goes with them.

mod support;

use hearth_model::{Dialect, Split, WorkerId};
use hearth_store::{
    DomainFilter, DomainSpec, DomainWrite, EgressScope, Entity, NewWorker, Page, RouteSpec, StoreError,
    Subdomain, WorkerChanges,
};
use serde_json::json;
use support::{Fixture, modules, new_version, release, secret, service};

#[tokio::test]
async fn names_are_found_without_case_and_keep_it() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let make = |name: &str| {
        let new = NewWorker {
            account: fixture.account.clone(),
            dialect: Dialect::Workers,
            name: name.parse().unwrap(),
        };
        store.create_worker(new, WorkerChanges::default())
    };
    let worker = make("envTest").await.unwrap();
    for (name, spelling) in [("envTest", ""), ("ENVTEST", "`ENVTEST`")] {
        let clash = make(name).await.unwrap_err();
        assert!(matches!(clash, StoreError::Conflict { what: Entity::Worker, .. }), "{clash}");
        assert!(clash.to_string().contains("`envTest`") && clash.to_string().contains(spelling), "{clash}");
    }
    assert_eq!(
        store.worker_by_name(&fixture.account, Dialect::Workers, &"envtest".parse().unwrap()).await.unwrap(),
        worker
    );
    let absent = store
        .worker_by_name(&fixture.account, Dialect::Workers, &"absent".parse().unwrap())
        .await
        .unwrap_err();
    assert!(absent.is_not_found(Entity::Worker) && absent.is_for_caller());
    let other = store.create_account("other").await.unwrap();
    assert_ne!(support::worker(store, &other.id, "envTest").await, worker.id);
}

#[tokio::test]
async fn a_name_is_unique_in_its_dialect_and_a_host_has_one_owner() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let make = |dialect: Dialect, name: &str| {
        let new = NewWorker { account: fixture.account.clone(), dialect, name: name.parse().unwrap() };
        store.create_worker(new, WorkerChanges::default())
    };
    let worker = make(Dialect::Workers, "hello").await.unwrap();
    let function = make(Dialect::Functions, "hello").await.unwrap();
    let nexo = make(Dialect::Nexo, "Hello").await.unwrap();
    let clash = make(Dialect::Deploy, "HELLO").await.unwrap_err().to_string();
    assert!(clash.contains("belongs to the worker `hello`"), "{clash}");
    make(Dialect::Deploy, "other").await.unwrap();
    let clash = make(Dialect::Workers, "other").await.unwrap_err().to_string();
    assert!(clash.contains("belongs to the function of /api/deploy `other`"), "{clash}");
    assert!(make(Dialect::Nexo, "hello").await.is_err());
    // A name without a host is nobody's label; one with a host is.
    store.create_account("labels").await.unwrap();
    assert!(make(Dialect::Deploy, "labels").await.unwrap_err().to_string().contains("`labels` is reserved"));
    make(Dialect::Functions, "labels").await.unwrap();

    let name = "hello".parse().unwrap();
    for (dialect, expected) in
        [(Dialect::Workers, &worker), (Dialect::Functions, &function), (Dialect::Nexo, &nexo)]
    {
        assert_eq!(store.worker_by_name(&fixture.account, dialect, &name).await.unwrap(), *expected);
    }
    let absent = store.worker_by_name(&fixture.account, Dialect::Deploy, &name).await;
    assert!(absent.unwrap_err().is_not_found(Entity::Worker));
    let listed = |dialect| store.workers(&fixture.account, dialect, Page::ALL);
    assert_eq!(listed(Some(Dialect::Nexo)).await.unwrap().items, [nexo]);
    assert_eq!(listed(None).await.unwrap().total, 5);
}

#[tokio::test]
async fn settings_change_one_by_one_and_survive_a_restart() {
    let fixture = Fixture::new().await;
    let id = fixture.worker("a").await;
    let changes = WorkerChanges {
        tags: Some(vec!["cf:service=a".to_owned()]),
        observability: Some(Some(json!({"enabled": true}))),
        subdomain: Some(Subdomain { enabled: true, previews_enabled: false }),
        migration_tag: Some(Some("v1".to_owned())),
        ..WorkerChanges::default()
    };
    fixture.store.update_worker(id, changes).await.unwrap();
    let changes =
        WorkerChanges { logpush: Some(true), observability: Some(None), ..WorkerChanges::default() };
    let returned = fixture.store.update_worker(id, changes).await.unwrap();
    let fixture = fixture.reopen().await;
    let worker = fixture.store.worker(id).await.unwrap();
    assert_eq!(worker, returned);
    assert_eq!(worker.tags, ["cf:service=a"]);
    assert!(worker.logpush && worker.subdomain.enabled && !worker.subdomain.previews_enabled);
    assert_eq!((worker.observability, worker.migration_tag.as_deref()), (None, Some("v1")));
    assert!(fixture.store.update_worker(WorkerId::random(), WorkerChanges::default()).await.is_err());
}

#[tokio::test]
async fn a_deleted_worker_leaves_nothing_behind() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let worker = fixture.worker("a").await;
    let new =
        new_version(worker, modules(store, "code").await, vec![secret("S", Some("x")), service("B", "b")]);
    let version = store.insert_version(new, Some(release())).await.unwrap().version.id;
    store.launch(version).await.unwrap();
    let pattern = "example.com/*".parse().unwrap();
    store.replace_routes(worker, vec![RouteSpec { pattern, zone_id: None, zone_name: None }]).await.unwrap();
    let domain = DomainSpec {
        hostname: "www.example.com".parse().unwrap(),
        zone_id: None,
        zone_name: None,
        enabled: true,
        previews_enabled: false,
    };
    store.write_domains(worker, vec![domain], DomainWrite::default()).await.unwrap();
    store.replace_schedules(worker, vec!["* * * * *".to_owned()]).await.unwrap();
    store.set_egress_rules(&EgressScope::Worker(worker), Some(json!({}))).await.unwrap();

    store.delete_worker(worker).await.unwrap();
    assert!(store.delete_worker(worker).await.unwrap_err().is_not_found(Entity::Worker));
    assert!(store.version(worker, version).await.unwrap_err().is_not_found(Entity::Version));
    assert!(store.launch(version).await.unwrap_err().is_not_found(Entity::Version), "from the cache");
    assert!(store.deploy(worker, Split::all(version), release()).await.is_err());
    assert!(store.domains(&fixture.account, &DomainFilter::default()).await.unwrap().is_empty());
    let published = store.published().await.unwrap();
    assert!(published.workers.is_empty() && published.routes.is_empty() && published.domains.is_empty());
    let mut database = support::database(fixture.folder.path()).await;
    for table in [
        "versions",
        "version_blobs",
        "version_secrets",
        "version_services",
        "deployments",
        "routes",
        "domains",
        "schedules",
        "egress_rules",
    ] {
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(&mut database)
            .await
            .unwrap();
        assert_eq!(count, 0, "{table}");
    }
    assert_ne!(fixture.worker("a").await, worker);
}

#[tokio::test]
async fn references_are_those_of_newest_and_deployed_versions() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let code = modules(store, "code").await;
    let callee = "Callee".parse().unwrap();
    for (name, binds) in [("callee", "callee"), ("caller", "CALLEE"), ("stranger", "other")] {
        let worker = fixture.worker(name).await;
        let new = new_version(worker, code.clone(), vec![service("B", binds)]);
        store.insert_version(new, Some(release())).await.unwrap();
    }
    let names = || async {
        let all = store.references(&fixture.account, &callee).await.unwrap();
        all.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["caller"]);
    let caller = fixture.worker("caller").await;
    let without = store.insert_version(new_version(caller, code.clone(), vec![]), None).await.unwrap();
    assert_eq!(names().await, ["caller"], "still deployed");
    store.deploy(caller, Split::all(without.version.id), release()).await.unwrap();
    assert!(names().await.is_empty());
}

#[tokio::test]
async fn workers_are_listed_in_pages_by_name() {
    let fixture = Fixture::new().await;
    for name in ["b", "C", "a"] {
        fixture.worker(name).await;
    }
    let page = fixture.store.workers(&fixture.account, None, Page::numbered(1, 2)).await.unwrap();
    let names: Vec<_> = page.items.iter().map(|worker| worker.name.as_str()).collect();
    assert_eq!((names.as_slice(), page.total), (["a", "b"].as_slice(), 3));
    assert_eq!(
        fixture.store.workers(&fixture.account, None, Page::numbered(2, 2)).await.unwrap().items.len(),
        1
    );
    assert!(
        fixture.store.workers(&fixture.account, None, Page::numbered(9, 2)).await.unwrap().items.is_empty()
    );
    assert_eq!(fixture.store.workers(&fixture.account, None, Page::ALL).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn schedules_keep_the_time_they_were_first_set() {
    let fixture = Fixture::new().await;
    let worker = fixture.worker("a").await;
    let set = |crons: &[&str]| {
        fixture.store.replace_schedules(worker, crons.iter().map(|cron| (*cron).to_owned()).collect())
    };
    let first = set(&["*/5 * * * *", "0 0 * * *"]).await.unwrap();
    let second = set(&["1 1 * * *", "*/5 * * * *", "1 1 * * *"]).await.unwrap();
    let crons: Vec<_> = second.iter().map(|schedule| schedule.cron.as_str()).collect();
    assert_eq!(crons, ["1 1 * * *", "*/5 * * * *"]);
    assert_eq!(second[1].created_on, first[0].created_on);
    assert!(second[1].modified_on > first[0].modified_on);
    assert_eq!(fixture.store.schedules(worker).await.unwrap(), second);
    assert!(set(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn egress_rules_stand_for_each_scope_of_their_own() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let worker = fixture.worker("a").await;
    let scopes = [
        EgressScope::Installation,
        EgressScope::Account(fixture.account.clone()),
        EgressScope::Worker(worker),
    ];
    for (number, scope) in scopes.iter().enumerate() {
        assert_eq!(store.egress_rules(scope).await.unwrap(), None);
        store.set_egress_rules(scope, Some(json!({"old": true}))).await.unwrap();
        store.set_egress_rules(scope, Some(json!({"allow": [number]}))).await.unwrap();
    }
    let rules = store.egress_rules_for(worker).await.unwrap();
    assert_eq!(rules.installation, Some(json!({"allow": [0]})));
    assert_eq!(rules.account, Some(json!({"allow": [1]})));
    assert_eq!(rules.worker, Some(json!({"allow": [2]})));
    store.set_egress_rules(&scopes[1], None).await.unwrap();
    assert_eq!(store.egress_rules_for(worker).await.unwrap().account, None);
    let nobody = EgressScope::Worker(WorkerId::random());
    assert!(store.set_egress_rules(&nobody, Some(json!({}))).await.is_err());
}

#[tokio::test]
async fn a_token_is_revoked_by_its_own_worker_alone() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let (one, other) = (fixture.worker("one").await, fixture.worker("other").await);
    let (token, _) = store.create_worker_token(one, "ci", None).await.unwrap();
    let refused = store.revoke_worker_token(other, &token.id).await;
    assert!(refused.is_err_and(|error| error.is_not_found(Entity::Token)));
    assert_eq!(store.worker_tokens(one).await.unwrap(), std::slice::from_ref(&token));
    store.revoke_worker_token(one, &token.id).await.unwrap();
    assert!(store.worker_tokens(one).await.unwrap().is_empty());
}
