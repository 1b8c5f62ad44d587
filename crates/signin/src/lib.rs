//! Signing in: people show a password, and a code of their authenticator where they have one, or come from a provider of
//! single sign-on ([`oidc`]); whoever has an API token may sign in with that. Who has signed in may give programs access ([`oauth`]). What a browser gets for it is the cookie of `hearth_api::session`.
//!
//! Pure are [`throttle`] (who may guess how often), [`totp`] and [`recovery`] (codes), [`webauthn`] (passkeys), [`tickets`]
//! (what is half done). `store` of `hearth-store` keeps what was made here, and spends once what is good once.
//!
//! What an answer gives away: whether an address is known is told neither by the text nor by the time of a refusal.

#![forbid(unsafe_code)]

mod api;
mod describe;
mod error;
mod oauth;
mod oidc;
mod page;
mod password;
mod recovery;
mod throttle;
mod tickets;
mod totp;
mod webauthn;

pub use api::Signin;
pub use describe::describe;
