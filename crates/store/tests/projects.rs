//! Pages projects: their secrets, their files, and where they have hosts.

mod support;

use std::collections::HashSet;

use hearth_model::{Dialect, WorkerId};
use hearth_store::{Entity, NewWorker, ProjectFile, ProjectSecret, StoreError, Worker, WorkerChanges};
use jiff::Timestamp;
use serde_json::json;
use support::Fixture;

async fn project(fixture: &Fixture, name: &str, secrets: &[ProjectSecret]) -> Result<Worker, StoreError> {
    let new =
        NewWorker { account: fixture.account.clone(), dialect: Dialect::Pages, name: name.parse().unwrap() };
    let settings = WorkerChanges { dialect_settings: Some(json!({"a": 1})), ..WorkerChanges::default() };
    fixture.store.create_project(new, settings, secrets).await
}

fn secret(environment: &'static str, name: &str, text: Option<&str>) -> ProjectSecret {
    ProjectSecret { environment, name: name.to_owned(), text: text.map(str::to_owned) }
}

async fn texts(fixture: &Fixture, worker: WorkerId, environment: &str) -> Vec<(String, String)> {
    fixture.store.project_secrets(worker, environment).await.unwrap().into_iter().collect()
}

#[tokio::test]
async fn a_secret_is_its_environment_s_outlives_a_rotation_and_stands_nowhere_in_the_clear() {
    let fixture = Fixture::new().await;
    let two = [secret("production", "KEY", Some("pro-text")), secret("preview", "KEY", Some("pre-text"))];
    let worker = project(&fixture, "site", &two).await.unwrap().id;
    let one = |text: &str| vec![("KEY".to_owned(), text.to_owned())];
    assert_eq!(texts(&fixture, worker, "production").await, one("pro-text"));
    assert_eq!(texts(&fixture, worker, "preview").await, one("pre-text"));
    assert_eq!(fixture.store.rotate_secrets().await.unwrap(), 2);
    let fixture = fixture.reopen().await;
    assert_eq!(texts(&fixture, worker, "production").await, one("pro-text"));
    for file in ["hearth.db", "hearth.db-wal"] {
        let bytes = std::fs::read(fixture.folder.path().join(file)).unwrap_or_default();
        assert!(!bytes.windows(8).any(|window| window == b"pro-text"), "{file}");
    }
    let mut database = support::database(fixture.folder.path()).await;
    sqlx::query(
        "UPDATE project_secrets SET sealed = (SELECT sealed FROM project_secrets WHERE environment = 'preview')
         WHERE environment = 'production'",
    )
    .execute(&mut database)
    .await
    .unwrap();
    let moved = fixture.store.project_secrets(worker, "production").await;
    assert!(matches!(moved, Err(StoreError::Corrupt(_))), "a row of another environment is refused");

    let changes = [secret("preview", "KEY", None), secret("preview", "NEW", Some("x"))];
    let changed = fixture.store.change_project(worker, json!({"a": 2}), &changes).await.unwrap();
    assert_eq!(changed.dialect_settings, json!({"a": 2}));
    assert_eq!(texts(&fixture, worker, "preview").await, [("NEW".to_owned(), "x".to_owned())]);
    fixture.store.delete_worker(worker).await.unwrap();
    assert!(texts(&fixture, worker, "preview").await.is_empty());
    let gone = fixture.store.change_project(worker, json!({}), &[]).await.unwrap_err();
    assert!(gone.is_not_found(Entity::Worker));
}

#[tokio::test]
async fn a_store_with_a_project_s_secret_does_not_start_without_its_key() {
    let fixture = Fixture::new().await;
    project(&fixture, "site", &[secret("production", "KEY", Some("x"))]).await.unwrap();
    let Fixture { folder, store, .. } = fixture;
    store.close().await;
    drop(store);
    std::fs::remove_file(folder.path().join("secrets.key")).unwrap();
    assert!(matches!(hearth_store::Store::open(folder.path()).await, Err(StoreError::Key(_))));
}

#[tokio::test]
async fn files_are_a_project_s_own_and_go_when_nobody_needs_them() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let (one, other) =
        (project(&fixture, "one", &[]).await.unwrap().id, project(&fixture, "two", &[]).await.unwrap().id);
    let file = |hash: &str, content: &str| ProjectFile {
        hash: hash.to_owned(),
        content: content.to_owned(),
        size: 3,
        media_type: Some("text/html".to_owned()),
    };
    store.put_project_files(one, &[file("a", "content a"), file("b", "content b")]).await.unwrap();
    let wanted = ["a".to_owned(), "c".to_owned()];
    let found = store.use_project_files(one, &wanted).await.unwrap();
    assert_eq!((found.len(), &found["a"]), (1, &file("a", "content a")));
    assert!(store.use_project_files(other, &wanted).await.unwrap().is_empty());
    store.put_project_files(one, &[file("a", "another content")]).await.unwrap();
    assert_eq!(store.use_project_files(one, &wanted).await.unwrap()["a"].content, "another content");

    let nobody = HashSet::new();
    let before = Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let mut kept = store.sweep_project_files(&fixture.account, before, &nobody).await.unwrap();
    kept.sort();
    assert_eq!(kept, ["another content", "content b"], "they are young");
    let after = Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let live = HashSet::from(["content b".to_owned()]);
    assert_eq!(store.sweep_project_files(&fixture.account, after, &live).await.unwrap(), ["content b"]);
    assert!(store.use_project_files(one, &wanted).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_project_whose_last_deployment_was_deleted_is_published_without_one() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let worker = project(&fixture, "site", &[]).await.unwrap().id;
    let new = support::new_version(worker, support::modules(store, "code").await, Vec::new());
    let version = store.insert_version(new, None).await.unwrap().version;
    store.delete_version(worker, version.id).await.unwrap();
    let published = store.published_worker(worker).await.unwrap().unwrap();
    assert!(published.versions.is_empty() && published.split.is_none());
    assert_eq!(store.published().await.unwrap().workers, [published], "a start reads it too");
}

#[tokio::test]
async fn a_project_has_a_place_of_its_own_that_no_account_takes() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    fixture.worker("site").await;
    project(&fixture, "site", &[]).await.unwrap();
    assert!(project(&fixture, "Site", &[]).await.is_err(), "a name has one owner");
    let clash = store.create_account("Pages").await.unwrap_err();
    assert!(matches!(&clash, StoreError::Conflict { what: Entity::Account, .. }), "{clash}");
    assert!(!store.subdomain_is_free("pages").await.unwrap());
    let team = store.create_account("team").await.unwrap();
    assert!(store.set_account_subdomain(&team.id, "pages").await.is_err());

    // One that an older server let have it.
    let mut database = support::database(fixture.folder.path()).await;
    sqlx::query("UPDATE accounts SET subdomain = 'pages' WHERE is_default = 0")
        .execute(&mut database)
        .await
        .unwrap();
    let clash = project(&fixture, "other", &[]).await.unwrap_err();
    assert!(clash.to_string().contains("has the subdomain `pages`"), "{clash}");
    assert!(!clash.to_string().contains("team"), "{clash}");
}
