//! API tokens: a person's below `/user/tokens`, an account's below `/accounts/:account/tokens`. What those of an admin token
//! or a local caller under `--dev` make below `/user/tokens` is the installation's.
//!
//! A person's token is never more than the person; an account's outlives who made it, and stays in the account. Nobody gives
//! away what he does not have ([`Grants::may_give`]). For S3 clients, a token's `id` is the access key id, and the SHA-256
//! of its `value`, in hex, the secret access key.

mod groups;
mod terms;

use axum::extract::State;
use hearth_model::{Grants, Target};
use hearth_store::{CreatedToken, Token, TokenId, TokenOwner, TokenTerms};
use serde_json::{Value, json};

use crate::auth::{Caller, InAccount};
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::json::Json;
use crate::page::PageQuery;
use crate::params::Params;
use crate::query::Query;
use crate::state::Api;
use groups::Group;
use terms::{Wanted, invalid, view};

/// Tokens of a page where the client does not say.
const PER_PAGE: u64 = 20;

/// `GET user/tokens/permission_groups`.
pub(crate) async fn permission_groups(query: Query) -> Reply {
    Reply::new(Group::listing(query.get("name"), query.get("scope"), true).into())
}

/// The same below an account, whose tokens have no rights of people.
pub(crate) async fn account_permission_groups(query: Query) -> Reply {
    Reply::new(Group::listing(query.get("name"), query.get("scope"), false).into())
}

/// Whose tokens those below `/user/tokens` are.
fn own(caller: &Caller) -> TokenOwner {
    caller.user().map_or(TokenOwner::Installation, |user| TokenOwner::User(user.clone()))
}

/// `POST user/tokens`.
pub(crate) async fn post(
    State(api): State<Api>,
    caller: Caller,
    Json(wanted): Json<Wanted>,
) -> Result<Reply, ApiError> {
    create(&api, &caller, own(&caller), wanted).await
}

/// `POST accounts/:account/tokens`.
pub(crate) async fn post_account(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    Json(wanted): Json<Wanted>,
) -> Result<Reply, ApiError> {
    create(&api, &caller, TokenOwner::Account(account.id), wanted).await
}

/// `GET user/tokens`.
pub(crate) async fn list(State(api): State<Api>, caller: Caller, query: Query) -> Result<Reply, ApiError> {
    listing(&api, &own(&caller), &query).await
}

/// `GET accounts/:account/tokens`.
pub(crate) async fn list_account(
    State(api): State<Api>,
    InAccount(account): InAccount,
    query: Query,
) -> Result<Reply, ApiError> {
    listing(&api, &TokenOwner::Account(account.id), &query).await
}

/// `GET user/tokens/:token`.
pub(crate) async fn get(State(api): State<Api>, caller: Caller, params: Params) -> Result<Reply, ApiError> {
    Ok(Reply::new(view(&find(&api, &own(&caller), &params).await?)))
}

/// `GET accounts/:account/tokens/:token`.
pub(crate) async fn get_account(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    Ok(Reply::new(view(&find(&api, &TokenOwner::Account(account.id), &params).await?)))
}

/// `PUT user/tokens/:token`.
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
    Json(wanted): Json<Wanted>,
) -> Result<Reply, ApiError> {
    update(&api, &caller, &own(&caller), &params, wanted).await
}

/// `PUT accounts/:account/tokens/:token`.
pub(crate) async fn put_account(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
    Json(wanted): Json<Wanted>,
) -> Result<Reply, ApiError> {
    update(&api, &caller, &TokenOwner::Account(account.id), &params, wanted).await
}

/// `PUT user/tokens/:token/value`.
pub(crate) async fn roll(State(api): State<Api>, caller: Caller, params: Params) -> Result<Reply, ApiError> {
    rolled(&api, &caller, &own(&caller), &params).await
}

/// `PUT accounts/:account/tokens/:token/value`.
pub(crate) async fn roll_account(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
) -> Result<Reply, ApiError> {
    rolled(&api, &caller, &TokenOwner::Account(account.id), &params).await
}

/// `DELETE user/tokens/:token`.
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
) -> Result<Reply, ApiError> {
    revoke(&api, &own(&caller), &params).await
}

