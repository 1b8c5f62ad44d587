//! Hearth's own program as a helper: SQLite on a folder that it is shown, and a socket that it is given.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use hearth_jail::{
    Command, DEFAULT_UID, Exit, ExitCause, Folder, Layers, Limits, Program, Signal, Spawned, Tier, User,
};
use rustix::net::{AddressFamily, SocketType};

use crate::bench::{Bench, LIMITS, PATIENCE, exit_of, folder, isolated, with, with_user};
use crate::harness::Test;

pub const TESTS: &[Test] = &[
    ("a_helper_works_on_its_folder_over_its_socket", works),
    ("a_helper_has_no_sockets_but_its_own", sockets),
    ("a_helper_makes_no_code", code),
    ("a_helpers_memory_is_limited_and_its_end_is_told", ends),
    ("a_folder_goes_from_one_helper_to_another", hand_over),
    ("a_folder_goes_from_one_helper_to_another_in_reduced", hand_over_in_reduced),
    ("a_folder_of_another_user_goes_from_one_helper_to_another", hand_over_of_user),
];

/// What runs in the jail: this very test program.
pub const HELPERS: &[Test] = &[("helper_engine", engine)];

const NO_SECCOMP: Layers = Layers { seccomp: false, ..Layers::ALL };

/// Answers each line of its stdin, a socket, like the probe does.
fn engine() {
    let own = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let mut answers = UnixStream::from(own);
    for line in BufReader::new(answers.try_clone().unwrap()).lines() {
        let answer = match attempt(&line.unwrap()) {
            Ok(result) => format!("yes {result}\n"),
            Err(error) => format!("no {error}\n"),
        };
        answers.write_all(answer.as_bytes()).unwrap();
    }
}

type Attempt = Result<String, Box<dyn std::error::Error>>;

fn attempt(line: &str) -> Attempt {
    let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
    Ok(match what {
        "args" => std::env::args().skip(3).collect::<Vec<_>>().join(" "),
        "env" => std::env::vars().count().to_string(),
        "list" => {
            let names =
                fs::read_dir(rest)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            let mut names = names.collect::<std::io::Result<Vec<_>>>()?;
            names.sort();
            names.join(",")
        }
        "write" => fs::write(rest, "x").map(|()| String::new())?,
        "sqlite" => sqlite(Path::new(rest))?,
        "count" => {
            let db = rusqlite::Connection::open(Path::new(rest).join("main.sqlite"))?;
            db.execute("INSERT INTO t (text) VALUES ('again')", [])?;
            db.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))?.to_string()
        }
        "socket" => rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).map(drop_it)?,
        "pair" => UnixStream::pair().map(drop_it)?,
        "connect" => UnixStream::connect(rest).map(drop_it)?,
        "thread" => std::thread::spawn(|| "from a thread".to_owned()).join().unwrap_or_default(),
        "code" => page(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC).map(drop_it)?,
        "later" => {
            let memory = page(libc::PROT_READ | libc::PROT_WRITE)?;
            // SAFETY: nothing else knows of that memory.
            match unsafe { libc::mprotect(memory, PAGE, libc::PROT_READ | libc::PROT_EXEC) } {
                0 => String::new(),
                _ => return Err(std::io::Error::last_os_error().into()),
            }
        }
        "memory" => {
            let db = rusqlite::Connection::open_in_memory()?;
            let bytes =
                db.query_row("SELECT length(hex(zeroblob(100000000)))", [], |row| row.get::<_, i64>(0));
            bytes?.to_string()
        }
        _ => return Err("no such attempt".into()),
    })
}

const PAGE: usize = 4096;

fn page(protection: libc::c_int) -> std::io::Result<*mut libc::c_void> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: anonymous memory, at a place that the kernel chooses.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, protection, flags, -1, 0) };
    if memory == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(memory) }
}

fn drop_it<T>(_: T) -> String {
    String::new()
}

/// All that an engine does with files: a write-ahead log, its shared memory, a sort that spills, VACUUM, a backup.
fn sqlite(folder: &Path) -> Attempt {
    let db = rusqlite::Connection::open(folder.join("main.sqlite"))?;
    // Nothing else is writable. By itself SQLite would choose a folder of the host in reduced, where it sees them.
    db.pragma_update(None, "temp_store_directory", folder.to_str())?;
    let mode: String = db.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))?;
    db.execute_batch(
        "PRAGMA synchronous=FULL; PRAGMA cache_size=10; PRAGMA temp_store=FILE; PRAGMA mmap_size=1000000;
         CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO t (text) SELECT hex(randomblob(40)) FROM n;
         CREATE INDEX by_text ON t (text);
         CREATE TEMP TABLE sorted AS SELECT text FROM t ORDER BY text DESC;
         DELETE FROM t WHERE id > 10; VACUUM; PRAGMA wal_checkpoint(TRUNCATE);",
    )?;
    let other = rusqlite::Connection::open(folder.join("main.sqlite"))?;
    other.busy_timeout(std::time::Duration::ZERO)?;
    db.execute_batch("BEGIN IMMEDIATE; INSERT INTO t (text) VALUES ('locked')")?;
    let locked = other.execute("INSERT INTO t (text) VALUES ('too')", []).is_err();
    db.execute_batch("COMMIT")?;
    db.execute("VACUUM INTO ?1", [folder.join("copy.sqlite").to_str()])?;
    fs::rename(folder.join("copy.sqlite"), folder.join("backup.sqlite"))?;
    fs::File::open(folder)?.sync_all()?;
    let whole: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    let count: i64 = db.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?;
    Ok(format!("{mode} {locked} {whole} {count}"))
}

