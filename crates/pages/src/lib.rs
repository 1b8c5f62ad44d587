//! Cloudflare's Pages: projects, their deployments on branches, the files that clients upload for them, their domains
//! (wrangler-api.md 11; what else clients read is in the types of the npm package `cloudflare`).
//!
//! A project is a worker of [`Dialect::Pages`](hearth_model::Dialect::Pages), and a deployment is a version of it: one of
//! the production branch gets all traffic, one of another branch has a host of its own, its id's first digits or the
//! branch's alias. What of a request a deployment's files answer, and what its functions, is decided in `hearth-assets`.
//!
//! Pure are [`names`], [`settings`] (what is kept of a project), [`bindings`] (what a deployment's code gets of that),
//! [`form`] (what a client sends) and [`view`] (what it is answered).

#![forbid(unsafe_code)]

mod api;
mod bindings;
mod describe;
mod error;
mod form;
mod names;
mod settings;
mod token;
mod view;

pub use api::Pages;
pub use describe::describe;
