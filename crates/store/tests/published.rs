//! What the data plane loads.

mod support;

use hearth_model::{Access, Binding, Split};
use hearth_store::{Subdomain, WorkerChanges};
use support::{Fixture, modules, new_version, release};

#[tokio::test]
async fn a_worker_is_published_as_it_stands() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let team = store.create_account("team").await.unwrap();
    let worker = support::worker(store, &team.id, "A").await;
    assert_eq!(store.published_worker(worker).await.unwrap(), None, "no version yet");
    let code = modules(store, "code").await;
    let mut versions = Vec::new();
    for alias in [Some("staging"), Some("staging"), None] {
        let mut new = new_version(worker, code.clone(), Vec::<Binding>::new());
        if let Some(alias) = alias {
            new.origin.annotations.insert("workers/alias".to_owned(), alias.to_owned());
        }
        versions.push(store.insert_version(new, None).await.unwrap().version.id);
    }
    assert_eq!(store.published_worker(worker).await.unwrap().unwrap().split, None);
    let split = Split::new(vec![(versions[0], 12.5), (versions[2], 87.5)]).unwrap();
    store.deploy(worker, split.clone(), release()).await.unwrap();
    let subdomain = Subdomain { enabled: true, previews_enabled: false };
    let changes = WorkerChanges { subdomain: Some(subdomain), ..WorkerChanges::default() };
    store.update_worker(worker, changes).await.unwrap();

    let published = store.published_worker(worker).await.unwrap().unwrap();
    assert_eq!((published.name.as_str(), published.account_label.as_deref()), ("A", Some("team")));
    assert_eq!(
        (published.subdomain, published.previews, published.split.as_ref()),
        (true, false, Some(&split))
    );
    assert_eq!(published.access.rule, Access::Open);
    let (token, _) = store.create_worker_token(worker, "ci", None).await.unwrap();
    let changes = WorkerChanges { access: Some(Access::Token), ..WorkerChanges::default() };
    store.update_worker(worker, changes).await.unwrap();
    let guarded = store.published_worker(worker).await.unwrap().unwrap().access;
    assert_eq!((guarded.rule, guarded.tokens.len()), (Access::Token, 1));
    store.revoke_worker_token(worker, &token.id).await.unwrap();
    assert!(store.revoke_worker_token(worker, &token.id).await.is_err());
    let changes = WorkerChanges { access: Some(Access::Open), ..WorkerChanges::default() };
    store.update_worker(worker, changes).await.unwrap();
    let listed: Vec<_> = published.versions.iter().map(|v| (v.id, v.alias.as_deref())).collect();
    assert_eq!(listed, [(versions[2], None), (versions[1], Some("staging")), (versions[0], None)]);
    assert_eq!(store.published().await.unwrap().workers, [published]);
}

#[tokio::test]
async fn ten_thousand_workers_are_published() {
    let fixture = Fixture::new().await;
    support::many_workers(&fixture, 10_000, 3).await;
    let published = fixture.store.published().await.unwrap();
    assert_eq!(published.workers.len(), 10_000);
    for worker in &published.workers {
        assert_eq!(worker.versions.len(), 3);
        assert_eq!(worker.split, Some(Split::all(worker.versions[0].id)));
        assert_eq!(worker.account_label, None);
    }
}
