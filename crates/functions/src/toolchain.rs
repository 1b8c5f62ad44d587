//! Finds the interpreters and the compiler of this machine, and says what a jail needs of each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hearth_jail::{Program, Toolchain};
use hearth_model::FunctionRuntime;

const NODE_HARNESS: &str = include_str!("../../../runtime/functions/node/harness.cjs");
const STRIPPER: &str = include_str!("../../../runtime/functions/node/strip.cjs");
const PYTHON_HARNESS: &str = include_str!("../../../runtime/functions/python/harness.py");

/// Where the certificate authorities stand inside.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where distributions keep them.
const HOST_AUTHORITIES: [&str; 3] =
    [AUTHORITIES, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// The name server of every function: the other end of its network device.
pub(crate) const NAME_SERVER: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 255, 255, 1);

/// Where to look, in the place of `PATH`.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The `node` binary.
    pub node: Option<PathBuf>,
    /// The `python3` binary.
    pub python: Option<PathBuf>,
    /// The `go` binary.
    pub go: Option<PathBuf>,
    /// The folder of the npm package `amaro`, which takes the types off TypeScript.
    pub amaro: Option<PathBuf>,
    /// Where Go finds modules, in the place of its own default.
    pub go_proxy: Option<String>,
    /// A PEM file with certificate authorities that functions trust besides the machine's.
    pub extra_ca_file: Option<PathBuf>,
}

/// What was found of one runtime.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which one.
    pub runtime: FunctionRuntime,
    /// Its version and where it is; or what to do to get it.
    pub found: Result<String, String>,
}

/// The runtimes of this machine.
#[derive(Debug, Clone)]
pub struct Toolchains {
    /// What was found, one for each runtime.
    pub findings: Vec<Finding>,
    /// For the jailer.
    pub programs: Vec<Toolchain>,
    /// What takes the types off TypeScript, beside Node.js; or what to do to get it.
    pub typescript: Result<String, String>,
    /// Where npm is inside, if it is there.
    pub(crate) npm: Option<PathBuf>,
    /// Where the Go toolchain is, inside and on the host.
    pub(crate) goroot: Option<PathBuf>,
}

impl Toolchains {
    /// Looks for all of them; asks each what it is.
    pub fn find(places: &Places) -> Self {
        let authorities = authorities(places.extra_ca_file.as_deref());
        let found = stripper(places.amaro.as_deref());
        let stripper =
            found.as_ref().map(|path| format!("amaro at {}", path.display())).map_err(Clone::clone);
        let amaro = found.ok();
        // Each starts a process or two, so they are asked side by side.
        let (node, python, go) = std::thread::scope(|scope| {
            let node = scope.spawn(|| node(places, amaro, &authorities));
            let python = scope.spawn(|| python(places, &authorities));
            let go = scope.spawn(|| go(places, &authorities));
            let lost = |_| Err("looking for it failed".to_owned());
            (
                node.join().unwrap_or_else(lost),
                python.join().unwrap_or_else(|_| Err("looking for it failed".to_owned())),
                go.join().unwrap_or_else(|_| Err("looking for it failed".to_owned())),
            )
        });
        let mut all = Self {
            findings: Vec::new(),
            programs: Vec::new(),
            typescript: stripper,
            npm: None,
            goroot: None,
        };
        if let Ok(found) = &node {
            all.npm.clone_from(&found.tool);
        }
        if let Ok(found) = &go {
            all.goroot.clone_from(&found.tool);
        }
        for (runtime, found) in
            [(FunctionRuntime::Nodejs, node), (FunctionRuntime::Python, python), (FunctionRuntime::Go, go)]
        {
            let found = found.map(|found| {
                all.programs.extend(found.programs);
                found.version
            });
            all.findings.push(Finding { runtime, found });
        }
        all
    }

    /// What there is of a runtime.
    ///
    /// # Errors
    /// How to get it.
    pub fn check(&self, runtime: FunctionRuntime) -> Result<&str, &str> {
        let finding = self.findings.iter().find(|finding| finding.runtime == runtime);
        match finding.map(|finding| &finding.found) {
            Some(Ok(version)) => Ok(version),
            Some(Err(why)) => Err(why),
            None => Err("it was not looked for"),
        }
    }
}

struct Found {
    version: String,
    programs: Vec<Toolchain>,
    /// npm, or the toolchain's own folder.
    tool: Option<PathBuf>,
}

/// The program that is named, or the first of that name in `PATH`.
fn locate(named: Option<&Path>, name: &str, package: &str, setting: &str) -> Result<PathBuf, String> {
    if let Some(path) = named {
        let missing = || format!("{} is no file; correct `{setting}` in [functions]", path.display());
        return if path.is_file() { Ok(path.to_owned()) } else { Err(missing()) };
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        format!(
            "`{name}` is not installed. On Debian: apt-get install {package}. Elsewhere name it as `{setting}` in \
             [functions]. Then start the server anew"
        )
    })
}

