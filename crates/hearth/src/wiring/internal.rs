//! Egress → gateway: a worker's fetch to a host that this installation serves never leaves.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use hearth_egress::{Dispatch, Internal, Origin};
use hearth_gateway::Gateway;
use http::Request;
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
        match self.gateway.get() {
            Some(gateway) => gateway.dispatch_internal(request).await,
            None => Dispatch::NotOurs(request),
        }
    }
}
