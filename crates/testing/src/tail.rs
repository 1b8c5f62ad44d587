//! Programs that show a tail, and what they print.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::{Hearth, Project};

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// A program that prints the messages of a tail as JSON.
pub struct Printed {
    child: Child,
    messages: mpsc::UnboundedReceiver<Value>,
}

impl Printed {
    /// `wrangler tail` of a worker.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn wrangler(project: &Project, worker: &str, args: &[&str]) -> Self {
        Self::run(project.command(&[&["tail", worker, "--format", "json"], args].concat()))
    }

    /// Any other program that prints one.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn run(mut command: Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self::of(command.spawn().expect("it can be started"))
    }

    /// One that runs already, with its output piped.
    ///
    /// # Panics
    /// If its output is not piped.
    #[must_use]
    pub fn of(mut child: Child) -> Self {
        let mut stdout = child.stdout.take().expect("it was piped");
        let (sender, messages) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let (mut text, mut chunk) = (Vec::new(), [0; 16 << 10]);
            while let Ok(count @ 1..) = stdout.read(&mut chunk).await {
                text.extend_from_slice(&chunk[..count]);
                let mut values = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
                while let Some(Ok(value)) = values.next() {
                    let _ = sender.send(value);
                }
                let read = values.byte_offset();
                text.drain(..read);
            }
        });
        Self { child, messages }
    }

    /// Waits until what has come is so. Invocations come in the order in which they ended, about.
    ///
    /// # Panics
    /// If it does not come to be so.
    pub async fn until(&mut self, what: &str, is: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut seen = Vec::new();
        while !is(&seen) {
            let next = timeout(PATIENCE, self.messages.recv()).await;
            seen.push(next.unwrap_or_else(|_| panic!("no {what} in {seen:#?}")).expect("the program runs"));
        }
        seen
    }

    /// What has come by now.
    pub fn rest(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.messages.try_recv().ok()).collect()
    }
}

impl Drop for Printed {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
    }
}

impl Hearth {
    /// Waits until a worker has so many tails that somebody looks at.
    ///
    /// # Panics
    /// If it does not come to have them.
    pub async fn watched(&self, worker: &str, count: usize) {
        let path = format!("/accounts/:a/workers/scripts/{worker}/tails");
        let began = Instant::now();
        loop {
            let tails = self.api("GET", &path, None).await.result().as_array().cloned().unwrap_or_default();
            if tails.iter().filter(|tail| tail["connected"] == true).count() == count {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{count} tails were awaited: {tails:?}");
            sleep(PAUSE).await;
        }
    }
}
