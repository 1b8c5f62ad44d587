//! Limits that the kernel holds: one cgroup for each instance, in version 2 or version 1 of the interface.
//!
//! All are children of one parent named after the installation, below the cgroup that Hearth was started in, so that
//! whatever limits Hearth as a whole also limits its instances.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::config::Limits;
use crate::usage::{Source, UsageReader};

/// Where Hearth's own processes go: a v2 cgroup whose children have controllers may hold no process itself.
const MAIN: &str = "hearth-main";
const CPU_PERIOD_US: f64 = 100_000.0;

/// The parent cgroups of an installation.
#[derive(Debug, Clone)]
pub(crate) enum Cgroups {
    /// One hierarchy for all controllers.
    V2(PathBuf),
    /// A hierarchy for each.
    V1(V1),
}

/// Folders of version 1, one for each controller; those that are mounted together are equal.
#[derive(Debug, Clone)]
pub(crate) struct V1 {
    memory: PathBuf,
    cpu: PathBuf,
    cpuacct: PathBuf,
    pids: PathBuf,
}

impl V1 {
    fn all(&self) -> Vec<&Path> {
        let mut all: Vec<&Path> = vec![&self.memory, &self.cpu, &self.cpuacct, &self.pids];
        all.sort();
        all.dedup();
        all
    }

    fn child(&self, id: &str) -> Self {
        Self {
            memory: self.memory.join(id),
            cpu: self.cpu.join(id),
            cpuacct: self.cpuacct.join(id),
            pids: self.pids.join(id),
        }
    }
}

/// How a new process gets into its cgroup.
pub(crate) enum Entrance {
    /// By being born there; the cgroup's folder.
    Birth(OwnedFd),
    /// By writing `0` to these before it does anything else. Moving oneself is cheap, being moved waits for all
    /// processors.
    Doors(Vec<File>),
}

impl Cgroups {
    /// Finds the place for an installation's cgroups and makes their parent. The error says what is missing.
    pub(crate) fn new(installation: &str) -> Result<Self, String> {
        let mounts = mounts()?;
        let name = format!("hearth-{installation}");
        let mut why = Vec::new();
        for mount in mounts.iter().filter(|mount| mount.v2) {
            match v2(mount, &name) {
                Ok(parent) => return Ok(Self::V2(parent)),
                Err(error) => why.push(format!("version 2: {error}")),
            }
        }
        let find = |controller: &str| {
            let mount = mounts.iter().find(|mount| !mount.v2 && mount.has(controller));
            mount.map(|mount| mount.own().join(&name)).ok_or(format!("version 1: no {controller} controller"))
        };
        let v1 = || {
            Ok(V1 {
                memory: find("memory")?,
                cpu: find("cpu")?,
                cpuacct: find("cpuacct")?,
                pids: find("pids")?,
            })
        };
        let made = v1().and_then(|v1: V1| {
            for folder in v1.all() {
                create(folder).map_err(|error| format!("version 1: {}: {error}", folder.display()))?;
            }
            Ok(v1)
        });
        made.map(Self::V1).map_err(|error| {
            why.push(error);
            why.join("; ")
        })
    }

