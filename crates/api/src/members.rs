//! Who belongs to an account, and as what: `accounts/:account/members`, its roles, and a person's own memberships.
//!
//! A member has one role. Whoever is named by an address that is not known becomes known by that; until somebody has seen
//! them here, they are *pending*. Nobody makes anybody more than he is himself, nor takes that from them.

use axum::extract::State;
use hearth_model::{AccountId, Area, AreaScope, On, Right, Role};
use hearth_store::{Account, Membership, MembershipId, User, UserId};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::auth::{Caller, InAccount};
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::identity::accounts_of;
use crate::json::Json;
use crate::page::PageQuery;
use crate::params::Params;
use crate::query::Query;
use crate::state::Api;
use crate::view;

/// Members of a page where the client does not say.
const PER_PAGE: u64 = 20;

/// What `POST members` is sent. Clients send more than counts here.
#[derive(Deserialize)]
pub(crate) struct NewMember {
    email: String,
    #[serde(default)]
    roles: Vec<NamedRole>,
    #[serde(default)]
    policies: Option<Vec<Value>>,
}

/// What `PUT members/:member` is sent.
#[derive(Deserialize)]
pub(crate) struct ChangedMember {
    #[serde(default)]
    roles: Vec<NamedRole>,
    #[serde(default)]
    policies: Option<Vec<Value>>,
}

/// A role by its id or name, alone or as it was shown.
#[derive(Deserialize)]
#[serde(untagged)]
enum NamedRole {
    Text(String),
    Shown { id: String },
}

/// What `PUT memberships/:membership` is sent.
#[derive(Deserialize)]
pub(crate) struct Decision {
    status: String,
}

/// `GET accounts/:account/roles`.
pub(crate) async fn roles(query: Query) -> Reply {
    // Clients go on until a page is empty.
    let (items, info) = PageQuery::from_query(&query).window(PER_PAGE).cut(Role::ALL.map(role_view).to_vec());
    Reply::page(items, info)
}

/// `GET accounts/:account/roles/:role`.
pub(crate) async fn role(params: Params) -> Result<Reply, ApiError> {
    Ok(Reply::new(role_view(read_role(params.get("role"))?)))
}

/// `GET accounts/:account/members`.
pub(crate) async fn list(
    State(api): State<Api>,
    InAccount(account): InAccount,
    query: Query,
) -> Result<Reply, ApiError> {
    let members = api.store().members(&account.id).await?;
    let users: Vec<UserId> = members.iter().map(|(_, user)| user.id.clone()).collect();
    let facts = api.store().signin_facts(&users).await?;
    let asked = |user: &User| facts.get(&user.id).is_some_and(|facts| facts.totp);
    let shown = members.iter().map(|(membership, user)| view(membership, user, asked(user))).collect();
    let (items, info) = PageQuery::from_query(&query).window(PER_PAGE).cut(shown);
    Ok(Reply::page(items, info))
}

/// `POST accounts/:account/members`.
pub(crate) async fn post(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    Json(new): Json<NewMember>,
) -> Result<Reply, ApiError> {
    let role = one_role(&new.roles, new.policies.as_deref())?;
    check_gives(&caller, role, &account.id)?;
    let (membership, user) = api.store().add_member(&account.id, &new.email, role).await?;
    Ok(Reply::new(view(&membership, &user, api.two_factor(&user.id).await?)))
}

/// `GET accounts/:account/members/:member`.
pub(crate) async fn get(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let (membership, user) = find(&api, &account, &params).await?;
    Ok(Reply::new(view(&membership, &user, api.two_factor(&user.id).await?)))
}

/// `PUT accounts/:account/members/:member`.
pub(crate) async fn put(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
    Json(changed): Json<ChangedMember>,
) -> Result<Reply, ApiError> {
    let role = one_role(&changed.roles, changed.policies.as_deref())?;
    let (mut membership, user) = find(&api, &account, &params).await?;
    check_gives(&caller, membership.role, &account.id)?;
    check_gives(&caller, role, &account.id)?;
    api.store().set_role(&account.id, &membership.id, role).await?;
    membership.role = role;
    Ok(Reply::new(view(&membership, &user, api.two_factor(&user.id).await?)))
}

/// `DELETE accounts/:account/members/:member`.
pub(crate) async fn delete(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
) -> Result<Reply, ApiError> {
    let (membership, _) = find(&api, &account, &params).await?;
    check_gives(&caller, membership.role, &account.id)?;
    api.store().remove_member(&account.id, &membership.id).await?;
    Ok(Reply::new(json!({"id": membership.id})))
}

/// `GET memberships`: a person's own. Of others, the accounts that they may do something in.
pub(crate) async fn memberships(
    State(api): State<Api>,
    caller: Caller,
    query: Query,
) -> Result<Reply, ApiError> {
    if let Some(user) = caller.user() {
        let all = api.store().memberships(user).await?;
        let seen = all.iter().filter(|(_, account)| caller.grants.knows(&account.id));
        let shown: Vec<Value> = seen
            .map(|(membership, account)| own_view(&caller, membership.id.as_str(), membership.role, account))
            .collect();
        if !shown.is_empty() || !caller.grants.is_everything() {
            let (items, info) = PageQuery::from_query(&query).window(PER_PAGE).cut(shown);
            return Ok(Reply::page(items, info));
        }
    }
    let (accounts, info) = accounts_of(&api, &caller, &query).await?;
    let shown = accounts.iter().map(|account| {
        let role = Role::ALL.into_iter().find(|role| caller.grants.may_give_role(*role, &account.id));
        own_view(&caller, account.id.as_str(), role.unwrap_or(Role::Viewer), account)
    });
    Ok(Reply::page(shown.collect(), info))
}

