//! Calls to a provider: one connection each, by TLS where the URL says so, no redirects. Where a provider lies, an operator
//! has said, so that private addresses are fine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer.
const LONGEST: usize = 1 << 20;

/// What makes calls.
pub struct Http {
    tls: TlsConnector,
}

/// What a call carries.
#[derive(Default)]
pub struct Call<'a> {
    /// A form to be posted.
    pub form: Option<&'a str>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
}

impl Http {
    /// Trusts Mozilla's authorities, and those of a file in PEM.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(extra_ca_file: Option<&Path>) -> std::io::Result<Self> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = extra_ca_file {
            let certificates = CertificateDer::pem_file_iter(path).map_err(std::io::Error::other)?;
            for certificate in certificates {
                roots.add(certificate.map_err(std::io::Error::other)?).map_err(std::io::Error::other)?;
            }
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(std::io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(tls)) })
    }

    /// One call; the answer's status and body.
    ///
    /// # Errors
    /// Why there was none, for the operator.
    pub async fn call(&self, url: &Url, call: &Call<'_>) -> Result<(StatusCode, Bytes), String> {
        let answered = tokio::time::timeout(PATIENCE, self.answer(url, call)).await;
        let answered = answered.unwrap_or_else(|_| Err("it took too long".into()));
        answered.map_err(|error| format!("{}: {error}", url.origin().ascii_serialization()))
    }

    async fn answer(
        &self,
        url: &Url,
        call: &Call<'_>,
    ) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let host = url.host_str().ok_or("it names no host")?;
        let port = url.port_or_known_default().ok_or("it names no port")?;
        let mut request = Request::builder()
            .uri(&url[url::Position::BeforePath..url::Position::AfterQuery])
            .header(header::HOST, url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, "hearth");
        if let Some(authorization) = &call.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if call.form.is_some() {
            request = request
                .method(Method::POST)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(Full::new(Bytes::from(call.form.unwrap_or_default().to_owned())))?;
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((address, port)).await?;
        let response = if url.scheme() == "https" {
            let name = match url.host() {
                Some(Host::Ipv4(ip)) => ServerName::from(std::net::IpAddr::V4(ip)),
                Some(Host::Ipv6(ip)) => ServerName::from(std::net::IpAddr::V6(ip)),
                _ => ServerName::try_from(host.to_owned())?,
            };
            send(self.tls.connect(name, stream).await?, request).await?
        } else {
            send(stream, request).await?
        };
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST).collect().await?.to_bytes();
        Ok((status, body))
    }
}

async fn send<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> hyper::Result<Response<Incoming>> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    sender.send_request(request).await
}