    /// `v1` or `v2`.
    pub(crate) fn version(&self) -> &'static str {
        match self {
            Self::V2(_) => "version 2",
            Self::V1(_) => "version 1",
        }
    }

    fn folders(&self, id: &str) -> Vec<PathBuf> {
        match self {
            Self::V2(parent) => vec![parent.join(id)],
            Self::V1(parents) => parents.child(id).all().into_iter().map(Path::to_owned).collect(),
        }
    }

    /// Makes the cgroup of an instance with its limits.
    pub(crate) fn create(&self, id: &str, limits: &Limits) -> io::Result<Entrance> {
        let folders = self.folders(id);
        folders.iter().try_for_each(|folder| create(folder))?;
        self.limit(id, limits)?;
        Ok(match self {
            Self::V2(_) => Entrance::Birth(File::open(&folders[0])?.into()),
            Self::V1(_) => Entrance::Doors(
                folders
                    .iter()
                    .map(|folder| File::options().write(true).open(folder.join("tasks")))
                    .collect::<io::Result<_>>()?,
            ),
        })
    }

    /// Changes an instance's limits. Lowering memory below what it uses fails in version 1 and kills in version 2.
    pub(crate) fn limit(&self, id: &str, limits: &Limits) -> io::Result<()> {
        let or_max = |value: u64| if value == 0 { "max".to_owned() } else { value.to_string() };
        let quota = limits.cpu_cores.map(|cores| (cores * CPU_PERIOD_US).max(1000.0).round() as u64);
        match self {
            Self::V2(parent) => {
                let folder = parent.join(id);
                write(&folder, "memory.max", &or_max(limits.memory_bytes))?;
                optional(write(&folder, "memory.swap.max", "0"))?;
                write(&folder, "memory.oom.group", "1")?;
                write(&folder, "pids.max", &or_max(limits.pids))?;
                let quota = quota.map_or("max".to_owned(), |quota| quota.to_string());
                write(&folder, "cpu.max", &format!("{quota} {CPU_PERIOD_US}"))
            }
            Self::V1(parents) => {
                let V1 { memory, cpu, pids, .. } = parents.child(id);
                let bytes =
                    if limits.memory_bytes == 0 { "-1".to_owned() } else { limits.memory_bytes.to_string() };
                let set = || write(&memory, "memory.limit_in_bytes", &bytes);
                // Neither limit may ever be on the wrong side of the other, so the order depends on the direction.
                let first = set();
                optional(write(&memory, "memory.memsw.limit_in_bytes", &bytes))?;
                first.or_else(|_| set())?;
                write(&pids, "pids.max", &or_max(limits.pids))?;
                let quota = quota.map_or("-1".to_owned(), |quota| quota.to_string());
                write(&cpu, "cpu.cfs_quota_us", &quota)
            }
        }
    }

    /// Where to read what an instance uses.
    pub(crate) fn usage(&self, id: &str) -> UsageReader {
        match self {
            Self::V2(parent) => UsageReader(Source::V2 { folder: parent.join(id) }),
            Self::V1(parents) => {
                let V1 { memory, cpuacct, .. } = parents.child(id);
                UsageReader(Source::V1 { memory, cpuacct })
            }
        }
    }

    /// Whether the kernel killed something in it for its memory limit.
    pub(crate) fn oom(&self, id: &str) -> bool {
        let file = match self {
            Self::V2(parent) => parent.join(id).join("memory.events"),
            Self::V1(parents) => parents.child(id).memory.join("memory.oom_control"),
        };
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().filter_map(|line| line.strip_prefix("oom_kill ")).any(|count| count.trim() != "0")
    }

    /// Kills whatever is in an instance's cgroup and removes it.
    pub(crate) fn remove(&self, id: &str) -> io::Result<()> {
        self.folders(id).iter().try_for_each(|folder| remove(folder))
    }

    /// Ends and removes everything that earlier runs of an installation left, wherever they were started.
    pub(crate) fn reap(installation: &str) -> Result<usize, String> {
        let name = format!("hearth-{installation}");
        let mut found = Vec::new();
        for mount in mounts()? {
            find(&mount.point, &name, &mut found);
        }
        for parent in &found {
            for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    remove(&entry.path()).map_err(|error| format!("{}: {error}", entry.path().display()))?;
                }
            }
            remove(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
        }
        Ok(found.len())
    }

    /// Removes the parents, when they are empty.
    pub(crate) fn dissolve(&self) {
        let parents = match self {
            Self::V2(parent) => vec![parent.as_path()],
            Self::V1(parents) => parents.all(),
        };
        for parent in parents {
            // Not empty while another run of the same installation uses it.
            let _ = fs::remove_dir(parent);
        }
    }
}

fn v2(mount: &Mount, name: &str) -> Result<PathBuf, String> {
    let own = mount.own();
    let offered = fs::read_to_string(own.join("cgroup.controllers")).map_err(|error| error.to_string())?;
    for controller in ["memory", "pids", "cpu"] {
        if !offered.split_whitespace().any(|word| word == controller) {
            return Err(format!("the {controller} controller is not offered to {}", own.display()));
        }
    }
    const CONTROLLERS: &str = "+memory +pids +cpu";
    let enable = |at: &Path| write(at, "cgroup.subtree_control", CONTROLLERS);
    let make_room = || {
        let main = own.join(MAIN);
        create(&main)?;
        write(&main, "cgroup.procs", "0")?;
        if let Some(parent) = rustix::process::getppid() {
            // Fails for a process of somebody else, which is then left where it is.
            let _ = write(&main, "cgroup.procs", &parent.as_raw_nonzero().to_string());
        }
        enable(&own)
    };
    let own = match enable(&own).or_else(|_| make_room()) {
        Ok(()) => own.clone(),
        // Somebody else's processes are in there too. Root may use the top of the hierarchy instead.
        Err(error) => {
            enable(&mount.point).map_err(|_| format!("{}: {error}", own.display()))?;
            mount.point.clone()
        }
    };
    let parent = own.join(name);
    create(&parent)
        .and_then(|()| enable(&parent))
        .map_err(|error| format!("{}: {error}", parent.display()))?;
    Ok(parent)
}

