//! Workflows: whose they are, and the REST endpoints of their instances.
//!
//! Instances run in the process of the worker that has the class, on the engine that workerd brings with it, and their
//! storage lies in the worker's own folder: `runtime/workflows/engine.js` stands there beside the worker. Here is what
//! the account keeps of a workflow ([`hearth_model::Workflow`]), what is asked of the engine ([`Engine`]), and how an instance reads
//! in Cloudflare's API ([`instance`]).

#![forbid(unsafe_code)]

mod api;
mod engine;
pub mod instance;

pub use api::{describe, operations};
pub use engine::{Engine, EngineError};
