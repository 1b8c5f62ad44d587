//! Versions, secrets, deployments, and what a cold start gets.

mod support;

use std::collections::BTreeSet;

use hearth_model::{BindingKind, Dialect, Split, Version, VersionId, WorkerId};
use hearth_store::{Entity, Origin, Page, StoreError};
use sqlx::Row;
use support::{Fixture, modules, new_version, release, secret, variable};

#[tokio::test]
async fn a_version_comes_back_as_it_was_given() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let worker = fixture.worker("a").await;
    let bindings = vec![variable("V", "v"), secret("S", Some("s3cret"))];
    let new = new_version(worker, modules(store, "code").await, bindings);
    let inserted = store.insert_version(new.clone(), Some(release())).await.unwrap();
    assert_eq!((inserted.version.number, inserted.version.id), (1, new.id));
    let fixture = fixture.reopen().await;
    let store = &fixture.store;
    let version = store.version(worker, new.id).await.unwrap();
    assert_eq!(version, inserted.version);
    assert_eq!(version.bindings, [variable("V", "v"), secret("S", None)]);
    assert_eq!(store.latest_version(worker).await.unwrap(), Some(version.clone()));
    assert_eq!(store.current_deployment(worker).await.unwrap(), inserted.deployment);
    assert_eq!(store.secret_texts(worker, new.id).await.unwrap()["S"], "s3cret");
    assert_eq!(store.module_content(&version.modules[1]).await.unwrap(), "map of code");
    assert_eq!(store.worker(worker).await.unwrap().last_deployed_from.as_deref(), Some("wrangler"));
    let other = fixture.worker("b").await;
    assert!(store.version(other, new.id).await.unwrap_err().is_not_found(Entity::Version));
    assert!(store.secret_texts(other, new.id).await.unwrap_err().is_not_found(Entity::Version));
}

#[tokio::test]
async fn the_code_of_an_account_counts_each_content_once() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    assert!(store.code_bytes(None).await.unwrap().is_empty());
    let (a, b) = (fixture.worker("a").await, fixture.worker("b").await);
    for (worker, code) in [(a, "one"), (a, "one"), (a, "three"), (b, "one")] {
        store.insert_version(new_version(worker, modules(store, code).await, vec![]), None).await.unwrap();
    }
    let account = store.worker(a).await.unwrap().account;
    // With the source map of each.
    let each = |code: &str| (code.len() + format!("map of {code}").len()) as u64;
    let bytes = store.code_bytes(None).await.unwrap();
    assert_eq!((bytes.len(), bytes[&account]), (1, each("one") + each("three")));
    let other = store.create_account("other").await.unwrap().id;
    assert!(store.code_bytes(Some(&other)).await.unwrap().is_empty());
    assert_eq!(store.code_bytes(Some(&account)).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_launch_has_code_and_secrets_and_no_source_maps() {
    let fixture = Fixture::new().await;
    let worker = fixture.worker("a").await;
    let code = modules(&fixture.store, "code").await;
    let new = new_version(worker, code, vec![variable("V", "v"), secret("S", Some("s3cret"))]);
    let version = fixture.store.insert_version(new, None).await.unwrap().version;
    for fixture in [fixture.reopen().await] {
        for _ in ["from disk", "from memory"] {
            let launch = fixture.store.launch(version.id).await.unwrap();
            assert_eq!(launch.modules.len(), 1);
            assert_eq!(
                (launch.modules[0].name.as_str(), &launch.modules[0].content[..]),
                ("index.js", &b"code"[..])
            );
            assert_eq!(launch.bindings, [variable("V", "v"), secret("S", Some("s3cret"))]);
            assert_eq!((launch.worker, launch.tag.as_str()), (worker, "t1"));
            assert_eq!(launch.created_on, version.created_on.to_string());
            assert_eq!(launch.limits, version.limits);
        }
        let absent = fixture.store.launch(VersionId::random()).await.unwrap_err();
        assert!(absent.is_not_found(Entity::Version));
    }
}

#[tokio::test]
async fn secrets_are_copied_without_their_texts_being_known() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let worker = fixture.worker("a").await;
    let code = modules(store, "code").await;
    let first = new_version(worker, code.clone(), vec![secret("A", Some("1")), secret("B", Some("2"))]);
    let base = store.insert_version(first, None).await.unwrap().version.id;
    let mut second = new_version(worker, code.clone(), vec![secret("A", None), secret("C", Some("3"))]);
    second.secrets_from = Some(base);
    let second = store.insert_version(second, None).await.unwrap().version.id;
    let texts = store.secret_texts(worker, second).await.unwrap();
    assert_eq!(texts.into_iter().collect::<Vec<_>>(), [("A".into(), "1".into()), ("C".into(), "3".into())]);

    let mut missing = new_version(worker, code.clone(), vec![secret("Z", None)]);
    missing.secrets_from = Some(base);
    assert!(store.insert_version(missing, None).await.unwrap_err().is_not_found(Entity::Secret));
    let nowhere = new_version(worker, code.clone(), vec![secret("A", None)]);
    assert!(store.insert_version(nowhere, None).await.unwrap_err().is_not_found(Entity::Secret));
    let mut foreign = new_version(fixture.worker("b").await, code, vec![secret("A", None)]);
    foreign.secrets_from = Some(base);
    assert!(store.insert_version(foreign, None).await.unwrap_err().is_not_found(Entity::Version));
    assert_eq!(store.versions(worker, Page::ALL).await.unwrap().total, 2, "what failed left nothing");
}

