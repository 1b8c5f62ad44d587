//! A served egress socket, a worker's side of it, and upstreams on loopback.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_egress::{
    Body, BoxError, Config, Egress, Internal, NoInternal, Origin, Policy, Resolver, ServeHandle,
};
use http::header::HeaderMap;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Ends a test that hangs. Nothing is measured by it.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .unwrap_or_else(|_| panic!("{what} does not happen"))
}

pub async fn until(what: &str, mut happened: impl FnMut() -> bool) {
    soon(what, async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub const LOOPBACK_OPEN: &str = r#"{"allow": [{"net": "127.0.0.0/8"}]}"#;
pub const ALL_OPEN: &str = r#"{"allow": [{"net": "0.0.0.0/0"}, {"net": "::/0"}]}"#;

pub fn policy(text: &str) -> Policy {
    serde_json::from_str(text).unwrap()
}

pub fn origin(worker: &str) -> Arc<Origin> {
    Arc::new(Origin {
        account: "a".to_owned(),
        worker_id: "i".to_owned(),
        worker: worker.to_owned(),
        version: "v".to_owned(),
        policy: Arc::default(),
    })
}

/// What an egress is made of; loopback is open by default, since that is where the upstreams are.
pub struct Setup {
    pub config: Config,
    pub policy: &'static str,
    pub internal: Arc<dyn Internal>,
    pub resolver: Option<Arc<dyn Resolver>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            config: Config::default(),
            policy: LOOPBACK_OPEN,
            internal: Arc::new(NoInternal),
            resolver: None,
        }
    }
}

/// One instance's socket.
pub struct Socket {
    pub path: PathBuf,
    pub handle: ServeHandle,
    pub dir: tempfile::TempDir,
}

pub fn serve(egress: &Arc<Egress>, worker: &str) -> Socket {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("egress.sock");
    let handle = egress.serve(UnixListener::bind(&path).unwrap(), |_| true, origin(worker));
    Socket { path, handle, dir }
}

pub struct Rig {
    pub egress: Arc<Egress>,
    pub socket: Socket,
}

impl Setup {
    pub fn start(self) -> Rig {
        let Self { config, policy: rules, internal, resolver } = self;
        let egress = match resolver {
            Some(resolver) => Egress::with_resolver(config, policy(rules), internal, resolver),
            None => Egress::new(config, policy(rules), internal),
        }
        .unwrap();
        Rig { socket: serve(&egress, "w"), egress }
    }
}

/// An answer that has been read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Socket {
    /// A connection on which `head` has been sent as it stands, with the empty line that ends it.
    pub async fn raw(&self, head: &str) -> UnixStream {
        let mut stream = UnixStream::connect(&self.path).await.unwrap();
        stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
        stream
    }

    /// The status that a request's head gets; nothing after it is read.
    pub async fn status(&self, head: &str) -> u16 {
        let mut stream = self.raw(head).await;
        soon("an answer", status(&mut stream)).await
    }

    pub async fn send<B>(&self, request: Request<B>) -> Response<Incoming>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let stream = UnixStream::connect(&self.path).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        soon("an answer", sender.send_request(request)).await.unwrap()
    }

    pub async fn fetch(&self, method: Method, url: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(url.parse::<Uri>().unwrap());
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        let (parts, body) = self.send(request.body(Empty::<Bytes>::new()).unwrap()).await.into_parts();
        let body = soon("the answer's end", body.collect()).await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub async fn get(&self, url: &str) -> Answer {
        self.fetch(Method::GET, url, &[]).await
    }
}

/// The bytes of a head, up to and with its empty line.
pub async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    soon("a head", async {
        while !bytes.ends_with(b"\r\n\r\n") {
            bytes.push(stream.read_u8().await.expect("the head is complete"));
        }
    })
    .await;
    String::from_utf8(bytes).unwrap()
}

pub async fn status(stream: &mut (impl AsyncRead + Unpin)) -> u16 {
    head(stream).await.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Waits until the other side is gone.
pub async fn end(what: &str, stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = [0; 4096];
    soon(what, async { while matches!(stream.read(&mut rest).await, Ok(1..)) {} }).await;
}

pub async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// The next connection, its request's head read.
pub async fn next(listener: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = soon("a connection", listener.accept()).await.unwrap();
    let head = head(&mut stream).await;
    (stream, head)
}

pub fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

/// What an upstream has seen of one request.
#[derive(Debug, Clone)]
pub struct Seen {
    pub connection: usize,
    pub method: Method,
    pub uri: Uri,
    pub version: Version,
    pub headers: HeaderMap,
}

/// An HTTP upstream, of both versions.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<Mutex<usize>>,
}

impl Upstream {
    /// Answers `hi`.
    pub async fn greeting() -> Self {
        Self::new(|_| async { Response::new(full("hi")) }).await
    }

    pub async fn new<F, Answering>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Answering + Clone + Send + Sync + 'static,
        Answering: Future<Output = Response<Body>> + Send + 'static,
    {
        let (listener, address) = listen().await;
        Self::over(listener, address, |stream| async { Some(stream) }, answer)
    }

    /// As [`Upstream::new`], with something between TCP and HTTP.
    pub fn over<L, Layering, S, F, Answering>(
        listener: TcpListener,
        address: SocketAddr,
        layer: L,
        answer: F,
    ) -> Self
    where
        L: Fn(TcpStream) -> Layering + Clone + Send + 'static,
        Layering: Future<Output = Option<S>> + Send,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Fn(Request<Incoming>) -> Answering + Clone + Send + Sync + 'static,
        Answering: Future<Output = Response<Body>> + Send + 'static,
    {
        let upstream = Self { address, seen: Arc::default(), connections: Arc::default() };
        let this = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (this, layer, answer) = (this.clone(), layer.clone(), answer.clone());
                let connection = {
                    let mut connections = this.connections.lock();
                    *connections += 1;
                    *connections
                };
                tokio::spawn(async move {
                    let Some(stream) = layer(stream).await else { return };
                    let service = service_fn(move |request: Request<Incoming>| {
                        this.seen.lock().push(Seen {
                            connection,
                            method: request.method().clone(),
                            uri: request.uri().clone(),
                            version: request.version(),
                            headers: request.headers().clone(),
                        });
                        let answer = answer(request);
                        async { Ok::<_, Infallible>(answer.await) }
                    });
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection_with_upgrades(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        upstream
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// How many connections have come so far, whether or not they asked for anything.
    pub fn connections(&self) -> usize {
        *self.connections.lock()
    }
}

/// A name server that says something else each time; the last answer stays.
pub struct Answers {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Answers {
    /// An empty answer is an error, as `getaddrinfo` has it.
    pub fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self { answers: Mutex::new(answers.iter().map(parse).collect()), asked: Mutex::default() })
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }
}

#[async_trait]
impl Resolver for Answers {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().push(host.to_owned());
        let mut answers = self.answers.lock();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        answer.filter(|answer| !answer.is_empty()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
