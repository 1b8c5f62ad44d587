//! Paths of the control host that are workers' traffic.

use futures::future::BoxFuture;
use hearth_model::WorkerId;
use http::{Method, Response, StatusCode};

use crate::ControlBody;

/// Says which paths of the control host lead to workers, and lets requests to them in.
pub trait PublicPaths: Send + Sync + 'static {
    /// Where a request goes; None: the path is the control host's own.
    fn find(&self, method: &Method, path: &str) -> Option<Way>;
}

/// Where a request to such a path goes.
pub struct Way {
    /// Whose path it is, also where the worker does not take the request; None: nobody's.
    pub worker: Option<WorkerId>,
    /// What becomes of it, once whoever stands before the worker has let it pass. It may wait for its turn.
    pub admission: BoxFuture<'static, Admission>,
}

/// What becomes of a request to such a path.
pub enum Admission {
    /// It goes to the worker.
    Enter(Box<dyn Visit>),
    /// It gets this.
    Answer(Response<ControlBody>),
}

/// A request that was let in. It is dropped after the response's last byte.
pub trait Visit: std::fmt::Debug + Send + Sync {
    /// The response's head.
    fn answered(&mut self, status: StatusCode);
}
