//! Errors for two readers: the caller gets a status, Cloudflare's code and a sentence; the operator's detail goes to
//! the log and nowhere else.
//!
//! Codes are Cloudflare's where wrangler treats one specially (wrangler-api.md 13).

use std::fmt::Display;

use axum::response::{IntoResponse, Response};
use hearth_model::{
    BindingError, CompatibilityError, CronError, IdError, ModuleError, PatternError, SplitError,
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::envelope::json_response;

/// Cloudflare's error codes, as far as this API gives them.
pub mod code {
    /// `/user/tokens/verify`: the token is none.
    pub const INVALID_TOKEN: u32 = 1000;
    /// No such path.
    pub const NO_ROUTE: u32 = 7000;
    /// The path exists, not with this method.
    pub const NO_METHOD: u32 = 7001;
    /// An identifier in the path that cannot be one.
    pub const BAD_IDENTIFIER: u32 = 7003;
    /// A token that may not be used from where it is.
    pub const ELSEWHERE: u32 = 9109;
    /// Missing or wrong credentials, or credentials of another account.
    pub const AUTHENTICATION: u32 = 10000;
    /// The body cannot be read.
    pub const BAD_BODY: u32 = 10001;
    /// No such worker, on the script paths; not registered, on the subdomain path.
    pub const WORKER_NOT_FOUND: u32 = 10007;
    /// Something of ours failed.
    pub const INTERNAL: u32 = 10013;
    /// A worker's name that cannot be one.
    pub const BAD_WORKER_NAME: u32 = 10016;
    /// A route that another worker has.
    pub const ROUTE_TAKEN: u32 = 10020;
    /// The upload does not hold: settings, bindings, or what the runtime says of the code.
    pub const INVALID_UPLOAD: u32 = 10021;
    /// A pattern or a host that cannot be one.
    pub const BAD_ROUTE: u32 = 10022;
    /// Too large.
    pub const TOO_LARGE: u32 = 10027;
    /// As many workers as the account may have. Cloudflare documents no number; this is the one that its users report.
    pub const TOO_MANY: u32 = 10037;
    /// A subdomain that another account has.
    pub const SUBDOMAIN_TAKEN: u32 = 10031;
    /// A subdomain that nobody has.
    pub const SUBDOMAIN_FREE: u32 = 10032;
    /// A binding of another type that has the name of a secret to be put.
    pub const BINDING_NAME_TAKEN: u32 = 10053;
    /// A secret that is not there.
    pub const SECRET_NOT_FOUND: u32 = 10056;
    /// An `inherit` binding of which the previous version knows nothing.
    pub const INVALID_INHERIT: u32 = 10057;
    /// A worker that others still refer to.
    pub const STILL_REFERENCED: u32 = 10064;
    /// A binding to a class without objects, or to one whose objects go.
    pub const OBJECT_BINDING: u32 = 10061;
    /// A class with objects that the code does not export.
    pub const CLASS_NOT_EXPORTED: u32 = 10064;
    /// A class that shall have objects and that the code does not export.
    pub const NEW_CLASS_NOT_EXPORTED: u32 = 10070;
    /// A class of a migration that has no objects.
    pub const CLASS_UNKNOWN: u32 = 10072;
    /// A class that shall be made and has objects.
    pub const CLASS_EXISTS: u32 = 10074;
    /// A migration that does not begin where the worker is.
    pub const MIGRATION_TAG: u32 = 10079;
    /// A migration in a version that is not deployed.
    pub const MIGRATION_IN_VERSION: u32 = 10211;
    /// `exports` that cannot be.
    pub const EXPORTS_RECONCILIATION: u32 = 100402;
    /// `_redirects` or `_headers` with lines that do not hold.
    pub const ASSETS_RULES: u32 = 100_324;
    /// No such worker, on the services paths.
    pub const SERVICE_NOT_FOUND: u32 = 10090;
    /// A service binding to a worker that is not there.
    pub const SERVICE_BINDING: u32 = 10143;
    /// A cron expression that cannot be one.
    pub const BAD_CRON: u32 = 10100;
    /// A tail worker that is not there.
    pub const TAIL_WORKER: u32 = 10203;
    /// No such version.
    pub const VERSION_NOT_FOUND: u32 = 10210;
    /// A deployment that cannot be one.
    pub const BAD_DEPLOYMENT: u32 = 10212;
    /// The newest version is not the deployed one, so settings cannot be changed and deployed.
    pub const SETTINGS_NOT_DEPLOYED: u32 = 10214;
    /// The newest version is not the deployed one, so a secret cannot be put and deployed.
    pub const LATEST_NOT_DEPLOYED: u32 = 10215;
    /// Secrets have changed since the version that is to be deployed.
    pub const SECRETS_CHANGED: u32 = 10220;
    /// The worker has no version yet.
    pub const NO_VERSIONS: u32 = 10222;
    /// Ours: a version whose files cannot be listed.
    pub const ASSETS_UNLISTED: u32 = 10502;
    /// Ours: Cloudflare has it, this installation does not yet.
    pub const NOT_SUPPORTED: u32 = 10501;
    /// A binding to a KV namespace that is not there.
    pub const KV_NAMESPACE_BINDING: u32 = 10041;
    /// A binding to an R2 bucket that is not there.
    pub const R2_BUCKET_BINDING: u32 = 10085;
    /// No such KV namespace.
    pub const KV_NAMESPACE_NOT_FOUND: u32 = 10013;
    /// A KV namespace's title that the account has already.
    pub const KV_TITLE_TAKEN: u32 = 10014;
    /// No such R2 bucket: wrangler then makes it.
    pub const R2_BUCKET_NOT_FOUND: u32 = 10006;
    /// An R2 bucket's name that the account has already.
    pub const R2_BUCKET_TAKEN: u32 = 10004;
    /// No such queue.
    pub const QUEUE_NOT_FOUND: u32 = 11000;
    /// A worker that consumes a queue and has no handler for it.
    pub const QUEUE_HANDLER_MISSING: u32 = 11001;
    /// No such D1 database.
    pub const D1_NOT_FOUND: u32 = 7404;
    /// A D1 database's name that the account has already.
    pub const D1_NAME_TAKEN: u32 = 7502;
    /// No such project of Pages: wrangler then offers to make it.
    pub const PROJECT_NOT_FOUND: u32 = 8_000_007;
    /// No such deployment of such a project.
    pub const PAGES_DEPLOYMENT_NOT_FOUND: u32 = 8_000_009;
    /// No such route or custom domain.
    pub const ROUTE_NOT_FOUND: u32 = 10009;
}

/// An answer that says no.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    code: u32,
    message: String,
    detail: Option<String>,
    meta: Option<Box<Value>>,
}

