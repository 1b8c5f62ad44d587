//! Makes of what a user sends what a process loads.

mod go;
mod install;
mod tool;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hearth_jail::{Folder, Jailer, Program};
use hearth_model::{Function, FunctionRuntime, Launch};
use hearth_store::NewModule;
use hearth_supervisor::{AcquireError, FunctionError};
use tokio::sync::Mutex;

use crate::draft::Dependencies;
use crate::error::Refusal;
use crate::functions::text_module;
use crate::network::WayOut;
use crate::toolchain::Toolchains;
use tool::{Ran, Tool};

/// The file with what is declared to be needed, among a version's modules.
const DECLARED: &str = "dependencies.json";

/// The file that Node runs.
const JAVASCRIPT: &str = "function.js";

/// How long taking the types off may take.
const STRIPPING: Duration = Duration::from_secs(30);

/// How long a compiler may take. The first one of an installation compiles the standard library too.
const COMPILING: Duration = Duration::from_secs(300);

/// How often commas are added before the rest of the complaints is the user's.
const REPAIRS: usize = 10;

/// Compiled functions and installed dependencies that are kept; the least recently used are made anew when they are
/// wanted.
const KEPT: usize = 200;

/// A function before it is built: what its user wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub runtime: FunctionRuntime,
    /// `None`: nobody said.
    pub typescript: Option<bool>,
    pub handler: String,
    pub code: String,
    pub dependencies: Option<Dependencies>,
}

/// A function that can be loaded.
pub(crate) struct Built {
    pub function: Function,
    pub modules: Vec<NewModule>,
    /// What its user should know.
    pub warnings: Vec<String>,
}

/// Builds functions. Clones are the same.
#[derive(Clone)]
pub struct Builder(Arc<Inner>);

/// Where packages come from, in the place of each tool's own default.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    /// npm's registry, a URL.
    pub npm: Option<String>,
    /// pip's index, a URL.
    pub pip: Option<String>,
    /// Further hosts that these send their clients to.
    pub hosts: Vec<String>,
}

pub(crate) struct Inner {
    pub jailer: Jailer,
    pub run_dir: PathBuf,
    /// Where what was built is kept.
    pub folder: PathBuf,
    pub toolchains: Arc<Toolchains>,
    pub registries: Registries,
    /// How an installation reaches its registries; set once it is there.
    pub way_out: OnceLock<Arc<dyn WayOut>>,
    /// The Go build cache is written by one compiler at a time.
    compiling: Mutex<()>,
    /// Two that want the same packages wait for one installation.
    pub installing: Mutex<()>,
}

impl Source {
    /// The file that its user's code is kept in.
    fn file(&self) -> &'static str {
        match (self.runtime, self.typescript) {
            (FunctionRuntime::Nodejs, Some(true)) => "function.ts",
            (FunctionRuntime::Nodejs, _) => JAVASCRIPT,
            (FunctionRuntime::Python, _) => "function.py",
            (FunctionRuntime::Go, _) => go::FILE,
        }
    }

    /// What a version was made of, from its files.
    pub(crate) fn of(function: &Function, mut files: BTreeMap<String, String>) -> Option<Self> {
        let dependencies = files.remove(DECLARED).and_then(|text| serde_json::from_str(&text).ok());
        let typescript = files.remove("function.ts");
        Some(Self {
            runtime: function.runtime,
            typescript: typescript.is_some().then_some(true),
            handler: function.handler.clone(),
            code: typescript.or_else(|| files.remove(&function.main))?,
            dependencies,
        })
    }
}

impl Builder {
    /// A builder that keeps what it built in `folder`.
    pub fn new(
        jailer: Jailer,
        run_dir: PathBuf,
        folder: PathBuf,
        toolchains: Arc<Toolchains>,
        registries: Registries,
    ) -> Self {
        Self(Arc::new(Inner {
            jailer,
            run_dir,
            folder,
            toolchains,
            registries,
            way_out: OnceLock::new(),
            compiling: Mutex::default(),
            installing: Mutex::default(),
        }))
    }