/// A running engine.
struct Engine {
    spawned: Spawned,
    socket: UnixStream,
    answers: BufReader<UnixStream>,
    data: std::path::PathBuf,
}

impl Engine {
    async fn start(bench: &Bench, id: &str, limits: Limits, folders: Vec<Folder>) -> Self {
        let (socket, theirs) = UnixStream::pair().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let null = || OwnedFd::from(fs::File::options().write(true).open("/dev/null").unwrap());
        let errors = std::io::stderr();
        let dir = bench.folder.path().join("run/i").join(id);
        let data = bench.jailer.paths(&dir).data;
        let command = Command {
            id: id.into(),
            program: Program::Helper,
            dir,
            args: ["--exact", "helper_engine", "an argument"].map(String::from).into(),
            stdio: [theirs.into(), null(), errors.as_fd().try_clone_to_owned().unwrap()],
            fds: Vec::new(),
            folders,
            limits,
            device: None,
            loopback: None,
        };
        let spawned = bench.jailer.spawn(command).await.unwrap();
        let answers = BufReader::new(socket.try_clone().unwrap());
        Self { spawned, socket, answers, data }
    }

    /// `None` when it died of it.
    fn tries(&mut self, what: &str) -> Option<Result<String, String>> {
        self.socket.write_all(format!("{what}\n").as_bytes()).ok()?;
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("no answer");
        let (word, rest) = line.trim_end_matches('\n').split_once(' ')?;
        Some(if word == "yes" { Ok(rest.into()) } else { Err(rest.into()) })
    }

    fn can(&mut self, what: &str) -> String {
        match self.tries(what) {
            Some(Ok(result)) => result,
            other => panic!("{what}: {other:?}"),
        }
    }

    fn cannot(&mut self, what: &str) {
        match self.tries(what) {
            Some(Err(_)) => {}
            other => panic!("{what}: {other:?}"),
        }
    }

    /// Hangs up and waits for its end.
    async fn leave(mut self) -> Exit {
        self.socket.shutdown(std::net::Shutdown::Both).unwrap();
        let _ = self.answers.read(&mut [0]);
        exit_of(&self.spawned).await
    }
}

fn limits() -> Limits {
    Limits { fsize_bytes: 64 << 20, ..LIMITS }
}

