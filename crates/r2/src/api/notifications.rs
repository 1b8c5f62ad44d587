//! Event notifications: which queue hears of which objects.

use axum::body::Body;
use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, Params, Reply, read};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::notify::ACTIONS;
use super::super::store::{Bucket, R2};
use super::{Refused, code};

/// Largest body of a deletion, in bytes.
const MAX_BODY: usize = 1 << 20;

fn unknown() -> ApiError {
    ApiError::not_found(code::NO_DOMAIN, "The bucket has no notification rules for this queue.")
}

pub(super) async fn get(State(r2): State<R2>, account: InAccount, params: Params) -> Result<Reply, ApiError> {
    let bucket = r2.named(&account, &params)?;
    let queues: Vec<Value> =
        bucket.settings().notifications.iter().map(|queue| shown(&r2, &bucket, queue)).collect();
    Ok(Reply::new(json!({"bucketName": bucket.name(), "queues": queues})))
}

/// A queue's rules with the queue's name of now.
fn shown(r2: &R2, bucket: &Bucket, queue: &Value) -> Value {
    let mut shown = queue.clone();
    let id = queue["queueId"].as_str().unwrap_or_default();
    if let Some(name) = r2.queue_name(bucket.account(), id) {
        shown["queueName"] = name.into();
    }
    shown
}

pub(super) async fn get_queue(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let bucket = r2.named(&account, &params)?;
    let wanted = params.get("queue");
    let found = bucket.settings().notifications.iter().find(|queue| queue["queueId"] == wanted);
    found.map(|queue| Reply::new(shown(&r2, &bucket, queue))).ok_or_else(unknown)
}

#[derive(Deserialize)]
pub(super) struct Rules {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    suffix: String,
    actions: Vec<String>,
    description: Option<String>,
}

pub(super) async fn put_queue(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
    Json(wanted): Json<Rules>,
) -> Result<Reply, ApiError> {
    let mut added = Vec::new();
    for rule in wanted.rules {
        if let Some(action) = rule.actions.iter().find(|action| !ACTIONS.contains(&action.as_str())) {
            let message = format!("The action {action:?} is not known.");
            return Err(ApiError::bad_request(code::BAD_RULES, message));
        }
        added.push(json!({
            "ruleId": uuid::Uuid::new_v4().simple().to_string(),
            "createdAt": Timestamp::now(),
            "prefix": rule.prefix,
            "suffix": rule.suffix,
            "actions": rule.actions,
            "description": rule.description,
        }));
    }
    let queue = params.get("queue").to_owned();
    let name = r2
        .queue_name(&account.0.id, &queue)
        .ok_or_else(|| ApiError::not_found(code::NO_QUEUE, "The specified queue does not exist."))?;
    r2.change(&account, &params, |settings| {
        let queues = &mut settings.notifications;
        let position = queues.iter().position(|known| known["queueId"] == queue.as_str());
        let position = position.unwrap_or_else(|| {
            queues.push(json!({"queueId": queue, "queueName": name, "rules": []}));
            queues.len() - 1
        });
        if let Some(Value::Array(rules)) = queues.get_mut(position).and_then(|queue| queue.get_mut("rules")) {
            rules.extend(added);
        }
        Ok(())
    })
    .await?;
    Ok(Reply::new(json!({})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delete {
    rule_ids: Vec<String>,
}

pub(super) async fn delete_queue(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
    body: Body,
) -> Result<Reply, ApiError> {
    let body = read(body, MAX_BODY).await?;
    // Without a list all of the queue's rules go.
    let chosen = serde_json::from_slice::<Delete>(&body).ok().map(|delete| delete.rule_ids);
    let queue = params.get("queue").to_owned();
    r2.change(&account, &params, |settings| {
        let queues = &mut settings.notifications;
        let found = queues.iter_mut().find(|known| known["queueId"] == queue.as_str());
        let found = found.ok_or_else(|| Refused(unknown()))?;
        let rules = found["rules"].as_array().cloned().unwrap_or_default();
        let left: Vec<Value> = match &chosen {
            Some(ids) => {
                let stays = |rule: &Value| !ids.iter().any(|id| rule["ruleId"] == id.as_str());
                rules.into_iter().filter(stays).collect()
            }
            None => Vec::new(),
        };
        if left.is_empty() {
            queues.retain(|known| known["queueId"] != queue.as_str());
        } else {
            found["rules"] = json!(left);
        }
        Ok(())
    })
    .await?;
    Ok(Reply::new(json!({})))
}
