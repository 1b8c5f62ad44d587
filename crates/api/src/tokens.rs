//! API tokens as far as R2 needs them: what S3 clients sign with.
//!
//! `POST` takes what Cloudflare's SDKs, Terraform and the dashboard's own guide send: a name and policies, each with an
//! effect, permission groups by id or name, and resources: `com.cloudflare.edge.r2.bucket.<account>_default_<bucket>` or
//! `com.cloudflare.api.account.<account>` (<https://developers.cloudflare.com/r2/api/tokens/>). The answer's `id` is the
//! access key id; the secret access key is the SHA-256 of its `value`, in hex. What would be a limit that is not kept
//! here, such as a condition on the caller's address, is refused: a token must not be good for more than it was made for.

use std::collections::BTreeMap;

use axum::extract::State;
use hearth_model::AccountId;
use hearth_store::{R2Permission, R2Policy, R2Resource, Scope, Token, TokenId, Validity};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::auth::{Caller, InAccount};
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::json::Json;
use crate::page::PageQuery;
use crate::params::Params;
use crate::query::Query;
use crate::state::Api;

/// Tokens of a page where the client does not say.
const PER_PAGE: u64 = 20;
const ACCOUNT: &str = "com.cloudflare.api.account";
const BUCKET: &str = "com.cloudflare.edge.r2.bucket";

/// A permission group: ids and names are Cloudflare's, the same in every account of theirs.
struct Group {
    id: &'static str,
    name: &'static str,
    scope: &'static str,
    permission: R2Permission,
}

const GROUPS: [Group; 4] = [
    Group {
        id: "b4992e1108244f5d8bfbd5744320c2e1",
        name: "Workers R2 Storage Read",
        scope: ACCOUNT,
        permission: R2Permission::StorageRead,
    },
    Group {
        id: "bf7481a1826f439697cb59a20b22293e",
        name: "Workers R2 Storage Write",
        scope: ACCOUNT,
        permission: R2Permission::StorageWrite,
    },
    Group {
        id: "6a018a9f2fc74eb6b293b0c548f38b39",
        name: "Workers R2 Storage Bucket Item Read",
        scope: BUCKET,
        permission: R2Permission::ItemRead,
    },
    Group {
        id: "2efd5506f9c8494dacb1fa10a3e7d5b6",
        name: "Workers R2 Storage Bucket Item Write",
        scope: BUCKET,
        permission: R2Permission::ItemWrite,
    },
];

/// What is posted. Unknown keys are refused: they could be limits.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    name: String,
    policies: Vec<NewPolicy>,
    #[serde(default)]
    not_before: Option<Timestamp>,
    #[serde(default)]
    expires_on: Option<Timestamp>,
    #[serde(default)]
    condition: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPolicy {
    effect: String,
    permission_groups: Vec<NamedGroup>,
    resources: BTreeMap<String, Value>,
    /// Terraform sends back what it has read.
    #[serde(default, rename = "id")]
    _id: Option<String>,
}

#[derive(Deserialize)]
struct NamedGroup {
    id: Option<String>,
    name: Option<String>,
}

/// `GET user/tokens/permission_groups` and the same below an account.
pub(crate) async fn permission_groups(_: Caller, query: Query) -> Reply {
    let wanted = |group: &&Group| {
        query.get("name").is_none_or(|name| group.name == name)
            && query.get("scope").is_none_or(|scope| group.scope == scope)
    };
    let view = |group: &Group| json!({"id": group.id, "name": group.name, "scopes": [group.scope]});
    Reply::new(GROUPS.iter().filter(wanted).map(view).collect())
}

/// `POST user/tokens`.
pub(crate) async fn post(
    State(api): State<Api>,
    caller: Caller,
    Json(new): Json<NewToken>,
) -> Result<Reply, ApiError> {
    create(&api, &caller, None, new).await
}

/// `POST accounts/:account/tokens`.
pub(crate) async fn post_account(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    Json(new): Json<NewToken>,
) -> Result<Reply, ApiError> {
    create(&api, &caller, Some(&account.id), new).await
}

/// `GET user/tokens`: all that the caller may see.
pub(crate) async fn list(State(api): State<Api>, caller: Caller, query: Query) -> Result<Reply, ApiError> {
    listing(&api, &query, |token| may_manage(&caller, token)).await
}

/// `GET accounts/:account/tokens`: those that are for this account and no other.
pub(crate) async fn list_account(
    State(api): State<Api>,
    InAccount(account): InAccount,
    query: Query,
) -> Result<Reply, ApiError> {
    listing(&api, &query, |token| is_of(token, &account.id)).await
}

