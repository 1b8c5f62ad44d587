//! A server that what is tested fetches from, and that knows what it was asked.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, request};
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A request that came, with its body.
pub type Asked = (request::Parts, Bytes);

/// An origin; it ends with the test.
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A certificate authority, for origins that are reached by names of the public web or of an intranet.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Default for Authority {
    fn default() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Else it has the name of what it signs, which OpenSSL takes for signed by itself.
        params.distinguished_name.push(DnType::CommonName, "an authority of a test");
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }
}

impl Authority {
    /// What an operator writes so that workers reach `origin` by these names, and trust it. Further hosts may
    /// be added at its end.
    ///
    /// # Panics
    /// If the folder cannot be written.
    #[must_use]
    pub fn config(&self, folder: &Path, origin: &Origin, names: &[&str]) -> String {
        let file = folder.join("ca.pem");
        fs::write(&file, self.0.pem()).expect("the folder can be written");
        let hosts: Vec<String> =
            names.iter().map(|name| format!("\"{name}\" = \"{}\"", origin.address)).collect();
        format!("[egress]\nextra-ca-file = {:?}\n[egress.hosts]\n{}\n", file, hosts.join("\n"))
    }

    fn acceptor(&self, names: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("they are names");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key)
            });
        TlsAcceptor::from(Arc::new(config.expect("settings that rustls takes")))
    }
}

impl Origin {
    /// Answers each request with a status and a text, after a while; the number is how many came before on the same path.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start(
        answer: impl Fn(&str, usize) -> (u16, String, Duration) + Send + Sync + 'static,
    ) -> Self {
        Self::listen(None, answer).await
    }

    /// The same by HTTPS, under these names.
    ///
    /// # Panics
    /// As [`Origin::start`].
    pub async fn start_tls(
        authority: &Authority,
        names: &[&str],
        answer: impl Fn(&str, usize) -> (u16, String, Duration) + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(authority.acceptor(names)), answer).await
    }

    async fn listen(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&str, usize) -> (u16, String, Duration) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), asked.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen, tls) = (answer.clone(), seen.clone(), tls.clone());
                let service = service_fn(move |request| respond(request, answer.clone(), seen.clone()));
                tokio::spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    // A client that breaks off is its own business.
                    let _ = match tls {
                        None => http.serve_connection(TokioIo::new(stream), service).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await,
                            Err(_) => return,
                        },
                    };
                });
            }
        });
        Self { address, asked }
    }

    /// The URL of a path there.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was asked on a path.
    ///
    /// # Panics
    /// If a test has panicked while it held the list.
    #[must_use]
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.asked.lock().expect("no test panics while it holds it");
        asked.iter().filter(|(parts, _)| parts.uri.path() == path).cloned().collect()
    }
}

async fn respond(
    request: http::Request<hyper::body::Incoming>,
    answer: Arc<impl Fn(&str, usize) -> (u16, String, Duration)>,
    seen: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let path = parts.uri.path().to_owned();
    let before = {
        let mut seen = seen.lock().expect("no test panics while it holds it");
        let before = seen.iter().filter(|(parts, _)| parts.uri.path() == path).count();
        seen.push((parts, body));
        before
    };
    let (status, text, after) = answer(&path, before);
    tokio::time::sleep(after).await;
    let response = Response::builder().status(status).header("content-type", "text/plain");
    Ok(response.body(Full::new(text.into())).expect("a response"))
}
