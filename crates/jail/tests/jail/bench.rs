//! A jailer with instances that run the probe.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_jail::{
    Command, Config, Exit, Folder, InstancePaths, Jailer, Layers, Limits, Program, Spawned, Tier, Toolchain,
    User,
};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;

/// How long anything may take before a test gives up. Nothing is measured by it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A jailer and what it needs.
pub struct Bench {
    pub jailer: Jailer,
    pub folder: TempDir,
}

/// A running probe.
pub struct Probe {
    pub spawned: Spawned,
    pub paths: InstancePaths,
    pub dir: PathBuf,
    stdin: Option<pipe::Sender>,
    stdout: tokio::io::Lines<BufReader<pipe::Receiver>>,
    /// Listens in `in/`.
    _socket: UnixListener,
}

pub const LIMITS: Limits =
    Limits { memory_bytes: 64 << 20, pids: 16, cpu_cores: None, nofile: 256, fsize_bytes: 1 << 20 };

/// A configuration for tests; its installation is as unique as its folder.
pub fn config(folder: &Path, tier: Option<Tier>) -> Config {
    let name = folder.file_name().unwrap().to_string_lossy();
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    Config {
        run_dir: folder.join("run"),
        runtime: reachable(folder, "probe", &probe()),
        helper: Some(reachable(folder, "helper", &std::env::current_exe().unwrap())),
        tier,
        installation: format!("test-{plain}"),
        toolchains: vec![Toolchain {
            program: Some(Program::Node),
            path: Some(reachable(folder, "probe", &probe())),
            inside: "/runtime/bin/probe".into(),
            shown: vec![(reachable(folder, "shown", &probe()), "/runtime/shown".into())],
            files: vec![("/etc/hosts".into(), "127.0.0.1 localhost\n".into())],
            links: vec![("/etc/link".into(), "hosts".into())],
            env: vec![("NAME".into(), "value".into())],
            ..Toolchain::default()
        }],
        ..Config::default()
    }
}

/// The probe's file, for a test that runs as another user named by the one that started it.
pub const PROBE: &str = "HEARTH_TEST_PROBE";

/// The probe's file.
pub fn probe() -> PathBuf {
    std::env::var_os(PROBE).map_or_else(|| env!("CARGO_BIN_EXE_jail-probe").into(), PathBuf::from)
}

/// A program at a place that any uid can reach, which a checkout need not be.
fn reachable(folder: &Path, name: &str, program: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    if !path.exists() {
        fs::copy(program, &path).unwrap();
    }
    for path in [folder, &path] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    path
}

/// Runs a test with a jailer. Says loudly when this machine cannot: the tier is missing.
pub fn with<F: Future<Output = ()>>(tier: Option<Tier>, layers: Layers, test: impl FnOnce(Bench) -> F) {
    with_user(None, tier, layers, test);
}

/// Runs a test with a jailer that serves a certain user.
pub fn with_user<F: Future<Output = ()>>(
    user: Option<User>,
    tier: Option<Tier>,
    layers: Layers,
    test: impl FnOnce(Bench) -> F,
) {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { user, ..config(folder.path(), tier) };
    let started = hearth_jail::start_with(config, layers);
    let (handle, _) = match started {
        Err(error @ hearth_jail::Error::Unavailable { .. }) => {
            eprintln!("SKIPPED, NOTHING IS TESTED HERE: {error}");
            return;
        }
        other => other.unwrap(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let jailer = handle.into_async().unwrap();
        test(Bench { jailer, folder }).await;
    });
}

/// Runs a test where namespaces are available, whether or not there are cgroups.
pub fn isolated<F: Future<Output = ()>>(layers: Layers, test: impl FnOnce(Bench) -> F) {
    let missing =
        |finding: &&hearth_jail::Finding| matches!(finding.name, "namespaces" | "mounts") && !finding.ok;
    match hearth_jail::examine().findings.iter().find(missing) {
        Some(finding) => eprintln!("SKIPPED, NOTHING IS TESTED HERE: {}: {}", finding.name, finding.detail),
        None => with(None, layers, test),
    }
}

impl Bench {
    /// Starts a probe with the usual limits.
    pub async fn probe(&self, id: &str) -> Probe {
        self.probe_with(id, LIMITS, Vec::new()).await
    }

    /// Starts a probe with the usual limits below another folder.
    pub async fn probe_in(&self, folder: &Path, id: &str) -> Probe {
        self.start(folder, id, LIMITS, Vec::new()).await
    }

    /// Starts a probe.
    pub async fn probe_with(&self, id: &str, limits: Limits, fds: Vec<OwnedFd>) -> Probe {
        self.start(self.folder.path(), id, limits, fds).await
    }

    /// Asks for a probe in a folder that may be unusable.
    pub async fn tries_to_spawn(&self, id: &str, dir: &Path) -> std::io::Result<Spawned> {
        let null = || OwnedFd::from(fs::File::open("/dev/null").unwrap());
        let command = Command {
            id: id.into(),
            program: Program::Runtime,
            dir: dir.into(),
            args: Vec::new(),
            stdio: [null(), null(), null()],
            fds: Vec::new(),
            folders: Vec::new(),
            limits: LIMITS,
            device: None,
            loopback: None,
        };
        self.jailer.spawn(command).await
    }

