//! Holds our description of workerd's configuration against the pinned binary: what is built here is what it starts.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use hearth_model::{
    AccountId, Binding, Compatibility, Exports, Format, Launch, LaunchModule, Limits, ModuleKind,
    NamedWorkflow, VersionId, WorkerId, Workflow,
};
use serde_json::json;

use super::config::{Objects, Paths, Purpose, SOCKETS, build, needs_experimental};
use super::{control, probe};

fn launch(format: Format, modules: &[(&str, ModuleKind, &str)], bindings: &[serde_json::Value]) -> Launch {
    Launch {
        account: AccountId::random(),
        worker: WorkerId::random(),
        name: "contract".parse().unwrap(),
        version: VersionId::random(),
        tag: "v1".to_owned(),
        created_on: "2026-11-20T00:00:00Z".to_owned(),
        format,
        modules: modules
            .iter()
            .map(|(name, kind, content)| LaunchModule {
                name: (*name).to_owned(),
                kind: *kind,
                content: Bytes::copy_from_slice(content.as_bytes()),
            })
            .collect(),
        bindings: bindings.iter().map(|binding| Binding::from_wire(binding).unwrap()).collect(),
        compatibility: Compatibility {
            date: "2026-01-01".to_owned(),
            flags: vec!["nodejs_compat".to_owned()],
        },
        limits: Limits::default(),
        exports: Exports::default(),
        objects: Vec::new(),
        workflows: Vec::new(),
    }
}

fn module(source: &str) -> Launch {
    launch(
        Format::Modules { main: "index.js".to_owned() },
        &[("index.js", ModuleKind::EsModule, source)],
        &[],
    )
}

struct Running {
    child: Child,
    folder: tempfile::TempDir,
    stderr: File,
}

impl Running {
    /// A workerd without a jail that has been told to run this. It inherits its descriptors under the numbers that they
    /// have here.
    fn start(launch: &Launch, purpose: &Purpose<'_>) -> (Self, tokio::net::unix::pipe::Receiver) {
        let binary =
            std::env::var("HEARTH_WORKERD").expect("HEARTH_WORKERD names workerd; `make test-unit` sets it");
        let folder = tempfile::tempdir().unwrap();
        let listeners: Vec<_> = SOCKETS
            .iter()
            .map(|name| UnixListener::bind(folder.path().join(format!("{name}.sock"))).unwrap())
            .collect();
        let (control_writer, control) = tokio::net::unix::pipe::pipe().unwrap();
        let control_writer = control_writer.into_blocking_fd().unwrap();
        for listener in &listeners {
            rustix::io::fcntl_setfd(listener, rustix::io::FdFlags::empty()).unwrap();
        }
        rustix::io::fcntl_setfd(&control_writer, rustix::io::FdFlags::empty()).unwrap();
        let stderr = tempfile::tempfile().unwrap();
        let mut command = Command::new(binary);
        command.args(["serve", "-b", "-", &format!("--control-fd={}", control_writer.as_raw_fd())]);
        if needs_experimental(launch, purpose) {
            command.arg("--experimental");
        }
        for (name, listener) in SOCKETS.iter().zip(&listeners) {
            command.arg(format!("--socket-fd={name}={}", listener.as_raw_fd()));
        }
        command.arg(format!("--debug-port=unix:{}", folder.path().join("debug.sock").display()));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(stderr.try_clone().unwrap())
            .stderr(stderr.try_clone().unwrap())
            .spawn()
            .unwrap();
        let message =
            build(launch, purpose, &Paths { hearth: folder.path(), data: &folder.path().join("data") });
        child.stdin.take().unwrap().write_all(&message).unwrap();
        (Self { child, folder, stderr }, control)
    }

    fn ask(&self, socket: &str, path: &str) -> String {
        self.send(socket, "GET", path, "")
    }

