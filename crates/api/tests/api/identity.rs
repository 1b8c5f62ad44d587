//! `wrangler whoami` and the choice of an account.

use http::Method;
use serde_json::json;

use crate::support::Hearth;

#[tokio::test]
async fn whoami_finds_token_user_accounts_and_memberships() {
    let hearth = Hearth::start().await;
    assert_eq!(hearth.get("user/tokens/verify").await.result()["status"], "active");
    assert!(hearth.get("user").await.result()["email"].is_string());
    let accounts = hearth.get("accounts?page=1").await;
    assert_eq!(accounts.result()[0]["id"], hearth.account.as_str());
    assert_eq!(accounts.body["result_info"]["total_count"], 1);
    let memberships = hearth.get("memberships?page=1").await;
    assert_eq!(memberships.result()[0]["account"]["id"], hearth.account.as_str());
    assert!(memberships.result()[0]["roles"][0].is_string());
    let account = hearth.get(&format!("accounts/{}", hearth.account)).await;
    assert_eq!(account.result()["name"], "default");
}

#[tokio::test]
async fn a_token_sees_its_own_accounts() {
    let hearth = Hearth::start().await;
    let other = hearth.store.create_account("other").await.unwrap();
    let token = hearth.token_of(&other.id).await;
    let seen = hearth.call_as(&token, Method::GET, "accounts", "").await;
    assert_eq!(seen.result().as_array().unwrap().len(), 1);
    assert_eq!(seen.result()[0]["id"], other.id.as_str());
    assert_eq!(hearth.get("accounts").await.result().as_array().unwrap().len(), 2);
    assert_eq!(hearth.get("accounts?page=2").await.result(), &json!([]));
}

#[tokio::test]
async fn an_account_that_is_not_there_is_named() {
    let hearth = Hearth::start().await;
    let (status, code, message) = {
        let answer = hearth.get("accounts/no-such-account/workers/scripts").await;
        let (status, code, message) = answer.error();
        (status, code, message.to_owned())
    };
    assert_eq!((status, code), (404, 7003));
    assert!(message.contains("no-such-account"), "{message}");
}
