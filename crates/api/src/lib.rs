//! Cloudflare's v4 API under `/client/v4`, as far as Workers go: what unmodified wrangler, the Cloudflare SDKs and
//! Terraform call (`reference/wrangler-api.md`).
//!
//! [`router`] is the whole of it. The routes stand in one table (`routes.rs`); a handler reads its call, decides in
//! pure code ([`page`], [`upload`]) and acts on the [`Store`](hearth_store::Store). What the data plane has to do,
//! probing a candidate and following a change, is behind [`Runtime`].
//!
//! A capability (KV, R2, D1, …) brings its own [`Operation`]s: their handlers take the same extractors ([`Caller`],
//! [`InAccount`], [`Params`], [`Query`], [`Json`]) and give a [`Reply`] or an [`ApiError`].
//!
//! Every call but none is authenticated before it is routed, the account in its path is checked against the
//! caller's scope in the same place, and a call that writes runs to its end even when its client goes away, so that
//! the data plane never misses a change that the store has.

#![forbid(unsafe_code)]

mod accept;
mod access;
mod accounts;
mod acting;
mod assets;
mod auth;
mod beta_versions;
mod config;
mod consequence;
mod deployments;
mod describe;
mod domains;
mod egress;
mod envelope;
mod error;
mod graphql;
mod identity;
mod json;
pub mod jwt;
mod locks;
mod making;
mod members;
mod multipart;
mod named;
mod objects;
mod page;
mod params;
mod path;
mod query;
mod quotas;
mod rights;
mod routes;
mod runtime;
mod scripts;
mod secrets;
mod services;
pub mod session;
mod settings;
mod state;
mod store_error;
mod subdomain;
mod tail_workers;
mod tokens;
mod triggers;
mod unsupported;
mod upload;
mod versions;
mod view;
mod workers;
mod workflows;
mod zones;

pub use acting::{ABOUT_ACCOUNT_HEADER, ACCOUNT_HEADER};
pub use assets::Assets;
pub use auth::{CallFrom, Caller, InAccount, InZone, Refuse, Who};
pub use config::{ApiConfig, PublicUrl};
pub use consequence::{Consequence, Consequences};
pub use describe::{describe, describe_graphql};
pub use envelope::Reply;
pub use error::{ApiError, code};
pub use graphql::{Analytics, Ask, Conditions, analytics, refusal};
pub use json::{Json, read};
pub use making::{Making, Publication};
pub use page::{MAX_PER_PAGE, PageQuery, ResultInfo, Window};
pub use params::Params;
pub use path::{PREFIX, normalize};
pub use query::Query;
pub use rights::{Need, needed};
pub use routes::{Operation, operations, plain_router, router};
pub use runtime::{Change, Runtime, Used};
pub use state::{Api, store_page};
pub use upload::{Form, Part};
