//! Holds a server's answers against those of another one that is the measure, request by request.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, header};

use crate::{Answer, send_to};

/// One request, to be sent to both.
#[derive(Debug, Clone)]
pub struct Question {
    /// Its method.
    pub method: &'static str,
    /// Its path and query.
    pub path: String,
    /// Its headers. `ETAG` in a value stands for the tag that the server itself gives.
    pub headers: &'static [(&'static str, &'static str)],
}

impl Question {
    /// A plain `GET`.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self { method: "GET", path: path.to_owned(), headers: &[] }
    }

    /// As it stands in lists of differences: method, path and headers.
    #[must_use]
    pub fn name(&self) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        format!("{} {}{headers}", self.method, self.path)
    }

    /// The answer of a server that is called `host`. None: this client cannot write such a request, which is no test of a
    /// server.
    ///
    /// # Panics
    /// If nothing answers.
    pub async fn ask(&self, address: SocketAddr, host: &str, etag: &str) -> Option<Answer> {
        let method = Method::from_bytes(self.method.as_bytes()).expect("a method");
        let mut request = Request::builder().method(method).uri(&self.path).header(header::HOST, host);
        for (name, value) in self.headers {
            request = request.header(*name, value.replace("ETAG", etag));
        }
        let request = request.body(Bytes::new()).ok()?;
        let answer = send_to(address, request).await;
        Some(answer.unwrap_or_else(|error| panic!("{} at {host}: {error:#}", self.name())))
    }
}

/// What was found of all requests.
#[derive(Debug, Default)]
pub struct Findings {
    /// How many were compared.
    pub count: usize,
    /// What differs and is not known to, or is known to and does not.
    pub faults: Vec<String>,
}

impl Findings {
    /// Compares two answers, line by line.
    pub fn note(&mut self, name: &str, known: bool, here: &[String], there: &[String]) {
        self.count += 1;
        let differing: Vec<String> = here
            .iter()
            .zip(there)
            .filter(|(here, there)| here != there)
            .map(|(here, there)| format!("{here:?} and not {there:?}"))
            .collect();
        match (known, here == there) {
            (false, false) => self.faults.push(format!("{name}: {}", differing.join(", "))),
            (true, true) => self.faults.push(format!("{name}: no difference any more")),
            _ => {}
        }
    }

    /// Ends a test.
    ///
    /// # Panics
    /// If there are faults, or fewer requests than `least`.
    pub fn expect(&self, least: usize) {
        let Self { count, faults } = self;
        assert!(faults.is_empty(), "{} of {count} differ:\n{}", faults.len(), faults.join("\n"));
        assert!(*count >= least, "{count} requests");
    }
}