/// A mounted hierarchy.
struct Mount {
    point: PathBuf,
    /// The part of the hierarchy that is mounted.
    root: String,
    controllers: Vec<String>,
    v2: bool,
    /// This process's place in it, from the hierarchy's top.
    path: String,
}

impl Mount {
    fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }

    /// The folder of this process's cgroup.
    fn own(&self) -> PathBuf {
        let path = self.path.strip_suffix(MAIN).unwrap_or(&self.path);
        // In a container the path may be the host's while only a part is mounted.
        let below = if self.root == "/" { Some(path) } else { path.strip_prefix(&self.root) };
        let own = self.point.join(below.unwrap_or("").trim_matches('/'));
        if own.is_dir() { own } else { self.point.clone() }
    }
}

fn mounts() -> Result<Vec<Mount>, String> {
    let read = |file| fs::read_to_string(file).map_err(|error| format!("{file}: {error}"));
    Ok(parse(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?))
}

/// Reads the texts of `/proc/self/mountinfo` and `/proc/self/cgroup` (proc(5), cgroups(7)).
fn parse(mountinfo: &str, membership: &str) -> Vec<Mount> {
    let path_of = |wanted: &dyn Fn(&str) -> bool| {
        let mut lines = membership.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            Some((parts.next()?, parts.next()?))
        });
        lines.find(|(controllers, _)| wanted(controllers)).map_or("/", |(_, path)| path).to_owned()
    };
    mountinfo
        .lines()
        .filter_map(|line| {
            let (mount, file_system) = line.split_once(" - ")?;
            let (mut mount, mut file_system) = (mount.split(' ').skip(3), file_system.split(' '));
            let (root, point) = (mount.next()?, mount.next()?);
            let (kind, _, options) = (file_system.next()?, file_system.next()?, file_system.next()?);
            let v2 = kind == "cgroup2";
            if !v2 && kind != "cgroup" {
                return None;
            }
            let controllers: Vec<String> = options.split(',').map(str::to_owned).collect();
            let path = if v2 {
                path_of(&|names| names.is_empty())
            } else {
                path_of(&|names| {
                    !names.is_empty() && names.split(',').all(|n| controllers.iter().any(|c| c == n))
                })
            };
            Some(Mount { point: point.into(), root: root.to_owned(), controllers, v2, path })
        })
        .collect()
}

/// Collects the folders of a name below another.
fn find(folder: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name() == name {
            found.push(entry.path());
        } else {
            find(&entry.path(), name, found);
        }
    }
}

fn create(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// A process needs time to die; the kernel lets a cgroup go only then.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(5);

fn remove(folder: &Path) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && start.elapsed() < REMOVAL_PATIENCE => {
                kill(folder);
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return other,
        }
    }
}

