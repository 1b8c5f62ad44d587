//! Installs what functions declare to need: with the runtimes' own tools, in a jail that reaches the registries and
//! nothing else. No package's script runs. What was installed is named by the content of its lock, which a version keeps: so
//! all who need the same share it, and what has to be installed again is what it was.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hearth_jail::{Folder, Program};
use hearth_model::FunctionRuntime;

use super::tool::{Only, Ran, Tool};
use super::{Inner, digest, place, prune, touch};
use crate::draft::{Declared, Dependencies};
use crate::error::Refusal;

/// How long an installation may take.
const INSTALLING: Duration = Duration::from_secs(300);

const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// pip as a program that keeps its temporary files where there is room, and what it says of its own index.
const PIP: &str = "import os, runpy, sys, tempfile\n\
    tempfile.tempdir = '/data/dependencies/.tmp'\n\
    os.makedirs(tempfile.tempdir, exist_ok=True)\n\
    sys.argv[0] = 'pip'\n\
    runpy.run_module('pip', run_name='__main__')\n";
const PIP_INDEX: &str = "from pip._internal.models.index import PyPI\n\
    print(PyPI.simple_url, 'https://' + PyPI.file_storage_domain)\n";

impl Inner {
    /// Where installed packages are.
    pub(super) fn packages(&self, key: &str) -> PathBuf {
        self.folder.join("packages").join(key)
    }

    /// Installs what is declared, unless it is installed already. Says the name of what was installed, and what was
    /// declared with its lock. The name is that of the lock's content, whatever declared it.
    pub(super) async fn installed(
        &self,
        runtime: FunctionRuntime,
        declared: &Dependencies,
    ) -> Result<(String, Dependencies), Refusal> {
        let text = serde_json::to_string(declared).map_err(Refusal::internal)?;
        let version = self.toolchains.check(runtime).map_err(|why| Refusal::field("runtime", why))?;
        let key =
            |lock: &str| digest(&[runtime.name(), version, &installs(runtime, &declared.declared, lock)]);
        let _one = self.installing.lock().await;
        // What the same declaration came to before, it comes to again, while that is remembered.
        let known = self.made(Path::new("locks"))?.join(digest(&[runtime.name(), version, &text]));
        let mut wanted = declared.clone();
        if wanted.lock.is_none() {
            wanted.lock = read_lock(&known);
        }
        if let Some(lock) = &wanted.lock {
            let key = key(lock);
            if self.packages(&key).is_dir() {
                return Ok((key, wanted));
            }
        }
        let ready = tempfile::Builder::new()
            .prefix("installing-")
            .tempdir_in(self.made(Path::new("packages"))?)
            .map_err(Refusal::internal)?;
        match runtime {
            FunctionRuntime::Nodejs => self.npm(ready.path(), &wanted).await?,
            FunctionRuntime::Python => self.pip(ready.path(), &wanted).await?,
            FunctionRuntime::Go => self.go_modules(ready.path(), &wanted).await?,
        }
        for name in [".cache", ".tmp"] {
            let _ = std::fs::remove_dir_all(ready.path().join(name));
        }
        let lock = match &wanted.lock {
            Some(lock) => lock.clone(),
            None => {
                let lock = lock_of(runtime, ready.path()).map_err(Refusal::internal)?;
                std::fs::write(&known, &lock).map_err(Refusal::internal)?;
                lock
            }
        };
        let key = key(&lock);
        place(ready, &self.packages(&key)).map_err(Refusal::internal)?;
        prune(&self.folder.join("packages"));
        prune(&self.folder.join("locks"));
        Ok((key, Dependencies { lock: Some(lock), ..wanted }))
    }

    async fn npm(&self, folder: &Path, wanted: &Dependencies) -> Result<(), Refusal> {
        let Some(npm) = self.toolchains.npm.as_ref() else {
            return Err(Refusal::field(
                "dependencies",
                "npm is not installed on this server. On Debian: apt-get install npm",
            ));
        };
        let npm = npm.display().to_string();
        let package = match &wanted.declared {
            Declared::Named(named) => {
                serde_json::json!({ "private": true, "dependencies": named }).to_string()
            }
            Declared::File(text) => text.clone(),
        };
        write(folder, "package.json", &package)?;
        let command = match &wanted.lock {
            Some(lock) => {
                write(folder, "package-lock.json", lock)?;
                "ci"
            }
            None => "install",
        };
        let registry = match &self.registries.npm {
            Some(url) => url.clone(),
            None => {
                let args = vec![npm.clone(), "config".into(), "get".into(), "registry".into()];
                self.asked(Program::Node, args, folder).await?
            }
        };
        let args = [
            npm.as_str(),
            command,
            "--prefix",
            "/data/dependencies",
            "--cache",
            "/data/dependencies/.cache",
            "--ignore-scripts",
            "--omit=dev",
            "--no-audit",
            "--no-fund",
            "--no-update-notifier",
            "--loglevel=error",
            // Its own pauses are of ten seconds and a minute, and it tries again what has the wrong checksum too.
            "--fetch-retry-mintimeout=1000",
            "--fetch-retry-maxtimeout=2000",
            "--cafile",
            AUTHORITIES,
            "--registry",
            &registry,
        ];
        let args = args.into_iter().map(str::to_owned).collect();
        let ran = self.fetch(Program::Node, args, folder, &[&registry]).await?;
        finished(ran, "npm")
    }

