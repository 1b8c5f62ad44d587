//! Ends the TCP connections of one device and carries them on. One task has the stack; one more for each connection
//! moves bytes between it and the way out, through channels that hold little, so that whoever is slow slows the other.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{
    HardwareAddress, IpCidr, IpEndpoint, IpProtocol, IpVersion, Ipv4Packet, Ipv4Repr, Ipv6Packet, TcpPacket,
    UdpPacket, UdpRepr,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::WayOut;
use super::device::Tunnel;
use super::dns::{self, Question};
use super::names::Names;
use crate::toolchain::NAME_SERVER;
use hearth_jail::{ADDRESS_V6, Device};

/// Connections of one process at a time; one more is not answered, and its packet comes again.
const MOST: usize = 128;

/// Bytes that a connection holds in each direction.
const WINDOW: usize = 64 << 10;

/// Pieces that wait in each direction of a connection.
const PIECES: usize = 4;
const PIECE: usize = 32 << 10;

/// Lookups of one process at a time; more are not answered, and come again.
const LOOKUPS: usize = 16;

/// Who talks to whom.
type Pair = (SocketAddr, SocketAddr);

/// The stack of one device.
pub(crate) struct Stack {
    tunnel: Tunnel,
    interface: Interface,
    sockets: SocketSet<'static>,
    connections: HashMap<Pair, Connection>,
    names: Arc<parking_lot::Mutex<Names>>,
    lookups: Arc<Semaphore>,
    way_out: Arc<dyn WayOut>,
    /// Something has moved on the other side of a connection.
    moved: Arc<Notify>,
}

