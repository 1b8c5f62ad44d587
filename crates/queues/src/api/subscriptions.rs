//! Event subscriptions: kept and shown, in Cloudflare's shape, with the queue that they lead to. Nothing of this
//! installation publishes such events yet.

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, PageQuery, Params, Query, Reply};
use hearth_model::AccountId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, No, Rest};
use crate::rules::code;

/// Subscriptions of a page, where the client does not say.
const PER_PAGE: u64 = 20;
/// Most subscriptions of a queue.
const MAX: usize = 1000;

fn unknown() -> No {
    ApiError::not_found(code::NO_QUEUE, "Event subscription does not exist.").into()
}

/// All of an account's, oldest first.
fn all(rest: &Rest, account: &AccountId) -> Vec<Value> {
    let queues = rest.queues.of(account);
    let mut all: Vec<Value> =
        queues.iter().flat_map(|queue| queue.settings.subscriptions.iter().cloned()).collect();
    all.sort_by(|a, b| a["created_at"].as_str().cmp(&b["created_at"].as_str()));
    all
}

fn find(rest: &Rest, account: &AccountId, id: &str) -> Result<Value, No> {
    all(rest, account).into_iter().find(|one| one["id"] == id).ok_or_else(unknown)
}

pub(super) async fn list(State(rest): State<Rest>, account: InAccount, query: Query) -> Answer {
    let mut all = all(&rest, &account.0.id);
    if let Some(queue) = query.get("queue_id") {
        all.retain(|one| one["destination"]["queue_id"] == queue);
    }
    let (page, info) = PageQuery::from_query(&query).window(PER_PAGE).cut(all);
    Ok(Reply::page(page, info))
}

pub(super) async fn show(State(rest): State<Rest>, account: InAccount, params: Params) -> Answer {
    Ok(Reply::new(find(&rest, &account.0.id, params.get("subscription"))?))
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    name: Option<String>,
    enabled: Option<bool>,
    source: Option<Source>,
    destination: Option<Destination>,
    events: Option<Vec<String>>,
}

/// Which events; what it has beside its type depends on that.
#[derive(Deserialize)]
struct Source {
    #[serde(rename = "type")]
    kind: String,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct Destination {
    queue_id: String,
}

impl Source {
    fn view(self) -> Value {
        let mut shown = self.rest;
        shown.insert("type".to_owned(), self.kind.into());
        Value::Object(shown)
    }
}

pub(super) async fn create(
    State(rest): State<Rest>,
    account: InAccount,
    Json(wanted): Json<Wanted>,
) -> Answer {
    let missing = |what: &str| ApiError::bad_request(code::BAD_JSON, format!("{what} is missing."));
    let queue = wanted.destination.ok_or_else(|| missing("destination"))?.queue_id;
    rest.queues.resource(&account.0.id, &queue).await?;
    let now = rest.queues.now();
    let made = json!({
        "id": uuid::Uuid::new_v4().simple().to_string(),
        "name": wanted.name.ok_or_else(|| missing("name"))?,
        "enabled": wanted.enabled.unwrap_or(true),
        "source": wanted.source.ok_or_else(|| missing("source"))?.view(),
        "destination": { "type": "queues.queue", "queue_id": queue },
        "events": wanted.events.filter(|events| !events.is_empty()).ok_or_else(|| missing("events"))?,
        "created_at": now,
        "modified_at": now,
    });
    let kept = made.clone();
    rest.queues
        .change(&account.0.id, &queue, move |settings| -> Result<(), No> {
            if settings.subscriptions.len() >= MAX {
                let message = format!("A queue has at most {MAX} event subscriptions.");
                return Err(ApiError::bad_request(code::BAD_QUEUE, message).into());
            }
            settings.subscriptions.push(kept);
            Ok(())
        })
        .await?;
    Ok(Reply::new(made))
}

/// Replaces a subscription by what `change` makes of it; without anything it is deleted.
async fn replace(
    rest: &Rest,
    account: &AccountId,
    id: &str,
    change: impl FnOnce(Value) -> Option<Value> + Send,
) -> Result<Value, No> {
    let known = find(rest, account, id)?;
    let queue = known["destination"]["queue_id"].as_str().unwrap_or_default();
    let mut result = known.clone();
    rest.queues
        .change(account, queue, |settings| -> Result<(), No> {
            let all = &mut settings.subscriptions;
            let position = all.iter().position(|one| one["id"] == id).ok_or_else(unknown)?;
            match change(all[position].clone()) {
                Some(changed) => {
                    result = changed.clone();
                    all[position] = changed;
                }
                None => drop(all.remove(position)),
            }
            Ok(())
        })
        .await?;
    Ok(result)
}

pub(super) async fn update(
    State(rest): State<Rest>,
    account: InAccount,
    params: Params,
    Json(wanted): Json<Wanted>,
) -> Answer {
    let now = rest.queues.now();
    let change = move |mut one: Value| {
        if let Some(name) = wanted.name {
            one["name"] = name.into();
        }
        if let Some(enabled) = wanted.enabled {
            one["enabled"] = enabled.into();
        }
        if let Some(events) = wanted.events {
            one["events"] = events.into();
        }
        one["modified_at"] = json!(now);
        Some(one)
    };
    Ok(Reply::new(replace(&rest, &account.0.id, params.get("subscription"), change).await?))
}

pub(super) async fn delete(State(rest): State<Rest>, account: InAccount, params: Params) -> Answer {
    Ok(Reply::new(replace(&rest, &account.0.id, params.get("subscription"), |_| None).await?))
}
