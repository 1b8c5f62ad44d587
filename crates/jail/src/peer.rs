//! Who is at the other end of a unix socket.

use std::io;
use std::os::fd::AsFd;

/// Whether the process at the other end of a connected unix socket is `pid`, running as `uid`: for every accept in
/// tiers where a socket's folder alone does not keep others away. The kernel noted both when it connected.
///
/// # Errors
/// When `stream` is no unix socket.
pub fn peer_is(stream: impl AsFd, pid: i32, uid: u32) -> io::Result<bool> {
    let peer = rustix::net::sockopt::socket_peercred(stream)?;
    Ok(peer.pid.as_raw_nonzero().get() == pid && peer.uid.as_raw() == uid)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_peer_is_known_by_pid_and_uid() {
        let (stream, _other) = UnixStream::pair().unwrap();
        let (pid, uid) = (std::process::id() as i32, rustix::process::geteuid().as_raw());
        assert!(super::peer_is(&stream, pid, uid).unwrap());
        assert!(!super::peer_is(&stream, pid + 1, uid).unwrap());
        assert!(!super::peer_is(&stream, pid, uid + 1).unwrap());
    }
}
