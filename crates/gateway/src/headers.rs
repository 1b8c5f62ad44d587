//! Which headers pass the gateway, which it takes away, and which it sets.

use std::net::{IpAddr, SocketAddr};

use hearth_model::{SESSION_COOKIES, VersionChoice, VersionId};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

/// As workerd's socket is configured to read it: the URL's scheme.
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// As workerd's socket is configured to read it: the JSON of `request.cf`.
pub(crate) const CF_BLOB: HeaderName = HeaderName::from_static("x-hearth-cf");
/// The request's id.
pub(crate) const CF_RAY: HeaderName = HeaderName::from_static("cf-ray");
/// How many workers a chain of calls has passed.
pub(crate) const CF_EW_VIA: HeaderName = HeaderName::from_static("cf-ew-via");
/// The worker that makes a request.
pub(crate) const CF_WORKER: HeaderName = HeaderName::from_static("cf-worker");
/// The path that was stripped in path mode.
pub(crate) const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const CONNECTING_IP: HeaderName = HeaderName::from_static("cf-connecting-ip");
const IP_COUNTRY: HeaderName = HeaderName::from_static("cf-ipcountry");
const VISITOR: HeaderName = HeaderName::from_static("cf-visitor");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const VERSION_KEY: HeaderName = HeaderName::from_static("cloudflare-workers-version-key");
const VERSION_OVERRIDES: HeaderName = HeaderName::from_static("cloudflare-workers-version-overrides");

/// Identity headers of Cloudflare's that only the edge may set, by their beginnings. Not all of `cf-`: webhooks that
/// a worker receives carry `cf-webhook-auth`, service tokens `cf-access-client-id`.
const IDENTITY: [&str; 19] = [
    "cf-connecting-",
    "cf-ip",
    "cf-ray",
    "cf-visitor",
    "cf-worker",
    "cf-ew-via",
    "cf-pseudo-ipv4",
    "cf-region",
    "cf-metro-code",
    "cf-postal-code",
    "cf-timezone",
    "cf-bot",
    "cf-verified-bot",
    "cf-threat-score",
    "cf-ja3",
    "cf-ja4",
    "cf-client-cert",
    "cf-device-type",
    "cf-request-id",
];

fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Says things about the client that only somebody trusted can know.
fn is_claim(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'c') => name.starts_with("cf-") && IDENTITY.iter().any(|prefix| name.starts_with(prefix)),
        Some(b'x') => name.starts_with("x-forwarded-") || name == "x-real-ip",
        Some(b'f') => name == "forwarded",
        Some(b't') => name == "true-client-ip",
        _ => false,
    }
}

/// Removes what ends at this hop, what a `Connection` header names, and our own internal headers; of an untrusted
/// sender also what it claims about the client.
pub(crate) fn clean_request(headers: &mut HeaderMap, trusted: bool) {
    remove_named_in_connection(headers);
    remove(headers, |name| {
        is_hop_by_hop(name)
            || name.starts_with("x-hearth-")
            || name == "expect"
            // Who somebody is to Access, nobody else can say, whoever is trusted with addresses.
            || name.starts_with("cf-access-jwt")
            || name.starts_with("cf-access-authenticated")
            || (!trusted && is_claim(name))
    });
}

