//! A worker with Durable Objects that is busy gets a second process for its code. Nothing fails, and nothing is counted
//! twice, when that comes and when it goes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use hearth_testing::{Hearth, Options, Socket};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::Message;

/// How long a busy machine may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Turns of the worker's loop: several milliseconds of CPU.
const TURNS: u32 = 5_000_000;

/// Requests under way at a time.
const CLIENTS: usize = 8;

async fn ask(hearth: &Hearth, path: &str) -> Value {
    let answer = hearth.get(&hearth.host("objects-hot"), path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

fn process(answer: &Value) -> String {
    answer["process"].as_str().expect("an id").to_owned()
}

async fn echo(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.expect("it is open");
    let answer = socket.next().await.expect("it is open").expect("it is open");
    assert_eq!(answer, Message::text(format!("echo {text}")));
}

/// Counts from all sides until `stop`; gives what every answer said.
fn load(hearth: &Arc<Hearth>, stop: &Arc<AtomicBool>) -> Vec<tokio::task::JoinHandle<Vec<Value>>> {
    let client = || {
        let (hearth, stop) = (Arc::clone(hearth), Arc::clone(stop));
        tokio::spawn(async move {
            let mut answers = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                answers.push(ask(&hearth, &format!("/count?turns={TURNS}")).await);
            }
            answers
        })
    };
    (0..CLIENTS).map(|_| client()).collect()
}

/// Which processes answer several requests that are under way at the same time.
async fn serving(hearth: &Hearth) -> BTreeSet<String> {
    let answers = futures::future::join_all((0..4).map(|_| ask(hearth, "/wait?turns=1"))).await;
    answers.iter().map(process).collect()
}

async fn until(hearth: &Hearth, what: &str, count: usize) {
    let began = Instant::now();
    loop {
        let seen = serving(hearth).await;
        if seen.len() == count {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: {seen:?}");
        // In between nothing is in any of them.
        sleep(Duration::from_millis(700)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_worker_gets_a_front_and_loses_nothing_when_it_comes_and_goes() {
    let config = "[processes]\nmax-per-worker = 2\nspare-cores = 0\ncool-down-s = 3\n".to_owned();
    let hearth = Arc::new(Hearth::start_with(Options { config, ..Options::default() }).await);
    hearth.app("objects-hot").wrangler(&["deploy"]).await.expect_ok();
    let mut socket = hearth.websocket(&hearth.host("objects-hot"), "/").await;
    echo(&mut socket, "before").await;
    let alone = serving(&hearth).await;
    assert_eq!(alone.len(), 1, "nobody is busy");

    let stop = Arc::new(AtomicBool::new(false));
    let clients = load(&hearth, &stop);
    until(&hearth, "a second process is awaited", 2).await;
    echo(&mut socket, "meanwhile").await;
    // Sockets come to the process that stays.
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(hearth.websocket(&hearth.host("objects-hot"), "/").await);
    }
    sleep(Duration::from_secs(1)).await;
    stop.store(true, Ordering::Relaxed);
    let mut counted = Vec::new();
    let mut processes = BTreeSet::new();
    for client in clients {
        for answer in client.await.expect("no request fails") {
            counted.push(answer["n"].as_u64().expect("a count"));
            processes.insert(process(&answer));
        }
    }
    assert_eq!(processes.len(), 2, "{processes:?}");
    assert!(processes.is_superset(&alone), "the first one serves all along: {processes:?}");
    counted.sort_unstable();
    let all: Vec<u64> = (1..=counted.len() as u64).collect();
    assert_eq!(counted, all, "each increment counts once");

    until(&hearth, "the second process is to go", 1).await;
    assert_eq!(serving(&hearth).await, alone);
    echo(&mut socket, "after").await;
    for socket in &mut others {
        echo(socket, "after").await;
    }
    let next = ask(&hearth, "/count?turns=1").await;
    assert_eq!(next["n"].as_u64(), Some(counted.len() as u64 + 1));
}
