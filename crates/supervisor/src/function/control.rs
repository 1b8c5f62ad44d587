//! Reads what a function's process says on its control descriptor.

use std::io;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;

use super::FunctionError;

/// Longest line in bytes: what a call printed, which JSON may write six times as long. The function's own code may write
/// here too.
const MAX_LINE: u64 = 2 << 20;

/// What a process says.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum News {
    /// Its harness is loaded; it waits for its configuration.
    Parked,
    /// It takes calls.
    Listen,
    /// The code does not load.
    Failed {
        /// Why.
        error: FunctionError,
    },
    /// A call over the function's host has ended.
    Called {
        /// Its `CF-Ray`.
        request_id: String,
    },
}

/// The lines of one process.
pub(crate) struct Control(BufReader<pipe::Receiver>);

impl Control {
    pub(crate) fn new(pipe: pipe::Receiver) -> Self {
        Self(BufReader::new(pipe))
    }

    /// What it says next, with the line itself. What is not understood is passed over.
    ///
    /// # Errors
    /// `UnexpectedEof` when it has ended, or says too much at once.
    pub(crate) async fn next(&mut self) -> io::Result<(News, String)> {
        loop {
            let mut line = String::new();
            let read = (&mut self.0).take(MAX_LINE).read_line(&mut line).await?;
            if read == 0 || !line.ends_with('\n') {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Ok(news) = serde_json::from_str(&line) {
                return Ok((news, line));
            }
        }
    }
}
