//! Event notifications: what happened to which object, told to the queues whose rules want to know
//! (developers.cloudflare.com/r2/buckets/event-notifications).
//!
//! A change is told after it is on disk and before it is answered. A server that dies in between tells nobody of a change
//! that nobody was told is done.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use hearth_model::AccountId;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// How often a queue that refuses a notification is asked again.
const ATTEMPTS: u32 = 6;
/// How long until the first time; each further one takes twice as long.
const PAUSE: Duration = Duration::from_secs(1);

/// What can be notified of.
pub(crate) const ACTIONS: [&str; 5] =
    ["PutObject", "CompleteMultipartUpload", "CopyObject", "DeleteObject", "LifecycleDeletion"];

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Action {
    /// An object was written.
    PutObject,
    /// An object was made of parts.
    CompleteMultipartUpload,
    /// An object was written as a copy.
    CopyObject,
    /// An object was deleted by somebody.
    DeleteObject,
    /// An object was deleted by a lifecycle rule.
    LifecycleDeletion,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::PutObject => "PutObject",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::CopyObject => "CopyObject",
            Self::DeleteObject => "DeleteObject",
            Self::LifecycleDeletion => "LifecycleDeletion",
        }
    }
}

/// A message, in Cloudflare's shape.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// The account's id.
    pub account: AccountId,
    /// What was done.
    pub action: Action,
    /// The bucket's name.
    pub bucket: String,
    /// To which object.
    pub object: Subject,
    /// When.
    pub event_time: Timestamp,
    /// Of what it is a copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_source: Option<CopySource>,
}

/// An object of a notification; of one that is deleted there is only the key.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its ETag, without quotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e_tag: Option<String>,
}

/// Where a copy comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopySource {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key.
    pub object: String,
}

/// Takes notifications to queues.
#[async_trait]
pub trait Listeners: Send + Sync + 'static {
    /// Sends a notification to a queue by its id.
    ///
    /// # Errors
    /// Why it is not there; for the log.
    async fn notify(&self, queue: &str, notification: &Notification) -> Result<(), String>;

    /// The name of an account's queue. None: there is no such queue.
    fn name(&self, account: &AccountId, queue: &str) -> Option<String>;
}

/// Who listens, once somebody does.
#[derive(Clone, Default)]
pub(crate) struct Ears(Arc<OnceLock<Arc<dyn Listeners>>>);

impl fmt::Debug for Ears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ears")
    }
}

impl Ears {
    /// Says who listens. The first one stays.
    pub(crate) fn open(&self, listeners: Arc<dyn Listeners>) {
        let _ = self.0.set(listeners);
    }

    /// The name of an account's queue, if there is such a queue; its id where nobody listens.
    pub(crate) fn name(&self, account: &AccountId, queue: &str) -> Option<String> {
        match self.0.get() {
            Some(listeners) => listeners.name(account, queue),
            None => Some(queue.to_owned()),
        }
    }

    /// Tells every queue one of whose rules (`notifications` of a bucket's settings) is for the notification.
    pub(crate) async fn tell(&self, rules: &[Value], notification: &Notification) {
        let Some(listeners) = self.0.get() else { return };
        for queue in rules.iter().filter(|queue| wants(queue, notification)) {
            let Some(id) = queue["queueId"].as_str() else { continue };
            if listeners.notify(id, notification).await.is_err() {
                // Nobody who writes an object waits for a queue that is full.
                tokio::spawn(again(Arc::clone(listeners), id.to_owned(), notification.clone()));
            }
        }
    }
}

/// Asks a queue again that has refused a notification.
async fn again(listeners: Arc<dyn Listeners>, queue: String, notification: Notification) {
    let mut refused = String::new();
    for attempt in 0..ATTEMPTS {
        tokio::time::sleep(PAUSE * 2_u32.pow(attempt)).await;
        match listeners.notify(&queue, &notification).await {
            Ok(()) => return,
            Err(reason) => refused = reason,
        }
    }
    tracing::warn!(
        reason = refused,
        queue,
        bucket = notification.bucket,
        action = notification.action.as_str(),
        "an event notification is lost"
    );
}

