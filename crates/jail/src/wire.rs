//! Messages between Hearth and its jailer: JSON over a unix socket that keeps message boundaries, descriptors beside.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::{Exit, Folder, Limits, Program, Signal};
use crate::usage::UsageReader;

/// Most descriptors in one message; the kernel's own limit is 253.
pub(crate) const MAX_FDS: usize = 203;
/// Longest message, well below a socket's default buffer.
pub(crate) const MAX_MESSAGE: usize = 128 << 10;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Comes back with the answer.
    pub number: u64,
    pub order: Order,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Its descriptors: stdin, stdout, stderr, then the others.
    Spawn(Spawn),
    SetLimits {
        id: String,
        limits: Limits,
    },
    Show {
        id: String,
        folder: Folder,
    },
    Hide {
        id: String,
        name: String,
    },
    Kill {
        id: String,
        signal: Signal,
    },
    Seal {
        id: String,
    },
}

/// A [`Command`](crate::Command) without its descriptors.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spawn {
    pub id: String,
    pub program: Program,
    pub dir: PathBuf,
    pub args: Vec<String>,
    pub folders: Vec<Folder>,
    pub limits: Limits,
    /// The last of its descriptors is where its network device is sent.
    pub device: bool,
    /// The last of its descriptors is where sockets for its loopback device are sent.
    pub loopback: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum News {
    /// Sent once, first: it is ready, or why it is not.
    Ready(Result<(), String>),
    Answer {
        number: u64,
        result: Result<Done, String>,
    },
    Exit(Exit),
}

/// What came of an order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Done {
    Yes,
    /// Of [`Order::Seal`]: there is no debug socket yet.
    NotYet,
    Started(Started),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Started {
    pub pid: i32,
    pub uid: u32,
    pub usage: UsageReader,
}

/// Sends one message.
pub(crate) fn send(socket: impl AsFd, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > MAX_MESSAGE || fds.len() > MAX_FDS {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the message to or from the jailer is too long",
        ));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one message; `None` when the other side is gone.
pub(crate) fn receive<T: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; MAX_MESSAGE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            other => other?,
        };
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a message to or from the jailer was cut off",
        ));
    }
    Ok(Some((serde_json::from_slice(&bytes[..received.bytes])?, fds)))
}