    async fn pip(&self, folder: &Path, wanted: &Dependencies) -> Result<(), Refusal> {
        let text = match (&wanted.lock, &wanted.declared) {
            (Some(text), _) | (None, Declared::File(text)) => text.clone(),
            (None, Declared::Named(named)) => {
                let line = |(name, version): (&String, &String)| {
                    let exact = version.starts_with(|c: char| c.is_ascii_digit());
                    format!("{name}{}{version}\n", if exact { "==" } else { "" })
                };
                named.iter().map(line).collect()
            }
        };
        // A line may go on in the next one, with its hashes.
        if text.replace("\\\n", " ").lines().any(|line| line.trim_start().starts_with('-')) {
            return Err(Refusal::field(
                "dependencies",
                "requirements.txt must name packages only, without options",
            ));
        }
        write(folder, "requirements.txt", &text)?;
        let ask = |code: &str| vec!["-I".to_owned(), "-B".to_owned(), "-c".to_owned(), code.to_owned()];
        let indexes = match &self.registries.pip {
            Some(url) => url.clone(),
            None => self.asked(Program::Python, ask(PIP_INDEX), folder).await?,
        };
        let indexes: Vec<&str> = indexes.split_whitespace().collect();
        let mut args = ask(PIP);
        let more = [
            "install",
            "--target",
            "/data/dependencies",
            "--requirement",
            "/data/dependencies/requirements.txt",
            // A source distribution would run its own code to be built.
            "--only-binary",
            ":all:",
            "--no-cache-dir",
            "--no-input",
            "--no-compile",
            "--disable-pip-version-check",
            "--quiet",
            "--cert",
            AUTHORITIES,
            "--index-url",
            indexes.first().copied().unwrap_or_default(),
        ];
        args.extend(more.map(str::to_owned));
        if wanted.lock.is_some() {
            // All that is needed is in it.
            args.push("--no-deps".to_owned());
        }
        // An operator who names an index without TLS means it.
        for host in indexes.iter().filter(|url| url.starts_with("http://")).filter_map(|url| host_of(url)) {
            args.extend(["--trusted-host".to_owned(), host]);
        }
        let ran = self.fetch(Program::Python, args, folder, &indexes).await?;
        finished(ran, "pip")
    }

    async fn go_modules(&self, folder: &Path, wanted: &Dependencies) -> Result<(), Refusal> {
        write(folder, "go.mod", &go_mod(&wanted.declared))?;
        if let Some(sums) = &wanted.lock {
            write(folder, "go.sum", sums)?;
        }
        std::fs::create_dir_all(folder.join("modules")).map_err(Refusal::internal)?;
        let asked = ["env", "GOPROXY", "GOSUMDB"].map(str::to_owned).into();
        let said = self.asked(Program::Go, asked, folder).await?;
        // Proxies are tried one after the other; the database of checksums may be called by its host alone.
        let from: Vec<&str> = said.split([',', '|', '\n', ' ']).filter(|part| part.contains('.')).collect();
        let args = vec!["mod".into(), "download".into(), "all".into()];
        let ran = self.fetch(Program::Go, args, folder, &from).await?;
        finished(ran, "go")
    }

    /// What a tool prints that needs no network.
    async fn asked(&self, program: Program, args: Vec<String>, folder: &Path) -> Result<String, Refusal> {
        let ran = self.tool(program, args, folder, None).run().await.map_err(Refusal::internal)?;
        match ran.success {
            true => Ok(ran.stdout.trim().to_owned()),
            false => Err(Refusal::internal(format!("{program:?} does not answer: {}", ran.stderr))),
        }
    }

