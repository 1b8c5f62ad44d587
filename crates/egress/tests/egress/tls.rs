//! TLS upstreams under a certificate authority of the test's own.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use hearth_egress::{BoxError, Config, ConfigError, Egress, NoInternal, Policy};
use http::{Response, Version};
use http_body_util::{BodyExt as _, Channel};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Answers, Rig, Setup, Upstream, end, full, head, listen, soon, status};

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        let path = self.dir.path().join("ca.pem");
        std::fs::write(&path, self.issuer.pem()).unwrap();
        path
    }

    /// A server's side for `name`, which may be an address, offering `protocols`.
    fn acceptor(&self, name: &str, protocols: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)
                .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// An egress that trusts this authority, and on which every name is loopback.
    fn rig(&self) -> Rig {
        let config = Config { extra_ca_file: Some(self.file()), ..Config::default() };
        Setup { config, resolver: Some(Answers::new(&[&["127.0.0.1"]])), ..Setup::default() }.start()
    }

    async fn greeting(&self, name: &str, protocols: &[&str]) -> Upstream {
        let acceptor = self.acceptor(name, protocols);
        let (listener, address) = listen().await;
        let layer = move |stream| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(stream).await.ok() }
        };
        Upstream::over(listener, address, layer, |_| async { Response::new(full("hi")) })
    }
}

fn url(host: &str, upstream: &Upstream) -> String {
    format!("https://{host}:{}/a?b=c", upstream.address.port())
}

#[tokio::test]
async fn speaks_what_the_upstream_chooses_by_alpn() {
    let authority = Authority::new();
    let rig = authority.rig();
    for (protocols, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let upstream = authority.greeting("shop.test", protocols).await;
        let answer = rig.socket.get(&url("shop.test", &upstream)).await;
        assert_eq!((answer.status.as_u16(), &*answer.text), (200, "hi"), "{protocols:?}");
        let seen = &upstream.seen()[0];
        assert_eq!((seen.version, seen.uri.path_and_query().unwrap().as_str()), (version, "/a?b=c"));
        let host = match seen.uri.authority() {
            Some(authority) => authority.as_str(),
            None => seen.headers["host"].to_str().unwrap(),
        };
        assert_eq!(host, format!("shop.test:{}", upstream.address.port()));
    }
}

#[tokio::test]
async fn one_http2_connection_carries_several_requests_at_once() {
    let authority = Authority::new();
    let rig = authority.rig();
    let acceptor = authority.acceptor("shop.test", &["h2"]);
    let (listener, address) = listen().await;
    let together = Arc::new(tokio::sync::Barrier::new(3));
    let upstream = Upstream::over(
        listener,
        address,
        move |stream| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(stream).await.ok() }
        },
        move |request| {
            let together = together.clone();
            async move {
                if request.uri().path() == "/together" {
                    together.wait().await;
                }
                Response::new(full("hi"))
            }
        },
    );
    let port = address.port();
    assert_eq!(rig.socket.get(&format!("https://shop.test:{port}/")).await.status, 200);
    let url = format!("https://shop.test:{port}/together");
    let answers = tokio::join!(rig.socket.get(&url), rig.socket.get(&url), rig.socket.get(&url));
    for answer in [answers.0, answers.1, answers.2] {
        assert_eq!(answer.text, "hi");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_worker_that_leaves_an_http2_response_ends_its_stream() {
    let authority = Authority::new();
    let rig = authority.rig();
    let acceptor = authority.acceptor("shop.test", &["h2"]);
    let (listener, address) = listen().await;
    let (gone, mut told) = mpsc::unbounded_channel();
    let upstream = Upstream::over(
        listener,
        address,
        move |stream| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(stream).await.ok() }
        },
        move |request| {
            let gone = gone.clone();
            async move {
                if request.uri().path() != "/endless" {
                    return Response::new(full("hi"));
                }
                let (mut frames, body) = Channel::<Bytes, BoxError>::new(1);
                tokio::spawn(async move {
                    // In good portions: h2 ends a connection on which thousands of tiny frames wait to be read.
                    let more = Bytes::from_static(&[b'x'; 4096]);
                    while frames.send_data(more.clone()).await.is_ok() {}
                    let _ = gone.send(());
                });
                Response::new(body.boxed())
            }
        },
    );
    let port = address.port();
    let mut worker = rig.socket.raw(&format!("GET https://shop.test:{port}/endless HTTP/1.1")).await;
    assert_eq!(status(&mut worker).await, 200);
    drop(worker);
    soon("the stream's end", told.recv()).await.unwrap();
    let answer = rig.socket.get(&format!("https://shop.test:{port}/")).await;
    assert_eq!((&*answer.text, upstream.connections()), ("hi", 1), "the connection lives on");
}

