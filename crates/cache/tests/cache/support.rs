//! A cache in a temporary folder, with a clock of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use hearth_cache::{Cache, Config};
use http::{HeaderMap, Request, Response};
use parking_lot::Mutex;

pub const CF: &str = "x-hearth-cf";

pub struct Rig {
    pub cache: Cache,
    pub config: Config,
    time: Arc<Mutex<SystemTime>>,
    _folder: tempfile::TempDir,
}

/// An answer that has been read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn is_hit(&self) -> bool {
        self.header("cf-cache-status") == "HIT"
    }
}

impl Rig {
    pub fn new() -> Self {
        Self::with(|config| config)
    }

    pub fn with(change: impl FnOnce(Config) -> Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let time = Arc::new(Mutex::new(SystemTime::now()));
        let clock = Arc::clone(&time);
        let config =
            Config { clock: Arc::new(move || *clock.lock()), ..Config::new(folder.path().join("cache")) };
        let config = change(config);
        Self { cache: Cache::open(config.clone()).unwrap(), config, time, _folder: folder }
    }

    /// As after a restart.
    pub async fn reopen(&mut self) {
        self.cache = Cache::open(self.config.clone()).unwrap();
        // A delete waits until what is stored is known.
        self.send("a", "PURGE", "https://x.test/not-there", &[], Bytes::new()).await;
    }

    pub fn pass(&self, seconds: u64) {
        *self.time.lock() += Duration::from_secs(seconds);
    }

    pub fn folder(&self) -> &PathBuf {
        &self.config.folder
    }

    pub async fn send(
        &self,
        account: &str,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(self.cache.serve(account, request.body(body.into()).unwrap()).await).await
    }

    pub async fn get(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("a", "GET", url, headers, Bytes::new()).await
    }

    /// Puts a response, whose head is given without its end.
    pub async fn put(&self, url: &str, head: &str, body: &str) -> u16 {
        let payload = format!("HTTP/1.1 {head}\r\n\r\n{body}");
        self.send("a", "PUT", url, &[], payload).await.status
    }

    pub async fn has(&self, url: &str) -> bool {
        self.get(url, &[]).await.is_hit()
    }
}

pub async fn read<B>(response: Response<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<hearth_cache::BoxError>,
{
    let (parts, body) = response.into_parts();
    let body = to_bytes(Body::new(body), usize::MAX).await.unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}
