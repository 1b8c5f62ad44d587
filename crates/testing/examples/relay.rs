//! The floor for anything that stands between a client and workerd: bytes are handed on and nothing else is done.
//! `bench/spine.py` measures the gateway against it, since what two more wake-ups cost is the machine's affair.
//!
//!     relay LISTEN TARGET      both host:port

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(listen), Some(target)) = (args.next(), args.next()) else {
        return Err(io::Error::other("usage: relay LISTEN TARGET"));
    };
    for client in TcpListener::bind(listen)?.incoming() {
        let (client, worker) = (client?, TcpStream::connect(&target)?);
        for (from, to) in [(client.try_clone()?, worker.try_clone()?), (worker, client)] {
            from.set_nodelay(true)?;
            thread::spawn(move || hand_on(from, to));
        }
    }
    Ok(())
}

/// Until one side ends; the other learns it.
fn hand_on(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    // It may be closed already.
    let _ = to.shutdown(Shutdown::Both);
}
