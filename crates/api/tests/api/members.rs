//! Accounts and their members: nobody makes anybody more than he is himself.

use hearth_model::{Area, Policy, Role, Target};
use hearth_store::TokenOwner;
use http::Method;
use serde_json::{Value, json};

use crate::support::{CODE, Hearth, TOKEN};

#[tokio::test]
async fn nobody_makes_anybody_more_than_he_is() {
    let hearth = Hearth::start().await;
    let members = format!("accounts/{}/members", hearth.account);
    let mut tokens = Vec::new();
    for role in Role::ALL {
        tokens.push((role, hearth.person(&format!("{role}@corp.test"), role).await.1));
    }
    let call = async |token: &str, method, path: &str, body: Value| {
        hearth.call_as(token, method, path, body.to_string()).await
    };
    let expected =
        [("owner", [200; 4]), ("admin", [403, 200, 200, 200]), ("developer", [403; 4]), ("viewer", [403; 4])];
    for ((role, token), (name, statuses)) in tokens.iter().zip(expected) {
        assert_eq!(role.as_str(), name);
        for (given, status) in Role::ALL.into_iter().zip(statuses) {
            let body = json!({"email": format!("{given}-by-{role}@corp.test"), "roles": [given.as_str()]});
            let made = call(token, Method::POST, &members, body).await;
            assert_eq!(made.status, status, "{role} makes {given}: {}", made.body);
        }
    }
    // Nor does an admin take from an owner what he has not himself.
    let all = hearth.get(&format!("{members}?per_page=50")).await;
    let id_of = |email: &str| {
        let found = all.result().as_array().unwrap().iter().find(|member| member["email"] == email);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let admin = &tokens[1].1;
    let owner = format!("{members}/{}", id_of("owner@corp.test"));
    assert_eq!(call(admin, Method::PUT, &owner, json!({"roles": ["viewer"]})).await.status, 403);
    assert_eq!(call(admin, Method::DELETE, &owner, json!({})).await.status, 403);
    let viewer = format!("{members}/{}", id_of("viewer@corp.test"));
    assert_eq!(call(admin, Method::PUT, &viewer, json!({"roles": ["owner"]})).await.status, 403);
    assert_eq!(call(admin, Method::PUT, &viewer, json!({"roles": ["developer"]})).await.status, 200);
    // A token gives no role that is more than itself, whoever's it is.
    let group = json!({"name": "Account Members Write"});
    let resource = json!({format!("com.cloudflare.api.account.{}", hearth.account): "*"});
    let policy = json!({"effect": "allow", "permission_groups": [group], "resources": resource});
    let made = call(TOKEN, Method::POST, "user/tokens", json!({"name": "m", "policies": [policy]})).await;
    let limited = made.result()["value"].as_str().unwrap().to_owned();
    let body = json!({"email": "x@corp.test", "roles": ["viewer"]});
    assert_eq!(call(&limited, Method::POST, &members, body).await.status, 403);
    assert_eq!(call(&limited, Method::GET, &members, json!({})).await.status, 200);
    // A member is one of its account's: below another one's there is none of that id.
    let other = hearth.store.create_account("other").await.unwrap();
    let there = viewer.replace(&hearth.account, other.id.as_str());
    for (method, body) in
        [(Method::GET, json!({})), (Method::PUT, json!({"roles": ["admin"]})), (Method::DELETE, json!({}))]
    {
        assert_eq!(call(TOKEN, method.clone(), &there, body).await.status, 404, "{method}");
    }
    assert_eq!(hearth.get(&viewer).await.result()["roles"][0]["name"], "developer");
}

#[tokio::test]
async fn a_membership_says_what_the_caller_may_do() {
    let hearth = Hearth::start().await;
    let rights = async |token: &str| {
        let answer = hearth.call_as(token, Method::GET, "memberships", "").await;
        assert_eq!(answer.result()[0]["account"]["id"], hearth.account.as_str());
        answer.result()[0]["permissions"].clone()
    };
    let (user, viewer) = hearth.person("viewer@corp.test", Role::Viewer).await;
    let of_viewer = rights(&viewer).await;
    assert_eq!(of_viewer["kv"], json!({"read": true, "write": false}));
    assert_eq!(of_viewer["zones"], json!({"read": true, "write": false}));
    assert_eq!(of_viewer["account_tokens"], Value::Null);
    // By a token of his it is no more than that has.
    let on_account = Policy {
        id: "p".to_owned(),
        resources: vec![Target::Account(hearth.account.parse().unwrap())],
        permissions: vec![Area::Kv.write(), Area::Queues.read()],
    };
    let limited = hearth.token_with(TokenOwner::User(user), vec![on_account]).await;
    let expected = json!({"kv": {"read": true, "write": false}, "queues": {"read": true, "write": false}});
    assert_eq!(rights(&limited).await, expected);
    // Who answers for the installation may everything, member or not.
    assert_eq!(rights(TOKEN).await["ownership"], json!({"read": true, "write": true}));
}

#[tokio::test]
async fn what_a_member_cannot_be_is_refused() {
    let hearth = Hearth::start().await;
    let members = format!("accounts/{}/members", hearth.account);
    for body in [
        json!({"email": "a@corp.test", "roles": []}),
        json!({"email": "a@corp.test", "roles": ["king"]}),
        json!({"email": "a@corp.test", "roles": ["viewer", "admin"]}),
        json!({"email": "a@corp.test", "roles": ["viewer"], "policies": [{}]}),
        json!({"email": "nobody", "roles": ["viewer"]}),
        json!({"roles": ["viewer"]}),
    ] {
        assert_eq!(hearth.post(&members, body.clone()).await.status, 400, "{body}");
    }
    assert_eq!(hearth.get(&members).await.result(), &json!([]));
}

#[tokio::test]
async fn an_account_ends_when_it_has_nothing() {
    let hearth = Hearth::start().await;
    let made = hearth.post("accounts", json!({"name": "Team A"})).await.result().clone();
    let path = format!("accounts/{}", made["id"].as_str().unwrap());
    let token = hearth.token_of(&made["id"].as_str().unwrap().parse().unwrap()).await;
    assert_eq!(hearth.call_as(&token, Method::DELETE, &path, "").await.status, 403, "no token is an owner");
    let renamed = hearth.call_as(&token, Method::PUT, &path, json!({"name": "Team B"}).to_string()).await;
    assert_eq!(renamed.result()["name"], "Team B");
    assert_eq!(hearth.put(&path, json!({"name": "DEFAULT"})).await.status, 409);
    let zone = hearth.post("zones", json!({"name": "b.example", "account": {"id": made["id"]}})).await;
    let zone = format!("zones/{}", zone.result()["id"].as_str().unwrap());
    let refused = hearth.delete(&path).await;
    assert!(refused.error().2.contains("1 zones"), "{}", refused.body);
    hearth.delete(&zone).await.result();
    hearth.delete(&path).await.result();
    assert_eq!(
        hearth.call_as(&token, Method::GET, "accounts", "").await.status,
        401,
        "its tokens went with it"
    );
    hearth.deploy("demo", json!({}), CODE).await.result();
    assert_eq!(
        hearth.delete(&format!("accounts/{}", hearth.account)).await.status,
        409,
        "the default one stays"
    );
}
