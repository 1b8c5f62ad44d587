//! URLs that are good by themselves: wrangler sends no token with the files of imports and exports (wrangler-api.md 1.2).
//! Each names one file of one database, a direction and an end, and a signature over all of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hearth_api::Query;
use http::{HeaderMap, Uri, header};

use crate::DatabaseId;

/// Where the file of an import is put.
pub const UPLOAD: &str = "/signed/d1/import/{database}/{filename}";
/// Where the file of an export is fetched.
pub const DOWNLOAD: &str = "/signed/d1/export/{database}/{filename}";

/// Which way a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client, to be imported.
    Import,
    /// To the client.
    Export,
}

impl Direction {
    fn segment(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Export => "export",
        }
    }
}

/// Makes and judges signed URLs. Its key lives as long as the server: so do the URLs, and so do the files.
pub struct Signer {
    key: [u8; 32],
    scheme: String,
}

impl Signer {
    /// A signer with a new key, for URLs of this scheme.
    pub fn new(scheme: String) -> Self {
        Self { key: rand::random(), scheme }
    }

    /// The URL of a file, at the host that the client has called.
    pub fn url(
        &self,
        host: &str,
        direction: Direction,
        database: DatabaseId,
        filename: &str,
        valid: Duration,
    ) -> String {
        let expires = now() + valid.as_secs();
        let signature = self.sign(direction, database, filename, expires);
        let (scheme, segment) = (&self.scheme, direction.segment());
        format!(
            "{scheme}://{host}/signed/d1/{segment}/{database}/{filename}?expires={expires}&signature={signature}"
        )
    }

    /// Whether a call may go on.
    pub fn is_good(&self, query: &Query, direction: Direction, database: DatabaseId, filename: &str) -> bool {
        let expires = query.get("expires").and_then(|text| text.parse().ok()).unwrap_or(0);
        let Some(Ok(given)) = query.get("signature").map(blake3::Hash::from_hex) else { return false };
        // Compared in constant time.
        given == self.sign(direction, database, filename, expires) && expires > now()
    }

    fn sign(&self, direction: Direction, database: DatabaseId, filename: &str, expires: u64) -> blake3::Hash {
        let text = format!("{}\n{database}\n{filename}\n{expires}", direction.segment());
        blake3::keyed_hash(&self.key, text.as_bytes())
    }
}

/// The host that a client has called.
pub fn host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let named = headers.get(header::HOST).and_then(|value| value.to_str().ok()).map(str::to_owned);
    named.or_else(|| uri.authority().map(ToString::to_string))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn query(url: &str) -> Query {
        Query::parse(url.split_once('?').unwrap().1)
    }

    #[test]
    fn a_url_is_good_for_what_it_names_alone() {
        let (signer, id) = (Signer::new("http".into()), DatabaseId::random());
        let url = signer.url("localhost:1", Direction::Import, id, "a.sql", HOUR);
        assert!(url.starts_with(&format!("http://localhost:1/signed/d1/import/{id}/a.sql?")), "{url}");
        let good = query(&url);
        assert!(signer.is_good(&good, Direction::Import, id, "a.sql"));
        assert!(!signer.is_good(&good, Direction::Export, id, "a.sql"));
        assert!(!signer.is_good(&good, Direction::Import, DatabaseId::random(), "a.sql"));
        assert!(!signer.is_good(&good, Direction::Import, id, "b.sql"));
        assert!(
            !Signer::new("http".into()).is_good(&good, Direction::Import, id, "a.sql"),
            "another server's"
        );
    }

    #[test]
    fn a_url_ends_and_its_end_cannot_be_moved() {
        let (signer, id) = (Signer::new("http".into()), DatabaseId::random());
        let over = query(&signer.url("h", Direction::Export, id, "a", Duration::ZERO));
        assert!(!signer.is_good(&over, Direction::Export, id, "a"));
        let url = signer.url("h", Direction::Export, id, "a", HOUR);
        let moved = query(&url.replace("expires=", "expires=9"));
        assert!(!signer.is_good(&moved, Direction::Export, id, "a"));
        for bad in ["", "expires=9999999999", "signature=00", "expires=x&signature=y"] {
            assert!(!signer.is_good(&Query::parse(bad), Direction::Export, id, "a"), "{bad}");
        }
    }
}
