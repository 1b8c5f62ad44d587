//! What has to hold of a signed request before its signature is worth checking. `s3s` checks the signature and the
//! times; this is what it does not look at.

use http::{HeaderMap, Method};
use s3s::{S3Error, s3_error};

/// Longest life of a presigned URL, in seconds: 7 days
/// (<https://developers.cloudflare.com/r2/api/s3/presigned-urls/>).
const LONGEST: u32 = 604_800;

/// Refuses
/// - signatures of version 2, which R2 does not take,
/// - two signatures at once,
/// - uploads by HTML forms, which R2 does not take, and which `s3s` would hold in memory,
/// - presigned URLs that live longer than 7 days,
/// - signatures that leave out the host, or a header that says what is to be done: who holds a presigned URL could
///   otherwise make a copy of another object of its `PUT` by adding `x-amz-copy-source`.
pub(crate) fn check(method: &Method, query: Option<&str>, headers: &HeaderMap) -> Result<(), S3Error> {
    let header = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let authorization = header("authorization");
    let query: Vec<(String, String)> = query.map(pairs).unwrap_or_default();
    let parameter = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());

    let old = authorization.is_some_and(|text| text.trim_start().starts_with("AWS "))
        || parameter("Signature").is_some()
        || parameter("AWSAccessKeyId").is_some();
    if old {
        return Err(s3_error!(
            InvalidRequest,
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        ));
    }
    let form = header("content-type")
        .is_some_and(|text| text.to_ascii_lowercase().starts_with("multipart/form-data"));
    if *method == Method::POST && form {
        return Err(s3_error!(NotImplemented, "Uploads by HTML forms are not implemented."));
    }
    let presigned = query.iter().any(|(key, _)| key.starts_with("X-Amz-"));
    if presigned && authorization.is_some() {
        return Err(s3_error!(InvalidArgument, "Only one auth mechanism allowed."));
    }
    let signed = if presigned {
        check_expiry(parameter("X-Amz-Expires"))?;
        parameter("X-Amz-SignedHeaders")
    } else {
        authorization.and_then(signed_headers)
    };
    match signed {
        Some(signed) => check_signed(signed, headers, presigned),
        None => Ok(()),
    }
}

fn check_expiry(expires: Option<&str>) -> Result<(), S3Error> {
    let seconds = expires.and_then(|text| text.parse::<u32>().ok());
    if seconds.is_some_and(|seconds| (1..=LONGEST).contains(&seconds)) {
        return Ok(());
    }
    Err(s3_error!(
        AuthorizationQueryParametersError,
        "X-Amz-Expires must be between 1 and {LONGEST} seconds, a week."
    ))
}

fn check_signed(signed: &str, headers: &HeaderMap, presigned: bool) -> Result<(), S3Error> {
    let is_signed = |name: &str| signed.split(';').any(|signed| signed.eq_ignore_ascii_case(name));
    // A presigned URL's signature does not cover the body; whoever sends one may say its digest, which is checked.
    let exempt = |name: &str| presigned && name == "x-amz-content-sha256";
    let unsigned = headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| name.starts_with("x-amz-") || *name == "host")
        .find(|name| !is_signed(name) && !exempt(name));
    match unsigned {
        None => Ok(()),
        Some(name) => Err(s3_error!(
            AccessDenied,
            "There were headers present in the request which were not signed: {name}"
        )),
    }
}

/// `SignedHeaders` of an `Authorization` header.
fn signed_headers(authorization: &str) -> Option<&str> {
    let (_, fields) = authorization.split_once(char::is_whitespace)?;
    fields.split(',').find_map(|field| field.trim().strip_prefix("SignedHeaders="))
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn code(method: Method, query: Option<&str>, with: &[(&'static str, &str)]) -> Option<String> {
        check(&method, query, &headers(with)).err().map(|error| error.code().as_str().to_owned())
    }

    const PRESIGNED: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60&X-Amz-SignedHeaders=host";

    #[test]
    fn a_header_that_asks_for_something_has_to_be_signed() {
        let host = ("host", "localhost:1");
        assert_eq!(code(Method::PUT, Some(PRESIGNED), &[host]), None);
        let smuggled = [host, ("x-amz-copy-source", "/bucket/secret")];
        assert_eq!(code(Method::PUT, Some(PRESIGNED), &smuggled).as_deref(), Some("AccessDenied"));
        let query = PRESIGNED.replace("=host", "=host%3Bx-amz-copy-source");
        assert_eq!(code(Method::PUT, Some(&query), &smuggled), None);
        let digest = [host, ("x-amz-content-sha256", "00")];
        assert_eq!(code(Method::PUT, Some(PRESIGNED), &digest), None);

        let by =
            |signed: &str| format!("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders={signed}, Signature=0");
        for (signed, expected) in
            [("host;x-amz-date", None), ("x-amz-date", Some("AccessDenied")), ("host", Some("AccessDenied"))]
        {
            let with = [host, ("x-amz-date", "20260101T000000Z"), ("authorization", &by(signed))];
            assert_eq!(code(Method::GET, None, &with).as_deref(), expected, "{signed}");
        }
    }

    #[test]
    fn a_presigned_url_lives_a_week_at_most() {
        for (seconds, good) in
            [("1", true), ("604800", true), ("604801", false), ("0", false), ("-1", false), ("", false)]
        {
            let query = PRESIGNED.replace("=60", &format!("={seconds}"));
            assert_eq!(code(Method::GET, Some(&query), &[("host", "x")]).is_none(), good, "{seconds}");
        }
    }

    #[test]
    fn what_r2_does_not_take_is_refused() {
        let cases = [
            (Method::GET, Some("AWSAccessKeyId=a&Expires=1&Signature=b"), vec![], "InvalidRequest"),
            (Method::GET, None, vec![("authorization", "AWS a:b")], "InvalidRequest"),
            (Method::POST, None, vec![("content-type", "Multipart/form-data; boundary=x")], "NotImplemented"),
            (Method::GET, Some(PRESIGNED), vec![("authorization", "AWS4-HMAC-SHA256 x")], "InvalidArgument"),
        ];
        for (method, query, with, expected) in cases {
            assert_eq!(code(method, query, &with).as_deref(), Some(expected));
        }
        assert_eq!(code(Method::GET, Some("prefix=Signature"), &[]), None);
    }
}
