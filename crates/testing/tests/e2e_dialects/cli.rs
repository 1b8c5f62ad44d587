//! `hearth init`, `deploy`, `env` and `vars`, as a person uses them.

use std::time::Duration;

use hearth_testing::Hearth;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_made_deployed_and_given_variables() {
    let hearth = Hearth::start().await;
    let folder = hearth.folder().join("person");
    std::fs::create_dir(&folder).expect("a folder");
    let run = |args: &[&str], input: &str| hearth.person(&folder, args, input);
    let good = |args: &[&str]| {
        let (success, text) = run(args, "");
        assert!(success, "{args:?}: {text}");
        text
    };
    let bad = |args: &[&str], says: &str| {
        let (success, text) = run(args, "");
        assert!(!success && text.contains(says), "{args:?}: {text}");
    };

    let templates: Value = serde_json::from_str(&good(&["init", "--list", "--json"])).expect("JSON");
    assert_eq!(templates.as_array().map(Vec::len), Some(6));
    good(&["init", "hello"]);
    bad(&["init", "hello"], "not empty");
    bad(&["init", "other", "--template", "none"], "`none`");
    bad(&["init", "a b"], "Invalid worker name");

    bad(&["env", "use", "test"], "`test`");
    let url = format!("http://localhost:{}", hearth.address().port());
    good(&["env", "add", "test", "--url", &url, "--token", hearth.token()]);
    good(&["env", "add", "nowhere", "--url", "http://localhost:1"]);
    let listed = good(&["env", "list", "--json"]);
    assert!(!listed.contains(hearth.token()), "no token is shown");
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!((&listed[1]["name"], &listed[1]["current"]), (&json!("test"), &json!(true)));

    assert!(good(&["deploy", "hello"]).contains(&format!("http://{}", hearth.host("hello"))));
    assert_eq!(hearth.get(&hearth.host("hello"), "/").await.text(), "Hello World from /\n");
    bad(&["deploy", "hello", "--env", "nowhere"], "no answer");
    good(&["init", "typed", "--template", "typescript"]);
    bad(&["deploy", "typed"], "wrangler");
    assert!(good(&["types", "typed", "--output", "-"]).contains("\"GREETING\": string;"));
    bad(&["deploy", "."], "wrangler.jsonc");

    let source = "export default { fetch: (request, env) => Response.json(env) }";
    std::fs::write(folder.join("hello/src/index.js"), source).expect("the file is there");
    good(&["deploy", "hello"]);
    good(&["vars", "set", "hello", "LEVEL=debug", "REGION=eu=1"]);
    let (success, text) = run(&["vars", "set", "hello", "KEY", "--secret"], "hidden\n");
    assert!(success, "{text}");
    let seen = hearth.get(&hearth.host("hello"), "/").await.json();
    assert_eq!(seen, json!({"KEY": "hidden", "LEVEL": "debug", "REGION": "eu=1"}));
    let listed = good(&["vars", "list", "hello", "--json"]);
    assert!(!listed.contains("hidden") && listed.contains("\"KEY\""), "{listed}");
    good(&["vars", "set", "hello", "LEVEL=info"]);
    good(&["vars", "delete", "hello", "REGION"]);
    let seen = hearth.get(&hearth.host("hello"), "/").await.json();
    assert_eq!(seen, json!({"KEY": "hidden", "LEVEL": "info"}));
    bad(&["vars", "delete", "hello", "REGION"], "REGION");
    bad(&["vars", "set", "hello", "KEY=open", "--secret"], "input");
    bad(&["vars", "list", "nobody"], "does not exist");

    // An environment has an account; another one is said for a command.
    let team = hearth.api("POST", "/accounts", Some(json!({"name": "team"}))).await.result()["id"].clone();
    let team = team.as_str().expect("an id").to_owned();
    good(&["env", "add", "team", "--url", &url, "--token", hearth.token(), "--account", &team]);
    assert!(good(&["env", "list"]).contains(&team));
    let there = hearth.host("hello.team");
    assert!(good(&["deploy", "hello", "--env", "team"]).contains(&format!("http://{there}")));
    good(&["vars", "set", "hello", "LEVEL=theirs", "--env", "team"]);
    good(&["access", "set", "hello", "token", "--account", &team]);
    assert!(good(&["access", "show", "hello", "--env", "team"]).contains("token"));
    assert_eq!(hearth.get(&there, "/").await.status, 401);
    good(&["access", "set", "hello", "open", "--env", "team"]);
    assert_eq!(hearth.get(&there, "/").await.json(), json!({"LEVEL": "theirs"}));
    assert!(
        good(&["vars", "list", "hello", "--env", "team", "--account", hearth.account()]).contains("info")
    );
    let seen = hearth.get(&hearth.host("hello"), "/").await.json();
    assert_eq!(seen, json!({"KEY": "hidden", "LEVEL": "info"}));

    good(&["env", "remove", "test"]);
    bad(&["deploy", "hello", "--env", "test"], "`test`");
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_serves_a_project_and_deploys_it_again_when_it_changes() {
    let folder = project();
    let (mut dev, address, host) = Running::start(folder.path()).await;
    let source = "export default { fetch: () => new Response('changed') }";
    std::fs::write(folder.path().join("hello/src/index.js"), source).expect("the file is there");
    answers(address, &host, "changed").await;
    std::fs::write(folder.path().join("hello/src/index.js"), "export default {").expect("the file is there");
    tokio::time::sleep(Duration::from_secs(1)).await;
    answers(address, &host, "changed").await;

    dev.terminate();
    let status = tokio::task::spawn_blocking(move || dev.0.wait()).await.expect("a thread").expect("it ends");
    assert!(status.success(), "{status}");
    let request = http::Request::get("/").header("host", &host).body(bytes::Bytes::new()).expect("a request");
    assert!(hearth_testing::send_to(address, request).await.is_err(), "the server has ended too");
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_leaves_nothing_behind_when_it_is_killed() {
    let folder = project();
    let ignored = std::fs::read_to_string(folder.path().join("hello/.gitignore")).expect("it is made");
    assert!(ignored.lines().any(|line| line == ".hearth/"), "{ignored}");
    let (mut dev, address, host) = Running::start(folder.path()).await;
    dev.0.kill().expect("it runs");
    dev.0.wait().expect("it ends");
    let gone = async {
        loop {
            let request = http::Request::get("/").header("host", &host).body(bytes::Bytes::new());
            if hearth_testing::send_to(address, request.expect("a request")).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("its server ends too");
    // And it has let go of its folder.
    let lock = std::fs::File::open(folder.path().join("hello/.hearth/hearth.lock")).expect("it was there");
    let free = async {
        while lock.try_lock().is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), free).await.expect("the folder is free");
}

/// A folder with the project `hello`, made by `hearth init`.
fn project() -> tempfile::TempDir {
    let folder = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o711))
        .tempdir()
        .expect("a folder");
    let made = hearth_testing::command().current_dir(folder.path()).args(["init", "hello"]).output();
    assert!(made.expect("the binary runs").status.success());
    folder
}

/// Waits until a host answers with a text.
async fn answers(address: std::net::SocketAddr, host: &str, text: &str) {
    let wait = async {
        loop {
            let request = http::Request::get("/").header("host", host).body(bytes::Bytes::new());
            let answer = hearth_testing::send_to(address, request.expect("a request")).await;
            if answer.is_ok_and(|answer| answer.text() == text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(90), wait)
        .await
        .unwrap_or_else(|_| panic!("no answer {text:?}"));
}

/// `hearth dev`, which ends its server when it is told to end.
struct Running(std::process::Child);

impl Running {
    /// `hearth dev` of the folder's project, once it serves it, with where it listens and the project's host.
    async fn start(folder: &std::path::Path) -> (Self, std::net::SocketAddr, String) {
        let port = hearth_testing::free_address().port();
        let dev = hearth_testing::command()
            .current_dir(folder)
            .args(["dev", "hello", "--port", &port.to_string()])
            .spawn();
        let dev = Self(dev.expect("the binary runs"));
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let host = format!("hello.localhost:{port}");
        answers(address, &host, "Hello World from /\n").await;
        (dev, address, host)
    }

    fn terminate(&self) {
        let pid = rustix::process::Pid::from_raw(self.0.id().cast_signed()).expect("a pid");
        // It may have ended already.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.terminate();
        }
    }
}
