//! Consumers. A queue has at most one: a worker, or HTTP clients that pull.

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, Params, Reply};
use hearth_model::{AccountId, WorkerName};
use hearth_store::Account;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, No, Rest, queues};
use crate::queues::settings;
use crate::rules::{
    Consumer, ConsumerKind, MAX_BATCH, MAX_CONCURRENCY, MAX_DELAY, MAX_VISIBILITY, QueueSettings, code, whole,
};

/// As Cloudflare shows it; wrangler knows a worker by `script`.
pub(super) fn view(consumer: &Consumer, queue: &str) -> Value {
    let mut settings = json!({
        "batch_size": consumer.batch_size,
        "max_retries": consumer.max_retries,
        "retry_delay": consumer.retry_delay,
    });
    let mut shown = json!({
        "consumer_id": consumer.id,
        "created_on": consumer.created_on,
        "queue_name": queue,
    });
    match &consumer.kind {
        ConsumerKind::Worker { script, max_wait_time_ms, max_concurrency } => {
            settings["max_wait_time_ms"] = json!(max_wait_time_ms);
            settings["max_concurrency"] = json!(max_concurrency);
            shown["type"] = "worker".into();
            shown["script"] = json!(script);
            shown["script_name"] = json!(script);
        }
        ConsumerKind::HttpPull { visibility_timeout_ms } => {
            settings["visibility_timeout_ms"] = json!(visibility_timeout_ms);
            shown["type"] = "http_pull".into();
        }
    }
    shown["settings"] = settings;
    if let Some(dead) = &consumer.dead_letter_queue {
        shown["dead_letter_queue"] = json!(dead);
    }
    shown
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(rename = "type")]
    kind: Option<String>,
    script_name: Option<String>,
    dead_letter_queue: Option<String>,
    #[serde(default)]
    settings: Option<WantedSettings>,
}

/// What is absent or null is as usual.
#[derive(Default, Deserialize)]
struct WantedSettings {
    batch_size: Option<f64>,
    max_retries: Option<f64>,
    max_wait_time_ms: Option<f64>,
    max_concurrency: Option<f64>,
    retry_delay: Option<f64>,
    visibility_timeout_ms: Option<f64>,
}

fn bad(message: impl Into<String>) -> No {
    ApiError::bad_request(code::BAD_CONSUMER, message).into()
}

fn setting(name: &str, value: Option<f64>, usual: u32, least: u32, most: u32) -> Result<u32, No> {
    let Some(value) = value else { return Ok(usual) };
    whole(value, least, most)
        .ok_or_else(|| bad(format!("{name} must be a whole number between {least} and {most}.")))
}

impl Wanted {
    fn consumer(&self, rest: &Rest, id: String, queue: &str) -> Result<Consumer, No> {
        let usual = WantedSettings::default();
        let settings = self.settings.as_ref().unwrap_or(&usual);
        let kind = match self.kind.as_deref() {
            Some("worker") | None => ConsumerKind::Worker {
                script: self.script_name.clone().ok_or_else(|| bad("script_name is missing."))?,
                max_wait_time_ms: setting("max_wait_time_ms", settings.max_wait_time_ms, 5000, 0, 60_000)?,
                max_concurrency: match settings.max_concurrency {
                    None => None,
                    some => Some(setting("max_concurrency", some, 1, 1, MAX_CONCURRENCY)?),
                },
            },
            Some("http_pull") => {
                let timeout = settings.visibility_timeout_ms;
                let timeout = setting("visibility_timeout_ms", timeout, 30_000, 0, MAX_VISIBILITY)?;
                ConsumerKind::HttpPull { visibility_timeout_ms: timeout }
            }
            Some(other) => return Err(bad(format!("There is no consumer of type {other}."))),
        };
        let dead_letter_queue = self.dead_letter_queue.clone().filter(|name| !name.is_empty());
        if dead_letter_queue.as_deref() == Some(queue) {
            return Err(bad("A queue cannot be its own dead letter queue."));
        }
        Ok(Consumer {
            id,
            created_on: rest.queues.now(),
            dead_letter_queue,
            max_retries: setting("max_retries", settings.max_retries, 3, 0, 100)?,
            retry_delay: setting("retry_delay", settings.retry_delay, 0, 0, MAX_DELAY)?,
            batch_size: setting("batch_size", settings.batch_size, 10, 1, MAX_BATCH as u32)?,
            kind,
        })
    }
}

