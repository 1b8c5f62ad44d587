//! What is to become of a `fetch`. Pure.
//!
//! Cloudflare's default cache behaviour, and the `cf` properties of a request that change it (its pages "Default cache
//! behavior", "Cache using fetch" and "Request"); what workerd makes of `cache:` stands in workerd.md 1.7.

use std::time::Duration;

use http::{Method, StatusCode, Uri};
use serde_json::Value;

/// What is cached because of its name, in Cloudflare's list.
const STATIC: [&str; 56] = [
    "7z", "apk", "avi", "avif", "bin", "bmp", "bz2", "class", "css", "csv", "dmg", "doc", "docx", "ejs",
    "eot", "eps", "exe", "flac", "gif", "gz", "ico", "iso", "jar", "jpeg", "jpg", "js", "mid", "midi", "mkv",
    "mp3", "mp4", "ogg", "otf", "pdf", "pict", "pls", "png", "ppt", "pptx", "ps", "rar", "svg", "svgz",
    "swf", "tar", "tif", "tiff", "ttf", "webm", "webp", "woff", "woff2", "xls", "xlsx", "zip", "zst",
];

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// It is nothing that is cached.
    Dynamic,
    /// The worker wants no cache.
    Bypass,
    /// The cache is asked, and stores what comes.
    Cached(Wish),
}

/// What a worker wants of the cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// `cacheKey`.
    pub key: Option<String>,
    /// `cacheTags`.
    pub tags: Vec<String>,
    /// `cacheTtl`, in seconds.
    ttl: Option<u64>,
    /// `cacheTtlByStatus`: statuses from, to, and seconds; less than 0: not stored.
    by_status: Vec<(u16, u16, i64)>,
    /// `cacheControl`, in place of the response's.
    pub control: Option<String>,
    /// Whether the origin has to be asked, however fresh.
    pub revalidate: bool,
}

/// How long the worker wants a response to be fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// As its headers say.
    Nothing,
    /// So long.
    For(Duration),
    /// It is not to be stored.
    Never,
}

impl Wish {
    pub(crate) fn asked(&self, status: StatusCode) -> Asked {
        let status = status.as_u16();
        if let Some((_, _, seconds)) =
            self.by_status.iter().find(|(from, to, _)| (*from..=*to).contains(&status))
        {
            return u64::try_from(*seconds)
                .map_or(Asked::Never, |seconds| Asked::For(Duration::from_secs(seconds)));
        }
        // An outage is stored only where the worker names its status.
        match self.ttl.filter(|_| status < 500) {
            Some(seconds) => Asked::For(Duration::from_secs(seconds)),
            None => Asked::Nothing,
        }
    }
}

/// Decides by the request and the JSON of its `cf`. What is not of the right type counts as not given.
pub(crate) fn plan(method: &Method, uri: &Uri, cf: Option<&[u8]>) -> Plan {
    if method != Method::GET && method != Method::HEAD {
        return Plan::Dynamic;
    }
    let cf: Value = cf.and_then(|json| serde_json::from_slice(json).ok()).unwrap_or_default();
    let text = |name: &str| cf.get(name).and_then(Value::as_str);
    let ttl = cf.get("cacheTtl").and_then(Value::as_f64);
    // workerd writes `cacheControl` beside a `cacheTtl` too, which says more.
    let control = text("cacheControl").filter(|_| ttl.is_none()).map(str::to_ascii_lowercase);
    let says =
        |directive| control.as_ref().is_some_and(|text| text.split(',').any(|one| one.trim() == directive));
    if text("cacheLevel") == Some("bypass") || ttl.is_some_and(|ttl| ttl < 0.0) || says("no-store") {
        return Plan::Bypass;
    }
    let ttl = ttl.map(|seconds| seconds as u64);
    let everything = cf.get("cacheEverything").and_then(Value::as_bool);
    if !everything.unwrap_or(ttl.is_some()) && !is_static(uri.path()) {
        return Plan::Dynamic;
    }
    let tags = cf.get("cacheTags").and_then(Value::as_array).into_iter().flatten();
    let by_status = cf.get("cacheTtlByStatus").and_then(Value::as_object);
    let revalidate =
        cf.get("cacheForceRevalidate").and_then(Value::as_bool).unwrap_or(false) || says("no-cache");
    Plan::Cached(Wish {
        key: text("cacheKey").map(str::to_owned),
        tags: tags.filter_map(Value::as_str).map(str::to_ascii_lowercase).collect(),
        ttl,
        by_status: by_status
            .into_iter()
            .flatten()
            .filter_map(|(range, seconds)| statuses(range).zip(seconds.as_i64()))
            .map(|((from, to), seconds)| (from, to, seconds))
            .collect(),
        control: control.filter(|_| !revalidate),
        revalidate,
    })
}

