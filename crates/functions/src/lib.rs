//! Functions in Node.js, Python and Go: what runs them, how they become ready, and their REST API
//! (`/api/v1/functions`).
//!
//! A function is a worker record of the dialect `functions`, so versions, secrets, limits and hosts are those of
//! workers; its processes are the supervisor's. Here is what is a function's own: [`Toolchains`] are found on the
//! machine, `build` makes of what a user sends what a process loads, `api` answers, and `records` remember each call.

#![forbid(unsafe_code)]

mod api;
mod audience;
mod build;
mod call;
mod describe;
mod draft;
mod error;
mod functions;
mod network;
mod records;
mod toolchain;

pub use api::{is_invoke, operations};
pub use audience::{Audience, Call, Way, Whose};
pub use build::{Builder, Registries};
pub use describe::describe;
pub use functions::{Config, Deployed, Functions};
pub use network::{Network, WayOut};
pub use records::{Record, Records};
pub use toolchain::{Finding, Places, Toolchains};
