//! Single sign-on by OpenID Connect: the authorization code flow with PKCE, state and nonce (OpenID Connect Core 1.0, 3.1;
//! RFC 7636, 9700). Signatures and claims of ID tokens are checked by `jsonwebtoken` over `ring`.

pub mod client;
mod http;
pub mod mapping;
mod ring_verifier;
pub mod settings;
pub mod token;

pub use client::{Client, Known};
pub use http::Http;
pub use settings::Settings;
