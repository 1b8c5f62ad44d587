//! What browsers are told about the control host.
//!
//! The console signs people in on this origin, and the API gives out bytes that others wrote: objects, values, what
//! handlers answer. None of these may ever run as a page of it.

use http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

/// What an answer of the API may do in a browser that opens it as a page: nothing.
const SEALED: &str =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox";

const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Marks an answer of the API as no page. The console's documents say their own policy, which stays.
pub fn seal(headers: &mut HeaderMap) {
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SEALED));
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// What the console's document may do: run its own files, and talk to this origin. Mantine and CodeMirror make style
/// elements, which show this response's nonce; no element may have a `style` attribute in its text.
pub(crate) fn of_document(headers: &mut HeaderMap, nonce: &str) {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; font-src 'self'; \
         img-src 'self' data: blob:; connect-src 'self'; media-src 'self' blob:; worker-src 'self'; \
         manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    // A nonce is of base64's letters.
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(OPENER, HeaderValue::from_static("same-origin"));
    seal(headers);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
}

/// What a file of the console may be used for.
pub(crate) fn of_file(headers: &mut HeaderMap) {
    headers.insert(RESOURCE, HeaderValue::from_static("same-origin"));
    seal(headers);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_no_page_of_this_origin() {
        let mut headers = HeaderMap::new();
        seal(&mut headers);
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"));
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
    }

    #[test]
    fn the_document_runs_nothing_that_is_written_into_it() {
        let mut headers = HeaderMap::new();
        of_document(&mut headers, "abc");
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'self';"));
        assert!(!policy.contains("unsafe"));
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("'nonce-abc'"));
    }
}
