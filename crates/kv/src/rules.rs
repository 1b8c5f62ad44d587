//! Cloudflare's limits and the words they are refused with (workerd.md 1.1; the texts are those of workerd's bundled
//! KV service). No I/O.

use http::StatusCode;
use serde_json::value::RawValue;

use crate::store::Attributes;

/// Longest key, in bytes of UTF-8.
pub const MAX_KEY: usize = 512;
/// Longest value, in bytes.
pub const MAX_VALUE: u64 = 25 << 20;
/// Longest metadata, in bytes of its JSON text.
pub const MAX_METADATA: usize = 1024;
/// Most keys of one page of a list.
pub const MAX_LIST: usize = 1000;
/// Most keys of a bulk get.
pub const MAX_BULK_GET: usize = 100;
/// Most bytes of values that a bulk get answers with.
pub const MAX_BULK_BYTES: u64 = 25 << 20;
/// Shortest life of a key that expires, in seconds.
const MIN_TTL: i64 = 60;
/// Smallest `cacheTtl`, in seconds.
const MIN_CACHE_TTL: i64 = 30;

/// A call that breaks a rule: what a worker reads after `KV GET failed: <status> `, and a REST client as the error's
/// message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// Cloudflare's code in the REST envelope.
    pub code: u32,
    /// For the caller.
    pub message: String,
}

/// Codes of Cloudflare's KV API, as its published client libraries list them.
pub mod code {
    /// Storage cannot be reached, or is full.
    pub const UNAVAILABLE: u32 = 10001;
    /// The key is not there.
    pub const KEY_NOT_FOUND: u32 = 10009;
    /// The value cannot be read from the call.
    pub const BAD_VALUE: u32 = 10012;
    /// No such namespace.
    pub const NAMESPACE_NOT_FOUND: u32 = 10013;
    /// The account has a namespace of that title.
    pub const TITLE_TAKEN: u32 = 10014;
    /// A namespace needs a title.
    pub const NO_TITLE: u32 = 10019;
    /// Too much at once.
    pub const TOO_MANY_REQUESTS: u32 = 10022;
    /// Value, metadata or bulk call too large.
    pub const TOO_LARGE: u32 = 10024;
    /// A `limit` that cannot be one.
    pub const BAD_LIMIT: u32 = 10028;
    /// The call makes no sense.
    pub const BAD_REQUEST: u32 = 10029;
    /// The key is too long.
    pub const KEY_TOO_LONG: u32 = 10030;
    /// An `expiration` that cannot be one.
    pub const BAD_EXPIRATION: u32 = 10033;
    /// An `expiration_ttl` that cannot be one.
    pub const BAD_TTL: u32 = 10034;
    /// A cursor that no list gave out.
    pub const BAD_CURSOR: u32 = 10041;
    /// A key that cannot be one.
    pub const BAD_KEY: u32 = 10042;
    /// Metadata that is no JSON.
    pub const BAD_METADATA: u32 = 10047;
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: u32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn bad(code: u32, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 413.
    pub(crate) fn too_large(message: String) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, code::TOO_LARGE, message)
    }

    /// A value of `length` bytes.
    pub(crate) fn value_too_large(length: u64) -> Self {
        Self::too_large(format!("Value length of {length} exceeds limit of {MAX_VALUE}."))
    }
}

/// A key that Cloudflare would take.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// Checks a key.
    ///
    /// # Errors
    /// It is empty, `.`, `..` or longer than 512 bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, Refusal> {
        let text = text.into();
        match text.as_str() {
            "" => return Err(Refusal::bad(code::BAD_KEY, "Key names must not be empty")),
            "." | ".." => {
                let message = format!("Illegal key name \"{text}\". Please use a different name.");
                return Err(Refusal::bad(code::BAD_KEY, message));
            }
            _ => check_length(&text)?,
        }
        Ok(Self(text))
    }

    /// A key that storage holds: it was checked when it was written.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its text.
    pub fn into_string(self) -> String {
        self.0
    }
}

fn check_length(text: &str) -> Result<(), Refusal> {
    if text.len() <= MAX_KEY {
        return Ok(());
    }
    let message = format!("UTF-8 encoded length of {} exceeds key length limit of {MAX_KEY}.", text.len());
    Err(Refusal::new(StatusCode::URI_TOO_LONG, code::KEY_TOO_LONG, message))
}

/// Checks a list's prefix.
///
/// # Errors
/// It is longer than a key can be.
pub fn check_prefix(prefix: &str) -> Result<(), Refusal> {
    check_length(prefix)
}

/// The attributes of a put, at `now` (seconds since 1970). `metadata` is JSON text; `null` is the same as none.
///
/// # Errors
/// What Cloudflare refuses them with.
pub fn attributes(
    now: i64,
    expiration: Option<&str>,
    ttl: Option<&str>,
    metadata: Option<&str>,
) -> Result<Attributes, Refusal> {
    Ok(Attributes { expiration: expires(now, expiration, ttl)?, metadata: check_metadata(metadata)? })
}