/// `404` or `200-299`.
fn statuses(range: &str) -> Option<(u16, u16)> {
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
}

fn is_static(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let known = |extension: &str| STATIC.iter().any(|one| one.eq_ignore_ascii_case(extension));
    path == "/robots.txt" || name.rsplit_once('.').is_some_and(|(_, extension)| known(extension))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(path: &str, cf: Value) -> Plan {
        let uri: Uri = format!("https://x.test{path}").parse().unwrap();
        plan(&Method::GET, &uri, Some(cf.to_string().as_bytes()))
    }

    fn wish(path: &str, cf: Value) -> Wish {
        match of(path, cf.clone()) {
            Plan::Cached(wish) => wish,
            other => panic!("{path} {cf}: {other:?}"),
        }
    }

    #[test]
    fn names_decide_where_nobody_says_anything() {
        for path in ["/a.js", "/a/b.PNG?v=1", "/robots.txt", "/x.tar.gz"] {
            assert_eq!(of(path, json!({})), Plan::Cached(Wish::default()), "{path}");
        }
        for path in ["/", "/a.html", "/js", "/a.json", "/a.js/b", "/b/robots.txt", "/a."] {
            assert_eq!(of(path, json!({})), Plan::Dynamic, "{path}");
        }
        let uri = Uri::from_static("https://x.test/a.js");
        assert_eq!(plan(&Method::POST, &uri, None), Plan::Dynamic);
        assert_eq!(plan(&Method::HEAD, &uri, None), Plan::Cached(Wish::default()));
        assert_eq!(plan(&Method::GET, &uri, Some(b"no json")), Plan::Cached(Wish::default()));
    }

    #[test]
    fn a_worker_decides_otherwise() {
        assert_eq!(of("/", json!({"cacheEverything": true})), Plan::Cached(Wish::default()));
        assert_eq!(of("/a.js", json!({"cacheTtl": -1, "cacheControl": "no-store"})), Plan::Bypass);
        assert_eq!(of("/a.js", json!({"cacheLevel": "bypass"})), Plan::Bypass);
        assert_eq!(of("/a.js", json!({"cacheControl": "No-Store"})), Plan::Bypass);
        assert_eq!(of("/", json!({"cacheKey": "k", "cacheTtlByStatus": {"200": 5}})), Plan::Dynamic);
        assert_eq!(of("/", json!({"cacheTtl": 5, "cacheEverything": false})), Plan::Dynamic);
        let ok = StatusCode::OK;
        let five = Asked::For(Duration::from_secs(5));
        let wanted = wish(
            "/",
            json!({"cacheTtl": 5, "cacheControl": "max-age=5", "cacheKey": "k", "cacheTags": ["A", 1]}),
        );
        assert_eq!((wanted.asked(ok), wanted.control, wanted.key.as_deref()), (five, None, Some("k")));
        assert_eq!(wanted.tags, ["a"]);
        assert!(wish("/a.js", json!({"cacheForceRevalidate": true})).revalidate);
        let no_cache = wish("/a.js", json!({"cacheControl": "no-cache"}));
        assert!(no_cache.revalidate && no_cache.control.is_none());
        assert_eq!(wish("/a.js", json!({"cacheControl": "max-age=9"})).control.as_deref(), Some("max-age=9"));
        assert_eq!(wish("/a.js", json!({"cacheTtl": "5"})).asked(ok), Asked::Nothing);
    }

    #[test]
    fn a_status_has_a_time_of_its_own() {
        let cf = json!({"cacheTtl": 5, "cacheTtlByStatus": {"200-299": 60, "404": 0, "500-599": -1, "x": 3}});
        let wish = wish("/", cf);
        for (status, expected) in [
            (204, Asked::For(Duration::from_secs(60))),
            (404, Asked::For(Duration::ZERO)),
            (503, Asked::Never),
            (301, Asked::For(Duration::from_secs(5))),
        ] {
            assert_eq!(wish.asked(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
        let short = super::tests::wish("/", json!({"cacheTtl": 5}));
        assert_eq!(short.asked(StatusCode::BAD_GATEWAY), Asked::Nothing);
    }
}
