//! The WebSocket of a tail. wrangler shows no token there, wants its subprotocol echoed, and sends its first frame
//! unmasked (wrangler-api.md 10).

use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use hearth_api::Operation;
use http::{Method, StatusCode};

use super::viewer::Messages;
use crate::hub::Hub;

/// The subprotocol of wrangler's tails.
const PROTOCOL: &str = "trace-v1";

/// Longest frame that a viewer may send, in bytes: it has little to say.
const MAX_FRAME: usize = 64 << 10;

/// How long a viewer may take to take a message. One that is slower loses its tail, not only messages.
const SEND: Duration = Duration::from_secs(20);

/// How often a viewer that says nothing is asked whether it is there.
const PING: Duration = Duration::from_secs(30);

/// How long a viewer may say nothing at all.
const SILENCE: Duration = Duration::from_secs(90);

/// The addresses of tails, for the control host. They need no token: each holds an id that only who made the tail knows.
pub fn connections(hub: &Hub) -> Operation {
    Operation::new(Method::GET, "/tail/{id}", connect, hub).without_token()
}

async fn connect(State(hub): State<Hub>, Path(id): Path<String>, upgrade: WebSocketUpgrade) -> Response {
    let opened = hub.tails().lock().open(&id, Instant::now());
    let Some((messages, until)) = opened else {
        return (StatusCode::NOT_FOUND, "There is no such tail, or it is being watched already.\n")
            .into_response();
    };
    upgrade
        .protocols([PROTOCOL])
        .accept_unmasked_frames(true)
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME)
        .on_upgrade(move |socket| async move {
            show(&hub, messages, socket, until).await;
            end(&hub, &id);
        })
}

/// Sends messages until one side has enough.
async fn show(hub: &Hub, mut messages: Messages, mut socket: WebSocket, until: Instant) {
    let viewer = messages.viewer().clone();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let (mut heard, mut asked) = (Instant::now(), Instant::now());
    // 1000 ends wrangler, anything else has it come again.
    let good_bye = loop {
        let outgoing = tokio::select! {
            message = messages.next() => match message {
                Some(text) => Message::Text(text.into()),
                None => break Some(close_code::NORMAL),
            },
            incoming = socket.recv() => match incoming {
                Some(Ok(Message::Close(_)) | Err(_)) | None => break None,
                Some(Ok(_)) => {
                    heard = Instant::now();
                    continue;
                }
            },
            () = viewer.over.cancelled() => break Some(close_code::NORMAL),
            () = hub.closing().cancelled() => break Some(close_code::RESTART),
            now = ticks.tick() => {
                viewer.tick();
                let now = now.into_std();
                if now >= until {
                    break Some(close_code::AWAY);
                }
                if now.saturating_duration_since(heard) > SILENCE {
                    break None;
                }
                if now.saturating_duration_since(heard.max(asked)) < PING {
                    continue;
                }
                asked = now;
                Message::Ping("hearth".into())
            }
        };
        match tokio::time::timeout(SEND, socket.send(outgoing)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => break None,
        }
    };
    if let Some(code) = good_bye {
        let frame = CloseFrame { code, reason: "".into() };
        // Who has gone meanwhile needs no good-bye.
        let _ = tokio::time::timeout(Duration::from_secs(1), socket.send(Message::Close(Some(frame)))).await;
    }
}

/// A tail without its viewer is over: who comes again makes another one.
fn end(hub: &Hub, id: &str) {
    let worker = hub.tails().lock().end(id);
    if let Some(worker) = worker {
        hub.reseat(worker);
    }
}
