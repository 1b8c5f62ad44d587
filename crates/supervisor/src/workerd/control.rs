//! Reads what workerd says on its control descriptor: a line of JSON per socket that listens (workerd.md 6.1).

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::config::SOCKETS;

/// How workerd names its debug port here; the line comes after those of the sockets.
const DEBUG_PORT: &str = "debug-port";

#[derive(serde::Deserialize)]
struct Line {
    event: String,
    #[serde(default)]
    socket: String,
}

/// Waits until every socket of the configuration listens, and the debug port.
///
/// # Errors
/// `UnexpectedEof` when the process ends before: its configuration or script was refused, and stderr says why.
pub(crate) async fn ready(control: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut lines = BufReader::new(control).lines();
    let mut missing: Vec<&str> = SOCKETS.into_iter().chain([DEBUG_PORT]).collect();
    while !missing.is_empty() {
        let line = lines.next_line().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if let Ok(Line { event, socket }) = serde_json::from_str(&line)
            && event == "listen"
        {
            missing.retain(|name| *name != socket);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_means_all_sockets() {
        let line = |name: &str| format!("{{\"event\":\"listen\",\"socket\":\"{name}\",\"port\":0}}\n");
        let sockets = SOCKETS.map(line).concat();
        assert!(ready((sockets.clone() + &line(DEBUG_PORT)).as_bytes()).await.is_ok());
        assert_eq!(ready(sockets.as_bytes()).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(ready(&b"not json\n"[..]).await.is_err());
    }
}
