//! `hearth d1-engine`: what a D1 database's jail runs. Its standard input is the socket to the server.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// Serves one database until the server closes the socket.
///
/// # Errors
/// The socket's.
pub fn run() -> anyhow::Result<()> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    Ok(hearth_d1::engine::serve(UnixStream::from(socket))?)
}