/// Cleans a client's request, HTTP/2's split cookies included; keeps what a WebSocket's handshake needs.
pub(crate) fn clean_request_of<B>(request: &mut http::Request<B>, trusted: bool) {
    let websocket = is_websocket(request);
    let headers = request.headers_mut();
    clean_request(headers, trusted);
    join_cookies(headers);
    if websocket {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
}

/// Whether a request asks for a WebSocket (RFC 6455, 4.1). All other upgrades may be ignored, and are.
pub(crate) fn is_websocket<B>(request: &http::Request<B>) -> bool {
    let Some(upgrade) = request.headers().get(header::UPGRADE) else { return false };
    let connection = request.headers().get_all(header::CONNECTION);
    let mut tokens = connection.iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    request.method() == http::Method::GET
        && request.version() == http::Version::HTTP_11
        && upgrade.as_bytes().eq_ignore_ascii_case(b"websocket")
        && tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// Removes what ends at this hop from a response.
pub(crate) fn clean_response(headers: &mut HeaderMap) {
    remove_named_in_connection(headers);
    remove(headers, |name| is_hop_by_hop(name) || name.starts_with("x-hearth-"));
}

/// Tells search engines to leave a page alone, unless it says something of its own, as Cloudflare's Pages does of previews
/// (<https://developers.cloudflare.com/pages/configuration/preview-deployments/>).
pub(crate) fn unlist(headers: &mut HeaderMap) {
    headers.entry("x-robots-tag").or_insert(HeaderValue::from_static("noindex"));
}

fn remove_named_in_connection(headers: &mut HeaderMap) {
    if !headers.contains_key(header::CONNECTION) {
        return;
    }
    let values: Vec<HeaderValue> = headers.get_all(header::CONNECTION).iter().cloned().collect();
    for token in values.iter().flat_map(|value| value.as_bytes().split(|b| *b == b',')) {
        if let Ok(name) = HeaderName::from_bytes(token.trim_ascii())
            // Without these the message itself would change its meaning.
            && !matches!(name, header::HOST | header::CONTENT_LENGTH | header::CONTENT_TYPE)
        {
            headers.remove(name);
        }
    }
}

/// One pass that usually finds nothing; only then names are copied.
fn remove(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    let found: Vec<HeaderName> = headers.keys().filter(|name| unwanted(name.as_str())).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// Takes from a request what signs its browser in to the control host: code that answers there is a tenant's.
pub(crate) fn hide_session(headers: &mut HeaderMap) {
    let lines: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
    let names_session = |pair: &&[u8]| SESSION_COOKIES.iter().any(|name| is_cookie(pair, name));
    if !lines.iter().any(|line| line.as_bytes().split(|b| *b == b';').any(|pair| names_session(&pair))) {
        return;
    }
    headers.remove(header::COOKIE);
    for line in lines {
        let kept: Vec<&[u8]> = line
            .as_bytes()
            .split(|b| *b == b';')
            .filter(|pair| !names_session(pair))
            .map(<[u8]>::trim_ascii)
            .collect();
        let kept = kept.join(&b"; "[..]);
        if let (false, Ok(kept)) = (kept.is_empty(), HeaderValue::from_bytes(&kept)) {
            headers.append(header::COOKIE, kept);
        }
    }
}

/// Takes from a response what would sign its browser in there, as somebody of the tenant's choice.
pub(crate) fn keep_session(headers: &mut HeaderMap) {
    let sets_session = |set: &HeaderValue| SESSION_COOKIES.iter().any(|name| is_cookie(set.as_bytes(), name));
    if !headers.get_all(header::SET_COOKIE).iter().any(sets_session) {
        return;
    }
    let kept: Vec<HeaderValue> =
        headers.get_all(header::SET_COOKIE).iter().filter(|set| !sets_session(set)).cloned().collect();
    headers.remove(header::SET_COOKIE);
    for set in kept {
        headers.append(header::SET_COOKIE, set);
    }
}

/// Whether a cookie, with what follows it, has a name.
fn is_cookie(pair: &[u8], name: &str) -> bool {
    let own = pair.split(|b| *b == b'=').next().unwrap_or_default();
    own.trim_ascii() == name.as_bytes()
}

/// Joins the cookie headers that HTTP/2 clients may split (RFC 9113, 8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    let parts: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&parts.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// Who asks, as the worker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The client's address, as far as trusted proxies can say.
    pub ip: IpAddr,
    /// Whether the client speaks TLS to us or to a trusted proxy.
    pub https: bool,
}

/// Whether an address is a proxy's whose word counts.
pub(crate) fn is_trusted(ip: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&ip.to_canonical()))
}

