//! From a destination to a connection: resolve once, judge every address, connect to exactly one that passed.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use crate::destination::Destination;
use crate::failure::Failure;
use crate::policy::{Refusal, Rules, Target};
use crate::{Config, ConfigError, Resolver};

/// RFC 8305 section 5: how long the next address waits for the one before it.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

const ALPN_H2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Makes connections that the policy permits.
pub(crate) struct Dialer {
    resolver: Arc<dyn Resolver>,
    connect_timeout: Duration,
    any_version: TlsConnector,
    only_http1: TlsConnector,
}

/// A failure, with what the operator's log says about it.
#[derive(Debug)]
pub(crate) struct DialError {
    pub failure: Failure,
    pub detail: String,
}

impl DialError {
    fn new(failure: Failure, detail: impl ToString) -> Self {
        Self { failure, detail: detail.to_string() }
    }
}

impl Dialer {
    pub fn new(config: &Config, resolver: Arc<dyn Resolver>) -> Result<Self, ConfigError> {
        let roots = roots(config)?;
        let tls = |protocols: &[&[u8]]| {
            let mut tls =
                ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                    .with_safe_default_protocol_versions()
                    .map_err(ConfigError::Tls)?
                    .with_root_certificates(roots.clone())
                    .with_no_client_auth();
            tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Ok(TlsConnector::from(Arc::new(tls)))
        };
        Ok(Self {
            resolver,
            connect_timeout: config.connect_timeout,
            any_version: tls(&[ALPN_H2, ALPN_HTTP1])?,
            only_http1: tls(&[ALPN_HTTP1])?,
        })
    }

    /// A TCP connection to `destination`.
    pub async fn tcp(&self, destination: &Destination, rules: &Rules<'_>) -> Result<TcpStream, DialError> {
        let candidates = self.candidates(destination, rules).await?;
        let stream = timeout(self.connect_timeout, first_to_accept(&candidates))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| DialError::new(Failure::of_connect(&error), error))?;
        // Small messages in both directions are the rule here; a socket that refuses the option still works.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// What the name servers say.
    pub async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.resolver.resolve(name).await
    }

    /// TLS over `stream`, offering HTTP/2 unless `only_http1`.
    pub async fn tls(
        &self,
        stream: TcpStream,
        host: &Host,
        only_http1: bool,
    ) -> Result<TlsStream<TcpStream>, DialError> {
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.clone())
                .map_err(|error| DialError::new(Failure::Handshake, error))?,
            Host::Ipv4(ip) => ServerName::from(IpAddr::V4(*ip)),
            Host::Ipv6(ip) => ServerName::from(IpAddr::V6(*ip)),
        };
        let connector = if only_http1 { &self.only_http1 } else { &self.any_version };
        timeout(self.connect_timeout, connector.connect(name, stream))
            .await
            .map_err(|_| DialError::new(Failure::Handshake, "TLS handshake timed out"))?
            .map_err(|error| DialError::new(Failure::of_handshake(&error), error))
    }

    /// The addresses that may be tried. This is the only place where a name becomes an address, and the addresses that
    /// are judged are the ones that are connected to: a second answer of the name server never counts.
    async fn candidates(
        &self,
        destination: &Destination,
        rules: &Rules<'_>,
    ) -> Result<Vec<SocketAddr>, DialError> {
        let host = destination.name();
        let addresses: Vec<SocketAddr> = match (rules.target(&host), destination.ip()) {
            (Some(Target::Socket(address)), _) => vec![address],
            (Some(Target::Ip(ip)), _) | (None, Some(ip)) => vec![SocketAddr::new(ip, destination.port)],
            (None, None) => timeout(self.connect_timeout, self.resolver.resolve(&host))
                .await
                .map_err(|_| DialError::new(Failure::NoSuchHost, "name lookup timed out"))?
                .map_err(|error| DialError::new(Failure::NoSuchHost, error))?
                .into_iter()
                .map(|ip| SocketAddr::new(ip, destination.port))
                .collect(),
        };
        if addresses.is_empty() {
            return Err(DialError::new(Failure::NoSuchHost, "the name has no address"));
        }
        let mut permitted = Vec::new();
        let mut refused: Vec<(SocketAddr, Refusal)> = Vec::new();
        for address in addresses {
            match rules.judge(&host, address, is_local) {
                Ok(()) => permitted.push(SocketAddr::new(address.ip().to_canonical(), address.port())),
                Err(refusal) => refused.push((address, refusal)),
            }
        }
        if permitted.is_empty() {
            let detail: Vec<String> =
                refused.iter().map(|(address, refusal)| format!("{address}: {refusal}")).collect();
            return Err(DialError::new(Failure::Refused, detail.join(", ")));
        }
        Ok(permitted)
    }
}

/// Whether an address is one of this machine's: the kernel binds only those. Asked afresh each time, since interfaces
/// come and go.
pub(crate) fn is_local(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

async fn first_to_accept(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        attempts.extend(waiting.next().map(|&address| TcpStream::connect(address)));
        if attempts.is_empty() {
            return Err(last);
        }
        tokio::select! {
            Some(result) = attempts.next() => match result {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            },
            () = sleep(ATTEMPT_DELAY), if waiting.len() > 0 => {}
        }
    }
}

fn roots(config: &Config) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let Some(path) = &config.extra_ca_file else { return Ok(roots) };
    let pem = std::fs::read(path).map_err(|source| ConfigError::CaFile { path: path.clone(), source })?;
    let bad = |reason: String| ConfigError::CaContent { path: path.clone(), reason };
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
        found = true;
    }
    if found { Ok(roots) } else { Err(bad("no CERTIFICATE section".to_owned())) }
}
