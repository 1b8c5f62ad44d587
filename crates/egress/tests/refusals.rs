//! Spellings of loopback, over the real socket, against a listener that counts who comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hearth_egress::{Config, Egress, NoInternal, Origin, Policy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};

struct Fixture {
    _dir: tempfile::TempDir,
    _handle: hearth_egress::ServeHandle,
    socket: std::path::PathBuf,
    egress: Arc<Egress>,
    port: u16,
    visits: Arc<AtomicUsize>,
}

async fn fixture(own: bool, policy: &str) -> Fixture {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = upstream.local_addr().unwrap();
    let visits = Arc::new(AtomicUsize::new(0));
    let seen = visits.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = upstream.accept().await.unwrap();
            seen.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut head = [0; 1024];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
            });
        }
    });
    let config = Config { own: if own { vec![address] } else { vec![] }, ..Config::default() };
    let policy: Policy = serde_json::from_str(policy).unwrap();
    let egress = Egress::new(config, policy, Arc::new(NoInternal)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("egress.sock");
    let origin = Origin {
        account: "a".into(),
        worker: "w".into(),
        version: "v".into(),
        policy: Arc::new(Policy::default()),
    };
    let handle = egress.serve(UnixListener::bind(&socket).unwrap(), Arc::new(origin));
    Fixture { _dir: dir, _handle: handle, socket, egress, port: address.port(), visits }
}

impl Fixture {
    /// The status line of the answer to one request head.
    async fn status(&self, target: &str) -> String {
        let mut stream = UnixStream::connect(&self.socket).await.unwrap();
        stream.write_all(format!("{target} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        String::from_utf8_lossy(&head[9..]).into_owned()
    }
}

const LOOPBACK: &[&str] = &[
    "127.0.0.1",
    "2130706433",
    "0177.0.0.1",
    "0x7f.1",
    "127.0.0.1.",
    "[::ffff:127.0.0.1]",
    "localhost",
    "localhost.",
];

const ALLOW_ALL: &str = r#"{"allow": [{"net": "0.0.0.0/0"}, {"net": "::/0"}]}"#;

async fn assert_refused(fixture: &Fixture) {
    for host in LOOPBACK {
        for target in
            [format!("GET http://{host}:{}/", fixture.port), format!("CONNECT {host}:{}", fixture.port)]
        {
            assert_eq!(fixture.status(&target).await, "403", "{target}");
        }
    }
    assert_eq!(fixture.visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn loopback_is_refused_in_every_spelling() {
    assert_refused(&fixture(false, "{}").await).await;
}

#[tokio::test]
async fn an_own_listener_is_refused_though_everything_is_allowed() {
    assert_refused(&fixture(true, ALLOW_ALL).await).await;
}

#[tokio::test]
async fn what_a_rule_opens_is_reached_until_the_rule_is_gone() {
    let fixture = fixture(false, ALLOW_ALL).await;
    for host in LOOPBACK {
        assert_eq!(fixture.status(&format!("GET http://{host}:{}/", fixture.port)).await, "200", "{host}");
    }
    assert_eq!(fixture.status(&format!("CONNECT 127.0.0.1:{}", fixture.port)).await, "200");
    fixture.egress.set_policy(Policy::default());
    assert_eq!(fixture.status(&format!("GET http://127.0.0.1:{}/", fixture.port)).await, "403");
}