/// Whether one of a queue's rules is for a notification.
fn wants(queue: &Value, notification: &Notification) -> bool {
    let key = notification.object.key.as_str();
    let action = notification.action.as_str();
    queue["rules"].as_array().into_iter().flatten().any(|rule| {
        rule["actions"].as_array().into_iter().flatten().any(|wanted| wanted == action)
            && key.starts_with(rule["prefix"].as_str().unwrap_or_default())
            && key.ends_with(rule["suffix"].as_str().unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn notification(action: Action, key: &str) -> Notification {
        Notification {
            account: "a".parse().unwrap(),
            action,
            bucket: "b".to_owned(),
            object: Subject { key: key.to_owned(), size: None, e_tag: None },
            event_time: Timestamp::UNIX_EPOCH,
            copy_source: None,
        }
    }

    /// Refuses the first ones.
    struct Full(std::sync::atomic::AtomicU32, tokio::sync::Notify);

    #[async_trait]
    impl Listeners for Full {
        async fn notify(&self, _: &str, _: &Notification) -> Result<(), String> {
            if self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2 {
                return Err("full".to_owned());
            }
            self.1.notify_one();
            Ok(())
        }

        fn name(&self, _: &AccountId, _: &str) -> Option<String> {
            None
        }
    }

    #[tokio::test]
    async fn a_queue_that_is_full_is_asked_again() {
        let full = Arc::new(Full(0.into(), tokio::sync::Notify::new()));
        let ears = Ears::default();
        ears.open(Arc::clone(&full) as _);
        let rules = [json!({"queueId": "q", "rules": [{"actions": ["PutObject"]}]})];
        ears.tell(&rules, &notification(Action::PutObject, "k")).await;
        full.1.notified().await;
        assert_eq!(full.0.load(std::sync::atomic::Ordering::SeqCst), 3);
    }

    #[test]
    fn rules_choose_by_action_prefix_and_suffix() {
        let queue = json!({"queueId": "q", "rules": [
            {"prefix": "in/", "suffix": ".json", "actions": ["PutObject"]},
            {"prefix": "", "suffix": "", "actions": ["DeleteObject"]},
        ]});
        for (action, key, expected) in [
            (Action::PutObject, "in/a.json", true),
            (Action::PutObject, "in/a.txt", false),
            (Action::PutObject, "out/a.json", false),
            (Action::CopyObject, "in/a.json", false),
            (Action::DeleteObject, "anything", true),
            (Action::LifecycleDeletion, "anything", false),
        ] {
            assert_eq!(wants(&queue, &notification(action, key)), expected, "{action:?} {key}");
        }
    }

    #[test]
    fn every_action_has_its_name() {
        let all = [
            Action::PutObject,
            Action::CompleteMultipartUpload,
            Action::CopyObject,
            Action::DeleteObject,
            Action::LifecycleDeletion,
        ];
        assert_eq!(all.map(Action::as_str), ACTIONS);
        for action in all {
            assert_eq!(json!(action), action.as_str());
        }
    }

    #[test]
    fn a_message_has_cloudflares_shape() {
        let mut copied = notification(Action::CopyObject, "new");
        copied.object = Subject { key: "new".to_owned(), size: Some(3), e_tag: Some("e".to_owned()) };
        copied.copy_source = Some(CopySource { bucket: "b".to_owned(), object: "old".to_owned() });
        let expected = json!({
            "account": "a", "action": "CopyObject", "bucket": "b",
            "object": {"key": "new", "size": 3, "eTag": "e"},
            "eventTime": "1970-01-01T00:00:00Z",
            "copySource": {"bucket": "b", "object": "old"},
        });
        assert_eq!(json!(copied), expected);
    }
}
