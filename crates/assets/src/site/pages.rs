//! Assets as Cloudflare's Pages serves them, which is not quite as Workers do: `_routes.json` says what is the code's, and
//! what is not never reaches it; without a `404.html` a site is an application of one page; a page's other addresses lead to
//! its own for good; and its responses have headers that allow and forbid.
//!
//! What is decided is what the asset server decides that `wrangler pages dev` runs; the end-to-end test `e2e_pages_like` holds
//! one against the other.

use hearth_model::PagesRoutes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use regex::{RegexSet, escape};

use super::{Answer, Asked, Site, file_headers, knows};
use crate::html::nearest_404;
use crate::manifest::{File, Manifest};
use crate::rules::ConfigError;
use crate::rules::Redirected;
use crate::rules::base::{decode, encode};

/// Most rules, and the longest, in bytes: Cloudflare's.
const MAX_RULES: usize = 100;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Which paths are the code's.
#[derive(Debug)]
pub struct Routes {
    include: RegexSet,
    exclude: RegexSet,
}

impl Routes {
    /// Reads `_routes.json`.
    ///
    /// # Errors
    /// [`ConfigError`], which names the rule that does not hold.
    pub fn read(routes: &PagesRoutes) -> Result<Self, ConfigError> {
        let invalid = |text: String| ConfigError::Routes(text);
        let all = || routes.include.iter().chain(&routes.exclude);
        if all().count() > MAX_RULES {
            return Err(invalid(format!("it has more than {MAX_RULES} rules.")));
        }
        if let Some(rule) = all().find(|rule| !rule.starts_with('/') || rule.len() > MAX_RULES) {
            return Err(invalid(format!(
                "the rule {rule:?} does not begin with a slash, or has more than {MAX_RULES} bytes."
            )));
        }
        let set = |rules: &[String]| {
            RegexSet::new(rules.iter().map(|rule| pattern(rule)))
                .map_err(|_| invalid("its rules are too large.".to_owned()))
        };
        Ok(Self { include: set(&routes.include)?, exclude: set(&routes.exclude)? })
    }

    /// Whether a path, as it was sent, is the code's.
    fn to_code(&self, path: &str) -> bool {
        self.include.is_match(path) && !self.exclude.is_match(path)
    }
}

/// `/a` and `/a/` are one, and so are `/a/*` and they.
fn pattern(rule: &str) -> String {
    let (fixed, rest) = match rule {
        "/" | "/*" => (rule, ""),
        _ => match (rule.strip_suffix("/*"), rule.strip_suffix('/')) {
            (Some(folder), _) => (folder, "(/.*)?"),
            (None, Some(folder)) => (folder, "/?"),
            (None, None) if rule.ends_with('*') => (rule, ""),
            (None, None) => (rule, "/?"),
        },
    };
    let parts: Vec<String> = fixed.split('*').map(escape).collect();
    format!("^{}{rest}$", parts.join(".*"))
}

