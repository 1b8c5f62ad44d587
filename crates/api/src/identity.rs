//! Who am I: tokens, users, accounts and memberships (wrangler-api.md 1.8).

use axum::extract::State;
use hearth_store::{Account, Listing, UserChanges, UserId};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::auth::{Caller, InAccount, Who};
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::json::Json;
use crate::page::{PageQuery, ResultInfo};
use crate::query::Query;
use crate::state::{Api, store_page};
use crate::view;

/// Accounts of a page where the client does not say.
const PER_PAGE: u64 = 20;

/// `GET /user/tokens/verify`. Whoever gets here has a good token; by this code, wrangler knows one of an account.
pub(crate) async fn verify_token(caller: Caller) -> Result<Reply, ApiError> {
    if matches!(caller.who, Who::Account { .. }) {
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, code::INVALID_TOKEN, "Invalid API Token"));
    }
    Ok(verified(&caller))
}

/// The same below an account.
pub(crate) async fn verify_account_token(caller: Caller) -> Reply {
    verified(&caller)
}

fn verified(caller: &Caller) -> Reply {
    let id = caller.token().map_or("", |token| token.as_str());
    Reply::new(json!({"id": id, "status": "active"})).message("This API Token is valid and active")
}

/// `GET /user`.
pub(crate) async fn user(State(api): State<Api>, caller: Caller) -> Result<Reply, ApiError> {
    let (id, name, two_factor) = match caller.user() {
        Some(user) => {
            let name = api.store().user(user).await?.name;
            (user.as_str().to_owned(), name, api.two_factor(user).await?)
        }
        None => (caller.token().map_or_else(String::new, ToString::to_string), String::new(), false),
    };
    Ok(Reply::new(view::user(&id, &caller.email, &name, two_factor)))
}

/// `GET /accounts`.
pub(crate) async fn accounts(
    State(api): State<Api>,
    caller: Caller,
    query: Query,
) -> Result<Reply, ApiError> {
    let (accounts, info) = accounts_of(&api, &caller, &query).await?;
    Ok(Reply::page(accounts.iter().map(view::account).collect(), info))
}

/// `GET /accounts/:account`.
pub(crate) async fn account(InAccount(account): InAccount) -> Reply {
    Reply::new(view::account(&account))
}

/// What `PATCH /user` is sent. Clients send more than counts here.
#[derive(Deserialize)]
pub(crate) struct OwnChanges {
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    last_name: Option<String>,
}

/// `PATCH /user`: a person's own name.
pub(crate) async fn patch_user(
    State(api): State<Api>,
    caller: Caller,
    Json(OwnChanges { first_name, last_name }): Json<OwnChanges>,
) -> Result<Reply, ApiError> {
    let text = "These credentials are no person's, whose name could be changed.";
    let user = caller.user().ok_or_else(|| ApiError::bad_request(code::BAD_BODY, text))?;
    let names: Vec<String> = [first_name, last_name].into_iter().flatten().collect();
    let name = (!names.is_empty()).then(|| names.join(" "));
    let user = api.store().update_user(user, UserChanges { name, ..UserChanges::default() }).await?;
    let two_factor = api.two_factor(&user.id).await?;
    Ok(Reply::new(view::user(user.id.as_str(), &user.email, &user.name, two_factor)))
}

impl Api {
    /// Whether a person who gives their password is asked for a second factor.
    pub(crate) async fn two_factor(&self, user: &UserId) -> Result<bool, ApiError> {
        let facts = self.store().signin_facts(std::slice::from_ref(user)).await?;
        Ok(facts.get(user).is_some_and(|facts| facts.totp))
    }
}

/// The accounts in which a caller has anything.
pub(crate) async fn accounts_of(
    api: &Api,
    caller: &Caller,
    query: &Query,
) -> Result<(Vec<Account>, ResultInfo), ApiError> {
    let window = PageQuery::from_query(query).window(PER_PAGE);
    match caller.grants.accounts() {
        None => {
            let Listing { items, total } = api.store().accounts(store_page(&window)).await?;
            let info = window.info(items.len(), total);
            Ok((items, info))
        }
        Some(ids) => {
            let mut accounts = Vec::with_capacity(ids.len());
            for id in ids {
                accounts.push(api.store().account(id).await?);
            }
            Ok(window.cut(accounts))
        }
    }
}