#[tokio::test]
async fn a_derived_version_differs_in_its_secrets_only() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let worker = fixture.worker("a").await;
    let bindings = vec![variable("V", "v"), secret("A", Some("1")), secret("B", Some("2"))];
    let new = new_version(worker, modules(store, "code").await, bindings);
    let base = store.insert_version(new, Some(release())).await.unwrap().version;
    let change = |name: &str, text: Option<&str>| (name.to_owned(), text.map(str::to_owned));
    let changes = vec![change("A", Some("one")), change("B", None), change("C", Some("3"))];
    let derived =
        store.derive_version(worker, base.id, changes, Origin::default(), Some(release())).await.unwrap();
    let (version, deployment) = (derived.version, derived.deployment.unwrap());
    assert_eq!((version.number, deployment.split), (2, Split::all(version.id)));
    assert_eq!(
        (&version.modules, version.limits, &version.format),
        (&base.modules, base.limits, &base.format)
    );
    assert_eq!(version.bindings, [variable("V", "v"), secret("A", None), secret("C", None)]);
    let texts = store.secret_texts(worker, version.id).await.unwrap();
    assert_eq!(texts.into_iter().collect::<Vec<_>>(), [("A".into(), "one".into()), ("C".into(), "3".into())]);
    assert_eq!(store.secret_texts(worker, base.id).await.unwrap()["A"], "1");

    let derive = |changes| store.derive_version(worker, version.id, changes, Origin::default(), None);
    assert!(derive(vec![change("Z", None)]).await.unwrap_err().is_not_found(Entity::Secret));
    let taken = derive(vec![change("V", Some("x"))]).await.unwrap_err();
    assert!(matches!(taken, StoreError::Conflict { what: Entity::Secret, .. }));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_whole() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let worker = fixture.worker("a").await;
    let code = modules(store, "code").await;
    let twice = new_version(worker, code.clone(), vec![variable("V", "1"), secret("V", Some("2"))]);
    assert!(matches!(store.insert_version(twice, None).await, Err(StoreError::Invalid { .. })));
    let mut unstored = new_version(worker, code.clone(), vec![]);
    unstored.modules[0].hash = "0".repeat(64);
    assert!(store.insert_version(unstored, None).await.unwrap_err().is_not_found(Entity::Blob));
    let nobody = new_version(WorkerId::random(), code, vec![]);
    assert!(store.insert_version(nobody, Some(release())).await.unwrap_err().is_not_found(Entity::Worker));
    assert_eq!(store.latest_version(worker).await.unwrap(), None);
}

#[tokio::test]
async fn a_version_and_its_deployment_are_both_there_or_neither() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let worker = fixture.worker("a").await;
    let mut database = support::database(fixture.folder.path()).await;
    let fail = "CREATE TRIGGER fail BEFORE INSERT ON deployments BEGIN SELECT RAISE(ABORT, 'full'); END";
    sqlx::raw_sql(fail).execute(&mut database).await.unwrap();
    let new = new_version(worker, modules(store, "code").await, vec![secret("S", Some("x"))]);
    assert!(store.insert_version(new.clone(), Some(release())).await.is_err());
    assert_eq!(store.latest_version(worker).await.unwrap(), None);
    sqlx::raw_sql("DROP TRIGGER fail").execute(&mut database).await.unwrap();
    assert_eq!(store.insert_version(new, Some(release())).await.unwrap().version.number, 1);
}