struct Connection {
    socket: SocketHandle,
    /// What it becomes: none while the other side is not there yet.
    opened: Option<tokio::sync::oneshot::Receiver<bool>>,
    up: Option<mpsc::Sender<Bytes>>,
    down: mpsc::Receiver<Bytes>,
    /// What comes down and found no room yet.
    rest: Bytes,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stack {
    pub(crate) fn new(device: OwnedFd, way_out: Arc<dyn WayOut>) -> io::Result<Self> {
        let device = Arc::new(Device::new(device)?);
        let mut tunnel = Tunnel { device, read: Default::default() };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = rand::random();
        let mut interface = Interface::new(config, &mut tunnel, Instant::now());
        interface.set_any_ip(true);
        let mut gateway = ADDRESS_V6.octets();
        gateway[15] = 1;
        let gateway = std::net::Ipv6Addr::from(gateway);
        interface.update_ip_addrs(|addresses| {
            // There is room for two.
            let _ = addresses.push(IpCidr::new(NAME_SERVER.into(), 24));
            let _ = addresses.push(IpCidr::new(gateway.into(), 64));
        });
        // Everything is its own, by its own address.
        let _ = interface.routes_mut().add_default_ipv4_route(NAME_SERVER);
        let _ = interface.routes_mut().add_default_ipv6_route(gateway);
        Ok(Self {
            tunnel,
            interface,
            sockets: SocketSet::new(Vec::new()),
            connections: HashMap::new(),
            names: Arc::default(),
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
            way_out,
            moved: Arc::default(),
        })
    }

    /// Serves until the device is gone.
    pub(crate) async fn run(mut self) -> io::Result<()> {
        loop {
            let now = Instant::now();
            self.interface.poll(now, &mut self.tunnel, &mut self.sockets);
            self.pump();
            self.interface.poll(Instant::now(), &mut self.tunnel, &mut self.sockets);
            self.bury();
            let pause = self.interface.poll_delay(Instant::now(), &self.sockets);
            let pause = pause.map_or(Duration::from_secs(3600), Duration::from);
            let (moved, device) = (Arc::clone(&self.moved), Arc::clone(&self.tunnel.device));
            tokio::select! {
                packets = device.read() => {
                    for packet in packets? {
                        self.arrived(packet);
                    }
                }
                () = moved.notified() => {}
                () = tokio::time::sleep(pause), if !self.connections.is_empty() => {}
            }
        }
    }

    /// Takes a packet in.
    fn arrived(&mut self, packet: Vec<u8>) {
        let Some((source, destination, protocol, payload)) = addresses(&packet) else { return };
        match protocol {
            IpProtocol::Tcp => {
                let Ok(segment) = TcpPacket::new_checked(payload) else { return };
                let pair = (
                    SocketAddr::new(source, segment.src_port()),
                    SocketAddr::new(destination, segment.dst_port()),
                );
                if segment.syn() && !segment.ack() && !self.connections.contains_key(&pair) {
                    if self.connections.len() >= MOST {
                        return;
                    }
                    self.open(pair);
                }
                self.tunnel.read.push_back(packet);
                // One after the other: the socket that listens is for this packet and no other.
                self.interface.poll(Instant::now(), &mut self.tunnel, &mut self.sockets);
            }
            IpProtocol::Udp => {
                let Ok(datagram) = UdpPacket::new_checked(payload) else { return };
                if destination == IpAddr::V4(NAME_SERVER) && datagram.dst_port() == 53 {
                    self.look_up(SocketAddr::new(source, datagram.src_port()), datagram.payload());
                }
            }
            _ => {}
        }
    }

    /// Begins a connection. The function learns that it stands when its other side does.
    fn open(&mut self, pair: Pair) {
        let (_, destination) = pair;
        let buffer = || tcp::SocketBuffer::new(vec![0; WINDOW]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        socket.pause_synack(true);
        if socket.listen(IpEndpoint::from(destination)).is_err() {
            return;
        }
        let socket = self.sockets.add(socket);
        let host = match destination.ip() {
            IpAddr::V4(address) => self.names.lock().name(address).map(str::to_owned),
            IpAddr::V6(_) => None,
        };
        let host = host.unwrap_or_else(|| destination.ip().to_string());
        let (up, up_receiver) = mpsc::channel(PIECES);
        let (down_sender, down) = mpsc::channel(PIECES);
        let (opening, opened) = tokio::sync::oneshot::channel();
        let ends = Ends { up: up_receiver, down: down_sender, moved: Arc::clone(&self.moved), opening };
        let task = tokio::spawn(carry(Arc::clone(&self.way_out), host, destination.port(), ends));
        let connection =
            Connection { socket, opened: Some(opened), up: Some(up), down, rest: Bytes::new(), task };
        self.connections.insert(pair, connection);
    }

    /// Moves bytes between sockets and channels, as far as there is room.
    fn pump(&mut self) {
        for connection in self.connections.values_mut() {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(connection.socket);
            if let Some(opened) = &mut connection.opened {
                match opened.try_recv() {
                    Err(tokio::sync::oneshot::error::TryRecvError::Empty) => continue,
                    Ok(true) => socket.pause_synack(false),
                    _ => socket.abort(),
                }
                connection.opened = None;
            }
            while let Some(up) = connection.up.as_ref().filter(|_| socket.can_recv()) {
                let Ok(permit) = up.try_reserve() else { break };
                let taken = socket.recv(|bytes| {
                    let length = bytes.len().min(PIECE);
                    (length, Bytes::copy_from_slice(&bytes[..length]))
                });
                match taken {
                    Ok(bytes) => permit.send(bytes),
                    Err(_) => break,
                }
            }
            let over = !socket.may_recv() && socket.recv_queue() == 0;
            if over && !matches!(socket.state(), tcp::State::Listen | tcp::State::SynReceived) {
                connection.up = None;
            }
            while socket.can_send() {
                if connection.rest.is_empty() {
                    match connection.down.try_recv() {
                        Ok(bytes) => connection.rest = bytes,
                        Err(mpsc::error::TryRecvError::Empty) => break,
                        Err(mpsc::error::TryRecvError::Disconnected) => {
                            socket.close();
                            break;
                        }
                    }
                }
                match socket.send_slice(&connection.rest) {
                    Ok(0) | Err(_) => break,
                    Ok(sent) => connection.rest.advance(sent),
                }
            }
        }
    }

    /// Removes the connections that are over.
    fn bury(&mut self) {
        let sockets = &mut self.sockets;
        self.connections.retain(|_, connection| {
            let state = sockets.get::<tcp::Socket<'_>>(connection.socket).state();
            let over = matches!(state, tcp::State::Closed | tcp::State::TimeWait);
            if over {
                sockets.remove(connection.socket);
            }
            !over
        });
    }

    /// Answers a question for a name, in a while.
    fn look_up(&self, asker: SocketAddr, message: &[u8]) {
        let IpAddr::V4(asker_ip) = asker.ip() else { return };
        let Ok(permit) = Arc::clone(&self.lookups).try_acquire_owned() else { return };
        let (message, way_out) = (message.to_vec(), Arc::clone(&self.way_out));
        let (names, device) = (Arc::clone(&self.names), Arc::clone(&self.tunnel.device));
        tokio::spawn(async move {
            let _permit = permit;
            let Some(question) = dns::question(&message) else { return };
            let Question { name, for_address, .. } = &question;
            let known = names.lock().knows(name) || way_out.knows(name).await;
            let address = (known && *for_address).then(|| names.lock().address(name));
            let answer = dns::answer(&question, known, address);
            device.write(&datagram(asker_ip, asker.port(), &answer));
        });
    }
}

/// A datagram from the name server.
fn datagram(to: std::net::Ipv4Addr, port: u16, payload: &[u8]) -> Vec<u8> {
    let udp = UdpRepr { src_port: 53, dst_port: port };
    let ip = Ipv4Repr {
        src_addr: NAME_SERVER,
        dst_addr: to,
        next_header: IpProtocol::Udp,
        payload_len: 8 + payload.len(),
        hop_limit: 64,
    };
    let checksums = ChecksumCapabilities::default();
    let mut packet = vec![0; 20 + 8 + payload.len()];
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut packet[..]), &checksums);
    let fill = |place: &mut [u8]| place.copy_from_slice(payload);
    udp.emit(
        &mut UdpPacket::new_unchecked(&mut packet[20..]),
        &NAME_SERVER.into(),
        &to.into(),
        payload.len(),
        fill,
        &checksums,
    );
    packet
}

