//! Cloudflare's v4 envelope (wrangler-api.md 1.4): every JSON answer has `success`, `errors`, `messages`, `result`.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

use crate::page::ResultInfo;

/// A successful answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    result: Value,
    info: Option<ResultInfo>,
    messages: Vec<String>,
}

impl Reply {
    /// `result` as the answer's result.
    pub fn new(result: Value) -> Self {
        Self { result, info: None, messages: Vec::new() }
    }

    /// Serializes `result`; for types that cannot fail to serialize, like the model's.
    pub fn of(result: &impl Serialize) -> Self {
        Self::new(json!(result))
    }

    /// `"result": null`, which is what most deletions and replacements answer.
    pub fn null() -> Self {
        Self::new(Value::Null)
    }

    /// One page of a list.
    pub fn page(items: Vec<Value>, info: ResultInfo) -> Self {
        Self { result: Value::Array(items), info: Some(info), messages: Vec::new() }
    }

    /// Adds `result_info` to a result that holds its list in a field.
    pub fn info(mut self, info: ResultInfo) -> Self {
        self.info = Some(info);
        self
    }

    /// Adds a line that clients print beside the result.
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.messages.push(text.into());
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let messages: Vec<Value> =
            self.messages.into_iter().map(|message| json!({"code": 0, "message": message})).collect();
        let mut body = json!({"success": true, "errors": [], "messages": messages, "result": self.result});
        if let Some(info) = self.info {
            body["result_info"] = json!(info);
        }
        json_response(StatusCode::OK, &body)
    }
}

/// A JSON response.
pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
