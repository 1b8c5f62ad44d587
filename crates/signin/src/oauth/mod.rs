//! Access for programs: OAuth 2.1 as far as programs on people's machines go, which is what `wrangler login` speaks
//! (wrangler-api.md 1.7): authorization code with PKCE (RFC 6749, 7636), device authorization (RFC 8628), revocation
//! (RFC 7009). What a program gets is an API token of the person's own, so that they see it among their tokens.

pub mod clients;
pub mod request;
pub mod scopes;
