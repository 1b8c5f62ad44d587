//! The server under test: start, stop, kill, and what is left when a test fails.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::sleep;

/// How long a start may take: a debug build on a busy machine is slow, a hang is not waited for.
const START: Duration = Duration::from_secs(60);
/// How long an orderly stop may take; it waits for responses and `waitUntil` of up to 30 s.
const STOP: Duration = Duration::from_secs(45);
const PAUSE: Duration = Duration::from_millis(20);
/// How much of the log a failing test prints, in lines.
const LOG_LINES: usize = 120;

/// What a test asks of its server beyond the defaults.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Further command-line arguments of `hearth serve`.
    pub args: Vec<String>,
    /// Environment variables of the server.
    pub env: Vec<(String, String)>,
    /// The uid and gid that it runs as, when the test is root; else it is the test's own anyway.
    pub user: Option<u32>,
    /// Puts the data folder on a disk of its own, of so many MiB. It takes root; ask [`may_mount`] first.
    pub disk_mb: Option<u64>,
    /// What stands in the configuration file; none if it is empty.
    pub config: String,
}

/// A running server with a data folder of its own.
///
/// Dropping it stops the server and removes the folder, unless the test is failing and `HEARTH_KEEP` is set.
pub struct Hearth {
    options: Options,
    address: SocketAddr,
    s3: SocketAddr,
    disk: Option<Disk>,
    folder: Option<TempDir>,
    child: Child,
    token: String,
    account: String,
}

impl Hearth {
    /// Starts a server with the default options and waits until it answers `/health`.
    ///
    /// # Panics
    /// If `HEARTH_BIN` is not set or the server does not come up.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Starts a server with `options`.
    ///
    /// # Panics
    /// As [`Hearth::start`].
    pub async fn start_with(options: Options) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("hearth-test-")
            // A server started by root leaves uid 0 only where its own user reaches the data folder.
            .permissions(Permissions::from_mode(0o711))
            .tempdir()
            .expect("a temporary folder");
        let disk = options.disk_mb.map(|size_mb| {
            let data = folder.path().join("data");
            fs::create_dir(&data).expect("the folder is new");
            Disk::mount(data, size_mb).expect("a disk can be mounted")
        });
        let (address, s3) = (free_address(), free_address());
        let child = spawn(&options, address, s3, folder.path());
        let mut hearth = Self {
            options,
            address,
            s3,
            disk,
            folder: Some(folder),
            child,
            token: String::new(),
            account: String::new(),
        };
        hearth.ready().await;
        hearth.token = fs::read_to_string(hearth.data().join("admin-token"))
            .expect("the first start leaves data/admin-token")
            .trim()
            .to_owned();
        let accounts = hearth.api("GET", "/accounts", None).await;
        hearth.account = accounts.result()[0]["id"].as_str().expect("an account has an id").to_owned();
        hearth
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the server's S3 endpoint listens.
    #[must_use]
    pub fn s3_address(&self) -> SocketAddr {
        self.s3
    }

