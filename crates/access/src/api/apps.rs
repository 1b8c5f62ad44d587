//! Applications.

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, Params, Reply};
use hearth_model::Hostname;
use hearth_store::{AccessApp, AccessPolicy, AccessRecords, Account};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::policies::{self, readable};
use super::{duration, invalid, name, new_id, removed, room, unknown};
use crate::Access;
use crate::domain::Domain;
use crate::table::below;

/// Longest session: what the keys' overlap allows.
const LONGEST_SESSION: i64 = 730 * 3600;

/// Most domains of an application, as on Cloudflare.
const MOST_DOMAINS: usize = 50;

/// What Cloudflare knows and has no meaning here: kept and shown.
const KEPT: [&str; 12] = [
    "app_launcher_visible",
    "auto_redirect_to_identity",
    "enable_binding_cookie",
    "http_only_cookie_attribute",
    "same_site_cookie_attribute",
    "path_cookie_attribute",
    "service_auth_401_redirect",
    "skip_interstitial",
    "logo_url",
    "tags",
    "custom_pages",
    "allow_authenticate_via_warp",
];

/// What would be a protection, or its lack, and is not there: refused unless it is empty.
const REFUSED: [&str; 6] = [
    "cors_headers",
    "allowed_idps",
    "custom_deny_url",
    "custom_non_identity_deny_url",
    "saas_app",
    "scim_config",
];

pub(super) fn find<'a>(records: &'a AccessRecords, id: &str) -> Result<&'a AccessApp, ApiError> {
    let found = records.apps.iter().find(|app| app.id == id || app.aud == id);
    found.ok_or_else(|| unknown("application"))
}

pub(super) async fn list(
    State(access): State<Access>,
    InAccount(account): InAccount,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    Ok(Reply::new(records.apps.iter().map(|app| view(app, &records)).collect()))
}

pub(super) async fn show(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    Ok(Reply::new(view(find(&records, params.get("app"))?, &records)))
}

pub(super) async fn create(
    State(access): State<Access>,
    InAccount(account): InAccount,
    Json(sent): Json<Value>,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    room(records.apps.len())?;
    let now = Timestamp::now();
    let app = AccessApp {
        id: new_id(),
        account: account.id.clone(),
        aud: hex::encode(rand::random::<[u8; 32]>()),
        document: document(&access, &account, &sent).await?,
        policies: Vec::new(),
        created_on: now,
        updated_on: now,
        revoked_on: Timestamp::UNIX_EPOCH,
    };
    write(&access, &account, records, app, &sent).await
}

pub(super) async fn update(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
    Json(sent): Json<Value>,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    let found = find(&records, params.get("app"))?.clone();
    let document = document(&access, &account, &sent).await?;
    let app = AccessApp { document, updated_on: Timestamp::now(), ..found };
    write(&access, &account, records, app, &sent).await
}

async fn write(
    access: &Access,
    account: &Account,
    records: AccessRecords,
    mut app: AccessApp,
    sent: &Value,
) -> Result<Reply, ApiError> {
    let mut own = Vec::new();
    if let Some(named) = policies_of(sent)? {
        app.policies = Vec::new();
        for policy in named {
            match policy {
                Named::Known(id) => {
                    let known = records.policies.iter().find(|policy| policy.id == id);
                    let fits = |policy: &&AccessPolicy| policy.app.as_ref().is_none_or(|of| *of == app.id);
                    app.policies.push(known.filter(fits).ok_or_else(|| unknown("policy"))?.id.clone());
                }
                Named::New(document) => {
                    let policy = policies::new(access, &records, account, Some(&app.id), &document)?;
                    app.policies.push(policy.id.clone());
                    own.push(policy);
                }
            }
        }
        let mut seen = std::collections::HashSet::new();
        app.policies.retain(|id| seen.insert(id.clone()));
    }
    access.0.api.store().put_access_app(&app, &own).await?;
    access.written().await?;
    let records = access.records(&account.id).await?;
    Ok(Reply::new(view(find(&records, &app.id)?, &records)))
}

pub(super) async fn delete(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    let id = find(&records, params.get("app"))?.id.clone();
    access.0.api.store().delete_access_app(&account.id, &id).await?;
    access.written().await?;
    Ok(removed(&id))
}

/// `POST …/revoke_tokens`: whoever is signed in signs in again.
pub(super) async fn revoke(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    let app = AccessApp { revoked_on: Timestamp::now(), ..find(&records, params.get("app"))?.clone() };
    access.0.api.store().put_access_app(&app, &[]).await?;
    access.written().await?;
    Ok(Reply::new(json!({})))
}

/// A policy of an application as it is sent.
enum Named {
    Known(String),
    New(Value),
}

/// The policies that are sent, in their order; None: they stay.
fn policies_of(sent: &Value) -> Result<Option<Vec<Named>>, ApiError> {
    let all = match &sent["policies"] {
        Value::Null => return Ok(None),
        Value::Array(all) => all,
        _ => return Err(invalid("`policies` is a list of ids or of policies")),
    };
    let mut named = Vec::new();
    for (position, policy) in all.iter().enumerate() {
        let place = policy["precedence"].as_u64().unwrap_or(position as u64 + 1);
        let one = match policy {
            Value::String(id) => Named::Known(id.clone()),
            Value::Object(about) if about.contains_key("decision") => Named::New(policy.clone()),
            Value::Object(_) => match policy["id"].as_str() {
                Some(id) => Named::Known(id.to_owned()),
                None => return Err(invalid(format!("the policy {policy} has no `id` and no `decision`"))),
            },
            _ => return Err(invalid(format!("{policy} is no policy"))),
        };
        named.push((place, one));
    }
    named.sort_by_key(|(place, _)| *place);
    Ok(Some(named.into_iter().map(|(_, policy)| policy).collect()))
}

