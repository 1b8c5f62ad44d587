//! What a request that no worker answers is told, in Cloudflare's manner.

use bytes::Bytes;
use hearth_model::TooMany;
use hearth_supervisor::{AcquireError, Death, SendError};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::body::Body;

/// Why a request gets no answer of a worker's. What the caller sees is all here; the operator's side is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The request cannot be read in one way only; the connection closes.
    Malformed(&'static str),
    /// Not allowed on the control host.
    Forbidden(&'static str),
    /// Nothing is served under this host.
    UnknownHost(String),
    /// The request is for an inspector session that is over, or is another worker's.
    NoSession,
    /// The worker exists and has no deployment.
    NotDeployed(String),
    /// Only other workers of its account may reach the worker.
    Internals(String),
    /// The worker wants an access token.
    NoToken(String),
    /// The worker died of what it did: 1101.
    Crashed,
    /// The worker died of its limits: 1102.
    Limits,
    /// Workers call each other in a circle: 1019.
    Loop,
    /// Too much is in flight.
    Overloaded,
    /// The account's requests of a minute are used up.
    TooMany(TooMany),
    /// The account has as many processes, or as much memory in them, as it may.
    Quota(&'static str),
    /// The server, or the worker's process, is on its way out.
    Leaving,
    /// Something of ours.
    Internal,
    /// The worker closed the connection without a response.
    NoResponse,
}

impl Failure {
    pub(crate) fn of_acquire(error: &AcquireError) -> Self {
        match error {
            AcquireError::NoSuchVersion(_) | AcquireError::ShuttingDown => Self::Leaving,
            AcquireError::Overloaded(_) => Self::Overloaded,
            AcquireError::Quota(text) => Self::Quota(text),
            AcquireError::Died(death) => Self::of_death(*death),
            AcquireError::Refused(_) => Self::of_death(Death::Crashed),
            AcquireError::NoCode | AcquireError::Internal(_) => Self::Internal,
        }
    }

    pub(crate) fn of_send(error: &SendError) -> Self {
        match error {
            SendError::Died(death) => Self::of_death(*death),
            SendError::Connection { source } if is_clients_fault(source.as_ref()) => {
                Self::Malformed("the request's body cannot be read")
            }
            SendError::Connection { .. } => Self::NoResponse,
        }
    }

    fn of_death(death: Death) -> Self {
        match death {
            death if death.is_limit() => Self::Limits,
            Death::Stopped => Self::Leaving,
            _ => Self::Crashed,
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) | Self::Internals(_) => StatusCode::FORBIDDEN,
            Self::NoToken(_) => StatusCode::UNAUTHORIZED,
            Self::UnknownHost(_) | Self::NotDeployed(_) | Self::NoSession => StatusCode::NOT_FOUND,
            Self::Crashed | Self::Loop | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Limits | Self::Overloaded | Self::Leaving | Self::Quota(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoResponse => StatusCode::BAD_GATEWAY,
        }
    }

    /// Cloudflare's code, where it has one.
    fn code(&self) -> Option<u16> {
        match self {
            Self::UnknownHost(_) | Self::NotDeployed(_) => Some(1042),
            Self::Crashed => Some(1101),
            Self::Limits => Some(1102),
            Self::Loop => Some(1019),
            Self::Overloaded | Self::Quota(_) => Some(1105),
            // What Cloudflare says when an account has used up the requests of its plan.
            Self::TooMany(_) => Some(1027),
            _ => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Malformed(what) => format!("Bad request: {what}."),
            Self::Forbidden(why) => format!("Forbidden: {why}."),
            Self::UnknownHost(host) => {
                format!(
                    "There is nothing here: no worker, route or custom domain is known for the host \"{host}\"."
                )
            }
            Self::NoSession => {
                "There is no such inspector session of this worker: it has ended. Start another one, or \
                                send the request without it."
                    .to_owned()
            }
            Self::NotDeployed(worker) => format!("The worker \"{worker}\" has no deployment yet."),
            Self::Internals(worker) => format!("Only other workers may call the worker \"{worker}\"."),
            Self::NoToken(worker) => format!(
                "The worker \"{worker}\" wants an access token: send one of its own as `Authorization: Bearer` or \
                 `X-Hearth-Access-Token`."
            ),
            Self::Crashed => "Worker threw exception: its process ended unexpectedly.".to_owned(),
            Self::Limits => "Worker exceeded resource limits.".to_owned(),
            Self::Loop => "Compute server error: workers call each other in a circle.".to_owned(),
            Self::Overloaded => "Temporarily unavailable: too many requests are in flight.".to_owned(),
            Self::TooMany(refused) => refused.to_string(),
            Self::Quota(text) => (*text).to_owned(),
            Self::Leaving => "Temporarily unavailable: please try again.".to_owned(),
            Self::Internal => "Internal error.".to_owned(),
            Self::NoResponse => "The worker closed the connection without a response.".to_owned(),
        }
    }

    /// The response: a page for a browser, JSON for who asks for it, one line for the rest.
    pub(crate) fn response(&self, request: &HeaderMap, ray: Option<&HeaderValue>) -> Response<Body> {
        let accept = request.get(header::ACCEPT).map_or(&b""[..], HeaderValue::as_bytes);
        let accepts =
            |kind: &[u8]| accept.windows(kind.len()).any(|window| window.eq_ignore_ascii_case(kind));
        let ray_text = ray.and_then(|ray| ray.to_str().ok()).unwrap_or_default();
        let text = self.text();
        let (kind, body) = if accepts(b"text/html") {
            ("text/html; charset=UTF-8", self.page(&text, ray_text))
        } else if accepts(b"application/json") {
            let json = serde_json::json!({
                "error": text, "error_code": self.code(), "status": self.status().as_u16(), "ray_id": ray_text,
            });
            ("application/json", json.to_string())
        } else {
            let code = self.code().map(|code| format!("error code: {code}\n")).unwrap_or_default();
            ("text/plain; charset=UTF-8", format!("{code}{text}\n"))
        };
        let mut response = Response::new(Body::full(Bytes::from(body)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status() == StatusCode::SERVICE_UNAVAILABLE && *self != Self::Limits {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Self::TooMany(refused) = self {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(refused.wait));
        }
        if matches!(self, Self::NoToken(_)) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(self, Self::Malformed(_)) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Self::TooMany(refused) = self {
            // For who made the call within this process: a worker's own answer has none.
            response.extensions_mut().insert(*refused);
        }
        response
    }

    fn page(&self, text: &str, ray: &str) -> String {
        let title = match self.code() {
            Some(code) => format!("Error {code}"),
            None => format!("Error {}", self.status().as_u16()),
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        format!(
            "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
             <style>body{{font:16px/1.5 system-ui;max-width:40em;margin:15vh auto;padding:0 1em}}</style>\
             <h1>{title}</h1><p>{text}</p><p><small>Ray ID: {ray}</small></p></html>\n"
        )
    }
}

/// Whether a connection to an instance failed because the client's body did: hyper passes that on as the cause.
fn is_clients_fault(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers_accepting(kind: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(kind))])
    }

    async fn text(response: Response<Body>) -> String {
        use http_body_util::BodyExt as _;
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_page_names_the_host_and_cannot_be_written_to() {
        let failure = Failure::UnknownHost("<script>.test".to_owned());
        let response = failure.response(&headers_accepting("text/html"), None);
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let page = text(response).await;
        assert!(page.contains("&lt;script&gt;.test") && !page.contains("<script>"), "{page}");
    }

    #[tokio::test]
    async fn limits_are_cloudflares_1102() {
        for death in [Death::Stuck, Death::CpuBudget, Death::Memory] {
            let failure = Failure::of_send(&SendError::Died(death));
            let response = failure.response(&HeaderMap::new(), None);
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(text(response).await.starts_with("error code: 1102\n"));
        }
        let crashed = Failure::of_send(&SendError::Died(Death::Crashed));
        let json = text(crashed.response(&headers_accepting("application/json"), None)).await;
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["error_code"], 1101);
    }

    #[test]
    fn overload_asks_to_come_back_later() {
        let failure = Failure::of_acquire(&AcquireError::Overloaded("account".to_owned()));
        let response = failure.response(&HeaderMap::new(), None);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let quota = Failure::of_acquire(&AcquireError::Quota("so it is."));
        assert_eq!(quota.response(&HeaderMap::new(), None).headers()[header::RETRY_AFTER], "1");
        let response = Failure::TooMany(TooMany { limit: 5, wait: 12 }).response(&HeaderMap::new(), None);
        assert_eq!(
            (response.status().as_u16(), &response.headers()[header::RETRY_AFTER]),
            (429, &"12".parse().unwrap())
        );
    }
}