/// `GET user/tokens/:token`.
pub(crate) async fn get(State(api): State<Api>, caller: Caller, params: Params) -> Result<Reply, ApiError> {
    Ok(Reply::new(view(&find(&api, &params, |token| may_manage(&caller, token)).await?)))
}

/// `GET accounts/:account/tokens/:token`.
pub(crate) async fn get_account(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    Ok(Reply::new(view(&find(&api, &params, |token| is_of(token, &account.id)).await?)))
}

/// `DELETE user/tokens/:token`.
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
) -> Result<Reply, ApiError> {
    let token = find(&api, &params, |token| may_manage(&caller, token)).await?;
    revoke(&api, &token).await
}

/// `DELETE accounts/:account/tokens/:token`.
pub(crate) async fn delete_account(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let token = find(&api, &params, |token| is_of(token, &account.id)).await?;
    revoke(&api, &token).await
}

async fn create(
    api: &Api,
    caller: &Caller,
    within: Option<&AccountId>,
    new: NewToken,
) -> Result<Reply, ApiError> {
    let name = new.name.trim();
    if name.is_empty() {
        return Err(invalid("A token needs a name."));
    }
    if new.condition.is_some_and(|condition| !condition.is_empty()) {
        return Err(invalid("Conditions on a token are not supported."));
    }
    if new.policies.is_empty() {
        return Err(invalid("A token needs a policy."));
    }
    let policies = new.policies.iter().map(policy).collect::<Result<Vec<_>, _>>()?;
    let validity = Validity { not_before: new.not_before, expires_on: new.expires_on };
    let scope = Scope::R2(policies);
    // Nobody gives away what he does not have, and a token for R2 makes no tokens.
    for account in scope.accounts().unwrap_or_default() {
        if !caller.scope.allows(account) || within.is_some_and(|within| within != account) {
            return Err(ApiError::forbidden());
        }
    }
    let made = api.store().create_token_within(name, &caller.email, scope, validity).await?;
    let mut result = view(&made.token);
    result["value"] = json!(made.text);
    Ok(Reply::new(result))
}

fn policy(new: &NewPolicy) -> Result<R2Policy, ApiError> {
    if new.effect != "allow" {
        return Err(invalid("Only policies with the effect `allow` are supported."));
    }
    let permissions = new.permission_groups.iter().map(permission).collect::<Result<Vec<_>, _>>()?;
    let resources = new.resources.iter().map(resource).collect::<Result<Vec<_>, _>>()?;
    if permissions.is_empty() || resources.is_empty() {
        return Err(invalid("A policy needs a permission group and a resource."));
    }
    Ok(R2Policy { id: Uuid::new_v4().simple().to_string(), resources, permissions })
}

fn permission(named: &NamedGroup) -> Result<R2Permission, ApiError> {
    // The id counts where there is one, as with Cloudflare.
    let found = GROUPS.iter().find(|group| match (&named.id, &named.name) {
        (Some(id), _) => group.id == id,
        (None, Some(name)) => group.name == name,
        (None, None) => false,
    });
    found.map(|group| group.permission).ok_or_else(|| {
        let named = named.id.as_deref().or(named.name.as_deref()).unwrap_or_default();
        let known = GROUPS.map(|group| group.name).join(", ");
        invalid(format!("The permission group `{named}` is not supported. There are: {known}."))
    })
}

fn resource((name, value): (&String, &Value)) -> Result<R2Resource, ApiError> {
    let unsupported = || {
        invalid(format!(
            "The resource `{name}` is not supported. There are: {BUCKET}.<account>_default_<bucket> and {ACCOUNT}.<account>, each with the value \"*\"."
        ))
    };
    if value != "*" {
        return Err(unsupported());
    }
    let text = |prefix| name.strip_prefix(prefix).and_then(|rest: &str| rest.strip_prefix('.'));
    if let Some(account) = text(ACCOUNT) {
        return account.parse().map(R2Resource::Account).map_err(|_| unsupported());
    }
    let (account, bucket) =
        text(BUCKET).and_then(|rest| rest.split_once("_default_")).ok_or_else(unsupported)?;
    let account = account.parse().map_err(|_| unsupported())?;
    if bucket.is_empty() || bucket.contains('*') {
        return Err(unsupported());
    }
    Ok(R2Resource::Bucket { account, bucket: bucket.to_owned() })
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::bad_request(code::BAD_BODY, message)
}

