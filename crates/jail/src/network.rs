//! The network device of a function's jail: a tunnel whose other end Hearth has. What the function sends to any address
//! arrives there as packets, and nowhere else.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};

use tokio::io::unix::AsyncFd;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg,
};

use crate::sys;

/// The function's own address, the same in every jail: a private one that belongs to nobody's network.
pub const ADDRESS_V4: Ipv4Addr = Ipv4Addr::new(10, 255, 255, 2);
/// The same in version 6.
pub const ADDRESS_V6: Ipv6Addr = Ipv6Addr::new(0xfd68, 0x6561, 0x7274, 0x68, 0, 0, 0, 2);
/// Longest packet in bytes. Nothing of it ever meets a wire, so it is long.
pub const DEVICE_MTU: u16 = 9_000;

/// How many sockets [`receive_sockets`] gives. Each makes one connection.
pub const LOOPBACK_SOCKETS: usize = 64;

/// Raises the loopback device of the calling process's network namespace, and sends sockets away that belong to that
/// namespace for good, whoever holds them.
pub(crate) fn raise_loopback(to: &OwnedFd) -> io::Result<()> {
    sys::raise_loopback()?;
    let make = || {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
    };
    let sockets = (0..LOOPBACK_SOCKETS).map(|_| make()).collect::<rustix::io::Result<Vec<OwnedFd>>>()?;
    let fds: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LOOPBACK_SOCKETS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(to, &[IoSlice::new(b"s")], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives the sockets of a process that was spawned with the other end of `socket` as [`Command::loopback`], once it has
/// been spawned. They are not connected and do not block; what one is connected to is in that process's namespace.
///
/// # Errors
/// When nothing was sent: the process did not come to be.
///
/// [`Command::loopback`]: crate::Command::loopback
pub fn receive_sockets(socket: impl AsFd) -> io::Result<Vec<std::net::TcpStream>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LOOPBACK_SOCKETS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
    let mut sockets = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            sockets.extend(fds.map(std::net::TcpStream::from));
        }
    }
    if sockets.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(sockets) }
}

/// Makes the devices of the calling process's network namespace and sends the tunnel's other end away.
pub(crate) fn bring_up(to: &OwnedFd) -> io::Result<()> {
    sys::raise_loopback()?;
    let device = sys::open_tunnel(ADDRESS_V4, ADDRESS_V6, DEVICE_MTU)?;
    let fds = [device.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(to, &[IoSlice::new(b"d")], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives the device of a process that was spawned with the other end of `socket` as [`Command::device`], once it has
/// been spawned. Reading and writing it never block.
///
/// # Errors
/// When nothing was sent: the process did not come to be.
///
/// [`Command::device`]: crate::Command::device
pub fn receive_device(socket: impl AsFd) -> io::Result<OwnedFd> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut fds) = message
            && let Some(device) = fds.next()
        {
            return Ok(device);
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// A device, for async code.
#[derive(Debug)]
pub struct Device(AsyncFd<OwnedFd>);

/// Packets that are read at once.
const AT_ONCE: usize = 64;

impl Device {
    /// Watches a device that [`receive_device`] gave.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn new(device: OwnedFd) -> io::Result<Self> {
        sys::watch(device).map(Self)
    }

    /// Some packets, at least one.
    ///
    /// # Errors
    /// When the device is gone.
    pub async fn read(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut packets = Vec::new();
        let mut buffer = vec![0; usize::from(DEVICE_MTU) + 64];
        loop {
            let mut ready = self.0.readable().await?;
            while packets.len() < AT_ONCE {
                match rustix::io::read(self.0.get_ref(), &mut buffer[..]) {
                    Ok(length) => packets.push(buffer[..length].to_vec()),
                    Err(rustix::io::Errno::AGAIN) => {
                        ready.clear_ready();
                        break;
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if !packets.is_empty() {
                return Ok(packets);
            }
        }
    }

    /// Writes a packet. One that finds no room is lost, which TCP makes good.
    pub fn write(&self, packet: &[u8]) {
        let _ = rustix::io::write(self.0.get_ref(), packet);
    }
}
