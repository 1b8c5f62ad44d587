//! Paths of the control host that are workers' traffic.

use futures::future::BoxFuture;
use hearth_model::WorkerId;
use http::{Method, Response, StatusCode};

use crate::ControlBody;

/// Says which paths of the control host lead to workers, and lets requests to them in.
pub trait PublicPaths: Send + Sync + 'static {
    /// Where a request goes; None: the path is the control host's own. It may wait for its turn.
    fn admit(&self, method: &Method, path: &str) -> Option<BoxFuture<'static, Admission>>;
}

/// What becomes of a request to such a path.
pub enum Admission {
    /// It goes to a worker.
    To(WorkerId, Box<dyn Visit>),
    /// It gets this.
    Answer(Response<ControlBody>),
}

/// A request that was let in. It is dropped after the response's last byte.
pub trait Visit: std::fmt::Debug + Send + Sync {
    /// The response's head.
    fn answered(&mut self, status: StatusCode);
}
