//! One spelling of a request's path before it is routed.

use std::borrow::Cow;

use axum::extract::Request;
use http::Uri;
use http::uri::PathAndQuery;

/// Where Cloudflare's API begins.
pub const PREFIX: &str = "/client/v4";

/// The path with `//` collapsed and without a trailing slash: a base URL that ends in `/` makes wrangler send the
/// former, one of its calls has the latter (wrangler-api.md 1.1). Percent-encodings stay as they are, so that an
/// encoded slash in a name is not taken for one of the path's, and so does the key of an R2 object, whose slashes are
/// its own.
pub fn normalize(path: &str) -> Cow<'_, str> {
    if let Some(position) = object_key(path)
        && let Some((before, key)) = path.split_at_checked(position)
    {
        return match normalize(before) {
            Cow::Borrowed(_) => Cow::Borrowed(path),
            Cow::Owned(before) => Cow::Owned(before + key),
        };
    }
    let clean = !path.contains("//") && (path == "/" || !path.ends_with('/'));
    if clean && path.starts_with('/') {
        return Cow::Borrowed(path);
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    Cow::Owned(format!("/{}", segments.join("/")))
}

/// Where `/<key>` begins in the path of an R2 object (wrangler-api.md 7).
fn object_key(path: &str) -> Option<usize> {
    const OBJECTS: &str = "/objects";
    let buckets = path.find("/r2/buckets/")?;
    let objects = buckets + path.get(buckets..)?.find("/objects/")? + OBJECTS.len();
    (objects + 1 < path.len()).then_some(objects)
}

/// Gives a request its one spelling.
pub(crate) fn normalize_request(mut request: Request) -> Request {
    if let Cow::Owned(path) = normalize(request.uri().path()) {
        let text = match request.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        let mut parts = request.uri().clone().into_parts();
        // Nothing but slashes went away, so what was a valid path still is one.
        if let Ok(rewritten) = text.parse::<PathAndQuery>() {
            parts.path_and_query = Some(rewritten);
            if let Ok(uri) = Uri::from_parts(parts) {
                *request.uri_mut() = uri;
            }
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slashes_collapse_and_encodings_stay() {
        for (given, expected) in [
            ("/client/v4//accounts/a", "/client/v4/accounts/a"),
            ("/client/v4/accounts/a/", "/client/v4/accounts/a"),
            ("//client//v4///x//", "/client/v4/x"),
            ("/a/%2F/b%20c/", "/a/%2F/b%20c"),
            ("//c//r2/buckets/b/objects/x//y/", "/c/r2/buckets/b/objects/x//y/"),
            ("/c/r2/buckets/b/objects//", "/c/r2/buckets/b/objects//"),
            ("/c/r2/buckets/b/objects/", "/c/r2/buckets/b/objects"),
            ("/", "/"),
            ("//", "/"),
            ("", "/"),
        ] {
            assert_eq!(normalize(given), expected);
        }
    }

    proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(path in "[/a-c%]{0,30}") {
            let once = normalize(&path).into_owned();
            prop_assert_eq!(normalize(&once), once.as_str());
            prop_assert!(!once.contains("//"));
        }
    }
}
