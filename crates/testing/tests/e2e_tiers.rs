//! A whole server in the tiers below full, started by root and by an ordinary user.

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use hearth_testing::{Form, Hearth, Options};
use serde_json::json;

/// Nobody's, on any machine.
const USER: u32 = 1_899_000_000;

const CALLEE: &str = r#"
import { WorkerEntrypoint } from "cloudflare:workers";
export default { fetch: () => new Response("callee") };
export class Greeter extends WorkerEntrypoint {
  greet(name) { return `hello ${name}`; }
}
"#;

const CALLER: &str = r#"
export default { async fetch(request, env) {
  if (new URL(request.url).pathname === "/loop") for (;;);
  const fetched = await (await env.CALLEE.fetch("http://callee/")).text();
  return new Response(`${fetched}, ${await env.GREETER.greet("caller")}`);
} };
"#;

async fn upload(hearth: &Hearth, name: &str, source: &str, bindings: serde_json::Value) {
    let metadata = json!({
        "main_module": "index.js", "compatibility_date": "2026-01-01", "bindings": bindings, "limits": { "cpu_ms": 200 },
    });
    let form = Form::default().metadata(&metadata.to_string());
    let form = form.part("index.js", "application/javascript+module", source);
    hearth.upload(name, form.finish()).await.result();
    let subdomain = format!("/accounts/:a/workers/scripts/{name}/subdomain");
    hearth.api("POST", &subdomain, Some(json!({ "enabled": true }))).await.result();
}

/// Deploys, calls, lets workers call each other, kills a loop, and starts once more on what is there.
async fn works(options: Options) {
    let mut hearth = Hearth::start_with(options).await;
    assert!(hearth.log().contains("tier=reduced"), "not what is tested here");
    upload(&hearth, "callee", CALLEE, json!([])).await;
    let services = json!([
        { "type": "service", "name": "CALLEE", "service": "callee" },
        { "type": "service", "name": "GREETER", "service": "callee", "entrypoint": "Greeter" },
    ]);
    upload(&hearth, "caller", CALLER, services).await;
    let host = hearth.host("caller");
    assert_eq!(hearth.get(&host, "/").await.text(), "callee, hello caller");

    let looped = hearth.get(&host, "/loop").await;
    assert_eq!(looped.status, 503, "{}", looped.text());
    assert!(looped.text().contains("1102"), "{}", looped.text());
    assert_eq!(hearth.get(&host, "/").await.text(), "callee, hello caller");
    assert!(hearth.log().contains("reason=\"stuck\""), "the log does not say why it was killed");

    strangers_stay_out(&hearth);
    strangers_get_no_answer(&hearth);

    hearth.kill().await;
    hearth.start_again().await;
    assert_eq!(hearth.get(&host, "/").await.text(), "callee, hello caller");
    hearth.stop().await;
    let left = std::fs::read_dir(hearth.data().join("run/i")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "folders of processes are left");
}

/// No process reaches the sockets of another: started by root each has a uid of its own, and the files let nobody else
/// connect. Otherwise all have one uid, and the names of their folders cannot be guessed (what keeps a process from
/// finding them out is tested in `crates/jail`).
fn strangers_stay_out(hearth: &Hearth) {
    let folders = std::fs::read_dir(hearth.data().join("run/i")).expect("processes have folders");
    let folders: Vec<PathBuf> = folders.flatten().map(|entry| entry.path()).collect();
    assert!(folders.len() >= 2, "{folders:?}");
    let server = uid_of(&hearth.data().join("run"));
    let mut tried = 0;
    for (folder, stranger) in folders.iter().zip(folders.iter().cycle().skip(1)) {
        let name = folder.file_name().expect("a folder has a name").len();
        assert!(name >= 10, "{} can be guessed", folder.display());
        let own = uid_of(&folder.join("in/egress.sock"));
        if own == server {
            continue;
        }
        assert_ne!(server, 0, "the server is still root");
        assert!(connects(own, &folder.join("in/egress.sock")), "it does not reach its own socket");
        for socket in sockets(stranger) {
            assert!(!connects(own, &socket), "{own} reaches {}", socket.display());
            tried += 1;
        }
    }
    let root = rustix::process::geteuid().is_root() && server != USER;
    assert_eq!(tried > 0, root, "processes have uids of their own exactly when root started Hearth");
}

fn uid_of(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).uid()
}

fn sockets(folder: &Path) -> Vec<PathBuf> {
    let parts =
        ["in", "out", "debug"].map(|part| std::fs::read_dir(folder.join(part)).expect("it has its parts"));
    parts.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Hearth answers nobody but the process on that process's sockets, whoever gets to connect.
fn strangers_get_no_answer(hearth: &Hearth) {
    for entry in std::fs::read_dir(hearth.data().join("run/i")).expect("processes have folders").flatten() {
        for name in ["bindings", "egress", "rpc", "tail"] {
            let mut stream =
                UnixStream::connect(entry.path().join(format!("in/{name}.sock"))).expect("it listens");
            // A parked process's sockets are not served yet.
            stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a stream has a timeout");
            // The other side may be closed by now.
            let _ = stream.write_all(b"GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert_eq!(String::from_utf8_lossy(&answer), "", "{name} answers a stranger");
        }
    }
}

/// Whether a process of a user can connect to a socket.
fn connects(uid: u32, socket: &Path) -> bool {
    const SCRIPT: &str = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])";
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", SCRIPT]).arg(socket).uid(uid).gid(uid).stderr(Stdio::null());
    python.status().expect("Python 3 is there").success()
}

fn forced() -> Vec<String> {
    ["--isolation", "reduced"].map(String::from).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn reduced_serves_when_started_by_root() {
    works(Options { args: forced(), ..Options::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reduced_serves_when_started_by_an_ordinary_user() {
    works(Options { args: forced(), user: Some(USER), ..Options::default() }).await;
}
