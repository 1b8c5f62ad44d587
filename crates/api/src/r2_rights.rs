//! What a token that is limited to R2 may call.

use hearth_store::R2Action;
use http::Method;

use crate::path::PREFIX;

/// What a call does to R2, and to which bucket (still encoded); None for a call that is about something else.
pub(crate) fn needed<'a>(method: &Method, path: &'a str) -> Option<(R2Action, Option<&'a str>)> {
    let below = path.strip_prefix(PREFIX)?.strip_prefix("/accounts/")?;
    let (_, below) = below.split_once('/')?;
    let reads = method.is_safe();
    let storage = if reads { R2Action::ReadStorage } else { R2Action::WriteStorage };
    if let Some(rest) = below.strip_prefix("event_notifications/r2/") {
        return Some((storage, rest.split('/').next()));
    }
    let mut segments = below.strip_prefix("r2/")?.split('/');
    if segments.next() != Some("buckets") {
        return Some((storage, None));
    }
    let Some(bucket) = segments.next() else { return Some((storage, None)) };
    match segments.next() {
        Some("objects") if reads => Some((R2Action::ReadItems, Some(bucket))),
        Some("objects") => Some((R2Action::WriteItems, Some(bucket))),
        // Deleting a bucket is the account's affair, as making one is.
        None if *method == Method::DELETE => Some((storage, None)),
        _ => Some((storage, Some(bucket))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use R2Action::{ReadItems, ReadStorage, WriteItems, WriteStorage};

    #[test]
    fn calls_need_what_they_do() {
        let cases = [
            (Method::GET, "r2/buckets", Some((ReadStorage, None))),
            (Method::POST, "r2/buckets", Some((WriteStorage, None))),
            (Method::GET, "r2/buckets/b", Some((ReadStorage, Some("b")))),
            (Method::DELETE, "r2/buckets/b", Some((WriteStorage, None))),
            (Method::PUT, "r2/buckets/b/cors", Some((WriteStorage, Some("b")))),
            (Method::GET, "r2/buckets/b/objects/k/l", Some((ReadItems, Some("b")))),
            (Method::PUT, "r2/buckets/b/objects/k", Some((WriteItems, Some("b")))),
            (Method::GET, "event_notifications/r2/b/configuration", Some((ReadStorage, Some("b")))),
            (Method::GET, "r2/metrics", Some((ReadStorage, None))),
            (Method::GET, "workers/scripts", None),
            (Method::GET, "r2x/buckets", None),
            (Method::POST, "tokens", None),
        ];
        for (method, path, expected) in cases {
            let path = format!("{PREFIX}/accounts/a/{path}");
            assert_eq!(needed(&method, &path), expected, "{method} {path}");
        }
        assert_eq!(needed(&Method::GET, "/client/v4/accounts"), None);
        assert_eq!(needed(&Method::GET, "/client/v4/accounts/a"), None);
    }
}
