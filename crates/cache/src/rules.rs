//! Whether a response may be stored and how long it is fresh: RFC 9111, by `http-cache-semantics`, with what Cloudflare
//! adds (its pages "Default cache behavior" and "Cache by status code").

use std::time::{Duration, SystemTime};

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, EXPIRES, HeaderMap, HeaderName, HeaderValue, PRAGMA, SET_COOKIE,
};
use http::{Request, StatusCode, Uri};
use http_cache_semantics::{CacheOptions, CachePolicy};

/// Tags for purges; kept apart from the headers, since nobody but the cache is to read it.
pub(crate) const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");

/// How long a response is fresh that does not say so, in seconds.
const DEFAULTS: [(&[u16], u64); 3] =
    [(&[200, 206, 301], 120 * 60), (&[302, 303], 20 * 60), (&[404, 410], 3 * 60)];

/// A shared cache, without the guess from `Last-Modified`, which Cloudflare does not make.
const OPTIONS: CacheOptions = CacheOptions {
    shared: true,
    cache_heuristic: 0.0,
    immutable_min_time_to_live: Duration::ZERO,
    ignore_cargo_cult: false,
};

/// A response that may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// How old it is already.
    pub age: Duration,
    /// How much longer it is fresh. Zero only where that was asked for.
    pub fresh_for: Duration,
}

/// Why a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its headers, or those of its request, forbid it.
    Forbidden,
    /// Nothing says how long it would be fresh.
    NoLifetime,
}

/// Judges a response and removes from its headers what must not be stored. `asked`: how long the worker wants it to be
/// fresh, whatever its headers say.
pub(crate) fn lifetime(
    uri: &Uri,
    request: &HeaderMap,
    status: StatusCode,
    response: &mut HeaderMap,
    asked: Option<Duration>,
    now: SystemTime,
) -> Result<Lifetime, Refusal> {
    if matches!(
        status,
        StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::RANGE_NOT_SATISFIABLE
    ) || status.is_informational()
    {
        return Err(Refusal::Forbidden);
    }
    let mut judged = response.clone();
    if let Some(rest) = without_private_cookie(response) {
        response.remove(SET_COOKIE);
        judged.remove(SET_COOKIE);
        judged.insert(CACHE_CONTROL, rest);
    }
    if let Some(asked) = asked {
        // What is for one user stays so unless the response says that it is for all.
        if request.contains_key(AUTHORIZATION) && !is_for_all(response) {
            return Err(Refusal::Forbidden);
        }
        response.remove(SET_COOKIE);
        return Ok(Lifetime { age: Duration::ZERO, fresh_for: asked });
    }
    if judged.contains_key(SET_COOKIE) {
        return Err(Refusal::Forbidden);
    }
    let says = says_how_long(&judged);
    if !says {
        let seconds = default_seconds(status).ok_or(Refusal::NoLifetime)?;
        judged.append(
            CACHE_CONTROL,
            HeaderValue::try_from(format!("s-maxage={seconds}")).map_err(|_| Refusal::NoLifetime)?,
        );
    }
    let policy = policy(uri, request, status, judged, now);
    let fresh_for = policy.time_to_live(now);
    if !policy.is_storable() || fresh_for.is_zero() {
        return Err(Refusal::Forbidden);
    }
    Ok(Lifetime { age: policy.age(now), fresh_for })
}

fn policy(
    uri: &Uri,
    request: &HeaderMap,
    status: StatusCode,
    response: HeaderMap,
    now: SystemTime,
) -> CachePolicy {
    let mut asked = Request::new(());
    *asked.uri_mut() = uri.clone();
    *asked.headers_mut() = request.clone();
    // What workerd asks of us, and what workers ask for by `cf` instead.
    asked.headers_mut().remove(CACHE_CONTROL);
    asked.headers_mut().remove(PRAGMA);
    let mut answer = http::Response::new(());
    *answer.status_mut() = status;
    *answer.headers_mut() = response;
    CachePolicy::new_options(&asked, &answer, now, OPTIONS)
}

fn directives(headers: &HeaderMap) -> impl Iterator<Item = String> + '_ {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|directive| directive.trim().to_ascii_lowercase())
}

fn says_how_long(headers: &HeaderMap) -> bool {
    let is_pragmatic = !headers.contains_key(CACHE_CONTROL) && headers.contains_key(PRAGMA);
    is_pragmatic
        || headers.contains_key(EXPIRES)
        || directives(headers)
            .any(|directive| directive.starts_with("max-age=") || directive.starts_with("s-maxage="))
}

fn is_for_all(headers: &HeaderMap) -> bool {
    directives(headers).any(|directive| {
        directive == "public" || directive == "must-revalidate" || directive.starts_with("s-maxage=")
    })
}

fn default_seconds(status: StatusCode) -> Option<u64> {
    DEFAULTS.iter().find(|(statuses, _)| statuses.contains(&status.as_u16())).map(|(_, seconds)| *seconds)
}

/// `Cache-Control` without `private=Set-Cookie`, by which a response may be stored without its cookie (Cloudflare's page
/// on the Cache API). `None` when it has no such directive.
fn without_private_cookie(headers: &HeaderMap) -> Option<HeaderValue> {
    let is_it =
        |directive: &String| matches!(directive.as_str(), "private=set-cookie" | "private=\"set-cookie\"");
    directives(headers).any(|directive| is_it(&directive)).then(|| {
        let rest: Vec<String> = directives(headers).filter(|directive| !is_it(directive)).collect();
        HeaderValue::try_from(rest.join(", ")).unwrap_or(HeaderValue::from_static(""))
    })
}

