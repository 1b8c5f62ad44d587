//! What people see of Access: pages without scripts.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

/// A page, or for who wants none a line of text.
pub(crate) fn page<B: From<String>>(
    status: StatusCode,
    asked: &HeaderMap,
    title: &str,
    text: &str,
) -> Response<B> {
    let (kind, body) = if wants_page(asked) {
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let (title, text) = (escape(title), escape(text));
        let body = format!(
            "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><title>{title}</title>\
             <style>body{{font:16px/1.5 system-ui;max-width:40em;margin:15vh auto;padding:0 1em}}</style>\
             <h1>{title}</h1><p>{text}</p></html>\n"
        );
        ("text/html; charset=UTF-8", body)
    } else {
        ("text/plain; charset=UTF-8", format!("{text}\n"))
    };
    let mut response = Response::new(B::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    seal(headers);
    response
}

/// A redirect that nobody keeps.
pub(crate) fn redirect<B: From<String>>(status: StatusCode, to: &str) -> Response<B> {
    let mut response = Response::new(B::from(String::new()));
    match HeaderValue::try_from(to) {
        Ok(to) => {
            *response.status_mut() = status;
            response.headers_mut().insert(header::LOCATION, to);
        }
        Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    seal(response.headers_mut());
    response
}

/// What every answer of Access has: it is nobody's to keep, to frame, or to tell others of.
pub(crate) fn seal(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    );
}

/// Whether a browser asks for a page to show.
pub(crate) fn wants_page(asked: &HeaderMap) -> bool {
    let accept = asked.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.to_ascii_lowercase().contains("text/html")
}
