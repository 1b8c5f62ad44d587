//! What an account may have at most.

use hearth_api::Change;
use hearth_model::AccountId;
use http::Method;
use serde_json::json;

use crate::support::Hearth;

const CODE: &str = "export default { fetch() {} }";

#[tokio::test]
async fn members_see_the_limits_and_who_answers_for_the_installation_sets_them() {
    let hearth = Hearth::start().await;
    let account: AccountId = hearth.account.parse().unwrap();
    let path = format!("accounts/{account}/hearth/quotas");
    let token = hearth.token_of(&account).await;
    let shown = hearth.call_as(&token, Method::GET, &path, "").await;
    let expected = json!({
        "workers": {"limit": null, "used": 0, "own": false},
        "instances": {"limit": null, "used": 2, "own": false},
        "memory_mb": {"limit": null, "used": 3, "own": false},
        "storage_mb": {"limit": null, "used": 2, "own": false},
        "requests_per_minute": {"limit": null, "used": 7, "own": false},
    });
    assert_eq!(shown.result(), &expected);
    let refused = hearth.call_as(&token, Method::PUT, &path, "{\"workers\": 1000}").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, 10000));
    assert_eq!(hearth.put(&path, json!({"workers": "many"})).await.code(), 10001);
    assert!(hearth.notes.take_changes().is_empty());
    let set = hearth.put(&path, json!({"workers": 1, "instances": null})).await;
    assert_eq!(set.result()["workers"], json!({"limit": 1, "used": 0, "own": true}));
    assert_eq!(set.result()["instances"], json!({"limit": null, "used": 2, "own": true}));
    assert_eq!(hearth.notes.take_changes(), [Change::Quotas]);
}

#[tokio::test]
async fn an_account_with_as_many_workers_as_it_may_have_changes_those_it_has() {
    let hearth = Hearth::start().await;
    let path = format!("accounts/{}/hearth/quotas", hearth.account);
    hearth.put(&path, json!({"workers": 1})).await.result();
    hearth.deploy("one", json!({}), CODE).await.result();
    let refused = hearth.deploy("two", json!({}), CODE).await;
    let (status, code, text) = refused.error();
    assert_eq!((status, code), (403, 10037));
    assert!(text.contains("as many workers as it may, 1"), "{text}");
    let refused = hearth.post("W/workers", json!({"name": "three"})).await;
    assert_eq!(refused.code(), 10037);
    hearth.deploy("one", json!({}), CODE).await.result();
    hearth.put(&path, json!({})).await.result();
    hearth.deploy("two", json!({}), CODE).await.result();
}
