//! The way out of a function: the other end of its network device. Every TCP connection that it makes is ended here and
//! carried on by [`WayOut`], under the policy that workers' `connect()` has, so whatever speaks TCP works unchanged. Names
//! are answered here too. Nothing else passes.
//!
//! A name is answered with an address of a range of ours (`names`), by which the connection is known to be for that name:
//! what it leads to is looked up once, when it is judged.

mod device;
mod dns;
mod names;
mod stack;

use std::any::Any;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// What carries connections on.
#[async_trait]
pub trait WayOut: Send + Sync + 'static {
    /// A connection to a host, a name or an address, as far as the policy lets it. The other half of the answer is held as
    /// long as the connection.
    ///
    /// # Errors
    /// When it is refused, or fails.
    async fn connect(&self, host: &str, port: u16) -> io::Result<(TcpStream, Box<dyn Any + Send>)>;

    /// Whether a name leads anywhere.
    async fn knows(&self, name: &str) -> bool;
}

/// The network of one process; dropping it ends all connections.
pub struct Network(JoinHandle<()>);

impl Network {
    /// Begins to serve a device.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub fn serve(device: OwnedFd, way_out: Arc<dyn WayOut>) -> io::Result<Self> {
        let stack = stack::Stack::new(device, way_out)?;
        Ok(Self(tokio::spawn(async move {
            if let Err(error) = stack.run().await {
                tracing::debug!(%error, "the network of a function has ended");
            }
        })))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.0.abort();
    }
}