fn check_metadata(text: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    if text.len() > MAX_METADATA {
        return Err(Refusal::too_large(format!(
            "Metadata length of {} exceeds limit of {MAX_METADATA}.",
            text.len()
        )));
    }
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) if value.get() == "null" => Ok(None),
        Ok(value) => Ok(Some(value.get().to_owned())),
        Err(_) => Err(Refusal::bad(code::BAD_METADATA, "Metadata must be valid JSON.")),
    }
}

fn expires(now: i64, expiration: Option<&str>, ttl: Option<&str>) -> Result<Option<i64>, Refusal> {
    if let Some(text) = ttl {
        let bad = |rest: String| {
            Err(Refusal::bad(code::BAD_TTL, format!("Invalid expiration_ttl of {text}. {rest}")))
        };
        return match integer(text) {
            Some(ttl) if ttl >= MIN_TTL => Ok(Some(now.saturating_add(ttl))),
            Some(ttl) if ttl > 0 => bad(format!("Expiration TTL must be at least {MIN_TTL}.")),
            _ => bad("Please specify integer greater than 0.".to_owned()),
        };
    }
    let Some(text) = expiration else { return Ok(None) };
    let bad = |rest: String| {
        Err(Refusal::bad(code::BAD_EXPIRATION, format!("Invalid expiration of {text}. {rest}")))
    };
    match integer(text) {
        Some(at) if at >= now + MIN_TTL => Ok(Some(at)),
        Some(at) if at > now => {
            bad(format!("Expiration times must be at least {MIN_TTL} seconds in the future."))
        }
        _ => bad("Please specify integer greater than the current number of seconds since the UNIX epoch."
            .to_owned()),
    }
}

/// Checks `cacheTtl`, which has no effect here: every read is fresh.
///
/// # Errors
/// It is below 30 s or no number.
pub fn check_cache_ttl(text: Option<&str>) -> Result<(), Refusal> {
    let Some(text) = text else { return Ok(()) };
    if integer(text).is_some_and(|ttl| ttl >= MIN_CACHE_TTL) {
        return Ok(());
    }
    let message = format!("Invalid cache_ttl of {text}. Cache TTL must be at least {MIN_CACHE_TTL}.");
    Err(Refusal::bad(code::BAD_REQUEST, message))
}

/// A list's limit.
///
/// # Errors
/// It is no number between 1 and 1000.
pub fn limit(text: Option<&str>) -> Result<usize, Refusal> {
    let Some(text) = text else { return Ok(MAX_LIST) };
    let bad = |rest: String| {
        let shown = integer(text).map_or_else(|| "NaN".to_owned(), |number| number.to_string());
        Err(Refusal::bad(code::BAD_LIMIT, format!("Invalid key_count_limit of {shown}. {rest}")))
    };
    match integer(text).and_then(|number| usize::try_from(number).ok()) {
        Some(number @ 1..=MAX_LIST) => Ok(number),
        Some(number) if number > MAX_LIST => bad(format!("Please specify an integer less than {MAX_LIST}.")),
        _ => bad("Please specify an integer greater than 0.".to_owned()),
    }
}

/// The keys of a bulk get.
///
/// # Errors
/// There are none, too many, or one of them cannot be a key.
pub fn bulk_keys(keys: Vec<String>) -> Result<Vec<Key>, Refusal> {
    if keys.len() > MAX_BULK_GET {
        let message = format!("You can request a maximum of {MAX_BULK_GET} keys");
        return Err(Refusal::bad(code::BAD_REQUEST, message));
    }
    if keys.is_empty() {
        return Err(Refusal::bad(code::BAD_REQUEST, "You must request a minimum of 1 key"));
    }
    keys.into_iter().map(Key::new).collect()
}

/// Whether a bulk get wants its values parsed.
///
/// # Errors
/// The type is neither `text` nor `json`.
pub fn bulk_is_json(kind: Option<&str>) -> Result<bool, Refusal> {
    match kind {
        None | Some("text") => Ok(false),
        Some("json") => Ok(true),
        Some(other) => Err(Refusal::bad(
            code::BAD_REQUEST,
            format!("\"{other}\" is not a valid type. Use \"json\" or \"text\""),
        )),
    }
}

/// What a bulk get of too much is refused with.
pub fn bulk_too_large() -> Refusal {
    Refusal::too_large(format!("Total size of request exceeds the limit of {}MB", MAX_BULK_BYTES >> 20))
}

/// What a bulk get of `json` is refused with when a value is none.
pub fn bulk_not_json() -> Refusal {
    Refusal::bad(code::BAD_REQUEST, "At least one of the requested keys corresponds to a non-json value")
}