impl ApiError {
    /// An error whose `message` is meant for the caller.
    pub fn new(status: StatusCode, code: u32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: None, meta: None }
    }

    /// 400 with a code.
    pub fn bad_request(code: u32, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 404 with a code.
    pub fn not_found(code: u32, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// Adds what only the operator may read.
    pub fn with_detail(mut self, detail: impl Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    /// Adds what a client reads of the error beside its text.
    pub fn with_meta(mut self, meta: Value) -> Self {
        self.meta = Some(Box::new(meta));
        self
    }

    /// Something of ours failed; `detail` says what, to the operator.
    pub fn internal(detail: impl Display) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            code::INTERNAL,
            "An internal error occurred. The server's log says more.",
        )
        .with_detail(detail)
    }

    /// Missing or wrong credentials. wrangler prints a hint for this very code and runs `whoami`.
    pub fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code::AUTHENTICATION, "Authentication error")
    }

    /// Good credentials, of another account. The same words whether the account exists or not.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, code::AUTHENTICATION, "Authentication error")
    }

    /// Good credentials, without what it takes: `what` says that.
    pub fn lacking(what: &str) -> Self {
        let text = format!("Authentication error: this takes {what}, which these credentials have not.");
        Self::new(StatusCode::FORBIDDEN, code::AUTHENTICATION, text)
    }

    /// A good token, which may not be used from there.
    pub fn elsewhere(from: Option<std::net::IpAddr>) -> Self {
        let from =
            from.map_or_else(|| "an unknown address".to_owned(), |from| from.to_canonical().to_string());
        let text = format!("Cannot use the access token from location: {from}");
        Self::new(StatusCode::FORBIDDEN, code::ELSEWHERE, text)
    }

    /// No such worker, on the script paths.
    pub fn worker_not_found() -> Self {
        Self::not_found(code::WORKER_NOT_FOUND, "This Worker does not exist on your account.")
    }

    /// No such worker, on the services paths: wrangler 4.40 and older insist on this code.
    pub fn service_not_found() -> Self {
        Self::not_found(code::SERVICE_NOT_FOUND, "This service does not exist on your account.")
    }

    /// No such project of Pages.
    pub fn project_not_found() -> Self {
        Self::not_found(
            code::PROJECT_NOT_FOUND,
            "Project not found. The specified project name does not match any of your existing projects.",
        )
    }

    /// No such deployment of a project of Pages.
    pub fn deployment_not_found(id: &str) -> Self {
        Self::not_found(
            code::PAGES_DEPLOYMENT_NOT_FOUND,
            format!(
                "The deployment {id:?} does not exist. It may have been deleted, or belong to another project."
            ),
        )
    }

    /// No such version of the worker.
    pub fn version_not_found(version: impl Display) -> Self {
        Self::not_found(code::VERSION_NOT_FOUND, format!("Version {version} does not exist for this Worker."))
    }

    /// The worker has no version yet.
    pub fn no_versions() -> Self {
        Self::not_found(code::NO_VERSIONS, "This Worker has no version yet. Upload or deploy one first.")
    }

    /// Cloudflare has `what`, this installation does not yet.
    pub fn not_supported(what: &str) -> Self {
        Self::bad_request(code::NOT_SUPPORTED, format!("{what} not supported by this Hearth yet."))
    }

    /// The upload does not hold.
    pub fn invalid_upload(message: impl Into<String>) -> Self {
        Self::bad_request(code::INVALID_UPLOAD, message)
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Cloudflare's code.
    pub fn code(&self) -> u32 {
        self.code
    }

    /// What the caller reads.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl ApiError {
    /// Tells the operator what the caller does not read.
    pub fn report(&self) {
        match &self.detail {
            Some(detail) if self.status.is_server_error() => {
                tracing::error!(code = self.code, %detail, "API call failed");
            }
            Some(detail) => tracing::info!(code = self.code, %detail, "API call refused"),
            None => {}
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.report();
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(meta) = self.meta {
            error["meta"] = *meta;
        }
        let body = json!({"success": false, "errors": [error], "messages": [], "result": Value::Null});
        json_response(self.status, &body)
    }
}

impl From<IdError> for ApiError {
    fn from(error: IdError) -> Self {
        Self::bad_request(code::BAD_WORKER_NAME, error.to_string())
    }
}

impl From<CronError> for ApiError {
    fn from(error: CronError) -> Self {
        Self::bad_request(code::BAD_CRON, error.to_string())
    }
}

impl From<PatternError> for ApiError {
    fn from(error: PatternError) -> Self {
        Self::bad_request(code::BAD_ROUTE, error.to_string())
    }
}

impl From<SplitError> for ApiError {
    fn from(error: SplitError) -> Self {
        Self::bad_request(code::BAD_DEPLOYMENT, error.to_string())
    }
}

impl From<BindingError> for ApiError {
    fn from(error: BindingError) -> Self {
        Self::invalid_upload(error.to_string())
    }
}

impl From<CompatibilityError> for ApiError {
    fn from(error: CompatibilityError) -> Self {
        Self::invalid_upload(error.to_string())
    }
}

impl From<ModuleError> for ApiError {
    fn from(error: ModuleError) -> Self {
        Self::invalid_upload(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_operators_detail_is_not_in_the_answer() {
        let response = ApiError::internal("disk /secret/path is full").into_response();
        assert_eq!(response.status(), 500);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains("10013") && !text.contains("secret"), "{text}");
    }
}
