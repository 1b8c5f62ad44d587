//! Asks a probe what it found.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use hearth_model::{Exports, ProbeError};
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// Largest description accepted, in bytes: it is the uploaded code that makes it long.
const MAX_DESCRIPTION: usize = 1 << 20;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The exports that the probe on this socket describes.
pub(crate) async fn ask(http: &Path, patience: Duration) -> Result<Exports, ProbeError> {
    match tokio::time::timeout(patience, fetch(http)).await {
        Err(_) => Err(ProbeError::Invalid("Script startup exceeded CPU time limit.".into())),
        Ok(Err(error)) => Err(ProbeError::Unavailable(format!("the probe did not answer: {error}"))),
        Ok(Ok(exports)) => Ok(exports),
    }
}

async fn fetch(http: &Path) -> Result<Exports, AnyError> {
    let stream = TokioIo::new(UnixStream::connect(http).await?);
    let (mut sender, connection) = http1::handshake(stream).await?;
    tokio::spawn(connection);
    let request = Request::get("/").header("host", "probe").body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let body = Limited::new(response.into_body(), MAX_DESCRIPTION).collect().await?;
    Ok(serde_json::from_slice(&body.to_bytes())?)
}