/// What a program prints when it is asked.
fn ask(program: &Path, args: &[&str]) -> Result<Vec<String>, String> {
    let shown = program.display();
    let output = Command::new(program)
        .args(args)
        .current_dir("/")
        .output()
        .map_err(|error| format!("{shown} cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("{shown} does not work: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn authorities(extra: Option<&Path>) -> String {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let mut all = HOST_AUTHORITIES.iter().find_map(|path| read(Path::new(path))).unwrap_or_default();
    if let Some(extra) = extra.and_then(read) {
        all.push('\n');
        all.push_str(&extra);
    }
    all
}

/// What every function finds in its root: names, users, authorities, time zones.
fn base(program: Program, authorities: &str) -> Toolchain {
    let file = |path: &str, text: &str| (PathBuf::from(path), text.to_owned());
    let zones = Path::new("/usr/share/zoneinfo");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let of_each = |text: &dyn Fn(usize) -> String| (0..cores).map(text).collect::<String>();
    Toolchain {
        program: Some(program),
        files: vec![
            file("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
            file("/etc/resolv.conf", &format!("nameserver {NAME_SERVER}\noptions timeout:10 attempts:1\n")),
            file("/etc/nsswitch.conf", "hosts: files dns\npasswd: files\ngroup: files\n"),
            file("/etc/passwd", "root:x:0:0:function:/tmp:/bin/false\n"),
            file("/etc/group", "root:x:0:\n"),
            file(AUTHORITIES, authorities),
            // There is no /proc; how many processors there are, libraries read there.
            file("/proc/cpuinfo", &of_each(&|core| format!("processor\t: {core}\nmodel name\t: cpu\n\n"))),
            file(
                "/proc/stat",
                &format!("cpu 0 0 0 0\n{}", of_each(&|core| format!("cpu{core} 0 0 0 0 0 0\n"))),
            ),
            file("/sys/devices/system/cpu/online", &format!("0-{}\n", cores - 1)),
        ],
        links: vec![
            (PathBuf::from("/etc/ssl/cert.pem"), PathBuf::from(AUTHORITIES)),
            (PathBuf::from("/usr/lib/ssl/cert.pem"), PathBuf::from(AUTHORITIES)),
        ],
        shown: if zones.is_dir() { vec![(zones.to_owned(), zones.to_owned())] } else { Vec::new() },
        ..Toolchain::default()
    }
}

fn node(places: &Places, amaro: Option<PathBuf>, authorities: &str) -> Result<Found, String> {
    let program = locate(places.node.as_deref(), "node", "nodejs npm", "node")?;
    let said = ask(&program, &["-p", "process.execPath + '\\n' + process.versions.node"])?;
    let [path, version] = said.as_slice() else {
        return Err("node says something else than it should".into());
    };
    let path = fs::canonicalize(path).map_err(|error| format!("{path}: {error}"))?;
    let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major < 18 {
        return Err(format!("{} is of version {version}; functions need 18 or newer", path.display()));
    }
    let mut toolchain = base(Program::Node, authorities);
    toolchain.path = Some(path.clone());
    toolchain.inside = "/runtime/bin/node".into();
    toolchain.files.push(("/runtime/harness.cjs".into(), NODE_HARNESS.to_owned()));
    if places.extra_ca_file.is_some() {
        toolchain.env.push(("NODE_EXTRA_CA_CERTS".into(), AUTHORITIES.into()));
    }
    let npm = npm(&path);
    if let Some(npm) = &npm {
        toolchain.shown.push((npm.clone(), "/runtime/lib/npm".into()));
    }
    if let Some(amaro) = amaro {
        toolchain.shown.push((amaro, "/runtime/lib/amaro".into()));
        toolchain.files.push(("/runtime/strip.cjs".into(), STRIPPER.to_owned()));
    }
    Ok(Found {
        version: format!("Node.js {version} at {}", path.display()),
        programs: vec![toolchain],
        tool: npm.map(|_| "/runtime/lib/npm/bin/npm-cli.js".into()),
    })
}

/// What takes the types off TypeScript: the folder that is named, or where `make setup` put it: beside the executable, in a
/// parent of it, or below the working directory.
fn stripper(named: Option<&Path>) -> Result<PathBuf, String> {
    const IN_PACKAGE: &str = "runtime/node_modules/amaro";
    let is_it = |path: &PathBuf| path.join("dist/index.js").is_file();
    if let Some(path) = named {
        let missing = || {
            format!(
                "{} is no folder of the npm package amaro; correct `amaro` in [functions]",
                path.display()
            )
        };
        return fs::canonicalize(path).ok().filter(is_it).ok_or_else(missing);
    }
    let executable = std::env::current_exe().ok();
    let beside = executable.iter().flat_map(|path| path.ancestors().skip(1)).map(Path::to_owned);
    let roots = beside.chain(std::env::current_dir().ok());
    let found = roots.map(|root| root.join(IN_PACKAGE)).find(is_it);
    found.and_then(|path| fs::canonicalize(path).ok()).ok_or_else(|| {
        "the npm package amaro is not there. `make setup` in Hearth's checkout installs it; elsewhere: \
         npm install --prefix /opt/hearth amaro@1, and `amaro = \"/opt/hearth/node_modules/amaro\"` in [functions]. \
         Then start the server anew"
            .to_owned()
    })
}

/// npm's own folder: where its command leads, or beside Node.
fn npm(node: &Path) -> Option<PathBuf> {
    let linked = || {
        let command = locate(None, "npm", "npm", "npm").ok()?;
        let script = fs::canonicalize(command).ok()?;
        Some(script.parent()?.parent()?.to_owned())
    };
    let beside = || Some(node.parent()?.parent()?.join("lib/node_modules/npm"));
    [beside(), linked()].into_iter().flatten().find(|folder| folder.join("bin/npm-cli.js").is_file())
}

fn python(places: &Places, authorities: &str) -> Result<Found, String> {
    let program = locate(places.python.as_deref(), "python3", "python3", "python")?;
    const QUESTION: &str = "import os, sys, sysconfig\n\
        print(os.path.realpath(sys.executable))\n\
        print(sysconfig.get_path('stdlib'))\n\
        print('%d.%d.%d' % sys.version_info[:3])";
    let said = ask(&program, &["-I", "-c", QUESTION])?;
    let [path, library, version] = said.as_slice() else {
        return Err("python3 says something else than it should".into());
    };
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if (major, minor) < (3, 8) {
        return Err(format!("{path} is of version {version}; functions need 3.8 or newer"));
    }
    let library = PathBuf::from(library);
    let mut toolchain = base(Program::Python, authorities);
    toolchain.path = Some(path.into());
    toolchain.inside = "/runtime/bin/python3".into();
    toolchain.files.push(("/runtime/harness.py".into(), PYTHON_HARNESS.to_owned()));
    toolchain.shown.push((library.clone(), format!("/runtime/lib/python{major}.{minor}").into()));
    let modules = fs::read_dir(library.join("lib-dynload")).into_iter().flatten().flatten();
    toolchain.modules = modules.map(|entry| entry.path()).filter(|path| is_library(path)).collect();
    Ok(Found { version: format!("Python {version} at {path}"), programs: vec![toolchain], tool: None })
}

fn is_library(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "so")
}

fn go(places: &Places, authorities: &str) -> Result<Found, String> {
    let program = locate(places.go.as_deref(), "go", "golang-go", "go")?;
    let said = ask(&program, &["env", "GOROOT", "GOVERSION"])?;
    let [root, version] = said.as_slice() else { return Err("go says something else than it should".into()) };
    let root = fs::canonicalize(root).map_err(|error| format!("{root}: {error}"))?;
    let mut toolchain = base(Program::Go, authorities);
    toolchain.path = Some(root.join("bin/go"));
    toolchain.inside = root.join("bin/go");
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    toolchain.env = vec![
        set("HOME", "/tmp"),
        set("GOCACHE", "/data/cache"),
        set("GOMODCACHE", "/data/modules"),
        set("GOPATH", "/tmp/go"),
        set("GOFLAGS", "-mod=mod"),
        set("GOTOOLCHAIN", "local"),
        set("CGO_ENABLED", "0"),
        set("SSL_CERT_FILE", AUTHORITIES),
    ];
    if let Some(proxy) = &places.go_proxy {
        // Whoever has a proxy of their own has modules that no public database of checksums knows.
        toolchain.env.extend([set("GOPROXY", proxy), set("GOSUMDB", "off")]);
    }
    // Parts of it may lie elsewhere, as on Debian.
    let mut parts = vec![root.clone()];
    for folder in [root.clone(), root.join("pkg")] {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
        parts.extend(links.filter_map(|entry| fs::canonicalize(entry.path()).ok()));
    }
    toolchain.shown.extend(parts.into_iter().map(|part| (part.clone(), part)));
    let compiled = Toolchain { inside: "/data/app/function".into(), ..base(Program::Compiled, authorities) };
    Ok(Found {
        version: format!("Go {} at {}", version.trim_start_matches("go"), root.display()),
        programs: vec![toolchain, compiled],
        tool: Some(root),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_says_how_to_get_it() {
        let places = Places { go: Some("/nowhere/go".into()), ..Places::default() };
        let found = Toolchains::find(&places);
        let why = found.check(FunctionRuntime::Go).unwrap_err();
        assert!(why.contains("/nowhere/go") && why.contains("[functions]"), "{why}");
        let places = Places { amaro: Some("/nowhere/amaro".into()), ..Places::default() };
        let why = Toolchains::find(&places).typescript.unwrap_err();
        assert!(why.contains("/nowhere/amaro") && why.contains("[functions]"), "{why}");
        let why = locate(None, "no-such-program", "some-package", "x").unwrap_err();
        assert!(why.contains("apt-get install some-package"), "{why}");
    }

    #[test]
    fn python_and_node_are_found_with_what_they_need() {
        // A build of Hearth needs both.
        let found = Toolchains::find(&Places::default());
        for runtime in [FunctionRuntime::Nodejs, FunctionRuntime::Python] {
            assert!(found.check(runtime).is_ok(), "{runtime:?}: {:?}", found.check(runtime));
        }
        let python = found.programs.iter().find(|found| found.program == Some(Program::Python)).unwrap();
        assert!(python.shown.iter().any(|(host, _)| host.join("json/__init__.py").is_file()));
    }
}
