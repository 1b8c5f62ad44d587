//! Queues themselves. A list may be narrowed by `name`, given any number of times.

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, PageQuery, Params, Query, Reply};
use hearth_model::{AccountId, BindingKind};
use hearth_store::{Resource, Store, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, No, Rest, consumers};
use crate::queues::settings;
use crate::rules::{MAX_DELAY, QueueSettings, code, whole};

/// Queues of a page, where the client does not say.
const PER_PAGE: u64 = 100;
/// Longest name (Cloudflare's documentation).
const MAX_NAME: usize = 63;
/// Bounds of the retention, in seconds.
const RETENTION: (u32, u32) = (60, 14 * 24 * 60 * 60);

/// Who sends to a queue: workers by their bindings, buckets by their notifications.
struct Producers {
    /// Queue and worker.
    workers: Vec<(Bound, String)>,
    /// Queue's id and bucket.
    buckets: Vec<(String, String)>,
}

/// How a binding says which queue it leads to.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Bound {
    id: Option<String>,
    name: String,
}

impl Bound {
    fn is(&self, queue: &Resource) -> bool {
        self.id.as_ref().map_or(self.name == queue.name, |id| *id == queue.id)
    }
}

impl Producers {
    async fn read(store: &Store, account: &AccountId) -> Result<Self, StoreError> {
        let mut workers = Vec::new();
        for worker in store.published().await?.workers {
            if worker.account != *account {
                continue;
            }
            let versions = worker.split.iter().flat_map(|split| split.shares());
            let mut bound = std::collections::BTreeSet::new();
            for (version, _) in versions {
                for binding in store.version(worker.id, *version).await?.bindings {
                    if let BindingKind::Queue { queue_name: name, queue_id: id, .. } = binding.kind {
                        bound.insert(Bound { id, name });
                    }
                }
            }
            workers.extend(bound.into_iter().map(|queue| (queue, worker.name.to_string())));
        }
        let kind = hearth_store::ResourceKind::R2Bucket;
        let mut buckets = Vec::new();
        for bucket in store.resources(kind, account, hearth_store::Page::ALL).await?.items {
            let notified = bucket.settings["notifications"].as_array().cloned().unwrap_or_default();
            let ids = notified.iter().filter_map(|queue| queue["queueId"].as_str());
            buckets.extend(ids.map(|id| (id.to_owned(), bucket.name.clone())));
        }
        Ok(Self { workers, buckets })
    }

    fn of(&self, queue: &Resource) -> Vec<Value> {
        let workers = self.workers.iter().filter(|(bound, _)| bound.is(queue));
        let workers =
            workers.map(|(_, script)| json!({"type": "worker", "script": script, "service": script}));
        let buckets = self.buckets.iter().filter(|(id, _)| *id == queue.id);
        let buckets = buckets.map(|(_, bucket)| json!({"type": "r2_bucket", "bucket_name": bucket}));
        workers.chain(buckets).collect()
    }
}

fn view(queue: &Resource, producers: &Producers) -> Value {
    let settings = settings(&queue.settings);
    let consumers: Vec<Value> =
        settings.consumer.iter().map(|consumer| consumers::view(consumer, &queue.name)).collect();
    let producers = producers.of(queue);
    let mut shown = json!({
        "queue_id": queue.id,
        "queue_name": queue.name,
        "created_on": queue.created_on,
        "modified_on": queue.modified_on,
        "producers_total_count": producers.len(),
        "producers": producers,
        "consumers_total_count": consumers.len(),
        "consumers": consumers,
        "settings": {
            "delivery_delay": settings.delivery_delay,
            "delivery_paused": settings.delivery_paused,
            "message_retention_period": settings.message_retention_period,
        },
    });
    if let Some(jurisdiction) = settings.jurisdiction {
        shown["jurisdiction"] = jurisdiction.into();
    }
    shown
}

async fn shown(rest: &Rest, queue: &Resource) -> Answer {
    let producers = Producers::read(rest.queues.store(), &queue.account).await?;
    Ok(Reply::new(view(queue, &producers)))
}

pub(super) async fn list(State(rest): State<Rest>, account: InAccount, query: Query) -> Answer {
    let mut all = rest.queues.resources(&account.0.id).await?;
    let names: Vec<&str> = query.all("name").collect();
    if !names.is_empty() {
        all.retain(|queue| names.contains(&queue.name.as_str()));
    }
    let (page, info) = PageQuery::from_query(&query).window(PER_PAGE).cut(all);
    let producers = Producers::read(rest.queues.store(), &account.0.id).await?;
    Ok(Reply::page(page.iter().map(|queue| view(queue, &producers)).collect(), info))
}

/// A queue that is made or changed.
#[derive(Deserialize)]
pub(super) struct Wanted {
    queue_name: Option<String>,
    jurisdiction: Option<String>,
    #[serde(default)]
    settings: Option<WantedSettings>,
}

#[derive(Default, Deserialize)]
struct WantedSettings {
    delivery_delay: Option<f64>,
    delivery_paused: Option<bool>,
    message_retention_period: Option<f64>,
}