/// `DELETE accounts/:account/tokens/:token`.
pub(crate) async fn delete_account(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    revoke(&api, &TokenOwner::Account(account.id), &params).await
}

async fn create(api: &Api, caller: &Caller, owner: TokenOwner, wanted: Wanted) -> Result<Reply, ApiError> {
    let terms = wanted.read(api, None).await?;
    check_given(&caller.grants, &owner, &terms)?;
    let CreatedToken { token, text } = api.store().create_token(&caller.email, owner, terms).await?;
    let mut result = view(&token);
    result["value"] = json!(text);
    Ok(Reply::new(result))
}

async fn update(
    api: &Api,
    caller: &Caller,
    owner: &TokenOwner,
    params: &Params,
    wanted: Wanted,
) -> Result<Reply, ApiError> {
    let before = find(api, owner, params).await?;
    let terms = wanted.read(api, Some(&before.terms)).await?;
    check_given(&caller.grants, owner, &terms)?;
    Ok(Reply::new(view(&api.store().set_token(&before.id, terms).await?)))
}

/// Whoever rolls a token gets all that it may do.
async fn rolled(api: &Api, caller: &Caller, owner: &TokenOwner, params: &Params) -> Result<Reply, ApiError> {
    let token = find(api, owner, params).await?;
    check_given(&caller.grants, owner, &token.terms)?;
    Ok(Reply::new(json!(api.store().roll_token(&token.id).await?.text)))
}

async fn revoke(api: &Api, owner: &TokenOwner, params: &Params) -> Result<Reply, ApiError> {
    let token = find(api, owner, params).await?;
    api.store().revoke_token(&token.id).await?;
    Ok(Reply::new(json!({"id": token.id.as_str()})))
}

/// Refuses terms that say more than whoever gives them has, or than their owner can have.
fn check_given(grants: &Grants, owner: &TokenOwner, terms: &TokenTerms) -> Result<(), ApiError> {
    for policy in &terms.policies {
        for target in &policy.resources {
            let target = narrowed(target, owner)?;
            for right in policy.permissions.iter().filter(|right| target.has(right.area)) {
                if !grants.may_give(*right, &target, matches!(owner, TokenOwner::User(_))) {
                    return Err(match target.account() {
                        Some(account) if !grants.knows(account) => ApiError::forbidden(),
                        _ => ApiError::lacking(&format!("the right `{right}` on {target} to give it away")),
                    });
                }
            }
        }
    }
    Ok(())
}

/// What a resource means in a token of that owner.
fn narrowed(target: &Target, owner: &TokenOwner) -> Result<Target, ApiError> {
    let TokenOwner::Account(own) = owner else {
        let wrong = matches!(target, Target::User(user) if !is_own(owner, user));
        return if wrong { Err(invalid(NOT_THEIRS)) } else { Ok(target.clone()) };
    };
    match target {
        Target::Accounts => Ok(Target::Account(own.clone())),
        Target::Zones => Ok(Target::ZonesOf(own.clone())),
        Target::User(_) => Err(invalid("A token of an account has no rights of people.")),
        target if target.account() == Some(own) => Ok(target.clone()),
        _ => Err(ApiError::forbidden()),
    }
}

const NOT_THEIRS: &str = "A token has rights of the person whose it is, and of nobody else.";

fn is_own(owner: &TokenOwner, user: &str) -> bool {
    matches!(owner, TokenOwner::User(own) if own.as_str() == user)
}

async fn listing(api: &Api, owner: &TokenOwner, query: &Query) -> Result<Reply, ApiError> {
    let mut tokens = api.store().tokens(owner).await?;
    if query.get("direction") == Some("desc") {
        tokens.reverse();
    }
    let all: Vec<Value> = tokens.iter().map(view).collect();
    let (items, info) = PageQuery::from_query(query).window(PER_PAGE).cut(all);
    Ok(Reply::page(items, info))
}

/// One of an owner's tokens; others are not there.
async fn find(api: &Api, owner: &TokenOwner, params: &Params) -> Result<Token, ApiError> {
    let unknown = || ApiError::not_found(code::BAD_IDENTIFIER, "There is no such token.");
    let id: TokenId = params.get("token").parse().map_err(|_| unknown())?;
    let token = api.store().token(&id).await?;
    if token.owner == *owner { Ok(token) } else { Err(unknown()) }
}
