//! No room: a disk that is full for real, with a reserve and without, and an account whose quota is used up.

mod state;

use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearth_testing::{Answer, Hearth, Options, may_mount};
use http::{Request, header};
use serde_json::json;
use state::{State, check_databases};

const WORKER: &str = "full";
/// How long what the server knows of its disk may lag behind.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of what each write adds.
const SIZE: usize = 150_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kv,
    R2,
    D1,
}

const KINDS: [Kind; 3] = [Kind::Kv, Kind::R2, Kind::D1];

/// A server and what it acknowledged.
struct Filled {
    hearth: Hearth,
    state: State,
    written: Vec<(Kind, usize)>,
    refused: Vec<(Kind, usize)>,
}

impl Filled {
    async fn start(options: Options) -> Self {
        let hearth = Hearth::start_with(options).await;
        let state = State::deploy(&hearth, WORKER).await;
        Self { hearth, state, written: Vec::new(), refused: Vec::new() }
    }

    async fn call(&self, method: &str, kind: Kind, number: usize, body: Bytes) -> Answer {
        let path = match kind {
            Kind::Kv => format!("storage/kv/namespaces/{}/values/{number}", self.state.kv),
            Kind::R2 => format!("r2/buckets/{}/objects/{number}", self.state.bucket),
            Kind::D1 => format!("d1/database/{}/query", self.state.d1),
        };
        let (method, body) = match (kind, method) {
            (Kind::D1, "PUT") => {
                ("POST", format!("INSERT INTO pads VALUES ({number}, {number}, zeroblob({SIZE}))"))
            }
            (Kind::D1, "GET") => {
                ("POST", format!("SELECT length(pad) AS length FROM pads WHERE id = {number}"))
            }
            (Kind::D1, _) => ("POST", format!("DELETE FROM pads WHERE id = {number}")),
            _ => return self.send(method, &path, body).await,
        };
        self.send(method, &path, json!({ "sql": body }).to_string().into()).await
    }

    async fn send(&self, method: &str, path: &str, body: Bytes) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("/client/v4/accounts/{}/{path}", self.hearth.account()))
            .header(header::HOST, "localhost")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.hearth.token()));
        self.hearth.send(request.body(body).expect("a request")).await.expect("an answer")
    }

    async fn put(&self, kind: Kind, number: usize) -> Answer {
        self.call("PUT", kind, number, vec![7; SIZE].into()).await
    }

    async fn is_there(&self, kind: Kind, number: usize) -> bool {
        let answer = self.call("GET", kind, number, Bytes::new()).await;
        match (kind, answer.status) {
            (Kind::D1, 200) => match &answer.json()["result"][0]["results"][0]["length"] {
                serde_json::Value::Null => false,
                length => {
                    assert_eq!(*length, json!(SIZE));
                    true
                }
            },
            (_, 200) => {
                assert!(answer.body == vec![7; SIZE], "{kind:?} {number} is not whole");
                true
            }
            (_, 404) => false,
            _ => panic!("{kind:?} {number}: {} {}", answer.status, answer.text()),
        }
    }

    /// Writes of all kinds in turn until each was refused several times in a row; `texts` are what refusals may say.
    async fn fill(&mut self, texts: &[&str]) {
        let mut in_a_row = [0; 3];
        for number in 0.. {
            for (kind, in_a_row) in KINDS.into_iter().zip(&mut in_a_row) {
                let answer = self.put(kind, number).await;
                if answer.status == 200 {
                    *in_a_row = 0;
                    self.written.push((kind, number));
                    continue;
                }
                *in_a_row += 1;
                self.refused.push((kind, number));
                let text = answer.text();
                let statuses = if kind == Kind::D1 { 400..=400 } else { 507..=507 };
                assert!(statuses.contains(&answer.status), "{kind:?}: {} {text}", answer.status);
                assert!(texts.iter().any(|one| text.contains(one)), "{kind:?}: {text}");
            }
            if in_a_row.iter().all(|refused| *refused >= 5) {
                return;
            }
        }
    }

    /// What was acknowledged is there, what was refused is not.
    async fn check(&self) {
        for kind in KINDS {
            assert!(self.written.iter().filter(|one| one.0 == kind).count() > 3, "{kind:?}: nothing fits");
        }
        for (kind, number) in &self.written {
            assert!(self.is_there(*kind, *number).await, "{kind:?} {number} was acknowledged");
        }
        for (kind, number) in &self.refused {
            assert!(!self.is_there(*kind, *number).await, "{kind:?} {number} was refused");
        }
    }

    /// Deletes so many of each kind.
    async fn delete(&mut self, count: usize) {
        for kind in KINDS {
            for _ in 0..count {
                let at = self.written.iter().position(|one| one.0 == kind).expect("enough of each");
                let (_, number) = self.written.remove(at);
                let answer = self.call("DELETE", kind, number, Bytes::new()).await;
                assert_eq!(answer.status, 200, "{kind:?} {number}: {}", answer.text());
                assert!(!self.is_there(kind, number).await, "{kind:?} {number} was deleted");
            }
        }
    }

    /// One write of each kind works, at last.
    async fn writes_again(&mut self, number: usize) {
        for kind in KINDS {
            let began = Instant::now();
            loop {
                let answer = self.put(kind, number).await;
                if answer.status == 200 {
                    break;
                }
                assert!(began.elapsed() < PATIENCE, "{kind:?}: {}", answer.text());
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            self.written.push((kind, number));
        }
    }

    /// The file of an import has no room.
    async fn check_import(&self, text: &str) {
        let path = format!("/accounts/:a/d1/database/{}/import", self.state.d1);
        let begin = json!({ "action": "init", "etag": "0".repeat(32) });
        let begun = self.hearth.api("POST", &path, Some(begin)).await;
        let url = begun.result()["upload_url"].as_str().expect("where it is uploaded").to_owned();
        let path = url.find("//").and_then(|at| url[at + 2..].find('/').map(|end| &url[at + 2 + end..]));
        let request = Request::put(path.expect("it has a path")).header(header::HOST, "localhost");
        let request = request.body(vec![b' '; 2 * SIZE].into()).expect("a request");
        let answer = self.hearth.send(request).await.expect("an answer");
        assert_eq!(answer.status, 507, "{}", answer.text());
        assert!(answer.text().contains(text), "{}", answer.text());
    }

    async fn write_of_worker(&self, way: &str) -> String {
        let path = format!("/write/{way}/1");
        let answer = self.hearth.get(&self.hearth.host(WORKER), &path).await;
        assert_eq!(answer.status, 500, "{way}: {}", answer.text());
        answer.text()
    }
}

