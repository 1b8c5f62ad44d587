//! Namespaces of Durable Objects, as versions change them.

mod support;

use hearth_model::{Namespace, NamespaceChange, NamespaceId};
use hearth_store::{Entity, Page, StoreError, WorkerChanges};
use support::{Fixture, modules, new_version};

fn namespace(class: &str) -> Namespace {
    Namespace { id: NamespaceId::random(), class: class.to_owned(), sqlite: true }
}

async fn insert(
    fixture: &Fixture,
    worker: hearth_model::WorkerId,
    objects: Vec<NamespaceChange>,
) -> Result<hearth_model::VersionId, StoreError> {
    let mut new = new_version(worker, modules(&fixture.store, "code").await, Vec::new());
    new.objects = objects;
    new.settings = WorkerChanges { migration_tag: Some(Some("v1".to_owned())), ..WorkerChanges::default() };
    fixture.store.insert_version(new, None).await.map(|inserted| inserted.version.id)
}

#[tokio::test]
async fn a_namespace_keeps_its_id_through_names_and_workers() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let (a, b) = (fixture.worker("a").await, fixture.worker("b").await);
    let room = namespace("Room");
    let version = insert(&fixture, a, vec![NamespaceChange::Create(room.clone())]).await.unwrap();
    assert_eq!(store.launch(version).await.unwrap().objects, std::slice::from_ref(&room));

    insert(&fixture, a, vec![NamespaceChange::Rename { id: room.id, to: "Hall".into() }]).await.unwrap();
    let hall = Namespace { class: "Hall".into(), ..room.clone() };
    // The older version too: what it has now is what it would run with.
    assert_eq!(store.launch(version).await.unwrap().objects, [hall]);

    let take = NamespaceChange::Take { id: room.id, from: a, class: "Lobby".into() };
    insert(&fixture, b, vec![take.clone()]).await.unwrap();
    assert_eq!(store.namespaces_of(a).await.unwrap(), []);
    let found = store.namespace_by_class(&fixture.account, "B", "Lobby").await.unwrap().unwrap();
    assert_eq!((found.namespace.id, found.worker, found.script.as_str()), (room.id, b, "b"));
    // It is not there a second time, and the version that wanted it is not made.
    let clash = insert(&fixture, b, vec![take]).await.unwrap_err();
    assert!(matches!(clash, StoreError::Conflict { what: Entity::Worker, .. }), "{clash}");
    assert_eq!(store.versions(b, Page { offset: 0, limit: 9 }).await.unwrap().total, 1);

    assert_eq!(store.worker(b).await.unwrap().migration_tag.as_deref(), Some("v1"));
    store.delete_worker(b).await.unwrap();
    assert_eq!(store.all_namespaces().await.unwrap(), []);
}

#[tokio::test]
async fn two_workers_agree_on_a_transfer() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let (from, to) = (fixture.worker("Chat").await, fixture.worker("lobby").await);
    let room = namespace("Room");
    insert(&fixture, from, vec![NamespaceChange::Create(room.clone())]).await.unwrap();
    let giver = "chat".parse().unwrap();
    let expected = || store.expected_namespace(&fixture.account, "LOBBY", &giver, "Room");
    assert_eq!(expected().await.unwrap(), None);
    let expect = NamespaceChange::Expect { class: "Room".into(), from: "chat".into(), sqlite: true };
    insert(&fixture, to, vec![expect]).await.unwrap();
    assert_eq!(expected().await.unwrap().unwrap().worker, to);
    let give = NamespaceChange::Give { id: room.id, to, class: "Room".into() };
    insert(&fixture, from, vec![give]).await.unwrap();
    assert_eq!(store.namespaces_of(to).await.unwrap(), [room]);
}

#[tokio::test]
async fn a_worker_with_objects_has_no_previews() {
    let fixture = Fixture::new().await;
    let worker = fixture.worker("a").await;
    let subdomain = hearth_store::Subdomain { enabled: true, previews_enabled: true };
    let changes = WorkerChanges { subdomain: Some(subdomain), ..WorkerChanges::default() };
    fixture.store.update_worker(worker, changes).await.unwrap();
    insert(&fixture, worker, Vec::new()).await.unwrap();
    assert!(fixture.store.published_worker(worker).await.unwrap().unwrap().previews);
    insert(&fixture, worker, vec![NamespaceChange::Create(namespace("A"))]).await.unwrap();
    assert!(!fixture.store.published_worker(worker).await.unwrap().unwrap().previews);
}
