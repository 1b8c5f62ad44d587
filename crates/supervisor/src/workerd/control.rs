//! Reads what workerd says on its control descriptor: a line of JSON per socket that listens (workerd.md 6.1).

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::config::SOCKETS;

#[derive(serde::Deserialize)]
struct Line {
    event: String,
    #[serde(default)]
    socket: String,
}

/// Waits until every socket of the configuration listens.
///
/// # Errors
/// `UnexpectedEof` when the process ends before: its configuration or script was refused, and stderr says why.
pub(crate) async fn ready(control: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut lines = BufReader::new(control).lines();
    let mut missing = SOCKETS.to_vec();
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
        let all = SOCKETS.map(|name| format!("{{\"event\":\"listen\",\"socket\":\"{name}\",\"port\":0}}\n"));
        assert!(ready(all.concat().as_bytes()).await.is_ok());
        assert_eq!(ready(all[0].as_bytes()).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(ready(&b"not json\n"[..]).await.is_err());
    }
}