fn kill(folder: &Path) {
    for pid in fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default().lines() {
        if let Some(pid) = pid.parse().ok().and_then(rustix::process::Pid::from_raw) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

fn write(folder: &Path, file: &str, value: &str) -> io::Result<()> {
    fs::write(folder.join(file), value)
        .map_err(|error| io::Error::new(error.kind(), format!("{}/{file}: {error}", folder.display())))
}

/// Swap accounting may be missing, and then there is nothing to limit.
fn optional(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            Ok(())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A folder in which the kernel's files of version 2 are plain ones, with this process in `/user`.
    fn tree(offered: &str) -> (TempDir, Mount) {
        let folder = tempfile::tempdir().unwrap();
        for at in ["", "user"] {
            create(&folder.path().join(at)).unwrap();
            write(&folder.path().join(at), "cgroup.controllers", offered).unwrap();
        }
        let point = folder.path().to_owned();
        let mount = Mount {
            point,
            root: "/".into(),
            controllers: Vec::new(),
            v2: true,
            path: "/user/hearth-main".into(),
        };
        (folder, mount)
    }

    fn read(folder: &Path, file: &str) -> String {
        fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    #[test]
    fn version_2_gives_each_instance_its_limits_and_reads_what_it_uses() {
        let (folder, mount) = tree("cpuset cpu io memory pids\n");
        let parent = v2(&mount, "hearth-x").unwrap();
        assert_eq!(parent, folder.path().join("user/hearth-x"));
        for at in [&folder.path().join("user"), &parent] {
            assert_eq!(read(at, "cgroup.subtree_control"), "+memory +pids +cpu");
        }

        let cgroups = Cgroups::V2(parent.clone());
        let limits =
            Limits { memory_bytes: 64 << 20, pids: 16, cpu_cores: Some(0.5), nofile: 0, fsize_bytes: 0 };
        let entrance = cgroups.create("a", &limits).unwrap();
        assert!(matches!(entrance, Entrance::Birth(_)));
        let own = parent.join("a");
        for (file, value) in [
            ("memory.max", "67108864"),
            ("memory.swap.max", "0"),
            ("memory.oom.group", "1"),
            ("pids.max", "16"),
            ("cpu.max", "50000 100000"),
        ] {
            assert_eq!(read(&own, file), value, "{file}");
        }
        cgroups.limit("a", &Limits { memory_bytes: 0, pids: 0, cpu_cores: None, ..limits }).unwrap();
        for (file, value) in [("memory.max", "max"), ("pids.max", "max"), ("cpu.max", "max 100000")] {
            assert_eq!(read(&own, file), value, "{file}");
        }

        write(&own, "cpu.stat", "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n").unwrap();
        write(&own, "memory.current", "4096\n").unwrap();
        let usage = cgroups.usage("a");
        assert!(usage.memory_is_limited());
        let used = usage.read().unwrap();
        assert_eq!((used.cpu, used.memory_bytes), (Duration::from_micros(1500), 4096));
        for (events, oom) in [("low 0\noom 3\noom_kill 0\n", false), ("oom 1\noom_kill 1\n", true)] {
            write(&own, "memory.events", events).unwrap();
            assert_eq!(cgroups.oom("a"), oom);
        }
    }

    #[test]
    fn version_2_says_what_is_not_offered() {
        let (_folder, mount) = tree("cpu memory\n");
        let error = v2(&mount, "hearth-x").unwrap_err();
        assert!(error.contains("pids") && error.contains("user"), "{error}");
    }

    /// A cgroup with processes cannot give its children controllers: a folder in the file's place refuses to be written.
    #[test]
    fn version_2_makes_room_and_else_goes_to_the_top() {
        let (folder, mount) = tree("cpu memory pids\n");
        let user = folder.path().join("user");
        create(&user.join("cgroup.subtree_control")).unwrap();
        assert_eq!(v2(&mount, "hearth-x").unwrap(), folder.path().join("hearth-x"));
        // It moved out of the way first, which was not enough.
        assert_eq!(
            read(&user.join(MAIN), "cgroup.procs"),
            rustix::process::getppid().unwrap().as_raw_nonzero().to_string()
        );
        assert_eq!(read(folder.path(), "cgroup.subtree_control"), "+memory +pids +cpu");

        fs::remove_file(folder.path().join("cgroup.subtree_control")).unwrap();
        create(&folder.path().join("cgroup.subtree_control")).unwrap();
        let error = v2(&mount, "hearth-y").unwrap_err();
        assert!(error.contains("user"), "{error}");
    }

    #[test]
    fn both_versions_are_found_in_what_the_kernel_says() {
        let mountinfo = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
            36 31 0:33 /box /sys/fs/cgroup/cpu rw shared:1 - cgroup cgroup rw,cpu,cpuacct\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let membership = "4:memory:/a/b\n2:cpu,cpuacct:/box/c\n0::/user/hearth-main\n";
        let found = parse(mountinfo, membership);
        let seen: Vec<_> =
            found.iter().map(|m| (m.v2, m.path.as_str(), m.root.as_str(), m.has("cpuacct"))).collect();
        assert_eq!(
            seen,
            [
                (false, "/a/b", "/", false),
                (false, "/box/c", "/box", true),
                (true, "/user/hearth-main", "/", false)
            ]
        );
    }
}