    /// Starts a probe that a debugger is to be attached to, and gives the sockets of its network namespace.
    pub async fn inspected(&self, id: &str) -> std::io::Result<(Probe, Vec<std::net::TcpStream>)> {
        let (sockets, child_sockets) = std::os::unix::net::UnixDatagram::pair()?;
        let folder = self.folder.path();
        let probe = self.try_to_start(folder, id, LIMITS, Vec::new(), Some(child_sockets.into())).await?;
        Ok((probe, hearth_jail::receive_sockets(&sockets)?))
    }

    /// Starts a probe where a function would be, and gives its network device.
    pub async fn function(&self, id: &str) -> (Probe, OwnedFd) {
        let dir = self.folder.path().join("run/i").join(id);
        fs::create_dir_all(&dir).unwrap();
        let socket = UnixListener::bind(dir.join("unseen.sock")).unwrap();
        let (child_stdin, stdin) = {
            let (sender, receiver) = pipe::pipe().unwrap();
            (receiver.into_blocking_fd().unwrap(), sender)
        };
        let (child_stdout, stdout) = pipe::pipe().unwrap();
        let errors = std::os::fd::AsFd::as_fd(&std::io::stderr()).try_clone_to_owned().unwrap();
        let (device, child_device) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let command = Command {
            id: id.into(),
            program: Program::Node,
            dir: dir.clone(),
            args: Vec::new(),
            stdio: [child_stdin, child_stdout.into_blocking_fd().unwrap(), errors],
            fds: Vec::new(),
            folders: Vec::new(),
            limits: LIMITS,
            device: Some(child_device.into()),
            loopback: None,
        };
        let spawned = self.jailer.spawn(command).await.unwrap();
        let paths = self.jailer.paths(&dir);
        let probe = Probe {
            spawned,
            paths,
            dir,
            stdin: Some(stdin),
            stdout: BufReader::new(stdout).lines(),
            _socket: socket,
        };
        (probe, hearth_jail::receive_device(&device).unwrap())
    }

    async fn start(&self, folder: &Path, id: &str, limits: Limits, fds: Vec<OwnedFd>) -> Probe {
        self.try_to_start(folder, id, limits, fds, None).await.unwrap()
    }

    async fn try_to_start(
        &self,
        folder: &Path,
        id: &str,
        limits: Limits,
        fds: Vec<OwnedFd>,
        loopback: Option<OwnedFd>,
    ) -> std::io::Result<Probe> {
        let dir = folder.join("run/i").join(id);
        for part in ["in", "out", "debug"] {
            fs::create_dir_all(dir.join(part)).unwrap();
        }
        let socket = UnixListener::bind(dir.join("in/bindings.sock")).unwrap();
        let (child_stdin, stdin) = {
            let (sender, receiver) = pipe::pipe().unwrap();
            (receiver.into_blocking_fd().unwrap(), sender)
        };
        let (child_stdout, stdout) = pipe::pipe().unwrap();
        let errors = std::io::stderr();
        let command = Command {
            id: id.into(),
            program: Program::Runtime,
            dir: dir.clone(),
            args: Vec::new(),
            stdio: [
                child_stdin,
                child_stdout.into_blocking_fd().unwrap(),
                std::os::fd::AsFd::as_fd(&errors).try_clone_to_owned().unwrap(),
            ],
            fds,
            folders: Vec::new(),
            limits,
            device: None,
            loopback,
        };
        let spawned = self.jailer.spawn(command).await?;
        Ok(Probe {
            spawned,
            paths: self.jailer.paths(&dir),
            dir,
            stdin: Some(stdin),
            stdout: BufReader::new(stdout).lines(),
            _socket: socket,
        })
    }
}

/// Waits for an end.
pub async fn exit_of(spawned: &Spawned) -> Exit {
    let mut exit = spawned.exit.clone();
    let ended = tokio::time::timeout(PATIENCE, exit.wait_for(Option::is_some)).await;
    ended.expect("it does not end").expect("the jailer is gone").clone().unwrap()
}

/// What it sees as `/data/<name>` when it is shown this.
pub fn folder(host: &Path, name: &str, writable: bool) -> Folder {
    Folder { host: host.into(), name: name.into(), writable, executable: false }
}

impl Probe {
    /// Lets it try something; `None` when it died of it.
    pub async fn tries(&mut self, what: &str) -> Option<Result<String, String>> {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{what}\n").as_bytes()).await.ok()?;
        let line =
            tokio::time::timeout(PATIENCE, self.stdout.next_line()).await.expect("no answer").ok()??;
        Some(match line.split_once(' ') {
            Some(("yes", result)) => Ok(result.into()),
            _ => Err(line),
        })
    }

    /// It succeeds; what came of it.
    pub async fn can(&mut self, what: &str) -> String {
        match self.tries(what).await {
            Some(Ok(result)) => result,
            other => panic!("{what}: {other:?}"),
        }
    }

    /// It fails, and lives.
    pub async fn cannot(&mut self, what: &str) -> String {
        match self.tries(what).await {
            Some(Err(why)) => why,
            other => panic!("{what}: {other:?}"),
        }
    }

    /// Waits for its end.
    pub async fn exit(&self) -> Exit {
        exit_of(&self.spawned).await
    }

    /// Lets it end by itself.
    pub fn leave(&mut self) {
        self.stdin.take();
    }
}