/// What a path stands for.
#[derive(Debug, PartialEq, Eq)]
enum Page<'a> {
    Serve(File<'a>),
    /// Its own address is another one.
    At(String),
    /// Nothing; the nearest `404.html`.
    NotFound(Option<File<'a>>),
}

impl Site {
    /// Whether the site is Pages', and the path its code's.
    pub(super) fn of_code(&self, path: &str) -> Option<bool> {
        self.pages.as_ref().map(|routes| self.has_worker && routes.to_code(path))
    }

    /// What the files of Pages answer.
    pub(super) fn pages_answer(&self, asked: Asked<'_>) -> Answer {
        let (status, mut headers, content) = self.pages_decide(asked);
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin"));
        if headers.contains_key(header::CONTENT_TYPE) {
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        }
        self.rules.headers.apply(asked.url, &mut headers);
        if status == StatusCode::NOT_FOUND {
            headers.insert(header::CACHE_CONTROL, NO_STORE);
        }
        Answer { status, headers, content: content.map(|file| (file.content, u64::from(file.size))) }
    }

    fn pages_decide(&self, asked: Asked<'_>) -> (StatusCode, HeaderMap, Option<File<'_>>) {
        let led = |status, location: &str| {
            let location = HeaderValue::from_str(location).ok();
            let headers = location.map(|location| (header::LOCATION, location)).into_iter().collect();
            (status, headers, None)
        };
        let path = match self.rules.redirects.apply(asked.url) {
            Redirected::No => asked.url.path().to_owned(),
            Redirected::Rewritten(path) => path,
            Redirected::To(status, location) => return led(status, &location),
        };
        if !matches!(*asked.method, Method::GET | Method::HEAD) {
            return (StatusCode::METHOD_NOT_ALLOWED, HeaderMap::new(), None);
        }
        match page(&self.manifest, &decode(&path)) {
            Page::At(to) => {
                let query = asked.url.query().filter(|query| !query.is_empty());
                let query = query.map(|query| format!("?{query}")).unwrap_or_default();
                led(StatusCode::PERMANENT_REDIRECT, &(encode(&to) + &query))
            }
            Page::Serve(file) => {
                let etag = format!("\"{}\"", file.content);
                let headers = file_headers(&etag, file.media_type, asked.headers);
                match knows(asked.headers, &etag) {
                    true => (StatusCode::NOT_MODIFIED, headers, None),
                    false => (StatusCode::OK, headers, Some(file)),
                }
            }
            Page::NotFound(file) => {
                let media_type = file.and_then(|file| file.media_type);
                let media_type = media_type.and_then(|text| HeaderValue::from_str(text).ok());
                let headers = media_type.map(|text| (header::CONTENT_TYPE, text)).into_iter().collect();
                (StatusCode::NOT_FOUND, headers, file)
            }
        }
    }
}

/// What a decoded path, without two slashes in a row, stands for.
fn page<'a>(manifest: &'a Manifest, path: &str) -> Page<'a> {
    let file = |path: &str| manifest.get(path);
    if let Some(folder) = path.strip_suffix('/') {
        return match (file(&format!("{path}index.html")), path.strip_suffix("/index/")) {
            (Some(index), _) => Page::Serve(index),
            (None, Some(folder)) => Page::At(format!("{folder}/")),
            (None, None) if file(&format!("{folder}.html")).is_some() => Page::At(folder.to_owned()),
            (None, None) => not_found(manifest, path),
        };
    }
    if let Some(found) = file(path) {
        let Some(bare) = path.strip_suffix(".html") else { return Page::Serve(found) };
        return match bare.strip_suffix("/index") {
            Some(folder) => Page::At(format!("{folder}/")),
            None if bare == "/" || file(bare).is_some() => Page::Serve(found),
            None => Page::At(bare.to_owned()),
        };
    }
    if let Some(folder) = path.strip_suffix("/index") {
        return Page::At(format!("{folder}/"));
    }
    if let Some(found) = file(&format!("{path}.html")) {
        return Page::Serve(found);
    }
    match file(&format!("{path}/index.html")) {
        Some(_) => Page::At(format!("{path}/")),
        None => not_found(manifest, path),
    }
}

