//! The floor of a binding: answers every request on a unix socket with the same 200, over the same HTTP library that
//! Hearth serves bindings with. `bench/state.py` puts it where a store would be.
//!
//! ```text
//! trivial <socket> [bytes | text] [head of an R2 object]
//! ```

use std::convert::Infallible;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::UnixListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args
        .next()
        .ok_or_else(|| anyhow::anyhow!("usage: trivial <socket> [bytes | text] [head of an R2 object]"))?;
    let answer = args.next().unwrap_or_else(|| "100".to_owned());
    // So many bytes, or the text itself where the caller reads it.
    let body = answer.parse().map_or_else(|_| answer.into_bytes(), |bytes| vec![b'x'; bytes]);
    // R2 answers with JSON, how long that is, and the content behind it.
    let head = args.next();
    let metadata = head.as_ref().map(String::len);
    let body = Bytes::from([head.unwrap_or_default().into_bytes(), body].concat());
    let listener = UnixListener::bind(path)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let body = body.clone();
        let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let body = body.clone();
            async move {
                // What is sent has to be read, here as in a store.
                let _ = request.into_body().collect().await;
                let mut response = Response::new(Full::new(body));
                if let Some(size) = metadata {
                    response.headers_mut().insert("cf-r2-metadata-size", size.into());
                }
                Ok::<_, Infallible>(response)
            }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer),
        );
    }
}
