//! A version is swapped under load: nothing fails, no `waitUntil` is lost, WebSockets are told, processes go.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use hearth_testing::{Form, Hearth, Options, tests_folder};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

const DEPLOYS: usize = 50;

/// Processes that may be there when all is quiet: four parked ones, and a hot worker's two.
const STEADY: usize = 4 + 2;

/// How many deploys apart WebSockets are opened.
const SOCKET_EVERY: usize = 10;

/// The `waitUntil` task of a worker: it asks for `/?<n>` here.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<HashSet<usize>>>);

impl Recorder {
    async fn listen(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::clone(&self.0);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let mut head = vec![0; 4096];
                    let read = stream.read(&mut head).await.unwrap_or(0);
                    let line = String::from_utf8_lossy(&head[..read]).into_owned();
                    let number: Option<usize> =
                        line.split(['?', ' ']).nth(2).and_then(|text| text.parse().ok());
                    seen.lock().expect("not poisoned").extend(number);
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
                });
            }
        });
        port
    }
}

async fn deploy(hearth: &Hearth, source: &str, build: usize) {
    let metadata = json!({
        "main_module": "index.js",
        "compatibility_date": "2026-01-01",
        "bindings": [{ "name": "SELF", "type": "service", "service": "swap", "entrypoint": "Greeter" }],
    });
    let form = Form::default().metadata(&metadata.to_string()).part(
        "index.js",
        "application/javascript+module",
        source.replace("\"BUILD\"", &format!("\"build {build}\"")),
    );
    hearth.upload("swap", form.finish()).await.result();
}

/// Asks for one path again and again, and counts what is not as it should be.
fn load(
    hearth: &Arc<Hearth>,
    path: &'static str,
    right: fn(&str) -> bool,
    stop: &Arc<AtomicBool>,
    failures: &Arc<Mutex<Vec<String>>>,
    done: &Arc<AtomicUsize>,
) -> tokio::task::JoinHandle<()> {
    let (hearth, stop, failures, done) = (hearth.clone(), stop.clone(), failures.clone(), done.clone());
    tokio::spawn(async move {
        let host = hearth.host("swap");
        while !stop.load(Ordering::Relaxed) {
            match hearth.try_get(&host, path).await {
                Ok(answer) if answer.status == 200 && right(&answer.text()) => {
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok(answer) => {
                    failures.lock().expect("not poisoned").push(format!(
                        "{path}: {} {}",
                        answer.status,
                        answer.text()
                    ));
                }
                Err(error) => failures.lock().expect("not poisoned").push(format!("{path}: {error:#}")),
            }
        }
    })
}

/// Processes that Hearth's jailer has spawned and that have a worker or are parked.
fn processes(hearth: &Hearth) -> Vec<u32> {
    let children = |pid: u32| -> Vec<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        lists
            .flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
            .collect()
    };
    let direct = children(hearth.pid());
    direct.iter().flat_map(|pid| children(*pid)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_deploys_under_load_lose_nothing() {
    let recorder = Recorder::default();
    let port = recorder.listen().await;
    let config = tempfile_with(&format!("[egress.hosts]\n'recorder.internal' = '127.0.0.1:{port}'\n"));
    let args = vec!["--config".to_owned(), config.path().display().to_string()];
    let hearth = Arc::new(Hearth::start_with(Options { args, ..Options::default() }).await);
    let source = std::fs::read_to_string(tests_folder("apps/swap/worker.js")).expect("the worker's source");
    deploy(&hearth, &source, 0).await;
    let subdomain = "/accounts/:a/workers/scripts/swap/subdomain";
    hearth.api("POST", subdomain, Some(json!({ "enabled": true }))).await.result();

    let stop = Arc::new(AtomicBool::new(false));
    let failures = Arc::new(Mutex::new(Vec::new()));
    let counts: Vec<_> = (0..4).map(|_| Arc::new(AtomicUsize::new(0))).collect();
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(load(&hearth, "/", |t| t.starts_with("build "), &stop, &failures, &counts[0]));
        clients.push(load(&hearth, "/call", |text| text == "hello you", &stop, &failures, &counts[2]));
        clients.push(load(
            &hearth,
            "/stream",
            |text| text.lines().count() == 10,
            &stop,
            &failures,
            &counts[3],
        ));
        for _ in 0..4 {
            clients.push(load(&hearth, "/slow", |text| text == "slow", &stop, &failures, &counts[1]));
        }
    }
    // One task a moment: its number is what the recorder must see.
    let later = {
        let (hearth, stop, failures) = (hearth.clone(), stop.clone(), failures.clone());
        tokio::spawn(async move {
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                match hearth.try_get(&hearth.host("swap"), &format!("/later?{sent}")).await {
                    Ok(answer) if answer.status == 200 => sent += 1,
                    other => failures.lock().expect("not poisoned").push(format!("/later: {other:?}")),
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            sent
        })
    };

    let mut sockets = Vec::new();
    for build in 1..=DEPLOYS {
        if build % SOCKET_EVERY == 0 {
            sockets.push(hearth.websocket(&hearth.host("swap"), "/socket").await);
        }
        deploy(&hearth, &source, build).await;
        // What was deployed is what the next request gets.
        let answer = hearth.get(&hearth.host("swap"), "/").await;
        assert_eq!(answer.text(), format!("build {build}"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("a client does not panic");
    }
    let sent = later.await.expect("a client does not panic");

    let failures = failures.lock().expect("not poisoned").clone();
    assert!(
        failures.is_empty(),
        "{} failed, among them {:?}",
        failures.len(),
        &failures[..failures.len().min(5)]
    );
    for (count, what) in counts.iter().zip(["plain", "slow", "calls", "streams"]) {
        assert!(count.load(Ordering::Relaxed) > 20, "too few {what} requests to say anything");
    }
    for mut socket in sockets {
        let closed = tokio::time::timeout(Duration::from_secs(10), socket.next()).await;
        match closed {
            Ok(Some(Ok(Message::Close(Some(frame))))) => assert_eq!(u16::from(frame.code), 1012),
            other => panic!("a WebSocket of an old version ended with {other:?}"),
        }
    }

    // `waitUntil` of the last ones takes 5 s, old processes may take 30 s more.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let seen = recorder.0.lock().expect("not poisoned").len();
    assert!(sent > 50, "too few tasks to say anything: {sent}");
    assert_eq!(seen, sent, "tasks lost");
    for _ in 0..60 {
        if processes(&hearth).len() <= STEADY {
            println!("{DEPLOYS} deploys, {sent} waitUntil tasks, requests {counts:?}");
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("{} processes are left, {STEADY} may be", processes(&hearth).len());
}

fn tempfile_with(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("a temporary file");
    file
}
