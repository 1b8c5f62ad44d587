//! The real runtime, where `HEARTH_WORKERD` names it: parked on stdin, then told what to run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use hearth_jail::{Command, ExitCause, Layers, Limits, Program, Signal, Tier};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::net::{UnixListener as AsyncListener, UnixStream};

use crate::bench::{self, PATIENCE};
use crate::harness::Test;

pub const TESTS: &[Test] = &[("workerd_serves_in_the_jail", serves)];

const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "internet", external = (address = "unix:/run/hearth/egress.sock", http = (style = proxy))),
    (name = "do", disk = (path = "/data/ns", writable = true)),
    (name = "main", worker = (
      modules = [(name = "index.js", esModule = embed "index.js")],
      compatibilityDate = "2026-01-01",
      durableObjectNamespaces = [(className = "Counter", uniqueKey = "counter", enableSql = true)],
      durableObjectStorage = (localDisk = "do"),
      bindings = [(name = "COUNTER", durableObjectNamespace = "Counter")])),
  ],
  sockets = [(name = "http", http = (), service = "main")],
);
"#;

const WORKER: &str = r#"
import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject {
  async next() {
    const count = ((await this.ctx.storage.get("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    return count;
  }
}
export default { async fetch(request, env) {
  const count = await env.COUNTER.get(env.COUNTER.idFromName("a")).next();
  const answer = await fetch("http://outside.test/");
  return new Response(`count ${count}, outside said ${await answer.text()}`);
} };
"#;

fn serves() {
    let Some(workerd) = std::env::var_os("HEARTH_WORKERD").map(PathBuf::from) else {
        eprintln!("SKIPPED, NOTHING IS TESTED HERE: HEARTH_WORKERD does not name a workerd");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("index.js"), WORKER).unwrap();
    fs::write(folder.path().join("config.capnp"), CONFIG).unwrap();
    let compiled = std::process::Command::new(&workerd)
        .args(["compile", "--config-only"])
        .arg(folder.path().join("config.capnp"))
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{compiled:?}");
    // In a place that any uid can reach, which a checkout need not be.
    let runtime = folder.path().join("workerd");
    fs::copy(workerd, &runtime).unwrap();

    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let reachable = fs::Permissions::from_mode(0o711);
    fs::set_permissions(folder.path(), reachable).unwrap();
    let user = hearth_jail::settle(&data, hearth_jail::DEFAULT_UID).unwrap();
    let config = hearth_jail::Config { runtime, user, ..bench::config(folder.path(), Some(Tier::Full)) };
    let (handle, _) = match hearth_jail::start_with(config, Layers::ALL) {
        Err(error @ hearth_jail::Error::Unavailable { .. }) => {
            eprintln!("SKIPPED, NOTHING IS TESTED HERE: {error}");
            return;
        }
        other => other.unwrap(),
    };
    hearth_jail::drop_privileges(user).unwrap();
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    tokio.block_on(async {
        let jailer = handle.into_async().unwrap();
        let dir = folder.path().join("run/i/w");
        for part in ["in", "out", "debug"] {
            fs::create_dir_all(dir.join(part)).unwrap();
        }
        let storage = data.join("storage");
        fs::create_dir(&storage).unwrap();
        let egress = AsyncListener::bind(dir.join("in/egress.sock")).unwrap();
        let http = UnixListener::bind(dir.join("out/http.sock")).unwrap();
        let (mut stdin, child_stdin) = pipe::pipe().unwrap();
        let (child_control, mut control) = pipe::pipe().unwrap();
        let own = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().unwrap();
        let errors = std::io::stderr();
        let errors = own(std::os::fd::AsFd::as_fd(&errors));
        let paths = jailer.paths(&dir);
        let command = Command {
            id: "w".into(),
            program: Program::Runtime,
            dir: dir.clone(),
            args: [
                "serve",
                "-b",
                "-",
                "--control-fd=3",
                "--socket-fd=http=4",
                &format!("--debug-port=unix:{}", paths.debug.join("debug.sock").display()),
            ]
            .map(String::from)
            .into(),
            stdio: [child_stdin.into_blocking_fd().unwrap(), errors.try_clone().unwrap(), errors],
            fds: vec![child_control.into_blocking_fd().unwrap(), http.into()],
            folders: Vec::new(),
            limits: Limits {
                memory_bytes: 320 << 20,
                pids: 128,
                cpu_cores: None,
                nofile: 65_536,
                fsize_bytes: 1 << 30,
            },
            device: None,
            loopback: None,
        };
        let spawned = jailer.spawn(command).await.unwrap();
        // While it is parked.
        jailer.show("w", bench::folder(&storage, "ns", true)).await.unwrap();
        stdin.write_all(&compiled.stdout).await.unwrap();
        drop(stdin);

        let mut ready = String::new();
        while !ready.contains("http") || !ready.ends_with('\n') {
            let mut bytes = [0; 4096];
            let got = tokio::time::timeout(PATIENCE, control.read(&mut bytes)).await.unwrap().unwrap();
            assert_ne!(got, 0, "workerd ended: {ready}");
            ready.push_str(std::str::from_utf8(&bytes[..got]).unwrap());
        }
        jailer.seal("w").await.unwrap();
        UnixStream::connect(dir.join("debug/debug.sock")).await.unwrap();

        tokio::spawn(async move {
            loop {
                let (mut stream, _) = egress.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await.unwrap();
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
                stream.write_all(answer).await.unwrap();
            }
        });
        for count in 1..=2 {
            let mut stream = UnixStream::connect(dir.join("out/http.sock")).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
            assert!(answer.contains(&format!("count {count}, outside said hi")), "{answer}");
        }
        jailer.kill("w", Signal::Terminate).await.unwrap();
        let exit = bench::exit_of(&spawned).await;
        assert_eq!((exit.cause, exit.oom), (ExitCause::Exited(0), false));
        // Written by the instance's uid, owned by ours.
        let mut stored = fs::read_dir(&storage).unwrap();
        assert!(stored.next().is_some());
        fs::read_dir(storage.join("counter")).unwrap();
    });
}