/// The tags in a response's `Cache-Tag`, which is removed.
pub(crate) fn take_tags(headers: &mut HeaderMap) -> Vec<String> {
    let mut tags = Vec::new();
    if let http::header::Entry::Occupied(entry) = headers.entry(CACHE_TAG) {
        for value in entry.remove_entry_mult().1 {
            let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
            tags.extend(text.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()));
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn judge(
        status: u16,
        request: &[(&'static str, &str)],
        response: &[(&'static str, &str)],
        asked: Option<u64>,
    ) -> (Result<u64, Refusal>, HeaderMap) {
        let mut response = headers(response);
        let found = lifetime(
            &Uri::from_static("https://x.test/"),
            &headers(request),
            StatusCode::from_u16(status).unwrap(),
            &mut response,
            asked.map(Duration::from_secs),
            SystemTime::now(),
        );
        (found.map(|lifetime| lifetime.fresh_for.as_secs()), response)
    }

    #[test]
    fn a_response_says_how_long_it_is_fresh_or_its_status_does() {
        let in_an_hour = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
        let past = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(3600));
        let no = Err(Refusal::Forbidden);
        for (status, response, expected) in [
            (200, vec![("cache-control", "max-age=60")], Ok(60)),
            (200, vec![("cache-control", "max-age=60, s-maxage=90")], Ok(90)),
            (200, vec![("cache-control", "max-age=60"), ("age", "20")], Ok(40)),
            (200, vec![("cache-control", "public, max-age=0")], no),
            (200, vec![("cache-control", "no-store")], no),
            (200, vec![("cache-control", "private, max-age=60")], no),
            (200, vec![("cache-control", "no-cache")], no),
            (200, vec![("cache-control", "max-age=60, no-cache")], no),
            (200, vec![("pragma", "no-cache")], no),
            (200, vec![("expires", "0")], no),
            (200, vec![("expires", past.as_str())], no),
            (200, vec![("cache-control", "max-age=60"), ("expires", past.as_str())], Ok(60)),
            (200, vec![], Ok(7200)),
            (200, vec![("last-modified", past.as_str())], Ok(7200)),
            (200, vec![("cache-control", "public")], Ok(7200)),
            (301, vec![], Ok(7200)),
            (302, vec![], Ok(1200)),
            (303, vec![], Ok(1200)),
            (404, vec![], Ok(180)),
            (410, vec![], Ok(180)),
            (204, vec![], Err(Refusal::NoLifetime)),
            (500, vec![], Err(Refusal::NoLifetime)),
            (204, vec![("cache-control", "max-age=60")], Ok(60)),
            (206, vec![("cache-control", "max-age=60")], no),
            (304, vec![("cache-control", "max-age=60")], no),
            (200, vec![("vary", "*")], no),
            (200, vec![("set-cookie", "a=b"), ("cache-control", "public, max-age=60")], no),
        ] {
            assert_eq!(judge(status, &[], &response, None).0, expected, "{status} {response:?}");
        }
        let expires = judge(200, &[], &[("expires", &in_an_hour)], None).0.unwrap();
        assert!((3500..=3600).contains(&expires), "{expires}");
    }

    #[test]
    fn a_cookie_that_is_called_private_is_left_out() {
        for directive in ["private=Set-Cookie, max-age=60", "max-age=60,private=\"set-cookie\""] {
            let (found, left) = judge(200, &[], &[("cache-control", directive), ("set-cookie", "a=b")], None);
            assert_eq!((found, left.get(SET_COOKIE)), (Ok(60), None), "{directive}");
        }
        assert_eq!(judge(200, &[], &[("cache-control", "private=set-cookie")], None).0, Ok(7200));
    }

    #[test]
    fn what_an_authorized_request_got_is_for_others_only_if_it_says_so() {
        let by = [("authorization", "Bearer x")];
        for asked in [None, Some(60)] {
            assert!(judge(200, &by, &[("cache-control", "max-age=60")], asked).0.is_err());
            assert_eq!(judge(200, &by, &[("cache-control", "s-maxage=60")], asked).0, Ok(60));
            assert_eq!(judge(200, &by, &[("cache-control", "public, max-age=60")], asked).0, Ok(60));
        }
    }

    #[test]
    fn what_the_worker_asks_for_wins_and_takes_the_cookie_out() {
        let (found, left) = judge(500, &[], &[("cache-control", "no-store"), ("set-cookie", "a=b")], Some(5));
        assert_eq!((found, left.get(SET_COOKIE)), (Ok(5), None));
        assert_eq!(judge(200, &[], &[], Some(0)).0, Ok(0));
        assert_eq!(judge(206, &[], &[], Some(5)).0, Err(Refusal::Forbidden));
    }

    #[test]
    fn tags_are_read_and_taken_away() {
        let mut headers = headers(&[("cache-tag", "A, b ,,c"), ("etag", "x")]);
        headers.append(CACHE_TAG, "d".parse().unwrap());
        assert_eq!(take_tags(&mut headers), ["a", "b", "c", "d"]);
        assert_eq!(headers.len(), 1);
        assert!(take_tags(&mut headers).is_empty());
    }
}
