//! What a browser does for pages of the control host: it keeps the session's cookie, and says from which origin a call is.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, header};
use serde_json::Value;

use crate::{Answer, Hearth};

/// A browser with a page of the control host open.
pub struct Browser<'a> {
    hearth: &'a Hearth,
    host: String,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    /// Without a cookie.
    #[must_use]
    pub fn new(hearth: &'a Hearth) -> Self {
        Self { hearth, host: format!("localhost:{}", hearth.address().port()), cookies: BTreeMap::new() }
    }

    /// The cookies that it would send, `name=value; …`; None when it has none.
    #[must_use]
    pub fn cookie(&self) -> Option<String> {
        let all: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Puts cookies there in place of its own, as somebody might who has access to it for a moment.
    pub fn set_cookie(&mut self, cookies: &str) {
        let pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
        self.cookies = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    }

    /// The origin of its page.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.host)
    }

    /// A call of the page's script.
    ///
    /// # Panics
    /// If no whole answer comes.
    pub async fn call(&mut self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let origin = self.origin();
        self.call_with(method, path, body, &[("origin", &origin), ("x-hearth-csrf", "1")]).await
    }

    /// A call with these headers beside the cookie.
    ///
    /// # Panics
    /// As [`Browser::call`].
    pub async fn call_with(
        &mut self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send(method, path, "application/json", body.into(), headers).await
    }

    /// A form that the page posts, or a page that is opened.
    ///
    /// # Panics
    /// As [`Browser::call`].
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        kind: &str,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host)
            .header("content-type", kind);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(cookie) = self.cookie() {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(body).expect("the test's headers are valid");
        let answer =
            self.hearth.send(request).await.unwrap_or_else(|error| panic!("{method} {path}: {error:#}"));
        for set in answer.headers.get_all(header::SET_COOKIE) {
            let set = set.to_str().expect("cookies are ASCII");
            let pair = set.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie has a value");
            if set.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}