/// What an application says, of what is sent.
async fn document(access: &Access, account: &Account, sent: &Value) -> Result<Value, ApiError> {
    if sent["type"].as_str().is_some_and(|kind| kind != "self_hosted") {
        return Err(invalid("only applications of the type `self_hosted` are known"));
    }
    for name in REFUSED {
        let empty = match &sent[name] {
            Value::Null => true,
            Value::Array(all) => all.is_empty(),
            Value::Object(all) => all.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        if !empty {
            return Err(invalid(format!("`{name}` is not known here; leave it out")));
        }
    }
    let mut domains = named_domains(sent)?;
    domains.dedup();
    if domains.is_empty() || domains.len() > MOST_DOMAINS {
        return Err(invalid(format!(
            "an application has 1 to {MOST_DOMAINS} domains, in `domain` or `destinations`"
        )));
    }
    let mut parsed = Vec::new();
    for text in &domains {
        let domain = Domain::parse(text).map_err(invalid)?;
        check_host(access, account, &domain).await?;
        parsed.push(domain);
    }
    let session = duration(sent, "session_duration", "24h")?;
    if crate::duration::seconds(&session).is_none_or(|seconds| seconds > LONGEST_SESSION) {
        return Err(invalid("a session lasts at most 730h"));
    }
    let mut kept = Map::new();
    kept.insert("name".into(), json!(name(sent)?));
    kept.insert("domain".into(), json!(parsed[0].as_str()));
    kept.insert("self_hosted_domains".into(), parsed.iter().map(Domain::as_str).collect());
    kept.insert("session_duration".into(), json!(session));
    kept.insert("options_preflight_bypass".into(), json!(sent["options_preflight_bypass"] == true));
    if let Some(text) = sent["custom_deny_message"].as_str().filter(|text| !text.is_empty()) {
        kept.insert("custom_deny_message".into(), json!(text));
    }
    for name in KEPT {
        if !sent[name].is_null() {
            kept.insert(name.into(), sent[name].clone());
        }
    }
    Ok(Value::Object(kept))
}

/// The domains that are sent, in either way.
fn named_domains(sent: &Value) -> Result<Vec<String>, ApiError> {
    let mut all: Vec<String> = sent["domain"].as_str().map(str::to_owned).into_iter().collect();
    for (name, field) in [("self_hosted_domains", None), ("destinations", Some("uri"))] {
        for item in sent[name].as_array().into_iter().flatten() {
            if field.is_some() && item["type"].as_str().is_some_and(|kind| kind != "public") {
                return Err(invalid("only destinations of the type `public` are known"));
            }
            let text = field.map_or(item, |field| &item[field]).as_str();
            let text = text.ok_or_else(|| invalid(format!("`{name}` has {item}, which is no domain")))?;
            if !all.iter().any(|other| other == text) {
                all.push(text.to_owned());
            }
        }
    }
    Ok(all)
}

/// Whether a domain is the account's to protect: a host of its workers, or one in a zone of its own.
async fn check_host(access: &Access, account: &Account, domain: &Domain) -> Result<(), ApiError> {
    let config = &access.0.config;
    let host = &domain.host;
    let elsewhere =
        || invalid(format!("`{host}` is no host of this account's workers, and in no zone of its own"));
    if domain.is_at(&config.control_hosts) {
        // Whose functions are there, the gate looks at: it stands before the account's own alone.
        return match domain.path.first().is_some_and(|first| first == "fn") {
            true => Ok(()),
            false => Err(invalid(format!(
                "`{host}` is the control host, which has a sign-in of its own; only what is below `{host}/fn` can be protected"
            ))),
        };
    }
    if config.control_hosts.iter().any(|control| domain.names(control.as_str())) {
        return Err(invalid(format!("`{host}` names the control host beside others")));
    }
    if let Some(key) = config.base_domains.iter().find_map(|base| below(host, base)) {
        let label = account.host_label().map(str::to_ascii_lowercase);
        let behind = key.rsplit_once('.').map(|(_, behind)| behind.to_owned());
        return match label {
            Some(label) if behind.as_deref() == Some(&label) => Ok(()),
            Some(_) => Err(elsewhere()),
            None => {
                let labels = access.0.api.store().host_labels().await?;
                let foreign = behind.is_some_and(|behind| labels.contains(&behind));
                if foreign { Err(elsewhere()) } else { Ok(()) }
            }
        };
    }
    let plain: Hostname = host.trim_start_matches("*.").replace('*', "x").parse().map_err(|_| elsewhere())?;
    match access.0.api.store().zone_for_host(&plain).await? {
        Some(zone) if zone.account == account.id => Ok(()),
        _ => Err(elsewhere()),
    }
}

/// An application as Cloudflare shows one.
fn view(app: &AccessApp, records: &AccessRecords) -> Value {
    let mut shown = app.document.clone();
    let domains = shown["self_hosted_domains"].clone();
    let destinations: Vec<Value> = domains
        .as_array()
        .into_iter()
        .flatten()
        .map(|domain| json!({ "type": "public", "uri": domain }))
        .collect();
    let own = app.policies.iter().enumerate().filter_map(|(position, id)| {
        let policy = records.policies.iter().find(|policy| policy.id == *id)?;
        Some(readable(policy, Some(position + 1), records))
    });
    let own: Value = own.collect();
    let about = json!({
        "id": app.id, "uid": app.id, "aud": app.aud, "type": "self_hosted", "destinations": destinations,
        "policies": own, "allowed_idps": [], "created_at": app.created_on.to_string(),
        "updated_at": app.updated_on.to_string(),
    });
    if let (Value::Object(shown), Value::Object(about)) = (&mut shown, about) {
        shown.extend(about);
    }
    shown
}
