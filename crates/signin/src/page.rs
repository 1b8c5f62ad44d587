//! Pages of the server's own, for what happens outside of the console: no scripts, nothing from elsewhere, in no frame.

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

const STYLE: &str = "\
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:Canvas;color:CanvasText}\
main{max-width:34rem;padding:2rem}\
h1{font-size:1.4rem}\
ul{padding-left:1.2rem}\
form{display:flex;gap:.75rem;margin-top:1.5rem}\
button{font:inherit;padding:.5rem 1.25rem;border-radius:.5rem;border:1px solid GrayText;cursor:pointer}\
button.first{background:LinkText;color:Canvas;border-color:LinkText}";

/// A page: its title, and what stands below it as HTML. `posts_to` are origins to which its form may lead.
pub fn page(status: StatusCode, title: &str, html: &str, posts_to: &str) -> Response {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self' {posts_to}; base-uri 'none'; frame-ancestors 'none'"
    );
    let body = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main><h1>{title}</h1>{html}</main></body></html>",
        title = escaped(title),
    );
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    let mut set =
        |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(header::CACHE_CONTROL, "no-store");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    match HeaderValue::try_from(policy) {
        Ok(policy) => headers.insert(header::CONTENT_SECURITY_POLICY, policy),
        Err(_) => {
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"))
        }
    };
    response
}

/// A page that says why something did not go on.
pub fn failure(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, title, &format!("<p>{}</p><p><a href=\"/\">Back</a></p>", escaped(text)), "")
}

/// A text within HTML, in attributes too.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_text() {
        assert_eq!(escaped("<a href=\"x\" b='y'>&"), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;");
    }
}
