//! Programs to which people give access, and how they get it. Pure.

use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A program. None has a secret: they run on people's machines (RFC 8252).
#[derive(Debug, PartialEq, Eq)]
pub struct Client {
    pub id: &'static str,
    /// What people know it by.
    pub name: &'static str,
    /// Where it may have browsers sent to, letter by letter.
    pub redirect_uris: &'static [&'static str],
    /// How long what it gets is good.
    pub access: Duration,
    /// How long it may renew that; None: not at all.
    pub renews: Option<Duration>,
}

/// All of them.
const CLIENTS: [Client; 2] = [
    Client {
        // wrangler's own, unless WRANGLER_CLIENT_ID says otherwise.
        id: "54d11594-84e4-41aa-b438-e81b8fa78ee7",
        name: "Wrangler",
        redirect_uris: &["http://localhost:8976/oauth/callback"],
        access: HOUR,
        renews: Some(Duration::from_secs(30 * 24 * 3600)),
    },
    Client { id: "hearth", name: "hearth", redirect_uris: &[], access: DAY.saturating_mul(30), renews: None },
];

/// The program of an id.
pub fn client(id: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.id == id)
}