/// As JavaScript's `parseInt` reads it, which is what Cloudflare does: digits at the front count, what follows does
/// not.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    let digits = digits.get(..end).filter(|digits| !digits.is_empty())?;
    // Far beyond any time or limit there is no need to be exact.
    let number = digits.parse::<i64>().unwrap_or(i64::MAX / 4);
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_000_000;

    fn message<T: std::fmt::Debug>(result: Result<T, Refusal>) -> (u16, String) {
        let refusal = result.unwrap_err();
        (refusal.status.as_u16(), refusal.message)
    }

    #[test]
    fn keys_are_refused_as_cloudflare_does() {
        assert!(Key::new("a".repeat(512)).is_ok());
        assert!(Key::new("...").is_ok());
        assert_eq!(message(Key::new("")), (400, "Key names must not be empty".into()));
        for dots in [".", ".."] {
            let text = format!("Illegal key name \"{dots}\". Please use a different name.");
            assert_eq!(message(Key::new(dots)), (400, text));
        }
        let text = "UTF-8 encoded length of 514 exceeds key length limit of 512.";
        assert_eq!(message(Key::new("é".repeat(257))), (414, text.into()));
    }

    #[test]
    fn lives_are_refused_as_cloudflare_does() {
        let ttl = |text| message(attributes(NOW, None, Some(text), None)).1;
        assert_eq!(ttl("59"), "Invalid expiration_ttl of 59. Expiration TTL must be at least 60.");
        assert_eq!(ttl("0"), "Invalid expiration_ttl of 0. Please specify integer greater than 0.");
        assert_eq!(ttl("x"), "Invalid expiration_ttl of x. Please specify integer greater than 0.");
        let at = |text| message(attributes(NOW, Some(text), None, None)).1;
        assert_eq!(
            at("1000059"),
            "Invalid expiration of 1000059. Expiration times must be at least 60 seconds in the future."
        );
        assert!(at("1000000").contains("since the UNIX epoch"), "{}", at("1000000"));
        assert!(at("").contains("since the UNIX epoch"));
        assert_eq!(attributes(NOW, Some("1"), Some("60"), None).unwrap().expiration, Some(NOW + 60));
        assert_eq!(attributes(NOW, Some("1000060.9"), None, None).unwrap().expiration, Some(NOW + 60));
        assert_eq!(attributes(NOW, None, None, None).unwrap().expiration, None);
    }

    #[test]
    fn metadata_is_json_of_1024_bytes() {
        let metadata = |text: &str| attributes(NOW, None, None, Some(text)).map(|a| a.metadata);
        assert_eq!(metadata("{\"a\":1}").unwrap().as_deref(), Some("{\"a\":1}"));
        assert_eq!(metadata("null").unwrap(), None);
        assert_eq!(message(metadata("{")).0, 400);
        let long = format!("\"{}\"", "x".repeat(1023));
        let text = "Metadata length of 1025 exceeds limit of 1024.";
        assert_eq!(message(metadata(&long)), (413, text.into()));
        assert!(metadata(&format!("\"{}\"", "x".repeat(1022))).is_ok());
    }

    #[test]
    fn limits_are_refused_as_cloudflare_does() {
        assert_eq!((limit(None).unwrap(), limit(Some("7")).unwrap()), (1000, 7));
        let of = |text| message(limit(Some(text))).1;
        assert_eq!(of("1001"), "Invalid key_count_limit of 1001. Please specify an integer less than 1000.");
        assert_eq!(of("0"), "Invalid key_count_limit of 0. Please specify an integer greater than 0.");
        assert_eq!(of("x"), "Invalid key_count_limit of NaN. Please specify an integer greater than 0.");
        assert_eq!(
            message(check_cache_ttl(Some("29"))).1,
            "Invalid cache_ttl of 29. Cache TTL must be at least 30."
        );
        assert!(check_cache_ttl(Some("30")).is_ok() && check_cache_ttl(None).is_ok());
    }

    #[test]
    fn a_bulk_get_has_1_to_100_keys() {
        let keys = |n: usize| bulk_keys((0..n).map(|n| n.to_string()).collect());
        assert_eq!(message(keys(0)).1, "You must request a minimum of 1 key");
        assert_eq!(message(keys(101)).1, "You can request a maximum of 100 keys");
        assert_eq!(keys(100).unwrap().len(), 100);
        assert!(bulk_is_json(Some("json")).unwrap() && !bulk_is_json(None).unwrap());
        let text = "\"stream\" is not a valid type. Use \"json\" or \"text\"";
        assert_eq!(message(bulk_is_json(Some("stream"))).1, text);
    }

    proptest! {
        #[test]
        fn no_number_makes_it_panic(text in "[-+ ]?[0-9]{0,30}.{0,3}") {
            let _ = (limit(Some(&text)), check_cache_ttl(Some(&text)));
            let _ = (attributes(NOW, Some(&text), None, None), attributes(NOW, None, Some(&text), None));
        }
    }
}