/// The client behind a connection. Of a trusted proxy's `X-Forwarded-For` the last address counts that is not itself
/// a trusted proxy's: what stands before it, anybody can have written.
pub(crate) fn client(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    let peer = peer.ip().to_canonical();
    if !is_trusted(peer, trusted) {
        return Client { ip: peer, https: false };
    }
    let forwarded = headers.get_all(&FORWARDED_FOR);
    let texts: Vec<&str> = forwarded.iter().filter_map(|value| value.to_str().ok()).collect();
    let hops = texts.iter().flat_map(|text| text.split(',')).map(|hop| hop.trim().parse::<IpAddr>());
    let hops: Vec<_> = hops.collect();
    let mut ip = peer;
    for hop in hops.iter().rev() {
        // What is no address ends the chain of those who can be believed.
        let Ok(hop) = hop else { break };
        ip = hop.to_canonical();
        if !is_trusted(ip, trusted) {
            break;
        }
    }
    if hops.is_empty() {
        let real = headers.get(&REAL_IP).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        ip = real.unwrap_or(peer);
    }
    let proto = headers.get(&FORWARDED_PROTO).map(HeaderValue::as_bytes);
    Client { ip, https: proto.is_some_and(|proto| proto.eq_ignore_ascii_case(b"https")) }
}

/// What is the same for every request of one client over one connection.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The client's address.
    pub(crate) ip: HeaderValue,
    /// The peer's address, which is appended to `X-Forwarded-For`.
    pub(crate) peer: HeaderValue,
    /// Its country, `XX` if unknown, as on Cloudflare.
    pub(crate) country: HeaderValue,
    /// `request.cf`.
    pub(crate) blob: HeaderValue,
}

/// Tells the worker who asks.
pub(crate) fn set_identity(headers: &mut HeaderMap, identity: &Identity, https: bool, ray: HeaderValue) {
    let forwarded_for = match headers.get(&FORWARDED_FOR) {
        None => identity.peer.clone(),
        Some(_) => {
            let hops = headers.get_all(&FORWARDED_FOR);
            let all: Vec<&[u8]> = hops.iter().chain([&identity.peer]).map(HeaderValue::as_bytes).collect();
            HeaderValue::from_bytes(&all.join(&b", "[..])).unwrap_or_else(|_| identity.peer.clone())
        }
    };
    let (proto, visitor) = match https {
        true => ("https", r#"{"scheme":"https"}"#),
        false => ("http", r#"{"scheme":"http"}"#),
    };
    headers.insert(CONNECTING_IP, identity.ip.clone());
    headers.insert(REAL_IP, identity.ip.clone());
    headers.insert(FORWARDED_FOR, forwarded_for);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    headers.insert(VISITOR, HeaderValue::from_static(visitor));
    headers.insert(CF_RAY, ray);
    headers.insert(CF_BLOB, identity.blob.clone());
    // A trusted proxy may know what we do not.
    if identity.country != "XX" || !headers.contains_key(&IP_COUNTRY) {
        headers.insert(IP_COUNTRY, identity.country.clone());
    }
}

/// What the request says about the version it wants.
pub(crate) fn version_choice<'a>(headers: &'a HeaderMap, worker: &str) -> VersionChoice<'a> {
    VersionChoice {
        key: headers.get(&VERSION_KEY).map(HeaderValue::as_bytes),
        wanted: headers
            .get_all(&VERSION_OVERRIDES)
            .iter()
            .find_map(|value| wanted(value.to_str().ok()?, worker)),
    }
}

/// Reads `worker="<version id>", other="..."`: a structured-field dictionary (RFC 8941), read leniently.
fn wanted(dictionary: &str, worker: &str) -> Option<VersionId> {
    let members = dictionary.split(',').filter_map(|member| member.split_once('='));
    let mut ours = members.filter(|(name, _)| name.trim().eq_ignore_ascii_case(worker));
    ours.find_map(|(_, value)| {
        let value = value.split(';').next().unwrap_or_default();
        value.trim().trim_matches('"').parse().ok()
    })
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