    async fn fetch(
        &self,
        program: Program,
        args: Vec<String>,
        folder: &Path,
        from: &[&str],
    ) -> Result<Ran, Refusal> {
        let mut hosts: BTreeSet<String> = self.registries.hosts.iter().cloned().collect();
        hosts.extend(from.iter().filter_map(|url| host_of(url)));
        let inner = self.way_out.get().ok_or_else(|| Refusal::internal("there is no way out yet"))?;
        let way_out = Arc::new(Only { hosts, inner: Arc::clone(inner) });
        self.tool(program, args, folder, Some(way_out)).run().await.map_err(Refusal::internal)
    }

    fn tool(
        &self,
        program: Program,
        args: Vec<String>,
        folder: &Path,
        way_out: Option<Arc<dyn crate::network::WayOut>>,
    ) -> Tool<'_> {
        let mut folders = vec![Folder {
            host: folder.to_owned(),
            // The Go toolchain begins where what it works on is.
            name: if program == Program::Go { "app" } else { "dependencies" }.to_owned(),
            writable: true,
            executable: false,
        }];
        if program == Program::Go && folder.join("modules").is_dir() {
            folders.push(Folder {
                host: folder.join("modules"),
                name: "modules".to_owned(),
                writable: true,
                executable: false,
            });
        }
        Tool {
            program,
            args,
            folders,
            patience: INSTALLING,
            way_out,
            jailer: &self.jailer,
            run_dir: &self.run_dir,
        }
    }
}

fn go_mod(declared: &Declared) -> String {
    match declared {
        Declared::File(text) => text.clone(),
        Declared::Named(named) => {
            let line = |(name, version): (&String, &String)| format!("\t{name} {version}\n");
            format!("module function\n\nrequire (\n{})\n", named.iter().map(line).collect::<String>())
        }
    }
}

/// What a lock says of what is installed: all of it that is not about who asked for it.
fn installs(runtime: FunctionRuntime, declared: &Declared, lock: &str) -> String {
    match runtime {
        FunctionRuntime::Nodejs => {
            let Ok(mut lock) = serde_json::from_str::<serde_json::Value>(lock) else {
                return lock.to_owned();
            };
            let packages = lock.get_mut("packages").map(serde_json::Value::take);
            let Some(serde_json::Value::Object(mut packages)) = packages else { return lock.to_string() };
            packages.remove("");
            serde_json::Value::Object(packages).to_string()
        }
        FunctionRuntime::Python => lock.to_owned(),
        // Sums say what a version is; which it is, the other file.
        FunctionRuntime::Go => format!("{}\n{lock}", go_mod(declared)),
    }
}

/// The lock of what lies in a folder now.
fn lock_of(runtime: FunctionRuntime, folder: &Path) -> std::io::Result<String> {
    let read = |name: &str| match std::fs::read_to_string(folder.join(name)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    };
    match runtime {
        FunctionRuntime::Nodejs => read("package-lock.json"),
        FunctionRuntime::Go => read("go.sum"),
        FunctionRuntime::Python => {
            let names = std::fs::read_dir(folder)?.flatten().map(|entry| entry.file_name());
            let line = |name: std::ffi::OsString| {
                let name = name.to_string_lossy().into_owned();
                let (package, version) = name.strip_suffix(".dist-info")?.rsplit_once('-')?;
                Some(format!("{package}=={version}\n"))
            };
            let lines: BTreeSet<String> = names.filter_map(line).collect();
            Ok(lines.into_iter().collect())
        }
    }
}

fn read_lock(known: &Path) -> Option<String> {
    let text = std::fs::read_to_string(known).ok()?;
    touch(known);
    Some(text)
}

/// The host of a URL.
fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Refusal> {
    std::fs::write(folder.join(name), text).map_err(Refusal::internal)
}

/// What came of an installation. The tool's own words are for the caller: they name the package.
fn finished(ran: Ran, tool: &str) -> Result<(), Refusal> {
    if ran.success {
        return Ok(());
    }
    if ran.late {
        return Err(Refusal::field("dependencies", format!("{tool} took too long")));
    }
    let said = format!("{}\n{}", ran.stdout, ran.stderr);
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.contains("A complete log of this run"))
        .collect();
    let shown = lines[lines.len().saturating_sub(8)..].join("; ");
    Err(Refusal::field("dependencies", format!("{tool} cannot install them: {shown}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_registry_is_what_may_be_reached() {
        for (url, host) in [
            ("https://registry.test/", "registry.test"),
            ("http://user:pass@Registry.test:8080/simple", "registry.test"),
            ("registry.test", "registry.test"),
        ] {
            assert_eq!(host_of(url).as_deref(), Some(host), "{url}");
        }
        assert_eq!(host_of(""), None);
    }
}
