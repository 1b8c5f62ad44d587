//! Lifecycle rules: what they say, and the sweep that carries them out.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::notify::Action;
use crate::store::{
    Bucket, BucketSettings, Conditional, ListOptions, ListUploads, R2, R2Error, Result, StorageClass,
};

/// Between two sweeps.
const INTERVAL: Duration = Duration::from_secs(15 * 60);
/// How long an upload's end is remembered, in milliseconds: aborting it again is no error meanwhile.
const REMEMBERED_MS: i64 = 7 * 24 * 3600 * 1000;

/// Who deletes here.
const BY_RULE: Action = Action::LifecycleDeletion;

/// A rule (wrangler-api.md 7, `lifecycle`).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LifecycleRule {
    pub(crate) id: String,
    enabled: bool,
    #[serde(default)]
    conditions: Conditions,
    #[serde(default)]
    delete_objects_transition: Option<Transition>,
    #[serde(default)]
    storage_class_transitions: Vec<ClassTransition>,
    #[serde(default)]
    abort_multipart_uploads_transition: Option<Transition>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Conditions {
    #[serde(default)]
    prefix: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Transition {
    condition: When,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClassTransition {
    condition: When,
    storage_class: StorageClass,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type")]
enum When {
    /// So many seconds after something was written.
    #[serde(rename_all = "camelCase")]
    Age { max_age: i64 },
    /// From a moment on, whatever was written before it.
    Date { date: Timestamp },
}

impl When {
    /// What was written before this moment is due; None while nothing is.
    fn cutoff(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Age { max_age } => {
                let since = now.as_millisecond().checked_sub(max_age.checked_mul(1000)?)?;
                Timestamp::from_millisecond(since.checked_add(1)?).ok()
            }
            Self::Date { date } => (*date <= now).then_some(now),
        }
    }
}

impl LifecycleRule {
    pub(crate) fn read(rule: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(rule)
    }

    /// A bucket's rules as they are shown. Until they are set there is the one of a new bucket: uploads are given up
    /// after seven days (developers.cloudflare.com/r2/buckets/object-lifecycles).
    pub(crate) fn shown(settings: &BucketSettings) -> Vec<Value> {
        settings.lifecycle.clone().unwrap_or_else(|| {
            vec![json!({
                "id": "Default Multipart Abort Rule",
                "enabled": true,
                "conditions": {"prefix": ""},
                "abortMultipartUploadsTransition": {"condition": {"type": "Age", "maxAge": 604_800}},
            })]
        })
    }
}

impl R2 {
    /// Carries out lifecycle rules from now on, until it is dropped.
    pub async fn keep_sweeping(self) {
        loop {
            self.sweep(Timestamp::now()).await;
            let _ = tokio::time::timeout(INTERVAL, self.sweep_wanted()).await;
        }
    }

    /// Carries out every bucket's lifecycle rules as of `now`. What fails is logged, and tried again by the next sweep.
    pub async fn sweep(&self, now: Timestamp) {
        for bucket in self.all() {
            if let Err(error) = sweep(&bucket, now).await {
                tracing::warn!(bucket = bucket.name(), detail = ?error, "lifecycle rules could not be carried out");
            }
        }
    }
}

async fn sweep(bucket: &Bucket, now: Timestamp) -> Result<()> {
    for rule in LifecycleRule::shown(bucket.settings()) {
        let rule = LifecycleRule::read(&rule).map_err(R2Error::internal)?;
        if !rule.enabled {
            continue;
        }
        let prefix = &rule.conditions.prefix;
        if let Some(cutoff) = rule.delete_objects_transition.and_then(|when| when.condition.cutoff(now)) {
            delete(bucket, prefix, cutoff).await?;
        }
        for transition in rule.storage_class_transitions {
            if let Some(cutoff) = transition.condition.cutoff(now) {
                change_class(bucket, prefix, cutoff, transition.storage_class).await?;
            }
        }
        let abort = rule.abort_multipart_uploads_transition;
        if let Some(cutoff) = abort.and_then(|when| when.condition.cutoff(now)) {
            give_up(bucket, prefix, cutoff).await?;
        }
    }
    let remembered = Timestamp::from_millisecond(now.as_millisecond() - REMEMBERED_MS);
    bucket.forget_uploads(remembered.map_err(R2Error::internal)?).await
}

async fn delete(bucket: &Bucket, prefix: &str, cutoff: Timestamp) -> Result<()> {
    let mut options = ListOptions { prefix: prefix.to_owned(), ..ListOptions::default() };
    // One that was replaced since it was listed is young again.
    let only_if = Conditional { uploaded_before: Some(cutoff), ..Conditional::default() };
    loop {
        let page = bucket.list(options.clone()).await?;
        let due = page.objects.into_iter().filter(|object| object.uploaded < cutoff);
        let keys: Vec<String> = due.map(|object| object.key).collect();
        if !keys.is_empty() && bucket.delete_by(BY_RULE, keys.clone(), only_if.clone()).await.is_err() {
            // All or none: the others must not stay because of one that is locked or was replaced.
            for key in keys {
                match bucket.delete_by(BY_RULE, vec![key], only_if.clone()).await {
                    Ok(()) | Err(R2Error::ObjectLocked | R2Error::PreconditionFailed { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        match page.cursor {
            Some(cursor) => options.cursor = Some(cursor),
            None => return Ok(()),
        }
    }
}

async fn change_class(bucket: &Bucket, prefix: &str, cutoff: Timestamp, class: StorageClass) -> Result<()> {
    let mut options = ListOptions { prefix: prefix.to_owned(), ..ListOptions::default() };
    loop {
        let page = bucket.list(options.clone()).await?;
        let due = |object: &&crate::store::Object| object.uploaded < cutoff && object.storage_class != class;
        for object in page.objects.iter().filter(due) {
            bucket.set_storage_class(&object.key, &object.version, class).await?;
        }
        match page.cursor {
            Some(cursor) => options.cursor = Some(cursor),
            None => return Ok(()),
        }
    }
}

async fn give_up(bucket: &Bucket, prefix: &str, cutoff: Timestamp) -> Result<()> {
    let mut after = None;
    loop {
        let options = ListUploads { prefix: prefix.to_owned(), after, limit: 1000 };
        let uploads = bucket.list_uploads(options).await?;
        let Some(last) = uploads.last() else { return Ok(()) };
        after = Some((last.key.clone(), Some(last.id.clone())));
        for upload in uploads.iter().filter(|upload| upload.initiated < cutoff) {
            match bucket.abort_upload(&upload.key, &upload.id).await {
                Ok(()) | Err(R2Error::NoSuchUpload) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