    fn send(&self, socket: &str, method: &str, path: &str, body: &str) -> String {
        let mut stream = UnixStream::connect(self.path(&format!("{socket}.sock"))).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nContent-Length: {length}\r\nHost: contract.test\r\nX-Hearth-CF: {{\"colo\":\"TST\"}}\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    fn errors(mut self) -> String {
        use std::io::Seek;
        self.child.wait().unwrap();
        let mut text = String::new();
        self.stderr.rewind().unwrap();
        self.stderr.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn every_kind_of_module_and_binding_arrives() {
    let source = "
        import text from './t.txt';
        import data from './d.bin';
        import common from './c.js';
        import config from './j.json';
        export default {
          fetch(request, env) {
            return Response.json({
              text, data: new TextDecoder().decode(data), value: common.value, config, env,
              url: request.url, colo: request.cf.colo,
            });
          },
        };";
    let modules = [
        ("index.js", ModuleKind::EsModule, source),
        ("t.txt", ModuleKind::Text, "a text"),
        ("d.bin", ModuleKind::Data, "some data"),
        ("c.js", ModuleKind::CommonJs, "exports.value = 7;"),
        ("j.json", ModuleKind::Json, "{\"a\":[1]}"),
    ];
    let bindings = [
        json!({ "name": "PLAIN", "type": "plain_text", "text": "p\"lain" }),
        json!({ "name": "SECRET", "type": "secret_text", "text": "s" }),
        json!({ "name": "JSON", "type": "json", "json": { "deep": [true] } }),
        json!({ "name": "VERSION", "type": "version_metadata" }),
    ];
    let launch = launch(Format::Modules { main: "index.js".to_owned() }, &modules, &bindings);
    let (running, control) =
        Running::start(&launch, &Purpose::Serve { tails: false, objects: Objects::Here });
    control::ready(control).await.unwrap();
    let answer = running.ask("http", "/path?q=1");
    let body: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(
        body,
        json!({
            "text": "a text", "data": "some data", "value": 7, "config": { "a": [1] },
            "env": {
                "PLAIN": "p\"lain", "SECRET": "s", "JSON": { "deep": [true] },
                "VERSION": { "id": launch.version.to_string(), "tag": "v1", "timestamp": "2026-11-20T00:00:00Z" },
            },
            "url": "https://contract.test/path?q=1", "colo": "TST",
        })
    );
    assert!(running.ask("hb", "/").starts_with("HTTP/1.1 "), "the heartbeat answers");
    assert!(running.path("debug.sock").exists());
}

#[tokio::test]
async fn bindings_to_data_have_their_methods_and_a_probe_reaches_none() {
    let source = "
        export default {
          fetch(request, env) {
            return Response.json([
              env.KV.getWithMetadata, env.R2.createMultipartUpload, env.DB.batch, env.QUEUE.sendBatch, env.LIMIT.limit,
              env.POINTS.writeDataPoint, caches.default.match,
            ].filter((method) => typeof method === 'function').length);
          },
        };";
    let bindings = [
        json!({ "name": "KV", "type": "kv_namespace", "namespace_id": "n" }),
        json!({ "name": "R2", "type": "r2_bucket", "bucket_name": "b" }),
        json!({ "name": "DB", "type": "d1", "id": "d" }),
        json!({ "name": "QUEUE", "type": "queue", "queue_name": "q" }),
        json!({ "name": "LIMIT", "type": "ratelimit", "namespace_id": "1", "simple": { "limit": 1, "period": 10 } }),
        json!({ "name": "POINTS", "type": "analytics_engine", "dataset": "d" }),
    ];
    let format = Format::Modules { main: "index.js".to_owned() };
    let launch = launch(format, &[("index.js", ModuleKind::EsModule, source)], &bindings);
    let (running, control) =
        Running::start(&launch, &Purpose::Serve { tails: false, objects: Objects::Here });
    control::ready(control).await.unwrap();
    assert!(running.ask("http", "/").ends_with("\r\n\r\n7"));

    let (name, source) = probe::entry(&launch.format);
    let purpose = Purpose::Probe(probe::as_entry(name, &source));
    let (running, control) = Running::start(&launch, &purpose);
    control::ready(control).await.unwrap();
    assert!(running.ask("http", "/").contains("\"fetch\""));
    let configuration =
        build(&launch, &purpose, &Paths { hearth: Path::new("/run/hearth"), data: Path::new("/data") });
    let leads_to_data = configuration.windows(13).any(|window| window == b"bindings.sock");
    assert!(!leads_to_data, "a worker that is only looked at must not touch data");
}

#[tokio::test]
async fn the_dispatcher_runs_scheduled_to_the_end_of_its_wait_until() {
    let modules = "
        let seen = [];
        export default {
          fetch() { return Response.json(seen); },
          async scheduled(controller, env, ctx) {
            if (controller.cron === 'throw') throw new Error('no');
            const late = controller.cron === 'late' ? Promise.reject(new Error('no')) : Promise.resolve();
            if (controller.cron === 'once') controller.noRetry();
            ctx.waitUntil(scheduler.wait(50).then(() => seen.push([controller.cron, controller.scheduledTime])));
            ctx.waitUntil(late);
          },
        };";
    let script = "addEventListener('fetch', (event) => event.respondWith(Response.json(seen)));
        const seen = [];
        addEventListener('scheduled', (event) => {
          if (event.cron === 'throw') throw new Error('no');
          if (event.cron === 'once') event.noRetry();
          event.waitUntil(scheduler.wait(50).then(() => seen.push([event.cron, event.scheduledTime])));
          if (event.cron === 'late') event.waitUntil(Promise.reject(new Error('no')));
        });";
    for mut launch in [
        module(modules),
        launch(
            Format::ServiceWorker { body: "worker.js".to_owned() },
            &[("worker.js", ModuleKind::CommonJs, script)],
            &[],
        ),
    ] {
        launch.exports.handlers = vec!["scheduled".to_owned()];
        let (running, control) =
            Running::start(&launch, &Purpose::Serve { tails: false, objects: Objects::Here });
        control::ready(control).await.unwrap();
        let run = |cron: &str| {
            let event = json!({ "cron": cron, "scheduledTime": 60_000 }).to_string();
            let answer = running.send("events", "POST", "/scheduled", &event);
            answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned()
        };
        assert_eq!(run("* * * * *"), r#"{"outcome":"ok","noRetry":false}"#);
        assert!(running.ask("http", "/").ends_with(r#"[["* * * * *",60000]]"#), "before its waitUntil ended");
        assert!(run("throw").contains(r#""outcome":"exception""#));
        assert!(run("late").contains(r#""outcome":"exception""#));
        assert!(run("once").contains(r#""noRetry":true"#));
    }
}

#[tokio::test]
async fn a_workflow_runs_on_the_engine_and_is_in_its_index() {
    let source = "
        import { WorkflowEntrypoint } from 'cloudflare:workers';
        export class Flow extends WorkflowEntrypoint {
          async run(event, step) {
            const got = await step.do('one', async () => event.payload.n + 1);
            const { payload } = await step.waitForEvent('wait', { type: 'go' });
            if (payload === 'work') await step.do('work', () => new Promise(() => {}));
            return [event.workflowName, got, payload];
          }
        }
        export default {
          async fetch(request, env) {
            return Response.json(await env.FLOW.create({ id: 'first', params: { n: 1 } }));
          },
        };";
    let bindings =
        [json!({ "name": "FLOW", "type": "workflow", "workflow_name": "flow", "class_name": "Flow" })];
    let format = Format::Modules { main: "index.js".to_owned() };
    let mut launch = launch(format, &[("index.js", ModuleKind::EsModule, source)], &bindings);
    let workflow = Workflow::new(launch.worker, "Flow");
    launch.workflows = vec![NamedWorkflow { name: "flow".to_owned(), workflow }];
    let (running, control) =
        Running::start(&launch, &Purpose::Serve { tails: false, objects: Objects::Here });
    std::fs::create_dir_all(running.path("data/workflows")).unwrap();
    control::ready(control).await.unwrap();
    let run = |operation: &str, mut arguments: serde_json::Value| -> serde_json::Value {
        arguments["workflow"] = json!("flow");
        let path = format!("/workflows/{operation}");
        let answer = running.send("events", "POST", &path, &arguments.to_string());
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap_or_default()).expect(&answer)
    };
    assert!(running.ask("http", "/").ends_with(r#"{"id":"first"}"#));
    let taken = run("create", json!({ "id": "first" }));
    assert!(taken["error"].as_str().unwrap().contains("(instance.already_exists)"), "{taken}");
    let listed = run("list", json!({ "limit": 10, "offset": 0 }));
    assert_eq!(listed["result"]["total"], 1, "{listed}");
    assert_eq!(listed["result"]["instances"][0]["version"], launch.version.to_string());
    run("event", json!({ "id": "first", "type": "go", "payload": "ahead" }));
    let described = loop {
        let described = run("describe", json!({ "id": "first" }));
        if described["result"]["record"]["status"] == "complete" {
            break described;
        }
    };
    assert_eq!(described["result"]["record"]["output"], json!(["flow", 2, "ahead"]));
    assert_eq!(run("counts", json!({}))["result"], json!([{ "status": "complete", "count": 1 }]));
    let kept = Path::new("data/workflows").join(super::config::instances_folder("flow"));
    assert!(running.path(&kept.display().to_string()).is_dir());

    // An alarm of ours comes while code runs, and says so: nobody else would know that the process is in use.
    let reports = UnixListener::bind(running.path("bindings.sock")).unwrap();
    run("create", json!({ "id": "busy" }));
    run("event", json!({ "id": "busy", "type": "go", "payload": "work" }));
    let (mut report, _) = reports.accept().unwrap();
    let mut head = [0; 4096];
    let length = report.read(&mut head).unwrap();
    let head = String::from_utf8_lossy(&head[..length]).to_lowercase();
    assert!(head.contains("x-hearth-binding: workflows\r\n"), "{head}");
}

#[tokio::test]
async fn a_service_worker_runs_and_a_probe_describes_it() {
    let script = "addEventListener('fetch', (event) => event.respondWith(new Response('old')));
        addEventListener('scheduled', () => {});";
    let format = Format::ServiceWorker { body: "worker.js".to_owned() };
    let launch = launch(format, &[("worker.js", ModuleKind::CommonJs, script)], &[]);
    let (running, control) =
        Running::start(&launch, &Purpose::Serve { tails: false, objects: Objects::Here });
    control::ready(control).await.unwrap();
    assert!(running.ask("http", "/").ends_with("old"));

    let (name, source) = probe::entry(&launch.format);
    let (running, control) = Running::start(&launch, &Purpose::Probe(probe::as_entry(name, &source)));
    control::ready(control).await.unwrap();
    assert!(running.ask("http", "/").ends_with(r#"{"handlers":["fetch","scheduled"],"entrypoints":[]}"#));
}

#[tokio::test]
async fn a_probe_describes_handlers_and_classes() {
    let launch = module(
        "import { DurableObject, WorkerEntrypoint } from 'cloudflare:workers';
        export class Named extends WorkerEntrypoint { greet() {} get trap() { throw new Error('read'); } }
        export class Room extends DurableObject { join() {} }
        export default { fetch() {}, queue() {} };",
    );
    let (name, source) = probe::entry(&launch.format);
    let (running, control) = Running::start(&launch, &Purpose::Probe(probe::as_entry(name, &source)));
    control::ready(control).await.unwrap();
    let answer = running.ask("http", "/");
    let exports: Exports = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(exports.handlers, ["fetch", "queue"]);
    let kinds: Vec<_> = exports.entrypoints.iter().map(|e| (e.name.as_str(), &e.handlers[..])).collect();
    assert_eq!(kinds, [("Named", &["greet".to_owned()][..]), ("Room", &["join".to_owned()][..])]);
}

#[tokio::test]
async fn what_workerd_refuses_reads_as_cloudflares_refusals_do() {
    for (source, expected) in [
        ("export default { fetch( {", "Uncaught SyntaxError"),
        ("throw new Error('at start');", "Uncaught Error: at start\n  at index.js:1:"),
        ("export const number = 3; export default {};", "Incorrect type for map entry 'number'"),
    ] {
        let launch = module(source);
        let (name, entry) = probe::entry(&launch.format);
        let (running, control) = Running::start(&launch, &Purpose::Probe(probe::as_entry(name, &entry)));
        assert!(control::ready(control).await.is_err(), "{source}");
        let output = crate::output::messages(&running.errors());
        let complaint = probe::complaint(&output);
        assert!(complaint.contains(expected) && complaint.starts_with("Uncaught"), "{source}: {complaint}");
    }
}

#[tokio::test]
async fn experimental_and_unknown_flags_are_refused() {
    for flag in ["no_such_flag_at_all", "experimental"] {
        let mut launch = module("export default {};");
        launch.compatibility.flags = vec![flag.to_owned()];
        let (running, control) =
            Running::start(&launch, &Purpose::Serve { tails: false, objects: Objects::Here });
        assert!(control::ready(control).await.is_err(), "{flag}");
        assert!(running.errors().contains(flag), "{flag}");
    }
}