#[tokio::test]
async fn a_websocket_is_http_1_whatever_the_upstream_prefers() {
    let authority = Authority::new();
    let rig = authority.rig();
    let acceptor = authority.acceptor("chat.test", &["h2", "http/1.1"]);
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    });
    let mut stream = rig
        .socket
        .raw(&format!(
            "GET wss://chat.test:{}/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            address.port()
        ))
        .await;
    let answer = head(&mut stream).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 101"), "{answer}");
    assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
    let mut socket = tokio_tungstenite::WebSocketStream::from_raw_socket(
        stream,
        tokio_tungstenite::tungstenite::protocol::Role::Client,
        None,
    )
    .await;
    socket.send(Message::text("over TLS")).await.unwrap();
    let echo = soon("the echo", socket.next()).await.unwrap().unwrap();
    assert_eq!(echo, Message::text("over TLS"));
    socket.close(None).await.unwrap();
    soon("the close", async { while let Some(Ok(_)) = socket.next().await {} }).await;
    end("the end", socket.get_mut()).await;
}

#[tokio::test]
async fn a_certificate_for_an_address_counts_for_that_address() {
    let authority = Authority::new();
    let rig = authority.rig();
    let upstream = authority.greeting("127.0.0.1", &["h2"]).await;
    assert_eq!(rig.socket.get(&url("127.0.0.1", &upstream)).await.status, 200);
    assert_eq!(rig.socket.get(&url("shop.test", &upstream)).await.status, 526);
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_is_526_and_nothing_is_sent() {
    let authority = Authority::new();
    let upstream = authority.greeting("shop.test", &["h2", "http/1.1"]).await;
    let wrong_name = authority.rig().socket.get(&url("other.test", &upstream)).await;
    assert_eq!((wrong_name.status.as_u16(), &*wrong_name.text), (526, "error code: 526"));
    let stranger = Authority::new().rig().socket.get(&url("shop.test", &upstream)).await;
    assert_eq!((stranger.status.as_u16(), &*stranger.text), (526, "error code: 526"));
    assert_eq!((upstream.connections(), upstream.seen().len()), (2, 0));
}

#[tokio::test]
async fn an_upstream_without_tls_is_525() {
    let authority = Authority::new();
    let upstream = Upstream::greeting().await;
    let plain = authority.rig().socket.get(&url("shop.test", &upstream)).await;
    assert_eq!((plain.status.as_u16(), &*plain.text), (525, "error code: 525"));
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let hung_up = authority.rig().socket.get(&format!("https://shop.test:{}/", address.port())).await;
    assert_eq!(hung_up.status, 525);
}

#[test]
fn a_file_of_authorities_that_holds_none_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    let new = || {
        let config = Config { extra_ca_file: Some(path.clone()), ..Config::default() };
        Egress::new(config, Policy::default(), Arc::new(NoInternal)).err().unwrap()
    };
    assert!(matches!(new(), ConfigError::CaFile { .. }));
    std::fs::write(&path, "not PEM").unwrap();
    assert!(matches!(new(), ConfigError::CaContent { .. }));
}