    /// Says how packages are fetched.
    pub fn begin(&self, way_out: Arc<dyn WayOut>) {
        // Set twice would be the same one again.
        let _ = self.0.way_out.set(way_out);
    }

    /// Builds a function.
    pub(crate) async fn build(&self, source: Source) -> Result<Built, Refusal> {
        let file = source.file();
        let mut modules = Vec::new();
        let mut warnings = Vec::new();
        let dependencies = match &source.dependencies {
            None => None,
            Some(declared) => {
                let (key, locked) = self.0.installed(source.runtime, declared).await?;
                let text = serde_json::to_string(&locked).map_err(Refusal::internal)?;
                modules.push(text_module(DECLARED, &text));
                Some(key)
            }
        };
        let mut code = source.code;
        if source.runtime == FunctionRuntime::Nodejs && source.typescript == Some(true) {
            modules.push(text_module(file, &code));
            let stripped = self.0.stripped(&code).await?;
            modules.push(text_module(JAVASCRIPT, &stripped));
            let function = Function {
                runtime: source.runtime,
                handler: source.handler,
                main: JAVASCRIPT.to_owned(),
                dependencies,
            };
            return Ok(Built { function, modules, warnings });
        }
        if source.runtime == FunctionRuntime::Go {
            let mut text = go::file(&code);
            let (repaired, lines) =
                self.0.compiled(&mut text, &source.handler, dependencies.as_deref()).await?;
            if repaired {
                let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
                let place = if lines.len() == 1 { "line" } else { "lines" };
                warnings.push(format!(
                    "code: added the comma that Go requires at the end of {place} {}",
                    lines.join(", ")
                ));
                code = text.strip_prefix("package main; ").map_or(text.clone(), str::to_owned);
            }
        }
        modules.push(text_module(file, &code));
        let function = Function {
            runtime: source.runtime,
            handler: source.handler,
            main: file.to_owned(),
            dependencies,
        };
        Ok(Built { function, modules, warnings })
    }

    /// What a function's process sees beside its code. What is no longer there is made again.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn folders(&self, launch: &Launch) -> Result<Vec<Folder>, AcquireError> {
        let Some(function) = launch.format.function() else { return Ok(Vec::new()) };
        let text_of = |name: &str| {
            let module = launch.modules.iter().find(|module| module.name == name);
            module.map(|module| String::from_utf8_lossy(&module.content).into_owned())
        };
        let mut folders = Vec::new();
        let mut dependencies = function.dependencies.clone();
        if let Some(key) = &mut dependencies {
            if !self.0.packages(key).is_dir()
                && let Some(declared) = text_of(DECLARED).and_then(|text| serde_json::from_str(&text).ok())
            {
                // By its lock, so it is what it was.
                *key = self.0.installed(function.runtime, &declared).await.map_err(unready)?.0;
            }
            let folder = self.0.packages(key);
            touch(&folder);
            if function.runtime != FunctionRuntime::Go {
                folders.push(shown(folder, "dependencies"));
            }
        }
        if function.runtime == FunctionRuntime::Go {
            let mut text = go::file(&text_of(&function.main).unwrap_or_default());
            let dependencies = dependencies.as_deref();
            let key = self.0.key(&text, &function.handler, dependencies);
            if !self.0.program(&key).is_dir() {
                self.0.compiled(&mut text, &function.handler, dependencies).await.map_err(unready)?;
            }
            let folder = self.0.program(&key);
            touch(&folder);
            folders.push(shown(folder, "app"));
        }
        Ok(folders)
    }
}

impl Inner {
    /// Where a compiled function is.
    fn program(&self, key: &str) -> PathBuf {
        self.folder.join("go").join(key)
    }