    /// The server's data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// A folder that lives as long as the server, for whatever a test writes.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().expect("only Drop takes it").path()
    }

    /// The admin token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The id of the default account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The process id of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The base URL that Cloudflare's clients are given.
    #[must_use]
    pub fn api_base(&self) -> String {
        format!("http://localhost:{}/client/v4", self.address.port())
    }

    /// `<name>.localhost:<port>`, as a browser would send it for a worker, a version or an alias.
    #[must_use]
    pub fn host(&self, name: &str) -> String {
        format!("{name}.localhost:{}", self.address.port())
    }

    /// Runs a subcommand of `hearth` against this server, as its operator, and returns what it prints.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn operator(&self, args: &[&str]) -> String {
        let output = Command::new(binary())
            .args(args)
            .env("CLOUDFLARE_API_BASE_URL", self.api_base())
            .env("CLOUDFLARE_API_TOKEN", self.token())
            .env("HEARTH_DATA_DIR", self.data())
            .output()
            .expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{args:?}: {text} {}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// Runs a subcommand of `hearth` as a person would who has only a folder: nothing in the environment names a server, and
    /// settings are kept in that folder. Returns whether it succeeded, and what it printed.
    pub fn person(&self, folder: &Path, args: &[&str], input: &str) -> (bool, String) {
        let mut child = command()
            .args(args)
            .current_dir(folder)
            .env("XDG_CONFIG_HOME", folder.join("config"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut stdin = child.stdin.take().expect("it is piped");
        std::io::Write::write_all(&mut stdin, input.as_bytes())
            .expect("it reads its input, or has not ended yet");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// What the server has written to its output so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder().join("hearth.log")).unwrap_or_default()).into_owned()
    }

    /// Stops the server in order, as systemd would.
    ///
    /// # Panics
    /// If it does not end, or not with success.
    pub async fn stop(&mut self) {
        signal(self.child.id(), Signal::TERM);
        let status = self.ended().await;
        assert!(status.success(), "the server ended with {status} after SIGTERM");
    }

    /// Kills the server as a power cut would.
    pub async fn kill(&mut self) {
        signal(self.child.id(), Signal::KILL);
        self.ended().await;
    }

    /// The processes that run the server's workers, and those that wait for one: children of its jailer.
    #[must_use]
    pub fn runtimes(&self) -> Vec<u32> {
        let of = |parent: u32| pids().into_iter().filter(move |pid| parent_of(*pid) == Some(parent));
        of(self.pid()).flat_map(of).filter(|pid| is_runtime(*pid)).collect()
    }

    /// Kills all of [`Hearth::runtimes`], as the kernel does when there is no memory left; the server stays.
    pub fn kill_runtimes(&self) {
        for pid in self.runtimes() {
            // One that has just ended needs no kill.
            let _ = kill_process(to_pid(pid), Signal::KILL);
        }
    }

    /// Starts the server again on the same folder and port, after [`Hearth::stop`] or [`Hearth::kill`].
    pub async fn start_again(&mut self) {
        self.child = spawn(&self.options, self.address, self.s3, self.folder());
        self.ready().await;
    }

    /// Puts this into the configuration file, for the next start.
    pub fn configure(&mut self, config: &str) {
        config.clone_into(&mut self.options.config);
    }

    /// Starts the server again and kills it before it need be ready: what it was putting right is put right halfway.
    pub async fn start_and_kill(&mut self, after: Duration) {
        self.child = spawn(&self.options, self.address, self.s3, self.folder());
        sleep(after).await;
        self.kill().await;
    }

    async fn ready(&mut self) {
        let deadline = tokio::time::Instant::now() + START;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the server ended while it started: {status}");
            }
            if self.try_get("localhost", "/health").await.is_ok_and(|answer| answer.status == 200) {
                return;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "the server did not become healthy within {START:?}"
            );
            sleep(PAUSE).await;
        }
    }

    async fn ended(&mut self) -> ExitStatus {
        let deadline = tokio::time::Instant::now() + STOP;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                return status;
            }
            assert!(tokio::time::Instant::now() < deadline, "the server did not end within {STOP:?}");
            sleep(PAUSE).await;
        }
    }
}

impl Drop for Hearth {
    fn drop(&mut self) {
        let failing = std::thread::panicking();
        if failing {
            let log = self.log();
            // Answered requests say the least about a failure, and under load there is nothing else.
            let lines: Vec<&str> = log.lines().filter(|line| !line.contains(" INFO access: ")).collect();
            eprintln!("---- the end of hearth.log ----");
            lines[lines.len().saturating_sub(LOG_LINES)..].iter().for_each(|line| eprintln!("{line}"));
        }
        if failing && std::env::var_os("HEARTH_KEEP").is_some() {
            std::mem::forget(self.disk.take());
            let folder = self.folder.take().map(TempDir::keep).unwrap_or_default();
            eprintln!("kept: http://{} pid {} in {}", self.address, self.child.id(), folder.display());
            return;
        }
        // A test that is over has no use for a drain; the instances die with the server.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this process may give a server a disk of its own.
#[must_use]
pub fn may_mount() -> bool {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Disk::mount(folder.path().to_owned(), 1).is_some()
}

/// A disk in memory, mounted as long as this lives.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: PathBuf, size_mb: u64) -> Option<Self> {
        let size = format!("size={size_mb}m,mode=711");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &size, "hearth-test"]).arg(&folder).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What still uses it keeps it until it ends.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// The arguments that name the configuration file.
