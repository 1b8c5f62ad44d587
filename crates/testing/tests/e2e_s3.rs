//! R2's S3 endpoint through the real clients: boto3, the aws command, rclone, workerd's own cluster mode, a worker that
//! makes presigned URLs, and requests signed by hand. The scripts are in `tests/apps/s3/`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use hearth_testing::{Hearth, Project, checkout, clean, send_to, tests_folder};
use http::{Request, header};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::process::{Child, Command};

/// How long a clustered workerd may take to come up: it waits for a lease.
const START: Duration = Duration::from_secs(60);

fn scripts(hearth: &Hearth) -> Project {
    hearth.app("s3").env("S3_ENDPOINT", Some(&endpoint(hearth)))
}

fn endpoint(hearth: &Hearth) -> String {
    format!("http://{}", hearth.s3_address())
}

/// An access key for a bucket, or for all of them.
async fn key(hearth: &Hearth, bucket: Option<&str>) -> (String, String) {
    let account = hearth.account();
    let (group, resource) = match bucket {
        Some(bucket) => (
            "Workers R2 Storage Bucket Item Write",
            format!("com.cloudflare.edge.r2.bucket.{account}_default_{bucket}"),
        ),
        None => ("Workers R2 Storage Write", format!("com.cloudflare.api.account.{account}")),
    };
    let policy = json!({
        "effect": "allow", "permission_groups": [{ "name": group }], "resources": { resource: "*" }
    });
    let body = json!({ "name": "s3", "policies": [policy] });
    let made = hearth.api("POST", "/user/tokens", Some(body)).await;
    let text = |field: &str| made.result()[field].as_str().expect("a token has it").to_owned();
    (text("id"), hex::encode(Sha256::digest(text("value"))))
}