    /// Names a compiled function by all that it is made of.
    fn key(&self, text: &str, handler: &str, dependencies: Option<&str>) -> String {
        let version = self.toolchains.check(FunctionRuntime::Go).unwrap_or_default();
        digest(&[version, go::HARNESS, handler, dependencies.unwrap_or_default(), text])
    }

    /// Compiles a function, unless it is compiled already. `text` gets the commas that it lacks; the answer says whether
    /// and in which lines.
    async fn compiled(
        &self,
        text: &mut String,
        handler: &str,
        dependencies: Option<&str>,
    ) -> Result<(bool, Vec<usize>), Refusal> {
        let mut repaired = Vec::new();
        for _ in 0..REPAIRS {
            let program = self.program(&self.key(text, handler, dependencies));
            if program.is_dir() {
                return Ok((!repaired.is_empty(), repaired));
            }
            let work = tempfile::Builder::new()
                .prefix("compiling-")
                .tempdir_in(self.made(Path::new("work"))?)
                .map_err(Refusal::internal)?;
            let ran = self.compile(work.path(), text, handler, dependencies).await?;
            if ran.success {
                keep(&work.path().join("function"), &program, "function").map_err(Refusal::internal)?;
                prune(&self.folder.join("go"));
                return Ok((!repaired.is_empty(), repaired));
            }
            if ran.late || ran.oom {
                let message =
                    if ran.late { "the compiler took too long" } else { "the compiler ran out of memory" };
                return Err(Refusal::field("code", message));
            }
            let complaints = go::complaints(&ran.stderr);
            match go::add_commas(text, &complaints) {
                Some((better, lines)) => {
                    *text = better;
                    repaired.extend(lines);
                }
                None => return Err(Refusal::code(go::error(&complaints, &ran.stderr, handler))),
            }
        }
        let message = "the compiler goes on missing commas".to_owned();
        Err(Refusal::code(FunctionError { kind: "CompileError".into(), message, stack: String::new() }))
    }

    async fn compile(
        &self,
        work: &Path,
        text: &str,
        handler: &str,
        dependencies: Option<&str>,
    ) -> Result<Ran, Refusal> {
        let cache = self.made(Path::new("go-cache"))?;
        let write = |name: &str, text: &str| std::fs::write(work.join(name), text).map_err(Refusal::internal);
        write(go::FILE, text)?;
        write(go::HARNESS_FILE, go::HARNESS)?;
        write(go::HANDLER_FILE, &go::handler_file(handler))?;
        let mut folders = vec![
            Folder { host: work.to_owned(), name: "app".into(), writable: true, executable: false },
            Folder { host: cache, name: "cache".into(), writable: true, executable: true },
        ];
        match dependencies {
            // Its go.mod and go.sum, and the modules themselves.
            Some(key) => {
                let packages = self.packages(key);
                for name in ["go.mod", "go.sum"] {
                    if packages.join(name).is_file() {
                        std::fs::copy(packages.join(name), work.join(name)).map_err(Refusal::internal)?;
                    }
                }
                folders.push(Folder {
                    host: packages.join("modules"),
                    name: "modules".into(),
                    // The toolchain locks it, and writes down what it has checked.
                    writable: true,
                    executable: false,
                });
            }
            None => write("go.mod", "module function\n")?,
        }
        // Paths are the jail's own, and stay: without them the distribution's compiled standard library could not be used.
        // What is not declared is not looked for.
        let looks = if dependencies.is_some() { "-mod=mod" } else { "-mod=readonly" };
        let args = ["build", looks, "-ldflags=-s -w", "-buildvcs=false", "-o", "function", "."];
        let _alone = self.compiling.lock().await;
        let tool = Tool {
            program: Program::Go,
            args: args.map(str::to_owned).into(),
            folders,
            patience: COMPILING,
            way_out: None,
            jailer: &self.jailer,
            run_dir: &self.run_dir,
        };
        tool.run().await.map_err(Refusal::internal)
    }

