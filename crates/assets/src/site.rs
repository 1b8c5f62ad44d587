//! A version's assets as requests meet them: who answers, and what. Pure; the contents are fetched elsewhere.

mod pages;

use hearth_model::{Compatibility, NotFoundHandling};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use url::Url;

use crate::html::{Files, Intent};
use crate::manifest::{ContentHash, Manifest};
use crate::rules::base::{decode, encode};

use crate::rules::{Redirected, Rules, WorkerFirst};

pub use pages::Routes;

/// For browsers: keep it, and ask each time whether it is still the same.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=0, must-revalidate");

const CF_CACHE_STATUS: HeaderName = HeaderName::from_static("cf-cache-status");

/// Navigations get what `not_found_handling` says before the worker is asked (compatibility flag and its date).
const NAVIGATION: (&str, &str, &str) =
    ("assets_navigation_prefers_asset_serving", "assets_navigation_has_no_effect", "2025-04-01");

/// What of a request decides.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its URL, as the client sees it.
    pub url: &'a Url,
    /// Its headers.
    pub headers: &'a HeaderMap,
}

/// What answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200, 404, 304, 405, or a redirect's.
    pub status: StatusCode,
    /// All headers but those of the body's length and encoding.
    pub headers: HeaderMap,
    /// The content and its bytes; None: there is no body.
    pub content: Option<(ContentHash, u64)>,
}

/// The assets of a version.
#[derive(Debug)]
pub struct Site {
    manifest: Manifest,
    rules: Rules,
    has_worker: bool,
    navigation: bool,
    /// Set where Pages' rules hold.
    pages: Option<Routes>,
}

impl Site {
    /// A version's assets. `has_worker`: there is code beside them.
    pub fn new(manifest: Manifest, rules: Rules, compatibility: &Compatibility, has_worker: bool) -> Self {
        let (on, off, since) = NAVIGATION;
        let flag = |name: &str| compatibility.flags.iter().any(|flag| flag == name);
        let navigation = flag(on) || (compatibility.date.as_str() >= since && !flag(off));
        Self { manifest, rules, has_worker, navigation, pages: None }
    }

    /// A deployment of Pages. `routes` are the paths that are its code's, if it has some.
    pub fn of_pages(manifest: Manifest, rules: Rules, routes: Routes, has_worker: bool) -> Self {
        Self { manifest, rules, has_worker, navigation: false, pages: Some(routes) }
    }

    /// Bytes of memory that it takes, about.
    pub(crate) fn footprint(&self) -> usize {
        self.manifest.footprint() + 4096
    }

    /// What a request from outside gets; None: it is the worker's.
    pub fn route(&self, asked: Asked<'_>) -> Option<Answer> {
        let path = asked.url.path();
        if let Some(of_code) = self.of_code(path) {
            return (!of_code).then(|| self.pages_answer(asked));
        }
        let to_worker = match &self.rules.worker_first {
            _ if !self.has_worker => false,
            WorkerFirst::Paths { assets, .. } if assets.is_match(path) => false,
            WorkerFirst::Paths { worker, .. } if worker.is_match(path) => true,
            WorkerFirst::Always(always) => *always || !self.can_answer(asked),
            WorkerFirst::Paths { .. } => !self.can_answer(asked),
        };
        (!to_worker).then(|| self.answer(asked))
    }

    /// Whether there is an asset for a request, or something else that is not the worker's to say.
    fn can_answer(&self, asked: Asked<'_>) -> bool {
        let navigates = asked.headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
        let fallback = self.rules.worker_first.is_by_path() || self.navigation && navigates;
        let not_found = if fallback { self.rules.not_found } else { NotFoundHandling::None };
        !matches!(self.decide(asked, not_found), Decision::NoIntent { .. })
    }

