//! What R2 does not have, refused by name: a request for it must not look as if it had been heard.

use http::HeaderMap;

/// Headers of features that R2 lacks (<https://developers.cloudflare.com/r2/api/s3/api/>), or that would promise what
/// Hearth does not do (`x-amz-server-side-encryption`: nothing is encrypted unless the client brings a key).
const HEADERS: [&str; 20] = [
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-tagging",
    "x-amz-tagging-directive",
    "x-amz-website-redirect-location",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
    "x-amz-bypass-governance-retention",
    "x-amz-mfa",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-context",
    "x-amz-write-offset-bytes",
    "x-amz-expected-bucket-owner",
    "x-amz-source-expected-bucket-owner",
    "x-amz-request-payer",
];

/// Headers that say what is the case anyway with one value, and ask for what R2 lacks with others.
const UNLESS: [(&str, &[&str]); 4] = [
    // rclone and others send it with every upload, and private is what everything is.
    ("x-amz-acl", &["private", "bucket-owner-full-control"]),
    ("x-amz-bucket-object-lock-enabled", &["false"]),
    ("x-amz-server-side-encryption-bucket-key-enabled", &["false"]),
    ("x-amz-object-ownership", &["BucketOwnerEnforced"]),
];

/// The first header that asks for what R2 does not have, and its value.
pub(crate) fn header(headers: &HeaderMap) -> Option<(&'static str, String)> {
    let text =
        |name: &str| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let never = HEADERS.iter().find_map(|name| Some((*name, text(name)?)));
    let sometimes = UNLESS.iter().find_map(|(name, fine)| {
        let value = text(name)?;
        (!fine.iter().any(|fine| fine.eq_ignore_ascii_case(&value))).then_some((*name, value))
    });
    never.or(sometimes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &'static str, value: &str) -> Option<&'static str> {
        let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
        header(&headers).map(|(name, _)| name)
    }

    #[test]
    fn only_what_asks_for_more_is_refused() {
        assert_eq!(refused("x-amz-tagging", "a=b"), Some("x-amz-tagging"));
        assert_eq!(refused("x-amz-acl", "public-read"), Some("x-amz-acl"));
        assert_eq!(refused("x-amz-acl", "private"), None);
        assert_eq!(refused("x-amz-meta-tagging", "a=b"), None);
        assert_eq!(refused("x-amz-checksum-crc32", "AAAAAA=="), None);
    }
}
