//! Where debuggers attach: `/inspector/<key>` is the WebSocket, `/inspector/<key>/json` and below it what Node.js says of
//! itself there (nodejs.org/en/learn/getting-started/debugging, chromedevtools.github.io/devtools-protocol, "HTTP Endpoints").
//!
//! The DevTools protocol runs any code in the worker, with its secrets. So beside the key the origin counts: browsers name
//! it, and of pages only those of a browser's own DevTools may attach. Debuggers that are no pages name none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures::{SinkExt as _, StreamExt as _};
use hearth_api::Operation;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::api::devtools;
use crate::{Inspector, Process};

/// Longest message in bytes: a script with its map, or a piece of a heap snapshot.
const MAX_MESSAGE: usize = 64 << 20;

/// workerd's name for the worker itself; other services of the process are ours.
const TARGET: &str = "ws://127.0.0.1/main";

/// How long the process may take to answer a debugger, and a debugger to take a message.
const PATIENCE: Duration = Duration::from_secs(10);

/// The origins of pages that may attach: the tools of Chrome and of what is made of it.
const ORIGINS: [&str; 2] = ["devtools://devtools", "chrome-devtools://devtools"];

/// What asks for a session's key in the place of a token.
pub(crate) fn operations(inspector: &Inspector) -> Vec<Operation> {
    let all = [
        Operation::new(Method::GET, "/inspector/{key}", attach, inspector),
        Operation::new(Method::GET, "/inspector/{key}/json", list, inspector),
        Operation::new(Method::GET, "/inspector/{key}/json/list", list, inspector),
        Operation::new(Method::GET, "/inspector/{key}/json/version", version, inspector),
    ];
    all.into_iter().map(Operation::without_token).collect()
}

/// Whether a debugger may come from there.
fn may_attach(headers: &HeaderMap) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| ORIGINS.iter().any(|known| origin == known))
}

/// Where there is no session, and for whoever must not learn whether there is one.
fn nothing() -> Response {
    (StatusCode::NOT_FOUND, "There is no such inspector session.\n").into_response()
}

async fn attach(
    State(inspector): State<Inspector>,
    Path(key): Path<String>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    if !may_attach(&headers) {
        let text = "Only a debugger may attach: pages of this origin may not.\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let Some(session) = Attached::begin(&inspector, &key) else { return nothing() };
    let Ok(upgrade) = upgrade else {
        return (StatusCode::UPGRADE_REQUIRED, "This is a WebSocket of the DevTools protocol.\n")
            .into_response();
    };
    match tokio::time::timeout(PATIENCE, open(&session.process)).await {
        Ok(Ok(target)) => upgrade
            .max_message_size(MAX_MESSAGE)
            .max_frame_size(MAX_MESSAGE)
            .on_upgrade(move |debugger| async move { carry(&session, debugger, target).await }),
        Ok(Err(error)) => {
            tracing::warn!(%error, "a debugger cannot be attached");
            let text = "The worker's process takes no further debugger: begin another session.\n";
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
        Err(_) => {
            let text = "The worker's process does not answer: its code may be in an endless loop.\n";
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

/// A debugger's place in a session.
struct Attached {
    inspector: Inspector,
    id: String,
    process: Arc<Process>,
}

impl Attached {
    fn begin(inspector: &Inspector, key: &str) -> Option<Self> {
        let mut sessions = inspector.0.sessions.lock();
        let (id, session) = sessions.by_key(key)?;
        session.attached += 1;
        let (id, process) = (id.to_owned(), Arc::clone(&session.process));
        Some(Self { inspector: inspector.clone(), id, process })
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.inspector.0.sessions.lock().detached(&self.id, Instant::now());
    }
}

type Target = WebSocketStream<TcpStream>;

async fn open(process: &Process) -> Result<Target, tungstenite::Error> {
    let stream = process.inspection.connect().await?;
    let config =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    let (target, _) = tokio_tungstenite::client_async_with_config(TARGET, stream, Some(config)).await?;
    Ok(target)
}

/// Carries messages both ways until one side has enough or the session is over.
async fn carry(session: &Attached, mut debugger: WebSocket, mut target: Target) {
    loop {
        tokio::select! {
            said = debugger.recv() => {
                let message = match said {
                    Some(Ok(Message::Text(text))) => tungstenite::Message::text(text.as_str()),
                    Some(Ok(Message::Binary(bytes))) => tungstenite::Message::binary(bytes),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                };
                if !matches!(tokio::time::timeout(PATIENCE, target.send(message)).await, Ok(Ok(()))) {
                    break;
                }
            }
            said = target.next() => {
                let message = match said {
                    Some(Ok(tungstenite::Message::Text(text))) => Message::text(text.as_str()),
                    Some(Ok(tungstenite::Message::Binary(bytes))) => Message::binary(bytes),
                    Some(Ok(tungstenite::Message::Close(_)) | Err(_)) | None => break,
                    Some(Ok(_)) => continue,
                };
                if !matches!(tokio::time::timeout(PATIENCE, debugger.send(message)).await, Ok(Ok(()))) {
                    break;
                }
            }
            () = session.process.over.cancelled() => break,
        }
    }
    let frame = CloseFrame { code: close_code::AWAY, reason: "the session is over".into() };
    // Who has gone needs no good-bye, and the process lets a worker go on that nobody holds.
    let _ = tokio::time::timeout(Duration::from_secs(1), debugger.send(Message::Close(Some(frame)))).await;
    let _ = tokio::time::timeout(Duration::from_secs(1), target.close(None)).await;
}

async fn list(State(inspector): State<Inspector>, Path(key): Path<String>, headers: HeaderMap) -> Response {
    if !may_attach(&headers) || inspector.0.sessions.lock().by_key(&key).is_none() {
        return nothing();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    // Who came by the host that has the key in it attaches by the path.
    let host = host.strip_prefix(&format!("inspect-{key}.")).unwrap_or(host);
    let secure = inspector.0.api.config().public_url.scheme == "https";
    Json(json!([target(secure, host, &key)])).into_response()
}

fn target(secure: bool, host: &str, key: &str) -> Value {
    let scheme = if secure { "wss" } else { "ws" };
    let address = format!("{host}/inspector/{key}");
    let frontend = devtools(scheme, &address);
    json!({
        "id": key,
        "type": "node",
        "title": "Hearth worker",
        "description": "a worker in an inspector session",
        "url": "file://",
        "webSocketDebuggerUrl": format!("{scheme}://{address}"),
        "devtoolsFrontendUrl": frontend,
        "devtoolsFrontendUrlCompat": frontend,
    })
}

async fn version(
    State(inspector): State<Inspector>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !may_attach(&headers) || inspector.0.sessions.lock().by_key(&key).is_none() {
        return nothing();
    }
    Json(json!({"Browser": "Hearth/workerd", "Protocol-Version": "1.3"})).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(origins: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        may_attach(&headers)
    }

    #[test]
    fn of_pages_only_a_browsers_own_may_attach() {
        assert!(from(&[]) && from(&["devtools://devtools"]));
        for origin in
            ["http://localhost:8787", "https://evil.example", "null", "", "devtools://devtools.evil.example"]
        {
            assert!(!from(&[origin]), "{origin}");
        }
        assert!(!from(&["devtools://devtools", "https://evil.example"]));
    }
}
