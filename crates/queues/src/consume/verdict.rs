//! What becomes of each message, by what its handler said (workerd.md 2.1).

use std::collections::{HashMap, HashSet};

use hearth_supervisor::QueueEnded;

use super::Undone;
use crate::message_id;
use crate::rules::MAX_DELAY;
use crate::store::{Message, Settled, Verdict};

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The handler ended well. What it wants tried again does not count against it.
    Well,
    /// The handler failed.
    Failed,
    /// It did not run.
    NotDelivered,
}

pub(super) fn ending(outcome: &Result<QueueEnded, Undone>) -> Ending {
    match outcome {
        Ok(ended) if ended.is_ok() => Ending::Well,
        Ok(_) | Err(Undone::Failed(_)) => Ending::Failed,
        Err(Undone::NotDelivered(_)) => Ending::NotDelivered,
    }
}

/// `retry_delay` is the consumer's, in seconds.
pub(super) fn settle(
    batch: &[Message],
    outcome: &Result<QueueEnded, Undone>,
    retry_delay: u32,
) -> Vec<Settled> {
    let to_all = |verdict| {
        let settled = |message: &Message| Settled { lease: message.lease, verdict };
        batch.iter().map(settled).collect()
    };
    let usual = milliseconds(f64::from(retry_delay));
    let ended = match outcome {
        Ok(ended) => ended,
        Err(Undone::NotDelivered(_)) => return to_all(Verdict::Returned(0)),
        Err(Undone::Failed(_)) => return to_all(Verdict::Retry(usual)),
    };
    let acknowledged: HashSet<&str> = ended.explicit_acks.iter().map(String::as_str).collect();
    let retried: HashMap<&str, Option<f64>> =
        ended.retry_messages.iter().map(|retry| (retry.msg_id.as_str(), retry.delay_seconds)).collect();
    let all_again = (ended.retry_batch.retry || !ended.is_ok()) && !ended.ack_all;
    let of_batch = ended.retry_batch.delay_seconds.map_or(usual, milliseconds);
    let verdict = |message: &Message| {
        let id = message_id(&message.id);
        let own = retried.get(id.as_str());
        if acknowledged.contains(id.as_str()) || (own.is_none() && !all_again) {
            return Verdict::Acknowledged;
        }
        Verdict::Retry(own.copied().flatten().map_or(of_batch, milliseconds))
    };
    batch.iter().map(|message| Settled { lease: message.lease, verdict: verdict(message) }).collect()
}

/// A delay as a handler gave it, in seconds: what cannot be one is brought within its bounds.
fn milliseconds(seconds: f64) -> i64 {
    let seconds = if seconds.is_nan() { 0.0 } else { seconds };
    (seconds.clamp(0.0, f64::from(MAX_DELAY)) * 1000.0) as i64
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::store::{Format, Lease};

    fn batch(count: u8) -> Vec<Message> {
        let message = |number: u8| Message {
            lease: Lease { sequence: i64::from(number), token: 7 },
            id: [number; 16],
            timestamp: 0,
            attempts: 1,
            format: Format::Json,
            body: Bytes::new(),
        };
        (0..count).map(message).collect()
    }

    fn name(number: u8) -> String {
        message_id(&[number; 16])
    }

    fn ended(value: serde_json::Value) -> Result<QueueEnded, Undone> {
        Ok(serde_json::from_value(value).unwrap())
    }

    fn verdicts(outcome: &Result<QueueEnded, Undone>) -> Vec<Verdict> {
        settle(&batch(3), outcome, 5).into_iter().map(|settled| settled.verdict).collect()
    }

    #[test]
    fn a_good_end_acknowledges_and_a_bad_one_retries() {
        use Verdict::{Acknowledged, Retry, Returned};
        assert_eq!(verdicts(&ended(json!({"outcome": "ok"}))), [Acknowledged; 3]);
        assert_eq!(verdicts(&ended(json!({"outcome": "exception"}))), [Retry(5000); 3]);
        assert_eq!(verdicts(&Err(Undone::Failed(String::new()))), [Retry(5000); 3]);
        assert_eq!(verdicts(&Err(Undone::NotDelivered(String::new()))), [Returned(0); 3]);
    }

    #[test]
    fn a_message_counts_more_than_its_batch() {
        use Verdict::{Acknowledged, Retry};
        let retry_all = json!({"outcome": "ok", "retryBatch": {"retry": true, "delaySeconds": 9},
            "explicitAcks": [name(0)], "retryMessages": [{"msgId": name(1), "delaySeconds": 2}]});
        assert_eq!(verdicts(&ended(retry_all)), [Acknowledged, Retry(2000), Retry(9000)]);
        let ack_all = json!({"outcome": "exception", "ackAll": true, "retryMessages": [{"msgId": name(1)}]});
        assert_eq!(verdicts(&ended(ack_all)), [Acknowledged, Retry(5000), Acknowledged]);
        let thrown = json!({"outcome": "exception", "explicitAcks": [name(2)]});
        assert_eq!(verdicts(&ended(thrown)), [Retry(5000), Retry(5000), Acknowledged]);
    }

    proptest! {
        #[test]
        fn no_delay_is_out_of_bounds(seconds in any::<f64>()) {
            let delay = milliseconds(seconds);
            prop_assert!((0..=i64::from(MAX_DELAY) * 1000).contains(&delay), "{delay}");
        }
    }
}