/// Whether a caller may see and end a token: it is good for nothing that he has not.
fn may_manage(caller: &Caller, token: &Token) -> bool {
    match token.scope.accounts() {
        None => caller.scope == Scope::Installation,
        Some(accounts) => accounts.into_iter().all(|account| caller.scope.allows(account)),
    }
}

fn is_of(token: &Token, account: &AccountId) -> bool {
    token.scope.accounts().is_some_and(|accounts| accounts.into_iter().all(|own| own == account))
}

async fn listing(api: &Api, query: &Query, shown: impl Fn(&Token) -> bool) -> Result<Reply, ApiError> {
    let tokens = api.store().tokens().await?;
    let all: Vec<Value> = tokens.iter().filter(|token| shown(token)).map(view).collect();
    let (items, info) = PageQuery::from_query(query).window(PER_PAGE).cut(all);
    Ok(Reply::page(items, info))
}

/// A token that may be seen; others are not there.
async fn find(api: &Api, params: &Params, shown: impl Fn(&Token) -> bool) -> Result<Token, ApiError> {
    let unknown = || ApiError::not_found(code::BAD_IDENTIFIER, "There is no such token.");
    let id: TokenId = params.get("token").parse().map_err(|_| unknown())?;
    let token = api.store().token(&id).await?;
    if shown(&token) { Ok(token) } else { Err(unknown()) }
}

async fn revoke(api: &Api, token: &Token) -> Result<Reply, ApiError> {
    if token.is_admin {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            code::BAD_BODY,
            "The admin token cannot be deleted. Another one takes its place when the server starts with HEARTH_ADMIN_TOKEN.",
        ));
    }
    api.store().revoke_token(&token.id).await?;
    Ok(Reply::new(json!({"id": token.id.as_str()})))
}

fn view(token: &Token) -> Value {
    let status = if token.validity.includes(Timestamp::now()) { "active" } else { "expired" };
    let policies: Vec<Value> = match &token.scope {
        Scope::R2(policies) => policies.iter().map(policy_view).collect(),
        _ => Vec::new(),
    };
    let mut result = json!({
        "id": token.id.as_str(),
        "name": token.name,
        "status": status,
        "issued_on": token.created_on.to_string(),
        "modified_on": token.created_on.to_string(),
        "policies": policies,
    });
    for (key, time) in [("not_before", token.validity.not_before), ("expires_on", token.validity.expires_on)]
    {
        if let Some(time) = time {
            result[key] = json!(time.to_string());
        }
    }
    result
}

fn policy_view(policy: &R2Policy) -> Value {
    let groups = policy.permissions.iter().filter_map(|permission| {
        let group = GROUPS.iter().find(|group| group.permission == *permission)?;
        Some(json!({"id": group.id, "name": group.name}))
    });
    let resources: BTreeMap<String, &str> =
        policy.resources.iter().map(|own| (resource_name(own), "*")).collect();
    json!({
        "id": policy.id,
        "effect": "allow",
        "permission_groups": groups.collect::<Vec<_>>(),
        "resources": resources,
    })
}

fn resource_name(resource: &R2Resource) -> String {
    match resource {
        R2Resource::Account(account) => format!("{ACCOUNT}.{account}"),
        R2Resource::Bucket { account, bucket } => format!("{BUCKET}.{account}_default_{bucket}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Option<R2Resource> {
        resource((&name.to_owned(), &json!("*"))).ok()
    }

    #[test]
    fn resources_are_read_as_they_are_written() {
        let account: AccountId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        for resource in [
            R2Resource::Account(account.clone()),
            R2Resource::Bucket { account: account.clone(), bucket: "a_default_b".to_owned() },
        ] {
            assert_eq!(read(&resource_name(&resource)), Some(resource));
        }
        let refused = [
            format!("{ACCOUNT}.*"),
            format!("{BUCKET}.*"),
            format!("{BUCKET}.{account}_eu_b"),
            format!("{BUCKET}.{account}_default_*"),
            format!("{BUCKET}.{account}_default_"),
            "com.cloudflare.api.account.zone.x".to_owned(),
            ACCOUNT.to_owned(),
        ];
        for name in refused {
            assert_eq!(read(&name), None, "{name}");
        }
        let nested = (&format!("{ACCOUNT}.{account}"), &json!({"com.cloudflare.edge.r2.bucket.x": "*"}));
        assert!(resource(nested).is_err());
    }
}
