//! WebSockets pass as they are, and are closed in order when their instance leaves.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use hearth_gateway::Config;
use hearth_model::PublishedWorker;
use hearth_supervisor::{Death, Instance};
use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use support::{PATIENCE, Rig, StubBody, full, soon, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

/// What a worker's end saw.
#[derive(Debug, PartialEq)]
enum Seen {
    Close(Option<u16>),
    End,
}

fn switch(request: &Request<Incoming>) -> Response<StubBody> {
    assert_eq!(request.headers()[header::CONNECTION], "upgrade");
    let key = derive_accept_key(request.headers()[header::SEC_WEBSOCKET_KEY].as_bytes());
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    for (name, value) in [(header::CONNECTION, "Upgrade"), (header::UPGRADE, "websocket")] {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response.headers_mut().insert(header::SEC_WEBSOCKET_ACCEPT, key.parse().unwrap());
    response.headers_mut().insert("x-worker", "1".parse().unwrap());
    response
}

async fn echo(mut request: Request<Incoming>, seen: UnboundedSender<Seen>) -> Response<StubBody> {
    let response = switch(&request);
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Close(frame) => {
                    seen.send(Seen::Close(frame.map(|frame| frame.code.into()))).unwrap();
                }
                message if message.is_text() || message.is_binary() => socket.send(message).await.unwrap(),
                _ => {}
            }
        }
        seen.send(Seen::End).unwrap();
    });
    response
}

async fn rig(config: Config) -> (Rig, PublishedWorker, Arc<Instance>, UnboundedReceiver<Seen>) {
    let rig = Rig::new(config).await;
    let (sender, seen) = unbounded_channel();
    let (worker, instance) = rig.publish("app", move |request| echo(request, sender.clone()));
    (rig, worker, instance, seen)
}

async fn open(rig: &Rig) -> WebSocketStream<TcpStream> {
    let request = "ws://app.localhost/chat".into_client_request().unwrap();
    let opened = tokio_tungstenite::client_async(request, rig.connect().await);
    let (socket, response) = soon("a WebSocket", opened).await.unwrap();
    assert_eq!(response.headers()["x-worker"], "1");
    assert!(response.headers().contains_key("cf-ray"));
    socket
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Message {
    soon("a message", socket.next()).await.unwrap().unwrap()
}

#[tokio::test]
async fn messages_pass_and_the_place_is_held() {
    let (rig, _, instance, mut seen) = rig(Config::default()).await;
    let mut socket = open(&rig).await;
    for size in [0, 1, 125, 126, 65_535, 65_536, 1_000_000] {
        let message = Message::Binary(Bytes::from(vec![7; size]));
        socket.send(message.clone()).await.unwrap();
        assert_eq!(next(&mut socket).await, message);
    }
    assert_eq!(instance.in_flight(), 1);
    socket.close(None).await.unwrap();
    assert_eq!(soon("the worker sees it", seen.recv()).await, Some(Seen::Close(None)));
    until("the place is free", || instance.in_flight() == 0).await;
}

#[tokio::test]
async fn a_draining_instance_closes_its_sockets_with_1012() {
    let (rig, _, instance, mut seen) = rig(Config::default()).await;
    let mut socket = open(&rig).await;
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("hello"));
    instance.drain();
    match next(&mut socket).await {
        Message::Close(Some(frame)) => assert_eq!(frame.code, CloseCode::Restart),
        other => panic!("{other:?}"),
    }
    assert_eq!(soon("the worker sees it", seen.recv()).await, Some(Seen::Close(Some(1012))));
    assert_eq!(soon("its connection ends", seen.recv()).await, Some(Seen::End));
    assert!(soon("the client's end", socket.next()).await.is_none_or(|end| end.is_err()));
    until("the place is free", || instance.in_flight() == 0).await;
}

/// What a worker does whose process ends: nothing more.
async fn hang_up(mut request: Request<Incoming>) -> Response<StubBody> {
    let response = switch(&request);
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        socket.next().await;
    });
    response
}