#[tokio::test]
async fn deployments_take_versions_of_their_worker_only_and_are_listed_newest_first() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let (worker, other) = (fixture.worker("a").await, fixture.worker("b").await);
    let code = modules(store, "code").await;
    let mut versions = Vec::new();
    for owner in [worker, worker, other] {
        let new = new_version(owner, code.clone(), vec![]);
        versions.push(store.insert_version(new, None).await.unwrap().version.id);
    }
    assert_eq!(store.current_deployment(worker).await.unwrap(), None);
    let half = Split::new(vec![(versions[0], 30.0), (versions[1], 70.0)]).unwrap();
    let first = store.deploy(worker, half.clone(), release()).await.unwrap();
    assert_eq!(first.split, half);
    for foreign in [versions[2], VersionId::random()] {
        let error = store.deploy(worker, Split::all(foreign), release()).await.unwrap_err();
        assert!(error.is_not_found(Entity::Version));
    }
    let second = store.deploy(worker, Split::all(versions[0]), release()).await.unwrap();
    let listed = store.deployments(worker, Page::ALL).await.unwrap();
    assert_eq!((listed.items, listed.total), (vec![second.clone(), first.clone()], 2));
    assert_eq!(
        store.deployments(worker, Page::numbered(2, 1)).await.unwrap().items,
        std::slice::from_ref(&first)
    );
    assert_eq!(store.current_deployment(worker).await.unwrap(), Some(second));
    assert_eq!(store.deployment(worker, first.id).await.unwrap(), first);
    assert!(store.deployment(other, first.id).await.unwrap_err().is_not_found(Entity::Deployment));
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_deploys_of_one_worker_get_numbers_of_their_own() {
    let fixture = Fixture::new().await;
    let worker = fixture.worker("a").await;
    let mut tasks = Vec::new();
    for number in 0..20 {
        let store = fixture.store.clone();
        tasks.push(tokio::spawn(async move {
            let new = new_version(worker, modules(&store, &format!("code {number}")).await, vec![]);
            store.insert_version(new, Some(release())).await.unwrap().version.number
        }));
    }
    let mut numbers = BTreeSet::new();
    for task in tasks {
        numbers.insert(task.await.unwrap());
    }
    assert_eq!(numbers, (1..=20).collect());
    let listed = fixture.store.versions(worker, Page::ALL).await.unwrap().items;
    assert!(listed.windows(2).all(|pair| pair[0].number > pair[1].number));
    assert!(listed.windows(2).all(|pair| pair[0].created_on > pair[1].created_on), "wrangler sorts by time");
    let current = fixture.store.current_deployment(worker).await.unwrap().unwrap();
    assert_eq!(current.split, Split::all(listed[0].id));
}

#[tokio::test]
async fn a_moved_or_changed_ciphertext_is_refused() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let code = modules(store, "code").await;
    let mut versions = Vec::new();
    for name in ["a", "b"] {
        let worker = fixture.worker(name).await;
        let bindings = vec![secret("S", Some(name)), secret("T", Some(name))];
        let new = new_version(worker, code.clone(), bindings);
        versions.push(store.insert_version(new, None).await.unwrap().version);
    }
    let mut database = support::database(fixture.folder.path()).await;
    let row = sqlx::query("SELECT sealed FROM version_secrets WHERE version = ? AND name = 'S'")
        .bind(versions[0].id.to_string())
        .fetch_one(&mut database)
        .await
        .unwrap();
    let sealed: Vec<u8> = row.get("sealed");
    for (version, name) in [(versions[1].id, "S"), (versions[0].id, "T")] {
        sqlx::query("UPDATE version_secrets SET sealed = ? WHERE version = ? AND name = ?")
            .bind(&sealed)
            .bind(version.to_string())
            .bind(name)
            .execute(&mut database)
            .await
            .unwrap();
    }
    for version in versions {
        assert!(matches!(store.launch(version.id).await, Err(StoreError::Corrupt(_))));
        assert!(matches!(store.secret_texts(version.worker, version.id).await, Err(StoreError::Corrupt(_))));
    }
}

#[tokio::test]
async fn a_secret_stands_nowhere_in_the_clear() {
    let fixture = Fixture::new().await;
    let worker = fixture.worker("a").await;
    let text = "a-very-recognizable-secret-text";
    let code = modules(&fixture.store, "code").await;
    let inserted = fixture
        .store
        .insert_version(new_version(worker, code, vec![secret("S", Some(text))]), None)
        .await
        .unwrap();
    let BindingKind::SecretText { text: shown } = &inserted.version.bindings[0].kind else { panic!() };
    assert_eq!(*shown, None);
    let fixture = fixture.reopen().await;
    for file in ["hearth.db", "hearth.db-wal"] {
        let bytes = std::fs::read(fixture.folder.path().join(file)).unwrap_or_default();
        assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{file}");
    }
}