fn on_small_disk(reserve_mb: u64) -> Option<Options> {
    if !may_mount() {
        eprintln!(
            "SKIPPED: a full disk cannot be tried here, since this process may not mount one. Run it as root."
        );
        return None;
    }
    let config = format!("[storage]\nreserve-mb = {reserve_mb}\n");
    Some(Options { disk_mb: Some(72), config, ..Options::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_filled_up_to_its_reserve_refuses_writes_and_nothing_else() {
    let Some(options) = on_small_disk(24) else { return };
    let mut filled = Filled::start(options).await;
    filled.fill(&["The server's disk is full.", "database or disk is full: SQLITE_FULL"]).await;
    filled.check().await;
    for (way, text) in [
        ("kv_large", "KV PUT failed: 507 Insufficient Storage: The server's disk is full."),
        ("r2_large", "put: The server's disk is full. (10043)"),
        ("d1_large", "D1_ERROR: database or disk is full: SQLITE_FULL"),
    ] {
        let said = filled.write_of_worker(way).await;
        assert!(said.contains(text), "{way}: {said}");
    }
    filled.check_import("The server's disk is full.").await;
    filled.hearth.deploy("another", "export default { fetch: () => new Response('deployed') }").await;
    assert_eq!(filled.hearth.get(&filled.hearth.host("another"), "/").await.text(), "deployed");

    filled.hearth.kill().await;
    check_databases(&filled.hearth.data()).await;
    filled.hearth.start_again().await;
    filled.check().await;
    // Enough for what D1's log and history took of the reserve beside it.
    filled.delete(50).await;
    filled.writes_again(100_000).await;
    filled.hearth.stop().await;
    filled.hearth.start_again().await;
    filled.writes_again(100_001).await;
    filled.check().await;
    filled.hearth.kill().await;
    assert!(check_databases(&filled.hearth.data()).await >= 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_a_byte_left_gives_errors_and_harms_nothing() {
    let Some(options) = on_small_disk(0) else { return };
    let mut filled = Filled::start(options).await;
    let ballast = filled.hearth.data().join("ballast");
    fs::write(&ballast, vec![1; 16 << 20]).expect("there is room yet");
    filled
        .fill(&[
            "The server's disk is full.",
            "there is no room for KV values",
            "There is not enough storage left for this operation.",
            "SQLITE_FULL",
        ])
        .await;
    filled.check().await;
    filled.hearth.kill().await;
    check_databases(&filled.hearth.data()).await;
    fs::remove_file(&ballast).expect("it is there");
    filled.hearth.start_again().await;
    filled.check().await;
    filled.delete(2).await;
    filled.writes_again(100_000).await;
    filled.hearth.stop().await;
    filled.hearth.start_again().await;
    filled.writes_again(100_001).await;
    filled.check().await;
    filled.hearth.kill().await;
    assert!(check_databases(&filled.hearth.data()).await >= 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_quota_is_used_up_can_read_and_delete_and_then_write_again() {
    let config = "[storage]\naccount-quota-mb = 4\n".to_owned();
    let mut filled = Filled::start(Options { config, ..Options::default() }).await;
    let texts = ["storage quota of 4194304 bytes is used up", "SQLITE_FULL"];
    filled.fill(&texts).await;
    assert!(
        filled.written.len() * SIZE <= 4 << 20,
        "{} writes are more than the quota",
        filled.written.len()
    );
    filled.check().await;
    for (way, text) in [("kv_large", texts[0]), ("r2_large", texts[0]), ("d1_large", texts[1])] {
        let said = filled.write_of_worker(way).await;
        assert!(said.contains(text), "{way}: {said}");
    }
    filled.check_import(texts[0]).await;
    filled.hearth.stop().await;
    filled.hearth.start_again().await;
    // What there is, is counted beside the traffic.
    let began = Instant::now();
    while filled.put(Kind::Kv, 0).await.status == 200 {
        assert!(began.elapsed() < PATIENCE, "what there is was not counted after a restart");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    filled.check().await;
    filled.delete(2).await;
    filled.writes_again(100_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_says_that_a_quota_is_used_up() {
    let config = "[storage]\naccount-quota-mb = 4\n".to_owned();
    let hearth = Hearth::start_with(Options { config, ..Options::default() }).await;
    let endpoint = format!("http://{}", hearth.s3_address());
    hearth.app("s3").env("S3_ENDPOINT", Some(&endpoint)).python("quota.py").await.expect_ok();
}
