//! Cloudflare's API as a program calls it: JSON in the v4 envelope, and the multipart form of an upload.

use bytes::Bytes;
use http::{Request, header};
use serde_json::{Value, json};

use crate::{Answer, Hearth};

/// An answer in Cloudflare's envelope.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The HTTP status.
    pub status: u16,
    /// The whole envelope.
    pub body: Value,
}

impl Envelope {
    /// The `result` of a success.
    ///
    /// # Panics
    /// If the answer is an error.
    pub fn result(&self) -> &Value {
        assert_eq!(self.body["success"], true, "{self:?}");
        &self.body["result"]
    }

    /// Status, code and message of an error, after the envelope's shape has been checked.
    ///
    /// # Panics
    /// If the answer is a success or no envelope.
    pub fn error(&self) -> (u16, i64, String) {
        assert_eq!(self.body["success"], false, "{self:?}");
        assert!(self.status >= 400, "an error with status {}", self.status);
        assert!(self.body["messages"].is_array() && self.body.get("result").is_some(), "{self:?}");
        let error = &self.body["errors"][0];
        let code = error["code"].as_i64().unwrap_or_else(|| panic!("an error without a code: {self:?}"));
        let message =
            error["message"].as_str().unwrap_or_else(|| panic!("an error without a message: {self:?}"));
        (self.status, code, message.to_owned())
    }

    fn read(answer: &Answer) -> Self {
        Self { status: answer.status, body: answer.json() }
    }
}

/// A `multipart/form-data` body, part by part, so that a test can make wrong ones.
#[derive(Clone, Debug, Default)]
pub struct Form(Vec<u8>);

/// What separates the parts of a [`Form`].
pub const BOUNDARY: &str = "----hearth-testing-0123456789";

impl Form {
    /// A form that uploads one ES module, `index.js`, as wrangler sends it.
    #[must_use]
    pub fn module(source: &str) -> Self {
        let metadata = json!({ "main_module": "index.js", "compatibility_date": "2026-01-01" });
        Self::default().metadata(&metadata.to_string()).part(
            "index.js",
            "application/javascript+module",
            source,
        )
    }

    /// Adds the `metadata` part: whatever text a test wants to stand there.
    #[must_use]
    pub fn metadata(mut self, text: &str) -> Self {
        self.push("Content-Disposition: form-data; name=\"metadata\"", text.as_bytes());
        self
    }

    /// Adds a module.
    #[must_use]
    pub fn part(mut self, name: &str, kind: &str, content: impl AsRef<[u8]>) -> Self {
        let head = format!(
            "Content-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\nContent-Type: {kind}"
        );
        self.push(&head, content.as_ref());
        self
    }

    /// The body, with its closing boundary.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        self.0.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.0.into()
    }

    /// The body as far as it got, without its end.
    #[must_use]
    pub fn truncated(self) -> Bytes {
        let keep = self.0.len() - 10;
        Bytes::from(self.0).slice(..keep)
    }

    fn push(&mut self, head: &str, content: &[u8]) {
        self.0.extend_from_slice(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").as_bytes());
        self.0.extend_from_slice(content);
        self.0.extend_from_slice(b"\r\n");
    }
}

impl Hearth {
    /// Calls `/client/v4<path>` with the admin token; `:a` in the path stands for the default account.
    ///
    /// # Panics
    /// If no answer comes or it is not JSON.
    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Envelope {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        // Wrangler's own habit (undici's default for a string), so every call here proves that it is accepted.
        self.api_raw(method, path, "text/plain;charset=UTF-8", body.into(), Some(self.token())).await
    }

    /// Uploads a worker, deploys it and gives it its host below the base domain, as wrangler's first deploy does.
    ///
    /// # Panics
    /// If anything of it is refused.
    pub async fn deploy(&self, worker: &str, source: &str) {
        self.upload(worker, Form::module(source).finish()).await.result();
        let path = format!("/accounts/:a/workers/scripts/{worker}/subdomain");
        self.api("POST", &path, Some(json!({ "enabled": true }))).await.result();
    }

    /// Sends an upload that is deployed at once. A new worker has no host until it is given one.
    pub async fn upload(&self, worker: &str, form: Bytes) -> Envelope {
        self.api_form("PUT", &format!("/accounts/:a/workers/scripts/{worker}?excludeScript=true"), form).await
    }

    /// Sends a form made with [`Form`].
    pub async fn api_form(&self, method: &str, path: &str, form: Bytes) -> Envelope {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        self.api_raw(method, path, &kind, form, Some(self.token())).await
    }

    /// Calls the API with any body, type and token.
    ///
    /// # Panics
    /// As [`Hearth::api`].
    pub async fn api_raw(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: Bytes,
        token: Option<&str>,
    ) -> Envelope {
        let path = path.replace(":a", self.account());
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/client/v4{path}"))
            .header(header::HOST, format!("localhost:{}", self.address().port()));
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request.body(body).expect("the test's path is valid");
        let answer = self
            .send(request)
            .await
            .unwrap_or_else(|error| panic!("{method} {path} got no answer: {error:#}"));
        Envelope::read(&answer)
    }
}