/// Source, destination, protocol and payload of a packet.
fn addresses(packet: &[u8]) -> Option<(IpAddr, IpAddr, IpProtocol, &[u8])> {
    match IpVersion::of_packet(packet).ok()? {
        IpVersion::Ipv4 => {
            let packet = Ipv4Packet::new_checked(packet).ok()?;
            let whole = !packet.more_frags() && packet.frag_offset() == 0;
            whole.then(|| {
                (packet.src_addr().into(), packet.dst_addr().into(), packet.next_header(), packet.payload())
            })
        }
        IpVersion::Ipv6 => {
            let packet = Ipv6Packet::new_checked(packet).ok()?;
            Some((packet.src_addr().into(), packet.dst_addr().into(), packet.next_header(), packet.payload()))
        }
    }
}

/// The far ends of a connection's channels.
struct Ends {
    up: mpsc::Receiver<Bytes>,
    down: mpsc::Sender<Bytes>,
    moved: Arc<Notify>,
    opening: tokio::sync::oneshot::Sender<bool>,
}

/// Makes the other side of a connection and moves bytes both ways until both have ended.
async fn carry(way_out: Arc<dyn WayOut>, host: String, port: u16, ends: Ends) {
    let Ends { mut up, down, moved, opening } = ends;
    let connected = way_out.connect(&host, port).await;
    // Whoever waits for it is gone when the connection is.
    let _ = opening.send(connected.is_ok());
    moved.notify_one();
    let (mut stream, _held) = match connected {
        Ok(connected) => connected,
        Err(error) => {
            tracing::debug!(host, port, %error, "a function's connection is refused");
            return;
        }
    };
    let (mut from, mut to) = stream.split();
    let upwards = async {
        while let Some(bytes) = up.recv().await {
            moved.notify_one();
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    let downwards = async {
        let down = down;
        let mut buffer = BytesMut::with_capacity(PIECE);
        loop {
            buffer.reserve(PIECE);
            match from.read_buf(&mut buffer).await {
                Ok(read) if read > 0 => {}
                _ => break,
            }
            if down.send(buffer.split().freeze()).await.is_err() {
                break;
            }
            moved.notify_one();
        }
        drop(down);
        moved.notify_one();
    };
    tokio::join!(upwards, downwards);
}