fn not_found<'a>(manifest: &'a Manifest, path: &str) -> Page<'a> {
    match nearest_404(manifest, path) {
        Some(file) => Page::NotFound(Some(file)),
        None => manifest.get("/index.html").map_or(Page::NotFound(None), Page::Serve),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::NewFile;
    use crate::rules::Rules;
    use hearth_model::AssetsConfig;
    use url::Url;

    fn manifest(paths: &[&str]) -> Manifest {
        let file = |(index, path): (usize, &&str)| NewFile {
            path: (*path).to_owned(),
            content: format!("{index:032x}").parse().unwrap(),
            size: index as u32,
            media_type: path.ends_with(".html").then(|| "text/html; charset=utf-8".to_owned()),
        };
        let files: Vec<NewFile> = paths.iter().enumerate().map(file).collect();
        Manifest::read(Manifest::write(&files).into()).unwrap()
    }

    fn site(paths: &[&str], config: &AssetsConfig, include: &[&str], exclude: &[&str]) -> Site {
        let texts = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect();
        let routes = PagesRoutes { include: texts(include), exclude: texts(exclude) };
        Site::of_pages(manifest(paths), Rules::lenient(config).0, Routes::read(&routes).unwrap(), true)
    }

    fn ask(site: &Site, method: Method, path: &str) -> Answer {
        let url = Url::parse("http://site.test").unwrap().join(path).unwrap();
        site.answer(Asked { method: &method, url: &url, headers: &HeaderMap::new() })
    }

    #[test]
    fn rules_take_their_folders_along() {
        let matches = |rule: &str, path: &str| {
            let routes = PagesRoutes { include: vec![rule.to_owned()], exclude: Vec::new() };
            Routes::read(&routes).unwrap().to_code(path)
        };
        for (rule, path, expected) in [
            ("/*", "/", true),
            ("/*", "/a/b", true),
            ("/", "/", true),
            ("/", "/a", false),
            ("/api/*", "/api", true),
            ("/api/*", "/api/x/y", true),
            ("/api/*", "/apix", false),
            ("/api*", "/apix", true),
            ("/api", "/api/", true),
            ("/api/", "/api", true),
            ("/api", "/api/x", false),
            ("/*.png", "/a/b.png", true),
            ("/*.png", "/a/bxpng", false),
            ("/a.b(c", "/a.b(c", true),
        ] {
            assert_eq!(matches(rule, path), expected, "{rule} {path}");
        }
        for bad in ["api", "", &format!("/{}", "a".repeat(100))] {
            let routes = PagesRoutes { include: Vec::new(), exclude: vec![bad.to_owned()] };
            assert!(Routes::read(&routes).is_err(), "{bad}");
        }
        assert!(
            Routes::read(&PagesRoutes { include: vec!["/".to_owned(); 101], exclude: Vec::new() }).is_err()
        );
    }

    #[test]
    fn what_is_excluded_never_reaches_the_code() {
        let site = site(&["/index.html"], &AssetsConfig::default(), &["/api/*"], &["/api/docs/*"]);
        let method = Method::POST;
        let routed = |path: &str| {
            let url = Url::parse("http://site.test").unwrap().join(path).unwrap();
            site.route(Asked { method: &method, url: &url, headers: &HeaderMap::new() })
                .map(|answer| answer.status.as_u16())
        };
        assert_eq!(routed("/api/x"), None);
        assert_eq!(routed("/api/docs/x"), Some(405));
        assert_eq!(routed("/elsewhere"), Some(405));
    }

    #[test]
    fn a_page_has_one_address_for_good() {
        let paths = [
            "/index.html",
            "/about.html",
            "/blog/index.html",
            "/data.json",
            "/both.html",
            "/both",
            "/a b.html",
        ];
        let site = site(&paths, &AssetsConfig::default(), &[], &[]);
        for (path, status, location) in [
            ("/", 200, None),
            ("/index.html", 308, Some("/")),
            ("/index", 308, Some("/")),
            ("/about", 200, None),
            ("/about.html?a=1", 308, Some("/about?a=1")),
            ("/about/", 308, Some("/about")),
            ("/blog", 308, Some("/blog/")),
            ("/blog/index", 308, Some("/blog/")),
            ("/blog/index/", 308, Some("/blog/")),
            ("/both.html", 200, None),
            ("/data.json", 200, None),
            ("/a%20b.html", 308, Some("/a%20b")),
            ("/nowhere", 200, None),
            ("/x/index", 308, Some("/x/")),
            // No other host is meant, however many slashes there are.
            ("//evil.test/index", 308, Some("/evil.test/")),
        ] {
            // A URL, not a path: what it means is for the server to say.
            let url = Url::parse(&format!("http://site.test{path}")).unwrap();
            let answer = site.answer(Asked { method: &Method::GET, url: &url, headers: &HeaderMap::new() });
            let location_of = answer.headers.get(header::LOCATION).map(|to| to.to_str().unwrap());
            assert_eq!((answer.status.as_u16(), location_of), (status, location), "{path}");
        }
        assert_eq!(ask(&site, Method::POST, "/about").status, StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn the_nearest_page_says_that_there_is_nothing_and_else_it_is_an_application() {
        let config = AssetsConfig {
            headers: Some("/*\n  cache-control: max-age=7\n  ! referrer-policy".to_owned()),
            ..AssetsConfig::default()
        };
        let paths = ["/index.html", "/docs/404.html"];
        let site = site(&paths, &config, &[], &[]);
        let nearest = ask(&site, Method::GET, "/docs/a/b");
        assert_eq!((nearest.status.as_u16(), nearest.content.unwrap().1), (404, 1));
        assert_eq!(nearest.headers[header::CACHE_CONTROL], "no-store");
        assert!(!nearest.headers.contains_key(header::REFERRER_POLICY));
        let application = ask(&site, Method::GET, "/a/b");
        assert_eq!((application.status.as_u16(), application.content.unwrap().1), (200, 0));
        assert_eq!(application.headers[header::CACHE_CONTROL], "max-age=7");
        assert_eq!(application.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(application.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        let bare = super::tests::site(&["/a.txt"], &AssetsConfig::default(), &[], &[]);
        let nothing = ask(&bare, Method::GET, "/b");
        assert_eq!((nothing.status.as_u16(), nothing.content), (404, None));
    }

    #[test]
    fn lines_that_do_not_hold_are_passed_over_and_told() {
        let config = AssetsConfig {
            redirects: Some("/* /index.html 200\n/old /new 301\n/bad\n".to_owned()),
            headers: Some("/x\n  a: b\nnonsense\n".to_owned()),
            ..AssetsConfig::default()
        };
        let (rules, told) = Rules::lenient(&config);
        let said = told.join("\n");
        assert!(said.contains("_redirects") && said.contains("Line 1") && said.contains("Line 3"), "{said}");
        assert!(said.contains("_headers"), "{said}");
        assert!(Rules::read(&config).is_err());
        let routes = Routes::read(&PagesRoutes::default()).unwrap();
        let site = Site::of_pages(manifest(&["/x"]), rules, routes, false);
        let moved = ask(&site, Method::POST, "/old");
        assert_eq!((moved.status.as_u16(), moved.headers[header::LOCATION].to_str().unwrap()), (301, "/new"));
        assert_eq!(ask(&site, Method::GET, "/x").headers["a"], "b");
    }
}
