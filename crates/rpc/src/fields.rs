//! HTTP's vocabulary in Cap'n Proto: methods, headers, URLs.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, request};

use crate::schema::http_over_capnp_capnp::{HttpMethod, http_header};

/// `HttpMethod` in the order of its ordinals (`capnp/compat/http-over-capnp.capnp`).
const METHODS: [(&str, HttpMethod); 28] = [
    ("GET", HttpMethod::Get),
    ("HEAD", HttpMethod::Head),
    ("POST", HttpMethod::Post),
    ("PUT", HttpMethod::Put),
    ("DELETE", HttpMethod::Delete),
    ("PATCH", HttpMethod::Patch),
    ("PURGE", HttpMethod::Purge),
    ("OPTIONS", HttpMethod::Options),
    ("TRACE", HttpMethod::Trace),
    ("COPY", HttpMethod::Copy),
    ("LOCK", HttpMethod::Lock),
    ("MKCOL", HttpMethod::Mkcol),
    ("MOVE", HttpMethod::Move),
    ("PROPFIND", HttpMethod::Propfind),
    ("PROPPATCH", HttpMethod::Proppatch),
    ("SEARCH", HttpMethod::Search),
    ("UNLOCK", HttpMethod::Unlock),
    ("ACL", HttpMethod::Acl),
    ("REPORT", HttpMethod::Report),
    ("MKACTIVITY", HttpMethod::Mkactivity),
    ("CHECKOUT", HttpMethod::Checkout),
    ("MERGE", HttpMethod::Merge),
    ("MSEARCH", HttpMethod::Msearch),
    ("NOTIFY", HttpMethod::Notify),
    ("SUBSCRIBE", HttpMethod::Subscribe),
    ("UNSUBSCRIBE", HttpMethod::Unsubscribe),
    ("QUERY", HttpMethod::Query),
    ("BAN", HttpMethod::Ban),
];

/// `CommonHeaderName` by ordinal; 0 is never sent.
static COMMON_NAMES: [HeaderName; 48] = [
    HeaderName::from_static("invalid"),
    header::ACCEPT_CHARSET,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::ACCEPT_RANGES,
    header::ACCEPT,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::AGE,
    header::ALLOW,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::DATE,
    header::ETAG,
    header::EXPECT,
    header::EXPIRES,
    header::FROM,
    header::HOST,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::LAST_MODIFIED,
    header::LINK,
    header::LOCATION,
    header::MAX_FORWARDS,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::RANGE,
    header::REFERER,
    header::REFRESH,
    header::RETRY_AFTER,
    header::SERVER,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::TRANSFER_ENCODING,
    header::USER_AGENT,
    header::VARY,
    header::VIA,
    header::WWW_AUTHENTICATE,
];

/// `CommonHeaderValue` with ordinal 1, the only one there is.
const COMMON_VALUE_1: &str = "gzip, deflate";

pub(crate) fn method_to_capnp(method: &Method) -> Option<HttpMethod> {
    METHODS.iter().find(|(name, _)| *name == method.as_str()).map(|(_, method)| *method)
}

pub(crate) fn method_name(method: HttpMethod) -> &'static str {
    METHODS[method as usize].0
}

/// The absolute URL that a worker sees as `request.url`.
pub(crate) fn url(head: &request::Parts) -> String {
    if head.uri.scheme().is_some() {
        return head.uri.to_string();
    }
    let host = head
        .headers
        .get(header::HOST)
        .map_or(Default::default(), |host| String::from_utf8_lossy(host.as_bytes()));
    format!("http://{host}{}", head.uri)
}

/// Of this hop only, so not for the next.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    *name == header::CONNECTION
        || *name == header::TRANSFER_ENCODING
        || *name == header::TE
        || *name == header::TRAILER
        || name == "keep-alive"
        || name == "proxy-connection"
}

pub(crate) fn write_headers<'a>(
    headers: &HeaderMap,
    init: impl FnOnce(u32) -> capnp::struct_list::Builder<'a, http_header::Owned>,
) {
    let kept = || headers.iter().filter(|(name, _)| !is_hop_by_hop(name));
    let mut list = init(kept().count() as u32);
    for (index, (name, value)) in kept().enumerate() {
        let mut pair = list.reborrow().get(index as u32).init_uncommon();
        pair.set_name(name.as_str());
        pair.set_value(capnp::text::Reader(value.as_bytes()));
    }
}

pub(crate) fn read_headers(
    list: capnp::struct_list::Reader<'_, http_header::Owned>,
) -> capnp::Result<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(list.len() as usize);
    for entry in list {
        let (name, value) = match entry.which()? {
            http_header::Uncommon(pair) => {
                let pair = pair?;
                let name = HeaderName::from_bytes(pair.get_name()?.as_bytes());
                (name.map_err(invalid)?, pair.get_value()?.as_bytes())
            }
            http_header::Common(pair) => {
                use http_header::common::Which;
                let name = COMMON_NAMES.get(usize::from(pair.get_name())).ok_or_else(|| invalid("name"))?;
                let value = match pair.which()? {
                    Which::Value(value) => value?.as_bytes(),
                    Which::CommonValue(1) => COMMON_VALUE_1.as_bytes(),
                    Which::CommonValue(_) => return Err(invalid("value")),
                };
                (name.clone(), value)
            }
        };
        if !is_hop_by_hop(&name) {
            headers.append(name, HeaderValue::from_bytes(value).map_err(invalid)?);
        }
    }
    Ok(headers)
}

fn invalid(what: impl std::fmt::Display) -> capnp::Error {
    capnp::Error::failed(format!("invalid header: {what}"))
}