fn configured(options: &Options, folder: &Path) -> Vec<OsString> {
    if options.config.is_empty() {
        return Vec::new();
    }
    let file = folder.join("hearth.toml");
    fs::write(&file, &options.config).expect("the folder can be written");
    vec!["--config".into(), file.into()]
}

/// A command that runs the binary under test, where the runtime that `make setup` installed is found, and nothing names a
/// server.
pub fn command() -> Command {
    let mut command = Command::new(binary());
    for name in [
        "CLOUDFLARE_API_BASE_URL",
        "CLOUDFLARE_API_TOKEN",
        "CLOUDFLARE_ACCOUNT_ID",
        "HEARTH_DATA_DIR",
        "HEARTH_CONFIG",
    ] {
        command.env_remove(name);
    }
    if std::env::var_os("HEARTH_RUNTIME").is_none() {
        command.env("HEARTH_RUNTIME", crate::checkout().join(RUNTIME));
    }
    command
}

/// The binary under test.
fn binary() -> OsString {
    std::env::var_os("HEARTH_BIN")
        .expect("HEARTH_BIN names the hearth binary under test: run `make test-e2e`, or set it")
}

/// The runtime that `make setup` installed, from the root of the checkout.
const RUNTIME: &str = "runtime/node_modules/@cloudflare/workerd-linux-64/bin/workerd";

/// A copy of a program where any user reaches it, which a checkout or a build folder need not be.
fn reachable(program: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join(program.file_name().expect("a program's path has a name"));
    if !copy.exists() {
        fs::copy(program, &copy).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    }
    copy
}

fn spawn(options: &Options, address: SocketAddr, s3: SocketAddr, folder: &Path) -> Child {
    let (mut command, runtime) = (Command::new(binary()), std::env::var_os("HEARTH_RUNTIME"));
    if let (Some(user), true) = (options.user, rustix::process::geteuid().is_root()) {
        let runtime = runtime.map_or_else(|| crate::checkout().join(RUNTIME), PathBuf::from);
        command = Command::new(reachable(Path::new(&binary()), folder));
        command.uid(user).gid(user).env("HEARTH_RUNTIME", reachable(&runtime, folder));
        chown(folder, Some(user), Some(user)).expect("root gives the folder away");
    }
    let log: File = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("hearth.log"))
        .expect("the log can be written");
    command
        .arg("serve")
        .args(["--listen", &address.to_string(), "--s3-listen", &s3.to_string(), "--data-dir"])
        .arg(folder.join("data"))
        .args(&options.args)
        .args(configured(options, folder))
        // A shell's settings are not a test's; the runtime may be chosen from outside.
        .env_remove("HEARTH_CONFIG")
        .env_remove("HEARTH_ADMIN_TOKEN")
        .envs(options.env.iter().cloned())
        // The runtime that `make setup` installed is found from here.
        .current_dir(crate::checkout())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be cloned"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", binary().display()))
}

/// An address nobody listens on, below the range from which the kernel gives ports to clients, so that it is still free
/// after a restart.
pub fn free_address() -> SocketAddr {
    loop {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, rand::rng().random_range(20_000..32_000)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Whether a process is one that runs a worker, or waits for one.
#[must_use]
pub fn is_runtime(pid: u32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains("--debug-port=")
}

fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

fn signal(pid: u32, signal: Signal) {
    kill_process(to_pid(pid), signal).expect("the server can be signalled");
}

fn to_pid(pid: u32) -> Pid {
    i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a child has a positive pid")
}
