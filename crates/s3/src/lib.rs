//! The S3 endpoint of R2: what S3 clients speak, over the buckets of `hearth-r2`.
//!
//! The crate `s3s` reads requests, checks signatures (SigV4 in headers, presigned, chunked) and writes answers; here is
//! what it asks for: whose keys there are and what they may do (`access`), and the operations (`ops`). Around it stands
//! `front`: what `s3s` lets through and R2 does not, CORS, the access log.
//!
//! The keys are Cloudflare's: the access key id is an API token's id, the secret access key the SHA-256 of the token
//! (<https://developers.cloudflare.com/r2/api/tokens/>). Without a key nothing of an installation can be seen.

#![forbid(unsafe_code)]

mod access;
mod body;
mod checksum;
mod conditions;
mod config;
mod convert;
mod cors;
mod error;
mod front;
mod host;
mod integrity;
mod lifecycle;
mod linger;
mod ops;
mod rights;
mod server;
mod signing;
mod unsupported;

pub use access::Requests;
pub use config::Config;
pub use server::Endpoint;