    /// What the `ASSETS` binding answers, and whoever has no worker.
    pub fn answer(&self, asked: Asked<'_>) -> Answer {
        if self.pages.is_some() {
            return self.pages_answer(asked);
        }
        let (status, mut headers, content) = match self.decide(asked, self.rules.not_found) {
            Decision::NoIntent { outside: true } => {
                return Answer { status: StatusCode::NOT_FOUND, headers: HeaderMap::new(), content: None };
            }
            Decision::NoIntent { outside: false } | Decision::NotFound => {
                (StatusCode::NOT_FOUND, HeaderMap::new(), None)
            }
            Decision::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, HeaderMap::new(), None),
            Decision::Redirect(status, location) => {
                let location = HeaderValue::from_str(&location).ok();
                (status, location.map(|location| (header::LOCATION, location)).into_iter().collect(), None)
            }
            Decision::Serve(status, file) => {
                let etag = format!("\"{}\"", file.content);
                let known = knows(asked.headers, &etag);
                let headers = file_headers(&etag, file.media_type, asked.headers);
                match known {
                    true => (StatusCode::NOT_MODIFIED, headers, None),
                    false => (status, headers, Some((file.content, u64::from(file.size)))),
                }
            }
        };
        self.rules.headers.apply(asked.url, &mut headers);
        Answer { status, headers, content }
    }

    fn decide(&self, asked: Asked<'_>, not_found: NotFoundHandling) -> Decision<'_> {
        let public = decode(asked.url.path());
        let base = &self.rules.base;
        if base.strip(&public).is_none() {
            return Decision::NoIntent { outside: true };
        }
        let (path, rewritten) = match self.rules.redirects.apply(asked.url) {
            Redirected::No => (asked.url.path().to_owned(), false),
            Redirected::Rewritten(path) => (path, true),
            Redirected::To(status, location) => return Decision::Redirect(status, location),
        };
        let public = if rewritten { decode(&path) } else { public };
        let missing = if rewritten { Decision::NotFound } else { Decision::NoIntent { outside: false } };
        let Some(asset_path) = base.strip(&public) else { return missing };
        let files = Files { manifest: &self.manifest, html: self.rules.html, not_found };
        let of_base = if rewritten { None } else { self.base_intent(&public) };
        let Some(intent) = of_base.or_else(|| files.intent(asset_path)) else { return missing };
        if !matches!(*asked.method, Method::GET | Method::HEAD) {
            return Decision::WrongMethod;
        }
        let redirect = |to: &str| {
            let query = asked.url.query().filter(|query| !query.is_empty());
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            Decision::Redirect(StatusCode::TEMPORARY_REDIRECT, encode(to) + &query)
        };
        let (status, file) = match intent {
            Intent::Redirect(to) => return redirect(&base.add(&to)),
            Intent::Serve(file) => (StatusCode::OK, file),
            Intent::NotFound(file) => (StatusCode::NOT_FOUND, file),
        };
        // One spelling of a path: the others lead there.
        if encode(&public) != path { redirect(&public) } else { Decision::Serve(status, file) }
    }

    /// The base itself, in the spelling that is not its own.
    fn base_intent(&self, public: &str) -> Option<Intent<'static>> {
        use hearth_model::HtmlHandling::{AutoTrailingSlash, DropTrailingSlash, ForceTrailingSlash};
        let base = &self.rules.base;
        let own = match self.rules.html {
            AutoTrailingSlash | ForceTrailingSlash if public == base.without_slash() => "/",
            DropTrailingSlash if public == base.with_slash() => "",
            _ => return None,
        };
        let has_page = !base.is_root() && self.manifest.get("/index.html").is_some();
        has_page.then(|| Intent::Redirect(own.to_owned()))
    }
}

enum Decision<'a> {
    /// There is nothing. `outside`: not even below the base.
    NoIntent {
        outside: bool,
    },
    /// A rule leads to what is not there.
    NotFound,
    WrongMethod,
    Redirect(StatusCode, String),
    Serve(StatusCode, crate::manifest::File<'a>),
}

fn file_headers(etag: &str, media_type: Option<&str>, asked: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(6);
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, etag);
    }
    if let Some(media_type) = media_type.and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    if !asked.contains_key(header::AUTHORIZATION) && !asked.contains_key(header::RANGE) {
        headers.insert(header::CACHE_CONTROL, CACHE_CONTROL);
    }
    headers.insert(CF_CACHE_STATUS, HeaderValue::from_static("HIT"));
    headers
}

/// Whether the client has this content already: tags are compared weakly (RFC 9110, 13.1.2).
fn knows(asked: &HeaderMap, etag: &str) -> bool {
    let mut tags = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.any(|value| {
        value.trim() == "*"
            || value.split(',').map(str::trim).any(|tag| tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}