#[tokio::test]
async fn the_sockets_of_a_process_that_is_gone_are_closed_with_1012() {
    let rig = Rig::new(Config::default()).await;
    let (_, instance) = rig.publish("app", hang_up);
    for dies in [false, true] {
        let mut socket = open(&rig).await;
        socket.send(Message::text("go")).await.unwrap();
        if dies {
            // The news comes after the end of its sockets.
            tokio::time::sleep(Duration::from_millis(50)).await;
            instance.bury(Death::Crashed);
        }
        let seen = soon("the end", socket.next()).await;
        match (dies, seen) {
            (true, Some(Ok(Message::Close(Some(frame))))) => assert_eq!(frame.code, CloseCode::Restart),
            (false, None | Some(Err(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn shutdown_closes_sockets_too() {
    let (rig, _, _, mut seen) = rig(Config::default()).await;
    let mut socket = open(&rig).await;
    rig.shutdown.cancel();
    match next(&mut socket).await {
        Message::Close(Some(frame)) => assert_eq!(frame.code, CloseCode::Restart),
        other => panic!("{other:?}"),
    }
    assert_eq!(soon("the worker sees it", seen.recv()).await, Some(Seen::Close(Some(1012))));
    socket.flush().await.unwrap();
    soon("the listener ends", rig.served).await.unwrap();
}

/// A half-sent frame is completed before the close frame, so that the worker never reads garbage.
#[tokio::test]
async fn a_close_waits_for_the_frame_in_progress() {
    let (rig, _, instance, mut seen) = rig(Config::default()).await;
    let mut stream = rig.connect().await;
    let head = "GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(soon("the handshake", stream.read_u8()).await.unwrap());
    }
    // A masked text frame of six bytes (mask zero), of which three come before the drain.
    stream.write_all(b"\x81\x86\0\0\0\0abc").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    instance.drain();
    let mut close = [0; 4];
    soon("the client's close", stream.read_exact(&mut close)).await.unwrap();
    assert_eq!(close, [0x88, 2, 0x03, 0xf4]);
    // The rest, and in the same write a frame that must not pass any more.
    stream.write_all(b"def\x81\x81\0\0\0\0X").await.unwrap();
    assert_eq!(soon("the worker sees it", seen.recv()).await, Some(Seen::Close(Some(1012))));
    // Its own close frame answers; echoes are for nobody.
    stream.write_all(b"\x88\x80\0\0\0\0").await.unwrap();
    assert_eq!(soon("its connection ends", seen.recv()).await, Some(Seen::End));
    until("the place is free", || instance.in_flight() == 0).await;
}

#[tokio::test]
async fn a_peer_that_ignores_the_close_is_cut_off() {
    let (rig, _, instance, _seen) =
        rig(Config { shutdown_grace: Duration::from_millis(100), ..Config::default() }).await;
    let socket = open(&rig).await;
    instance.drain();
    // Nobody reads or answers on this end.
    tokio::time::timeout(PATIENCE, async {
        while instance.in_flight() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the socket is cut off");
    drop(socket);
}

#[tokio::test]
async fn a_client_that_vanishes_ends_the_workers_side() {
    let (rig, _, instance, mut seen) =
        rig(Config { shutdown_grace: Duration::from_millis(100), ..Config::default() }).await;
    drop(open(&rig).await);
    assert_eq!(soon("the worker sees it", seen.recv()).await, Some(Seen::End));
    until("the place is free", || instance.in_flight() == 0).await;
}

#[tokio::test]
async fn other_upgrades_are_ignored_and_refusals_pass() {
    let rig = Rig::new(Config::default()).await;
    rig.publish("app", async |request: Request<Incoming>| {
        let mut response = full_with(&format!("{}", request.headers().contains_key(header::UPGRADE)));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    });
    for (upgrade, reaches) in [("h2c", "false"), ("websocket", "true")] {
        let answer = rig
            .raw(&format!(
                "GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: Upgrade, close\r\nUpgrade: {upgrade}\r\n\r\n"
            ))
            .await;
        assert!(answer.starts_with("HTTP/1.1 418") && answer.ends_with(reaches), "{answer}");
    }
}

fn full_with(text: &str) -> Response<StubBody> {
    Response::new(full(text.to_owned()))
}