    /// JavaScript, of TypeScript.
    async fn stripped(&self, code: &str) -> Result<String, Refusal> {
        #[derive(serde::Deserialize)]
        struct Said {
            error: Option<Complaint>,
        }
        #[derive(serde::Deserialize)]
        struct Complaint {
            message: String,
            line: Option<u32>,
        }
        if let Err(why) = &self.toolchains.typescript {
            return Err(Refusal::field("language", format!("TypeScript cannot be used: {why}")));
        }
        let work = tempfile::Builder::new()
            .prefix("stripping-")
            .tempdir_in(self.made(Path::new("work"))?)
            .map_err(Refusal::internal)?;
        std::fs::write(work.path().join("function.ts"), code).map_err(Refusal::internal)?;
        let app =
            Folder { host: work.path().to_owned(), name: "app".into(), writable: true, executable: false };
        let tool = Tool {
            program: Program::Node,
            args: vec!["--no-warnings".into(), "/runtime/strip.cjs".into()],
            folders: vec![app],
            patience: STRIPPING,
            way_out: None,
            jailer: &self.jailer,
            run_dir: &self.run_dir,
        };
        let ran = tool.run().await.map_err(Refusal::internal)?;
        match serde_json::from_str::<Said>(&ran.stdout) {
            Ok(Said { error: None }) => {
                std::fs::read_to_string(work.path().join(JAVASCRIPT)).map_err(Refusal::internal)
            }
            Ok(Said { error: Some(Complaint { message, line }) }) => {
                let place = line.map(|line| format!(" (function.ts, line {line})")).unwrap_or_default();
                let message = format!("{message}{place}");
                Err(Refusal::code(FunctionError {
                    kind: "SyntaxError".into(),
                    message,
                    stack: String::new(),
                }))
            }
            Err(_) => Err(Refusal::internal(format!("TypeScript cannot be read: {}", ran.stderr))),
        }
    }

    /// A folder among what was built, which is made when it is not there.
    pub(crate) fn made(&self, name: &Path) -> Result<PathBuf, Refusal> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).map_err(Refusal::internal)?;
        Ok(folder)
    }
}

/// Names what is made of these texts.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// Puts a file that is ready where it is kept, as a folder of its own.
fn keep(file: &Path, folder: &Path, name: &str) -> std::io::Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent)?;
    let ready = tempfile::Builder::new().prefix("ready-").tempdir_in(parent)?;
    std::fs::rename(file, ready.path().join(name))?;
    place(ready, folder)
}

/// Gives a folder that is ready its name. Somebody else's of the same name is as good.
pub(crate) fn place(ready: tempfile::TempDir, folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(ready.path(), std::fs::Permissions::from_mode(0o755))?;
    match std::fs::rename(ready.path(), folder) {
        Ok(()) => {
            // It is no temporary one any more.
            let _ = ready.keep();
            Ok(())
        }
        Err(_) if folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

fn shown(host: PathBuf, name: &str) -> Folder {
    Folder { host, name: name.to_owned(), writable: false, executable: true }
}

/// Says that a folder was used.
fn touch(folder: &Path) {
    if let Ok(file) = std::fs::File::open(folder) {
        let _ = file.set_modified(std::time::SystemTime::now());
    }
}

/// Removes the least recently used of what is kept in a folder. What a process has open lives on as long as it does.
pub(crate) fn prune(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<_> =
        entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    all.sort();
    let surplus = all.len().saturating_sub(KEPT);
    for (_, path) in all.into_iter().take(surplus) {
        let removed =
            if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        if let Err(error) = removed {
            tracing::warn!(%error, path = %path.display(), "what was built cannot be removed");
        }
    }
}

/// A function that was built once cannot be built again.
fn unready(refusal: Refusal) -> AcquireError {
    AcquireError::Refused(FunctionError {
        kind: "NotReady".to_owned(),
        message: refusal.message().to_owned(),
        stack: String::new(),
    })
}
