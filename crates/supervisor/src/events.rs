//! Events that do not come as requests of a client: they go to the dispatcher beside the worker (`runtime/events/`),
//! which calls its handler.

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use crate::{Lease, SendError};

/// Largest answer of the dispatcher, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// A cron trigger that is due.
#[derive(Debug, Clone, Serialize)]
pub struct Scheduled {
    /// The expression.
    pub cron: String,
    /// The minute it was due, in milliseconds since 1970.
    #[serde(rename = "scheduledTime")]
    pub scheduled_time_ms: i64,
}

/// How an event's handler ended, its `waitUntil` tasks included (workerd.md 2.1).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ended {
    /// `ok`, `exception`, `exceededCpu`, … in workerd's words.
    pub outcome: String,
    /// The handler asked not to be run again for this event.
    #[serde(default, rename = "noRetry")]
    pub no_retry: bool,
}

impl Ended {
    /// Whether the handler ended well.
    pub fn is_ok(&self) -> bool {
        self.outcome == "ok"
    }
}

impl Lease {
    /// Runs the worker's `scheduled` handler and waits for its end, `waitUntil` included.
    ///
    /// # Errors
    /// [`SendError`]; the handler may have run.
    pub async fn scheduled(&self, event: &Scheduled) -> Result<Ended, SendError> {
        match self.deliver("/scheduled", event).await {
            Ok(ended) => Ok(ended),
            Err(error) => Err(self.explain(error).await),
        }
    }

    async fn deliver<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        event: &impl Serialize,
    ) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
        let stream = UnixStream::connect(self.instance().events_socket()).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = Request::post(path)
            .header(header::HOST, "events")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::<Bytes>::from(serde_json::to_vec(event)?))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await?.to_bytes();
        connection.abort();
        if status == StatusCode::NOT_FOUND
            || status == StatusCode::METHOD_NOT_ALLOWED
            || status == StatusCode::NOT_IMPLEMENTED
        {
            // No dispatcher stands beside a worker that the probe found without such handlers.
            return Err("The version that serves has no handler for this event.".into());
        }
        if status != StatusCode::OK {
            return Err(format!("The dispatcher answered {status}.").into());
        }
        Ok(serde_json::from_slice(&body)?)
    }
}
