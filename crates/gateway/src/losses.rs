//! Requests that their process took along when it died. It reports each of its invocations at the invocation's end, so of
//! these nobody would hear.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use hearth_model::WorkerId;
use hearth_supervisor::{Death, Instance, InstanceKey};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};

use crate::headers;

/// Who is told of what processes can no longer report.
pub trait Losses: Send + Sync + 'static {
    /// Whether somebody wants to know of a worker's invocations. Asked at each request of one whose processes report.
    fn wants(&self, worker: WorkerId) -> bool;

    /// Takes one in. Never waits.
    fn lost(&self, lost: Lost);
}

/// A request that was in a process when that died.
#[derive(Debug)]
pub struct Lost {
    /// The process.
    pub key: InstanceKey,
    /// What it died of.
    pub death: Death,
    /// When the request went in.
    pub began: SystemTime,
    /// What went in.
    pub request: Sent,
    /// The response's status, if the process came to send one.
    pub status: Option<StatusCode>,
}

/// A request's head as the worker saw it.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The method.
    pub method: Method,
    /// The absolute URL.
    pub url: String,
    /// `request.cf` as JSON text.
    pub cf_json: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
}

impl Sent {
    fn of(request: &Request<impl Sized>) -> Self {
        let mut headers = request.headers().clone();
        let cf = headers.remove(headers::CF_BLOB);
        let proto = headers.remove(headers::FORWARDED_PROTO);
        let text =
            |value: Option<&HeaderValue>| value.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let scheme = text(proto.as_ref()).unwrap_or_else(|| "http".to_owned());
        let host = text(headers.get(header::HOST)).unwrap_or_default();
        let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Self {
            method: request.method().clone(),
            url: format!("{scheme}://{host}{path}"),
            cf_json: text(cf.as_ref()),
            headers,
        }
    }
}

/// A request that is in a process, of a worker of which somebody wants to know.
pub struct Ongoing {
    losses: Arc<dyn Losses>,
    instance: Arc<Instance>,
    began: SystemTime,
    request: Sent,
}

impl fmt::Debug for Ongoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ongoing").field("instance", &self.instance.key).finish_non_exhaustive()
    }
}

impl Ongoing {
    /// Notes a request that is about to go in. None: nobody wants to know of it, and nothing is noted.
    pub fn of(
        losses: &Arc<dyn Losses>,
        instance: &Arc<Instance>,
        request: &Request<impl Sized>,
    ) -> Option<Box<Self>> {
        (instance.reports() && losses.wants(instance.key.worker)).then(|| {
            Box::new(Self {
                losses: Arc::clone(losses),
                instance: Arc::clone(instance),
                began: SystemTime::now(),
                request: Sent::of(request),
            })
        })
    }

    /// The process has died with it.
    pub fn died(self, death: Death, status: Option<StatusCode>) {
        let Self { losses, instance, began, request } = self;
        losses.lost(Lost { key: instance.key, death, began, request, status });
    }

    /// It ended early: perhaps because its client has left, perhaps because the process has died, which is known a moment
    /// later.
    pub(crate) fn ended_early(self: Box<Self>, status: Option<StatusCode>) {
        // Without a runtime the server itself has ended.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Some(death) = self.instance.fate().await {
                    self.died(death, status);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_told_as_the_worker_saw_it() {
        let request = Request::builder()
            .method("POST")
            .uri("/a?b=c")
            .header("host", "w.test")
            .header("x-forwarded-proto", "https")
            .header("x-hearth-cf", "{\"colo\":\"HRT\"}")
            .header("accept", "a")
            .body(())
            .unwrap();
        let sent = Sent::of(&request);
        assert_eq!((sent.method, &*sent.url), (Method::POST, "https://w.test/a?b=c"));
        assert_eq!(sent.cf_json.as_deref(), Some("{\"colo\":\"HRT\"}"));
        let names: Vec<_> = sent.headers.keys().map(header::HeaderName::as_str).collect();
        assert_eq!(names, ["host", "accept"]);
    }
}
