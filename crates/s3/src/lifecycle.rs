//! Lifecycle rules between R2's JSON, in which the bucket keeps and obeys them (wrangler-api.md 7), and S3's XML.

use jiff::Timestamp;
use s3s::dto::{
    AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter, Transition, TransitionStorageClass,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::convert;

const DAY: i64 = 86_400;
/// Most rules of a bucket (<https://developers.cloudflare.com/r2/buckets/object-lifecycles/>).
const MAX_RULES: usize = 1000;

/// A rule as the bucket keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    conditions: Conditions,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delete_objects_transition: Option<Deletion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    abort_multipart_uploads_transition: Option<Deletion>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    storage_class_transitions: Vec<Move>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Conditions {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Deletion {
    condition: When,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Move {
    condition: When,
    storage_class: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum When {
    /// Seconds after the object was written.
    #[serde(rename_all = "camelCase")]
    Age { max_age: i64 },
    /// At a moment.
    Date { date: Timestamp },
}

impl When {
    fn days(days: i32) -> Self {
        Self::Age { max_age: i64::from(days) * DAY }
    }

    fn to_days(&self) -> Option<i32> {
        match self {
            // S3 counts in days; a shorter time is shown as the first day it has fully passed.
            Self::Age { max_age } => i32::try_from(max_age.saturating_add(DAY - 1) / DAY).ok(),
            Self::Date { .. } => None,
        }
    }

    fn to_date(&self) -> Option<s3s::dto::Timestamp> {
        match self {
            Self::Age { .. } => None,
            Self::Date { date } => Some(convert::stamp(*date)),
        }
    }
}

/// S3's rules as the bucket keeps them.
///
/// # Errors
/// What is wrong or not to be had, in a sentence for the caller.
pub(crate) fn from_s3(rules: Vec<LifecycleRule>) -> Result<Vec<Value>, String> {
    if rules.is_empty() || rules.len() > MAX_RULES {
        return Err(format!("A lifecycle configuration has 1 to {MAX_RULES} rules."));
    }
    let rules = rules.into_iter().enumerate().map(|(index, rule)| rule_from_s3(rule, index));
    let rules = rules.collect::<Result<Vec<_>, _>>()?;
    let mut ids: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("Rule ID must be unique. Found same ID for more than one rule".to_owned());
    }
    Ok(rules.into_iter().map(|rule| json!(rule)).collect())
}

fn rule_from_s3(rule: LifecycleRule, index: usize) -> Result<Rule, String> {
    if rule.noncurrent_version_expiration.is_some() || rule.noncurrent_version_transitions.is_some() {
        return Err("Rules for noncurrent versions are not implemented: there are no versions.".to_owned());
    }
    let deletion = rule.expiration.map(|expiration| when(expiration.days, expiration.date)).transpose()?;
    let abort = rule.abort_incomplete_multipart_upload.map(|abort| when(abort.days_after_initiation, None));
    let moves = rule.transitions.unwrap_or_default().into_iter().map(move_from_s3);
    Ok(Rule {
        id: rule.id.unwrap_or_else(|| format!("rule-{}", index + 1)),
        enabled: rule.status.as_str() == ExpirationStatus::ENABLED,
        conditions: Conditions { prefix: prefix(rule.filter, rule.prefix)?.filter(|text| !text.is_empty()) },
        delete_objects_transition: deletion.map(|condition| Deletion { condition }),
        abort_multipart_uploads_transition: abort.transpose()?.map(|condition| Deletion { condition }),
        storage_class_transitions: moves.collect::<Result<_, _>>()?,
    })
}

fn move_from_s3(transition: Transition) -> Result<Move, String> {
    let class = transition.storage_class.as_ref().map(|class| class.as_str()).unwrap_or_default();
    if class != TransitionStorageClass::STANDARD_IA {
        return Err(format!("The storage class {class} is not valid: objects move to STANDARD_IA only."));
    }
    let condition = when(transition.days, transition.date)?;
    Ok(Move { condition, storage_class: "InfrequentAccess".to_owned() })
}

fn when(days: Option<i32>, date: Option<s3s::dto::Timestamp>) -> Result<When, String> {
    match (days, date) {
        (Some(days), None) if days > 0 => Ok(When::days(days)),
        (None, Some(date)) => Ok(When::Date { date: convert::time(&date) }),
        _ => Err("A lifecycle action needs either days, a positive number, or a date.".to_owned()),
    }
}

fn prefix(filter: Option<LifecycleRuleFilter>, old: Option<String>) -> Result<Option<String>, String> {
    let unsupported = || "Lifecycle filters by tag or size are not implemented.".to_owned();
    let Some(filter) = filter else { return Ok(old) };
    if filter.tag.is_some()
        || filter.object_size_greater_than.is_some()
        || filter.object_size_less_than.is_some()
    {
        return Err(unsupported());
    }
    match filter.and {
        None => Ok(filter.prefix.or(old)),
        Some(and)
            if and.tags.is_none()
                && and.object_size_greater_than.is_none()
                && and.object_size_less_than.is_none() =>
        {
            Ok(and.prefix)
        }
        Some(_) => Err(unsupported()),
    }
}

/// The bucket's rules as S3 writes them; one that cannot be read is left out.
pub(crate) fn to_s3(kept: &[Value]) -> Vec<LifecycleRule> {
    let rules = kept.iter().filter_map(|rule| serde_json::from_value::<Rule>(rule.clone()).ok());
    rules.map(rule_to_s3).collect()
}

fn rule_to_s3(rule: Rule) -> LifecycleRule {
    let status = if rule.enabled { ExpirationStatus::ENABLED } else { ExpirationStatus::DISABLED };
    let expiration = rule.delete_objects_transition.map(|deletion| LifecycleExpiration {
        days: deletion.condition.to_days(),
        date: deletion.condition.to_date(),
        ..LifecycleExpiration::default()
    });
    let abort = rule.abort_multipart_uploads_transition.map(|deletion| AbortIncompleteMultipartUpload {
        days_after_initiation: deletion.condition.to_days(),
    });
    let transitions = rule.storage_class_transitions.into_iter().map(|moved| Transition {
        days: moved.condition.to_days(),
        date: moved.condition.to_date(),
        storage_class: Some(TransitionStorageClass::from_static(TransitionStorageClass::STANDARD_IA)),
    });
    let transitions: Vec<Transition> = transitions.collect();
    LifecycleRule {
        abort_incomplete_multipart_upload: abort,
        expiration,
        filter: Some(LifecycleRuleFilter {
            prefix: Some(rule.conditions.prefix.unwrap_or_default()),
            ..LifecycleRuleFilter::default()
        }),
        id: Some(rule.id),
        noncurrent_version_expiration: None,
        noncurrent_version_transitions: None,
        prefix: None,
        status: ExpirationStatus::from_static(status),
        transitions: (!transitions.is_empty()).then_some(transitions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(prefix: &str, expire: i32) -> LifecycleRule {
        let rule = json!({
            "id": "old", "enabled": true, "conditions": {"prefix": prefix},
            "deleteObjectsTransition": {"condition": {"type": "Age", "maxAge": i64::from(expire) * DAY}},
            "abortMultipartUploadsTransition": {"condition": {"type": "Age", "maxAge": DAY}},
            "storageClassTransitions": [
                {"condition": {"type": "Age", "maxAge": 30 * DAY}, "storageClass": "InfrequentAccess"}
            ],
        });
        to_s3(&[rule]).remove(0)
    }

    #[test]
    fn rules_are_the_same_there_and_back() {
        let rule = days("logs/", 90);
        assert_eq!(rule.expiration.as_ref().unwrap().days, Some(90));
        let kept = from_s3(vec![rule.clone()]).unwrap();
        assert_eq!(kept[0]["deleteObjectsTransition"]["condition"]["maxAge"], 90 * DAY);
        assert_eq!(kept[0]["conditions"]["prefix"], "logs/");
        assert_eq!(to_s3(&kept)[0], rule);
        assert!(from_s3(vec![rule.clone(), rule]).is_err(), "ids are unique");
    }

    #[test]
    fn what_cannot_be_obeyed_is_refused() {
        let refused = |change: fn(&mut LifecycleRule)| {
            let mut rule = days("", 1);
            change(&mut rule);
            from_s3(vec![rule]).is_err()
        };
        assert!(refused(|rule| rule.expiration = Some(LifecycleExpiration::default())));
        assert!(refused(|rule| rule.filter.as_mut().unwrap().object_size_less_than = Some(1)));
        assert!(refused(|rule| {
            rule.noncurrent_version_expiration = Some(Default::default());
        }));
        assert!(!refused(|_| ()));
        assert!(from_s3(Vec::new()).is_err());
    }
}
