//! HTTP dialects beside Cloudflare's API, over the same workers: what they make has versions, limits, logs and metrics as
//! a worker has, and appears in `/client/v4` listings as what it is ([`hearth_model::Dialect`]).
//!
//! [`deploy`] is `/api/deploy` and `/api/rollback`: versions and aliases that stand in hosts, the latest kept running.
//! [`nexo`] is `/api/functions`, `/stats` and `/fn/*`: a handler with a route. Both ask for an API token, except for
//! `/fn/*`, which is public traffic; so does [`templates`], the gallery. What they need of the processes is behind [`Processes`].

#![forbid(unsafe_code)]

pub mod deploy;
mod fields;
pub mod nexo;
pub mod project;
mod session;
pub mod templates;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_model::{VersionId, WorkerId};
use http::{Request, Response};

/// The processes, as dialects see them.
#[async_trait]
pub trait Processes: Send + Sync + 'static {
    /// Whether a process of this version serves.
    fn is_running(&self, worker: WorkerId, version: VersionId) -> bool;

    /// Sends the processes of a version away; the next request starts one.
    async fn suspend(&self, worker: WorkerId, version: VersionId);

    /// How many processes of these workers there are: with requests in them, and without.
    fn count(&self, of: &(dyn Fn(WorkerId) -> bool + Sync)) -> (usize, usize);

    /// Sends a request to the version of a worker that serves, for the control host itself. None: there is no such
    /// worker.
    ///
    /// # Errors
    /// Why no whole answer came, for the caller.
    async fn invoke(
        &self,
        worker: WorkerId,
        request: Request<Bytes>,
    ) -> Option<Result<Response<Bytes>, String>>;
}