#[tokio::test]
async fn a_hundred_versions_are_kept_and_those_of_a_hundred_deployments() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let worker = fixture.worker("a").await;
    let insert = |text: String| async move {
        let new = new_version(worker, modules(store, &text).await, vec![secret("S", Some("x"))]);
        store.insert_version(new, None).await.unwrap().version.id
    };
    let deployed = insert("deployed".to_owned()).await;
    let other = insert("other".to_owned()).await;
    let idle = insert("idle".to_owned()).await;
    store.launch(idle).await.unwrap();
    let both = Split::new(vec![(deployed, 50.0), (other, 50.0)]).unwrap();
    store.deploy(worker, both, release()).await.unwrap();
    let neighbour = fixture.worker("b").await;
    let code = modules(store, "idle").await;
    store.insert_version(new_version(neighbour, code, vec![]), None).await.unwrap();
    let mut newest = Vec::new();
    for round in 0..100 {
        newest.insert(0, insert(format!("{round}")).await);
    }
    let listed = || async {
        let all = store.versions(worker, Page::ALL).await.unwrap();
        assert_eq!(all.total, all.items.len() as u64);
        all.items.iter().map(|version| version.id).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, [&newest[..], &[other, deployed]].concat());
    assert!(store.launch(idle).await.unwrap_err().is_not_found(Entity::Version), "from the cache");
    assert_eq!(store.versions(neighbour, Page::ALL).await.unwrap().total, 1);
    let mut database = support::database(fixture.folder.path()).await;
    for table in ["version_secrets", "version_blobs"] {
        let query = format!("SELECT count(*) FROM {table} WHERE version = '{idle}'");
        let left: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&mut database).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }

    // The first deployment is the hundredth, and its versions stay; then it leaves, and they leave with it.
    for _ in 0..99 {
        store.deploy(worker, Split::all(newest[0]), release()).await.unwrap();
    }
    newest.insert(0, insert("next".to_owned()).await);
    newest.pop();
    assert_eq!(listed().await, [&newest[..], &[other, deployed]].concat());
    store.deploy(worker, Split::all(newest[0]), release()).await.unwrap();
    newest.insert(0, insert("last".to_owned()).await);
    newest.pop();
    assert_eq!(listed().await, newest);
    assert_eq!(store.deployments(worker, Page::ALL).await.unwrap().total, 100);
    let collected = store.collect_garbage(std::time::Duration::ZERO).await.unwrap();
    assert_eq!(collected.blobs, 8, "code and source map of four versions; `b` has the idle one's");
}

#[tokio::test]
async fn versions_with_names_are_found_deleted_and_have_aliases_that_move() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let worker = fixture.worker("a").await;
    let code = modules(store, "code").await;
    let named = |label: &str, alias: Option<&str>| {
        let mut new = new_version(worker, code.clone(), vec![]);
        new.origin.annotations.insert(Version::LABEL.to_owned(), label.to_owned());
        if let Some(alias) = alias {
            new.origin.annotations.insert("workers/alias".to_owned(), alias.to_owned());
        }
        new
    };
    let first = store.insert_version(named("V1", Some("Test")), Some(release())).await.unwrap().version.id;
    let second = store.insert_version(named("v2", None), Some(release())).await.unwrap().version.id;
    assert!(store.insert_version(named("v1", None), None).await.is_err(), "names have no case");
    assert_eq!(store.version_by_label(worker, "v1").await.unwrap().unwrap().id, first);
    assert_eq!(store.version_by_label(worker, "v3").await.unwrap(), None);

    store.move_alias(worker, second, "test").await.unwrap();
    assert!(store.move_alias(worker, VersionId::random(), "test").await.is_err());
    let published = store.published_worker(worker).await.unwrap().unwrap();
    let seen: Vec<_> =
        published.versions.iter().map(|one| (one.label.as_deref(), one.alias.as_deref())).collect();
    assert_eq!(seen, [(Some("v2"), Some("test")), (Some("v1"), None)]);
    assert_eq!(store.version(worker, first).await.unwrap().alias(), None);
    assert_eq!(store.version(worker, second).await.unwrap().alias(), Some("test"));

    let serves = store.delete_version(worker, second).await.unwrap_err();
    assert!(matches!(serves, StoreError::Conflict { what: Entity::Version, .. }));
    store.delete_version(worker, first).await.unwrap();
    assert!(store.delete_version(worker, first).await.unwrap_err().is_not_found(Entity::Version));
    assert_eq!(store.deployments(worker, Page::ALL).await.unwrap().total, 1, "one named what is gone");
    let deployed = store.deployed(Dialect::Workers).await.unwrap();
    assert_eq!(deployed, [(worker, Split::all(second))]);
    assert!(store.deployed(Dialect::Deploy).await.unwrap().is_empty());
}
