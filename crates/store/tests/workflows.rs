//! Workflows: whose they are, and what a start is told of them.

mod support;

use hearth_model::{NamedWorkflow, Workflow};
use hearth_store::{Entity, ResourceKind, StoreError};
use support::{Fixture, modules, new_version};

#[tokio::test]
async fn a_worker_starts_with_its_workflows_and_they_go_with_it() {
    let fixture = Fixture::new().await;
    let (store, account) = (&fixture.store, &fixture.account);
    let (a, b) = (fixture.worker("a").await, fixture.worker("b").await);
    let new = new_version(a, modules(store, "code").await, Vec::new());
    let version = store.insert_version(new, None).await.unwrap().version.id;
    assert_eq!(store.launch(version).await.unwrap().workflows, []);

    let mut order = Workflow::new(a, "Order");
    store.put_workflow(account, "order", &order).await.unwrap();
    let named = |workflow: &Workflow| [NamedWorkflow { name: "order".into(), workflow: workflow.clone() }];
    assert_eq!(store.launch(version).await.unwrap().workflows, named(&order));
    order.limits = Some(serde_json::json!({ "steps": 5 }));
    store.put_workflow(account, "order", &order).await.unwrap();
    assert_eq!(store.launch(version).await.unwrap().workflows, named(&order));
    assert_eq!(store.workflows_of(a).await.unwrap(), named(&order));
    assert_eq!(store.workflows_of(b).await.unwrap(), []);

    let taken = store.put_workflow(account, "order", &Workflow::new(b, "Order")).await.unwrap_err();
    let kind = Entity::Resource(ResourceKind::Workflow);
    assert!(matches!(taken, StoreError::Conflict { what, .. } if what == kind), "{taken}");
    store.delete_worker(a).await.unwrap();
    assert_eq!(store.all_workflows().await.unwrap(), []);
}
