//! What two frameworks' image handlers must not be used for. Next.js' `/_next/image` and Astro's `/_image` are the worker's
//! own code; both answer with what lies at an address that the query names, on the worker's own origin. Cloudflare's router
//! in front of a worker with assets keeps foreign pages from being answered this way, and so do we, by the same rules.

use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use crate::Asked;

/// What becomes of a request on its way to a worker with assets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// It passes.
    Pass,
    /// It passes, and its response only if [`is_harmless`].
    Watch,
    /// It does not pass.
    Refuse,
}

/// Decides of a request.
pub fn guard(asked: Asked<'_>) -> Guard {
    let path = asked.url.path();
    if path == "/_image" {
        let href = parameter(asked.url, "href");
        let elsewhere = href.as_deref().is_some_and(|href| is_elsewhere(href, asked.url));
        return if elsewhere && !is_for_image(asked.headers) { Guard::Refuse } else { Guard::Pass };
    }
    if path.ends_with("/_next/image") {
        let elsewhere =
            parameter(asked.url, "url").is_some_and(|url| !url.is_empty() && !url.starts_with('/'));
        let image = asked.method == Method::GET && is_for_image(asked.headers);
        return if elsewhere && !image { Guard::Watch } else { Guard::Pass };
    }
    Guard::Pass
}

/// Whether a watched response may pass: a browser takes it for an image or for text, and for nothing else.
pub fn is_harmless(status: StatusCode, headers: &HeaderMap) -> bool {
    if status == StatusCode::NOT_MODIFIED {
        return true;
    }
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next().and_then(|kind| kind.to_str().ok()), kinds.next()) else {
        return false;
    };
    !kind.contains(',') && (kind.starts_with("image/") || kind.split(';').next() == Some("text/plain"))
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Whether an address without a scheme is on another host.
fn is_elsewhere(href: &str, own: &Url) -> bool {
    href.len() > 2
        && href.starts_with("//")
        && Url::parse(&format!("https:{href}")).is_ok_and(|url| url.host_str() != own.host_str())
}

fn is_for_image(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-dest").is_some_and(|dest| dest == "image")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(method: Method, target: &str, dest: Option<&str>) -> Guard {
        let url = Url::parse(&format!("https://own.test{target}")).unwrap();
        let mut headers = HeaderMap::new();
        if let Some(dest) = dest {
            headers.insert("sec-fetch-dest", HeaderValue::from_str(dest).unwrap());
        }
        guard(Asked { method: &method, url: &url, headers: &headers })
    }

    #[test]
    fn handlers_of_images_show_no_foreign_pages() {
        for (target, dest, expected) in [
            ("/_image?href=//other.test/x", None, Guard::Refuse),
            ("/_image?href=%2F%2Fother.test", Some("document"), Guard::Refuse),
            ("/_image?href=//other.test/x", Some("image"), Guard::Pass),
            ("/_image?href=//own.test/x", None, Guard::Pass),
            ("/_image?href=/x.png", None, Guard::Pass),
            ("/_image?href=//", None, Guard::Pass),
            ("/_image", None, Guard::Pass),
            ("/deep/_image?href=//other.test/x", None, Guard::Pass),
            ("/_next/image?url=https://other.test/x", None, Guard::Watch),
            ("/deep/_next/image?url=https://other.test/x", Some("document"), Guard::Watch),
            ("/_next/image?url=https://other.test/x", Some("image"), Guard::Pass),
            ("/_next/image?url=/x.png", None, Guard::Pass),
            ("/_next/image?url=", None, Guard::Pass),
            ("/about?url=https://other.test", None, Guard::Pass),
        ] {
            assert_eq!(of(Method::GET, target, dest), expected, "{target} {dest:?}");
        }
        assert_eq!(of(Method::POST, "/_next/image?url=x", Some("image")), Guard::Watch);
    }

    #[test]
    fn images_and_text_are_harmless() {
        let says = |status: u16, kinds: &[&str]| {
            let mut headers = HeaderMap::new();
            for kind in kinds {
                headers.append(header::CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
            }
            is_harmless(StatusCode::from_u16(status).unwrap(), &headers)
        };
        assert!(says(200, &["image/webp"]) && says(404, &["text/plain; charset=utf-8"]) && says(304, &[]));
        for kinds in [&[][..], &["text/html"], &["image/png, text/html"], &["image/png", "text/html"]] {
            assert!(!says(200, kinds), "{kinds:?}");
        }
    }
}