/// `GET memberships/:membership`.
pub(crate) async fn membership(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
) -> Result<Reply, ApiError> {
    let (membership, account) = own(&api, &caller, &params).await?;
    Ok(Reply::new(own_view(&caller, membership.id.as_str(), membership.role, &account)))
}

/// `PUT memberships/:membership`: a member is one without being asked, so that only `rejected` changes something.
pub(crate) async fn decide(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
    Json(Decision { status }): Json<Decision>,
) -> Result<Reply, ApiError> {
    let (membership, account) = own(&api, &caller, &params).await?;
    match status.as_str() {
        "accepted" => {}
        "rejected" => api.store().remove_member(&account.id, &membership.id).await?,
        _ => return Err(invalid("A membership's `status` is `accepted` or `rejected`.")),
    }
    let mut shown = own_view(&caller, membership.id.as_str(), membership.role, &account);
    shown["status"] = json!(status);
    Ok(Reply::new(shown))
}

/// `DELETE memberships/:membership`: leaves the account.
pub(crate) async fn leave(State(api): State<Api>, caller: Caller, params: Params) -> Result<Reply, ApiError> {
    let (membership, account) = own(&api, &caller, &params).await?;
    api.store().remove_member(&account.id, &membership.id).await?;
    Ok(Reply::new(json!({"id": membership.id})))
}

async fn find(api: &Api, account: &Account, params: &Params) -> Result<(Membership, User), ApiError> {
    let id: MembershipId = params.get("member").parse()?;
    Ok(api.store().member(&account.id, &id).await?)
}

async fn own(api: &Api, caller: &Caller, params: &Params) -> Result<(Membership, Account), ApiError> {
    let unknown = || ApiError::not_found(code::BAD_IDENTIFIER, "There is no such membership of yours.");
    let user = caller.user().ok_or_else(unknown)?;
    let all = api.store().memberships(user).await?;
    let found = all.into_iter().find(|(membership, account)| {
        membership.id.as_str() == params.get("membership") && caller.grants.knows(&account.id)
    });
    found.ok_or_else(unknown)
}

fn check_gives(caller: &Caller, role: Role, account: &AccountId) -> Result<(), ApiError> {
    if caller.grants.may_give_role(role, account) {
        return Ok(());
    }
    Err(ApiError::lacking(&format!("all that the role `{role}` has, to give or take it")))
}

fn one_role(named: &[NamedRole], policies: Option<&[Value]>) -> Result<Role, ApiError> {
    if policies.is_some_and(|policies| !policies.is_empty()) {
        return Err(invalid("Members have a role here, and no policies. Send `roles`."));
    }
    let [named] = named else { return Err(invalid("A member has one role: send `roles` with its id.")) };
    match named {
        NamedRole::Text(text) | NamedRole::Shown { id: text } => read_role(text),
    }
}

fn read_role(text: &str) -> Result<Role, ApiError> {
    let found = Role::ALL.into_iter().find(|role| role_id(*role) == text || role.as_str() == text);
    found.ok_or_else(|| {
        let known = Role::ALL.map(|role| format!("{} ({role})", role_id(role))).join(", ");
        invalid(format!("There is no role `{text}`. There are: {known}."))
    })
}

fn invalid(text: impl Into<String>) -> ApiError {
    ApiError::bad_request(code::BAD_BODY, text)
}

/// Ours, the same in every account.
fn role_id(role: Role) -> &'static str {
    match role {
        Role::Owner => "68656172746800000000000000000011",
        Role::Admin => "68656172746800000000000000000012",
        Role::Developer => "68656172746800000000000000000013",
        Role::Viewer => "68656172746800000000000000000014",
    }
}

fn role_view(role: Role) -> Value {
    let about = match role {
        Role::Owner => "Everything, with the account itself and its owners.",
        Role::Admin => "Everything but the account's owners: members, tokens, settings, the audit log.",
        Role::Developer => {
            "What runs and what is stored: workers, data, routes, Pages. Sees members and settings."
        }
        Role::Viewer => "Sees what developers see, and changes nothing.",
    };
    json!({
        "id": role_id(role),
        "name": role.as_str(),
        "description": about,
        "permissions": permissions(|right| role.has(right)),
    })
}

/// The areas in which something is had, with what.
fn permissions(has: impl Fn(Right) -> bool) -> Value {
    let all = Area::ALL.into_iter().filter_map(|area| {
        let (read, write) = (has(area.read()), has(area.write()));
        (read || write).then(|| (area.as_str().to_owned(), json!({"read": read, "write": write})))
    });
    Value::Object(all.collect::<Map<String, Value>>())
}

fn view(membership: &Membership, user: &User, two_factor: bool) -> Value {
    let shown = view::user(user.id.as_str(), &user.email, &user.name, two_factor);
    json!({
        "id": membership.id,
        "email": user.email,
        "status": if user.last_seen_on.is_some() { "accepted" } else { "pending" },
        "user": {
            "id": user.id,
            "email": user.email,
            "first_name": shown["first_name"],
            "last_name": shown["last_name"],
            "two_factor_authentication_enabled": two_factor,
        },
        "roles": [role_view(membership.role)],
        "policies": [],
    })
}

/// What the caller is in an account, and what he may do in the whole of it by what he shows: by a token, that is less than
/// his role has; as who answers for the installation, it is more.
fn own_view(caller: &Caller, id: &str, role: Role, account: &Account) -> Value {
    let may = |right: Right| match right.area.scope() {
        AreaScope::Account => caller.grants.allows(right, On::Account(&account.id)),
        AreaScope::Zone => caller.grants.allows(right, On::Zones(&account.id)),
        AreaScope::User => false,
    };
    json!({
        "id": id,
        "status": "accepted",
        "account": view::account(account),
        "roles": [role.as_str()],
        "permissions": permissions(may),
    })
}
