//! Functions → the data plane: which version of one serves, and how their packages are fetched.

use std::any::Any;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use hearth_egress::{Direct, Egress, Origin, Policy};
use hearth_functions::{Deployed, WayOut};
use hearth_gateway::RouteTable;
use hearth_model::{AccountId, Dialect, VersionId, WorkerId, WorkerName};
use tokio::net::TcpStream;

/// Reads it from the table that traffic is served by.
pub struct Served(pub Arc<RouteTable>);

impl Deployed for Served {
    fn function(&self, id: WorkerId) -> Option<(AccountId, WorkerName, VersionId)> {
        let served = self.0.worker(id)?;
        let worker = &served.worker;
        let (version, _) = *worker.split.as_ref()?.shares().first()?;
        (worker.dialect == Dialect::Functions).then(|| (worker.account.clone(), worker.name.clone(), version))
    }
}

/// How installations of packages reach their registries: by the installation's own rules, in nobody's name.
pub struct PackagesWayOut(Direct);

impl PackagesWayOut {
    pub fn new(egress: &Arc<Egress>) -> Self {
        let nobody = Origin {
            account: String::new(),
            worker_id: String::new(),
            worker: "packages of functions".to_owned(),
            version: String::new(),
            policy: Arc::new(Policy::default()),
        };
        Self(egress.direct(Arc::new(nobody)))
    }
}

#[async_trait]
impl WayOut for PackagesWayOut {
    async fn connect(&self, host: &str, port: u16) -> io::Result<(TcpStream, Box<dyn Any + Send>)> {
        let (stream, held) = self.0.connect(host, port).await?;
        Ok((stream, Box::new(held)))
    }

    async fn knows(&self, name: &str) -> bool {
        self.0.knows(name).await
    }
}