/// A worker that is to consume exists and has a handler.
async fn check_worker(rest: &Rest, account: &Account, script: &str) -> Result<(), No> {
    let name: WorkerName = script.parse().map_err(|_| ApiError::worker_not_found())?;
    let worker = rest.api.worker(account, &name).await?;
    let version = match rest.queues.store().current_deployment(worker.id).await? {
        Some(deployment) => match deployment.split.shares().first() {
            Some((version, _)) => Some(rest.queues.store().version(worker.id, *version).await?),
            None => None,
        },
        None => rest.queues.store().latest_version(worker.id).await?,
    };
    if version.is_some_and(|version| version.exports.handlers.iter().any(|handler| handler == "queue")) {
        return Ok(());
    }
    Err(ApiError::bad_request(
        code::NO_HANDLER,
        "Queue handler is missing. Please see our docs for more information about creating handlers: \
         https://developers.cloudflare.com/queues/configuration/javascript-apis/#consumer.",
    )
    .into())
}

async fn check(rest: &Rest, account: &Account, consumer: &Consumer) -> Result<(), No> {
    if let Some(script) = consumer.script() {
        check_worker(rest, account, script).await?;
    }
    match &consumer.dead_letter_queue {
        Some(name) => queues::ensure(rest, &account.id, name).await,
        None => Ok(()),
    }
}

fn no_consumer() -> No {
    ApiError::not_found(code::NO_CONSUMER, "Consumer does not exist.").into()
}

async fn known(
    rest: &Rest,
    account: &AccountId,
    params: &Params,
) -> Result<(hearth_store::Resource, QueueSettings), No> {
    let queue = rest.queues.resource(account, params.get("queue")).await?;
    let settings = settings(&queue.settings);
    Ok((queue, settings))
}

pub(super) async fn list(State(rest): State<Rest>, account: InAccount, params: Params) -> Answer {
    let (queue, settings) = known(&rest, &account.0.id, &params).await?;
    let consumers: Vec<Value> = settings.consumer.iter().map(|one| view(one, &queue.name)).collect();
    Ok(Reply::new(json!(consumers)))
}

pub(super) async fn show(State(rest): State<Rest>, account: InAccount, params: Params) -> Answer {
    let (queue, settings) = known(&rest, &account.0.id, &params).await?;
    let consumer = settings.consumer.filter(|consumer| consumer.id == params.get("consumer"));
    Ok(Reply::new(view(&consumer.ok_or_else(no_consumer)?, &queue.name)))
}

pub(super) async fn create(
    State(rest): State<Rest>,
    account: InAccount,
    params: Params,
    Json(wanted): Json<Wanted>,
) -> Answer {
    let (queue, _) = known(&rest, &account.0.id, &params).await?;
    let consumer = wanted.consumer(&rest, uuid::Uuid::new_v4().simple().to_string(), &queue.name)?;
    check(&rest, &account.0, &consumer).await?;
    let shown = view(&consumer, &queue.name);
    rest.queues
        .change(&account.0.id, &queue.id, move |settings| -> Result<(), No> {
            if settings.consumer.is_some() {
                let message = "The queue already has a consumer. Remove it before adding another one.";
                return Err(ApiError::new(StatusCode::CONFLICT, code::CONSUMER_EXISTS, message).into());
            }
            settings.consumer = Some(consumer);
            Ok(())
        })
        .await?;
    Ok(Reply::new(shown))
}

pub(super) async fn update(
    State(rest): State<Rest>,
    account: InAccount,
    params: Params,
    Json(wanted): Json<Wanted>,
) -> Answer {
    let (queue, settings) = known(&rest, &account.0.id, &params).await?;
    let id = params.get("consumer").to_owned();
    let old = settings.consumer.filter(|consumer| consumer.id == id).ok_or_else(no_consumer)?;
    let new = wanted.consumer(&rest, id, &queue.name)?;
    let new = Consumer { created_on: old.created_on, ..new };
    check(&rest, &account.0, &new).await?;
    let shown = view(&new, &queue.name);
    rest.queues
        .change(&account.0.id, &queue.id, move |settings| -> Result<(), No> {
            settings.consumer = Some(new);
            Ok(())
        })
        .await?;
    Ok(Reply::new(shown))
}

pub(super) async fn delete(State(rest): State<Rest>, account: InAccount, params: Params) -> Answer {
    let id = params.get("consumer").to_owned();
    rest.queues
        .change(&account.0.id, params.get("queue"), move |settings| -> Result<(), No> {
            let known = settings.consumer.as_ref().is_some_and(|consumer| consumer.id == id);
            if !known {
                return Err(no_consumer());
            }
            settings.consumer = None;
            Ok(())
        })
        .await?;
    Ok(Reply::null())
}