/// Sends a request to whatever a URL names, on this machine.
async fn fetch(method: &str, url: &str, body: &'static str) -> (u16, String) {
    let rest = url.strip_prefix("http://").expect("a URL");
    let (authority, target) = rest.split_at(rest.find('/').expect("a path"));
    let port = authority.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let request = Request::builder().method(method).uri(target).header(header::HOST, authority);
    let request = request.body(Bytes::from_static(body.as_bytes())).expect("a request");
    let answer = send_to(SocketAddr::from(([127, 0, 0, 1], port)), request).await.expect("an answer");
    (answer.status, answer.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_does_what_applications_do() {
    let hearth = Hearth::start().await;
    scripts(&hearth).python("objects.py").await.expect_ok();
    scripts(&hearth).python("settings.py").await.expect_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_as_it_has_to_be_is_refused() {
    let hearth = Hearth::start().await;
    scripts(&hearth).python("signatures.py").await.expect_ok();
    let log = hearth.log();
    assert!(!log.contains("X-Amz-Signature"), "what opens an object is not written down");
}

#[tokio::test(flavor = "multi_thread")]
async fn multipart_uploads() {
    let hearth = Hearth::start().await;
    scripts(&hearth).python("multipart.py").await.expect_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_three_thousand_keys() {
    let hearth = Hearth::start().await;
    scripts(&hearth).python("listing.py").await.expect_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_conditional_writes_one_wins() {
    let hearth = Hearth::start().await;
    scripts(&hearth).python("races.py").await.expect_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_command_and_rclone() {
    let hearth = Hearth::start().await;
    scripts(&hearth).python("commands.py").await.expect_ok();
}

/// `make test-s3-heavy`: a gigabyte, and memory that does not grow with it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a gigabyte five times"]
async fn heavy_a_gigabyte() {
    let hearth = Hearth::start().await;
    for script in ["multipart.py", "commands.py"] {
        let output = scripts(&hearth).env("SIZE_MB", Some("1024")).python(script).await.expect_ok();
        println!("{script}: {output}");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", hearth.pid())).expect("it lives");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kib: u64 = peak.trim().trim_end_matches(" kB").trim().parse().expect("a number");
    println!("peak resident memory: {} MiB", kib >> 10);
    assert!(kib < 512 << 10, "the server took {kib} KiB for objects of a gigabyte");
}

/// `make test-s3-heavy`: a list of a hundred pages.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a hundred thousand objects"]
async fn heavy_lists_of_a_hundred_thousand_keys() {
    let hearth = Hearth::start().await;
    let output = scripts(&hearth).env("KEYS", Some("100000")).python("listing.py").await.expect_ok();
    println!("{output}");
}

/// What an application keeps in its bucket and its keys outlive the server.
#[tokio::test(flavor = "multi_thread")]
async fn keys_and_objects_survive_a_kill() {
    let mut hearth = Hearth::start().await;
    let project = hearth.app("r2-presign");
    let worker = presigning(&hearth, &project).await;
    let put = hearth.get(&worker, "/kept?sign=PUT").await.text();
    assert_eq!(fetch("PUT", &put, "kept").await.0, 200);
    hearth.kill().await;
    hearth.start_again().await;
    let get = hearth.get(&worker, "/kept?sign=GET").await.text();
    assert_eq!(fetch("GET", &get, "").await, (200, "kept".to_owned()));
}

/// Deploys the worker that makes presigned URLs; the host it is reached at.
async fn presigning(hearth: &Hearth, project: &Project) -> String {
    project.wrangler(&["r2", "bucket", "create", "r2-presign"]).await.expect_ok();
    let s3 = format!("http://localhost:{}", hearth.s3_address().port());
    project.edit("wrangler.jsonc", "http://localhost:8788", &s3);
    let (id, secret) = key(hearth, Some("r2-presign")).await;
    project.wrangler(&["deploy"]).await.expect_ok();
    project.wrangler_with_input(&["secret", "put", "R2_ACCESS_KEY_ID"], &id).await.expect_ok();
    project.wrangler_with_input(&["secret", "put", "R2_SECRET_ACCESS_KEY"], &secret).await.expect_ok();
    hearth.host("r2-presign")
}

/// The guide's `createSignedUrl`, made with what is there: what the worker signs, anybody may fetch, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_makes_presigned_urls() {
    let hearth = Hearth::start().await;
    let project = hearth.app("r2-presign");
    let worker = presigning(&hearth, &project).await;
    let put = hearth.get(&worker, "/a%20b/%C3%BC.txt?sign=PUT").await.text();
    assert_eq!(fetch("PUT", &put, "from outside").await.0, 200, "{put}");
    assert_eq!(hearth.get(&worker, "/a%20b/%C3%BC.txt").await.text(), "from outside");
    let get = hearth.get(&worker, "/a%20b/%C3%BC.txt?sign=GET").await.text();
    assert_eq!(fetch("GET", &get, "").await, (200, "from outside".to_owned()));
    assert_eq!(fetch("DELETE", &get, "").await.0, 403);
    assert_eq!(fetch("GET", &get.replace("a%20b", "other"), "").await.0, 403);
    let weeks = hearth.get(&worker, "/a?sign=GET&expires=1209600").await.text();
    assert_eq!(fetch("GET", &weeks, "").await.0, 400);
}

/// A worker reaches neither what other buckets hold nor the endpoint itself past its own binding.
#[tokio::test(flavor = "multi_thread")]
async fn workers_do_not_reach_the_endpoint() {
    let hearth = Hearth::start().await;
    // Even where the operator has opened loopback.
    let rules = json!({ "allow": [{ "net": "127.0.0.0/8" }] });
    hearth.api("PUT", "/installation/egress", Some(rules)).await.result();
    let source = format!(
        "export default {{ async fetch() {{ return new Response(await (await fetch('{}/')).text()) }} }}",
        endpoint(&hearth)
    );
    hearth.deploy("nosy", &source).await;
    let answer = hearth.get(&hearth.host("nosy"), "/").await.text();
    assert!(answer.starts_with("egress: ") && answer.contains("not permitted"), "{answer}");
}

/// One instance of a cluster.
struct Instance {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Instance {
    /// Starts the pinned workerd with a folder of its own, as another machine would have one.
    fn start(project: &Project, name: &str, address: SocketAddr, config: &str) -> Self {
        let folder = project.path().join(name);
        std::fs::create_dir_all(folder.join("storage")).expect("a folder can be made");
        std::fs::copy(project.path().join("worker.js"), folder.join("worker.js"))
            .expect("the worker is there");
        std::fs::write(folder.join("config.capnp"), config.replace("ADDRESS", &address.to_string()))
            .expect("the configuration can be written");
        let log = folder.join("log");
        let file = std::fs::File::create(&log).expect("a log can be made");
        let workerd = checkout().join("runtime/node_modules/@cloudflare/workerd-linux-64/bin/workerd");
        let mut command: Command = clean(workerd, &folder);
        let child = command
            .args(["serve", "--experimental", "-d", "do-storage=storage", "config.capnp"])
            .stdout(file.try_clone().expect("a file can be cloned"))
            .stderr(file)
            .spawn()
            .expect("workerd can be started");
        Self { child, address, log }
    }

    /// Asks until it answers or ends; the answer, or what it said at its end.
    async fn answer(&mut self) -> Result<String, String> {
        let deadline = tokio::time::Instant::now() + START;
        while tokio::time::Instant::now() < deadline {
            if let Ok(Some(_)) = self.child.try_wait() {
                break;
            }
            let request = Request::get("/").header(header::HOST, "cluster").body(Bytes::new());
            if let Ok(answer) = send_to(self.address, request.expect("a request")).await
                && answer.status == 200
            {
                return Ok(answer.text());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(std::fs::read_to_string(&self.log).unwrap_or_default())
    }

    async fn kill(mut self) {
        let _ = self.child.kill().await;
    }
}

/// workerd's cluster mode keeps its leases and Durable Objects in the bucket, and trusts its conditional writes: it tries
/// them out before it starts.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_workerd_lives_in_a_bucket() {
    let hearth = Hearth::start().await;
    let (id, secret) = key(&hearth, None).await;
    let buckets = format!("/accounts/{}/r2/buckets", hearth.account());
    hearth.api("POST", &buckets, Some(json!({ "name": "cluster" }))).await.result();
    let project = hearth.app("s3-cluster");
    let template =
        std::fs::read_to_string(tests_folder("apps/s3-cluster/config.capnp")).expect("it is there");
    let config = |secret: &str| {
        template
            .replace("ENDPOINT", &endpoint(&hearth))
            .replace("ACCESS_KEY", &id)
            .replace("SECRET_KEY", secret)
    };
    let address = |offset: u16| SocketAddr::from(([127, 0, 0, 1], hearth.s3_address().port() + offset));
    let mut first = Instance::start(&project, "first", address(1), &config(&secret));
    assert_eq!(first.answer().await.as_deref(), Ok("1"));
    assert_eq!(first.answer().await.as_deref(), Ok("2"));
    first.kill().await;
    // Another instance, which has nothing but the bucket, goes on where the first one was killed.
    let mut second = Instance::start(&project, "second", address(2), &config(&secret));
    assert_eq!(second.answer().await.as_deref(), Ok("3"));
    second.kill().await;
    let mut stranger = Instance::start(&project, "stranger", address(3), &config(&"0".repeat(64)));
    let said = stranger.answer().await.expect_err("a wrong key opens nothing");
    assert!(said.contains("403") || said.contains("SignatureDoesNotMatch"), "{said}");
}
