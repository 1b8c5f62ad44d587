//! R2: object storage behind the binding `r2_bucket`, Cloudflare's REST endpoints and S3.
//!
//! [`store`] is the engine and what every protocol works with.
#![forbid(unsafe_code)]

pub mod store;