/// A folder that nobody but Hearth may enter.
fn private(bench: &Bench, name: &str) -> std::path::PathBuf {
    let path = bench.folder.path().join(name);
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

fn works() {
    isolated(Layers::ALL, |bench| async move {
        let host = private(&bench, "database");
        let shown = vec![folder(&host, "db", true), folder(&host, "ro", false)];
        let mut engine = Engine::start(&bench, "a", limits(), shown).await;
        assert_eq!(engine.can("args"), "an argument");
        assert_eq!(engine.can("env"), "0");
        assert_eq!(engine.can("thread"), "from a thread");
        assert_eq!(engine.can("list /").replace("lib,lib64", "lib"), "bin,data,dev,lib,run,sys");
        assert_eq!(engine.can("list /data"), "db,ro");
        // Workers' sockets are not for it.
        assert_eq!(engine.can("list /run/hearth") + &engine.can("list /run/debug"), "");
        assert_eq!(engine.can("sqlite /data/db"), "wal true ok 11");
        assert_eq!(engine.can("list /data/ro"), "backup.sqlite,main.sqlite");
        for path in ["/x", "/data/x", "/data/ro/x", "/bin/hearth", "/run/debug/x", "/tmp/x"] {
            engine.cannot(&format!("write {path}"));
        }
        // As a spare is shown its folder.
        bench.jailer.show("a", folder(&private(&bench, "second"), "later", true)).await.unwrap();
        assert_eq!(engine.can("sqlite /data/later"), "wal true ok 11");
        bench.jailer.hide("a", "later").await.unwrap();
        assert_eq!(engine.can("list /data"), "db,ro");
        assert_eq!(engine.leave().await.cause, ExitCause::Exited(0));
        assert!(!bench.folder.path().join("run/i/a").exists());
    });
}

fn sockets() {
    let attacks = |engine: &mut Engine, path: &Path| {
        let connect = format!("connect {}", path.display());
        ["socket", "pair", &connect].map(|attack| engine.tries(attack).unwrap().is_ok())
    };
    // Without a root of its own, so that the path leads somewhere.
    for (layers, succeed) in [
        (Layers { root: false, landlock: false, uid: false, ..Layers::ALL }, false),
        (Layers { root: false, landlock: false, uid: false, ..NO_SECCOMP }, true),
    ] {
        isolated(layers, |bench| async move {
            let path = bench.folder.path().join("listening.sock");
            let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
            let mut engine = Engine::start(&bench, "a", limits(), Vec::new()).await;
            assert_eq!(attacks(&mut engine, &path), [succeed; 3]);
        });
    }
}

fn code() {
    isolated(Layers::ALL, |bench| async move {
        let mut engine = Engine::start(&bench, "a", limits(), Vec::new()).await;
        engine.cannot("code");
        engine.cannot("later");
    });
    isolated(NO_SECCOMP, |bench| async move {
        let mut engine = Engine::start(&bench, "a", limits(), Vec::new()).await;
        engine.can("code");
        engine.can("later");
    });
}

fn ends() {
    with(Some(Tier::Full), Layers::ALL, |bench| async move {
        let mut greedy = Engine::start(&bench, "a", limits(), Vec::new()).await;
        let neighbour = Engine::start(&bench, "b", limits(), Vec::new()).await;
        assert!(greedy.spawned.usage.read().unwrap().memory_bytes > 0);
        assert_eq!(greedy.tries("memory"), None);
        let exit = exit_of(&greedy.spawned).await;
        assert_eq!(exit, Exit { id: "a".into(), cause: ExitCause::Signaled(9), oom: true });
        bench.jailer.kill("b", Signal::Kill).await.unwrap();
        assert_eq!(exit_of(&neighbour.spawned).await.cause, ExitCause::Signaled(9));
    });
    with(Some(Tier::Full), Layers { cgroup: false, ..Layers::ALL }, |bench| async move {
        let mut greedy = Engine::start(&bench, "a", limits(), Vec::new()).await;
        assert_eq!(greedy.can("memory"), "200000000");
    });
}

/// One helper makes a database, and another one, which has another uid where Hearth is root, goes on with it. A third
/// sees nothing of it. What is on disk is Hearth's afterwards.
async fn passes_on(bench: Bench, user: User) {
    let host = private(&bench, "database");
    std::os::unix::fs::chown(&host, Some(user.uid), Some(user.gid)).unwrap();
    let mut first = Engine::start(&bench, "a", limits(), vec![folder(&host, "db", true)]).await;
    let mut stranger = Engine::start(&bench, "b", limits(), Vec::new()).await;
    let path = first.data.join("db").display().to_string();
    assert_eq!(first.can(&format!("sqlite {path}")), "wal true ok 11");
    for place in [&path, &stranger.data.join("db").display().to_string(), &host.display().to_string()] {
        stranger.cannot(&format!("list {place}"));
    }
    let uid = first.spawned.uid;
    assert_eq!(first.leave().await.cause, ExitCause::Exited(0));
    // It takes the first one's place, and its uid.
    let _other = Engine::start(&bench, "c", limits(), Vec::new()).await;
    let mut second = Engine::start(&bench, "d", limits(), vec![folder(&host, "db", true)]).await;
    let root = rustix::process::geteuid().is_root();
    assert_eq!(second.spawned.uid != uid, root);
    let path = second.data.join("db").display().to_string();
    assert_eq!(second.can(&format!("count {path}")), "12");
    second.leave().await;
    for path in [host.clone(), host.join("main.sqlite"), host.join("backup.sqlite")] {
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (user.uid, user.gid), "{}", path.display());
    }
}

fn hand_over() {
    isolated(Layers::ALL, |bench| passes_on(bench, current()));
}

fn current() -> User {
    User { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
}

fn hand_over_of_user() {
    if current().uid != 0 {
        eprintln!("SKIPPED, NOTHING IS TESTED HERE: only root can become somebody else");
        return;
    }
    let user = User { uid: DEFAULT_UID, gid: DEFAULT_UID };
    for tier in [Tier::Full, Tier::Reduced] {
        with_user(Some(user), Some(tier), Layers::ALL, |bench| passes_on(bench, user));
    }
}

fn hand_over_in_reduced() {
    with(Some(Tier::Reduced), Layers::ALL, |bench| async move {
        assert!(!bench.jailer.shows_later());
        passes_on(bench, current()).await;
    });
}