impl WantedSettings {
    fn apply(&self, settings: &mut QueueSettings) -> Result<(), No> {
        let bad = |what: &str, least: u32, most: u32| {
            let message = format!("{what} must be a whole number of seconds between {least} and {most}.");
            ApiError::bad_request(code::BAD_QUEUE, message)
        };
        if let Some(seconds) = self.delivery_delay {
            let delay = whole(seconds, 0, MAX_DELAY);
            settings.delivery_delay = delay.ok_or_else(|| bad("delivery_delay", 0, MAX_DELAY))?;
        }
        if let Some(seconds) = self.message_retention_period {
            let (least, most) = RETENTION;
            let period = whole(seconds, least, most);
            settings.message_retention_period =
                period.ok_or_else(|| bad("message_retention_period", least, most))?;
        }
        if let Some(paused) = self.delivery_paused {
            settings.delivery_paused = paused;
        }
        Ok(())
    }
}

/// Judges a name: letters, digits and hyphens, neither first nor last a hyphen.
fn check_name(name: &str) -> Result<(), No> {
    let is_right = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && !name.starts_with('-')
        && !name.ends_with('-');
    if is_right {
        return Ok(());
    }
    let message = format!(
        "A queue's name has 1 to {MAX_NAME} letters, digits, underscores and hyphens, and begins and ends with none of the latter."
    );
    Err(ApiError::bad_request(code::BAD_QUEUE, message).into())
}

/// Makes a queue by a name that may be new: the one for dead letters is made as on Cloudflare.
pub(super) async fn ensure(rest: &Rest, account: &AccountId, name: &str) -> Result<(), No> {
    check_name(name)?;
    if rest.queues.id(account, name).is_none() {
        rest.queues.create(account, name, &QueueSettings::default()).await?;
    }
    Ok(())
}

pub(super) async fn create(
    State(rest): State<Rest>,
    account: InAccount,
    Json(wanted): Json<Wanted>,
) -> Answer {
    let name = wanted.queue_name.unwrap_or_default();
    check_name(&name)?;
    let mut settings = QueueSettings { jurisdiction: wanted.jurisdiction, ..QueueSettings::default() };
    wanted.settings.unwrap_or_default().apply(&mut settings)?;
    let made = rest.queues.create(&account.0.id, &name, &settings).await?;
    shown(&rest, &made).await
}

pub(super) async fn show(State(rest): State<Rest>, account: InAccount, params: Params) -> Answer {
    let queue = rest.queues.resource(&account.0.id, params.get("queue")).await?;
    shown(&rest, &queue).await
}

pub(super) async fn update(
    State(rest): State<Rest>,
    account: InAccount,
    params: Params,
    Json(wanted): Json<Wanted>,
) -> Answer {
    let (account, id) = (&account.0.id, params.get("queue"));
    let known = rest.queues.resource(account, id).await?;
    let wanted_settings = wanted.settings.unwrap_or_default();
    let mut changed =
        rest.queues.change(account, id, move |settings| wanted_settings.apply(settings)).await?;
    if let Some(name) = wanted.queue_name.filter(|name| *name != known.name) {
        check_name(&name)?;
        changed = rest.queues.rename(account, id, &name).await?;
    }
    shown(&rest, &changed).await
}

/// Deletes a queue and its messages, unless a worker's deployed version binds it.
pub(super) async fn delete(State(rest): State<Rest>, account: InAccount, params: Params) -> Answer {
    let queue = rest.queues.resource(&account.0.id, params.get("queue")).await?;
    let producers = Producers::read(rest.queues.store(), &account.0.id).await?;
    let bound = producers.workers.iter().filter(|(bound, _)| bound.is(&queue));
    let bound: Vec<&str> = bound.map(|(_, worker)| worker.as_str()).collect();
    if !bound.is_empty() {
        let message = format!(
            "Queue '{}' is still in use by a Worker binding ({}). Remove the binding before deleting the queue.",
            queue.name,
            bound.join(", ")
        );
        return Err(ApiError::bad_request(code::IN_USE, message).into());
    }
    rest.queues.delete(&account.0.id, &queue.id).await?;
    Ok(Reply::null())
}

pub(super) async fn metrics(State(rest): State<Rest>, account: InAccount, params: Params) -> Answer {
    let metrics = rest.queues.metrics(&rest.id(&account, &params).await?).await?;
    Ok(Reply::new(super::messages::metrics_view(metrics)))
}

#[derive(Deserialize)]
pub(super) struct Purge {
    #[serde(default)]
    delete_messages_permanently: bool,
}

/// Deletes all messages. It is over when it is answered.
pub(super) async fn purge(
    State(rest): State<Rest>,
    account: InAccount,
    params: Params,
    Json(wanted): Json<Purge>,
) -> Answer {
    let id = rest.id(&account, &params).await?;
    if !wanted.delete_messages_permanently {
        let message = "delete_messages_permanently must be true: purged messages cannot be brought back.";
        return Err(ApiError::bad_request(code::BAD_JSON, message).into());
    }
    rest.queues.engine().purge(&id).await?;
    let now = rest.queues.now();
    let changed = rest
        .queues
        .change(&account.0.id, &id, move |settings| -> Result<(), No> {
            settings.purged_on = Some(now);
            Ok(())
        })
        .await?;
    shown(&rest, &changed).await
}

pub(super) async fn purged(State(rest): State<Rest>, account: InAccount, params: Params) -> Answer {
    let queue = rest.queues.resource(&account.0.id, params.get("queue")).await?;
    let purged = settings(&queue.settings).purged_on;
    let completed = if purged.is_some() { "true" } else { "" };
    Ok(Reply::new(json!({ "completed": completed, "started_at": purged })))
}
