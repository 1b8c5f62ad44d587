//! Egress → gateway: a worker's fetch to a host that this installation serves never leaves.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use hearth_egress::{Dispatch, Internal, Origin};
use hearth_gateway::{Caller, Gateway};
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// Offers requests to the gateway.
#[derive(Default)]
pub struct Inside {
    /// Set once the gateway is there; before, nothing is served.
    gateway: OnceLock<Arc<Gateway>>,
}

impl Inside {
    /// Says which gateway serves this installation's hosts.
    pub fn begin(&self, gateway: Arc<Gateway>) {
        // Set twice would be the same one again.
        let _ = self.gateway.set(gateway);
    }
}

#[async_trait]
impl Internal for Inside {
    async fn dispatch(&self, origin: &Origin, request: Request<Incoming>) -> Dispatch {
        let (Some(gateway), Ok(id)) = (self.gateway.get(), origin.worker_id.parse()) else {
            return Dispatch::NotOurs(request);
        };
        let caller = Caller { id, name: origin.worker.clone() };
        match gateway.dispatch_internal(&caller, request).await {
            Ok(response) => Dispatch::Response(response.map(BodyExt::boxed)),
            Err(request) => Dispatch::NotOurs(request),
        }
    }
}
