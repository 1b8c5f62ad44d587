//! Where a sample runs, and how it is asked.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hearth_testing::{Answer, Dev, Hearth, Options, Project, send_to, tests_folder};
use http::{Request, header};
use serde_json::{Value, json};

/// A server for samples: Hearth, or wrangler's own simulator.
pub enum Place {
    Hearth(Box<Hearth>),
    Dev,
}

impl Place {
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// The options are Hearth's.
    pub async fn start_with(options: Options) -> Self {
        match std::env::var("HEARTH_GUIDE_ON").as_deref() {
            Ok("wrangler-dev") => Self::Dev,
            Ok(other) => panic!("HEARTH_GUIDE_ON is wrangler-dev, or absent, not {other}"),
            Err(_) => Self::Hearth(Box::new(Hearth::start_with(options).await)),
        }
    }

    /// The server, where it is Hearth: for what only it has.
    pub fn hearth(&self) -> Option<&Hearth> {
        match self {
            Self::Hearth(hearth) => Some(hearth),
            Self::Dev => None,
        }
    }

    /// Lets workers reach a server on this machine.
    pub fn allow(&self, origin: SocketAddr) {
        if let Self::Hearth(hearth) = self {
            let (address, port) = (origin.ip().to_string(), origin.port().to_string());
            let _ = hearth.operator(&["egress", "allow", &address, "--port", &port]);
        }
    }

    /// A copy of an app, with everything made that its configurations name: namespaces, databases with their tables, buckets,
    /// queues.
    pub async fn project(&self, app: &str) -> Sample<'_> {
        let Self::Hearth(hearth) = self else {
            let project = Project::offline(&tests_folder(&format!("apps/{app}")));
            let sample = Sample::new(self, project);
            sample.migrate().await;
            return sample;
        };
        let sample = Sample::new(self, hearth.app(app));
        let configs = sample.configs();
        let text: String = configs.iter().map(|(_, text)| text.as_str()).collect();
        let make = async |path: &str, body: Value, id: &str| {
            let made = hearth.api("POST", &format!("/accounts/:a{path}"), Some(body)).await;
            made.result()[id].as_str().unwrap_or_default().to_owned()
        };
        for queue in values(&text, "queue").union(&values(&text, "dead_letter_queue")) {
            make("/queues", json!({ "queue_name": queue }), "queue_id").await;
        }
        for bucket in values(&text, "bucket_name") {
            make("/r2/buckets", json!({ "name": bucket }), "name").await;
        }
        let mut ids = Vec::new();
        if text.contains("\nid = \"xxxxxx\"") {
            let id = make("/storage/kv/namespaces", json!({ "title": app }), "id").await;
            ids.push(("\nid = \"xxxxxx\"", format!("\nid = \"{id}\"")));
        }
        for database in values(&text, "database_name") {
            let id = make("/d1/database", json!({ "name": database }), "uuid").await;
            ids.push(("\ndatabase_id = \"xxxxxx\"", format!("\ndatabase_id = \"{id}\"")));
        }
        for (file, text) in &configs {
            for (from, to) in ids.iter().filter(|(from, _)| text.contains(from)) {
                sample.project.edit(file, from, to);
            }
        }
        sample.migrate().await;
        sample
    }

    /// A sample of one worker, deployed.
    pub async fn deploy(&self, app: &str) -> Site<'_> {
        self.project(app).await.deploy(&["wrangler.toml"]).await
    }
}

/// What a setting is in any of the tables of some TOML.
fn values(text: &str, name: &str) -> BTreeSet<String> {
    let lines = text.lines().filter_map(|line| line.split_once(" = "));
    lines.filter(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"').to_owned()).collect()
}

/// A project of a place.
pub struct Sample<'a> {
    place: &'a Place,
    project: Project,
    secrets: Vec<(String, String)>,
    routes: Vec<String>,
}

impl<'a> Sample<'a> {
    fn new(place: &'a Place, project: Project) -> Self {
        Self { place, project, secrets: Vec::new(), routes: Vec::new() }
    }

    /// The configurations and what stands in them.
    fn configs(&self) -> Vec<(String, String)> {
        let files = fs::read_dir(self.project.path()).expect("the project can be read");
        let names =
            files.map(|file| file.expect("it can be read").file_name().to_string_lossy().into_owned());
        names
            .filter(|name| name.ends_with(".toml"))
            .map(|name| {
                let text = fs::read_to_string(self.project.path().join(&name)).expect("it can be read");
                (name, text)
            })
            .collect()
    }

    async fn migrate(&self) {
        if self.project.path().join("migrations").exists() {
            let text: String = self.configs().into_iter().map(|(_, text)| text).collect();
            for database in values(&text, "database_name") {
                self.wrangler(&format!("d1 migrations apply {database}")).await;
            }
        }
    }

    /// Runs a command on the place's data.
    pub async fn wrangler(&self, command: &str) -> String {
        let place = if self.place.hearth().is_some() { "--remote" } else { "--local" };
        self.run(&format!("{command} {place}")).await
    }

    /// Runs a command.
    pub async fn run(&self, command: &str) -> String {
        let args: Vec<&str> = command.split(' ').collect();
        self.project.wrangler(&args).await.expect_ok()
    }

    /// Puts values into the sample's namespace, as JSON.
    pub async fn put(&self, binding: &str, values: &[(&str, Value)]) {
        let texts: Vec<_> = values.iter().map(|(key, value)| (*key, value.to_string())).collect();
        self.put_text(binding, &texts).await;
    }

    /// Puts texts into the sample's namespace.
    pub async fn put_text(&self, binding: &str, values: &[(&str, impl AsRef<str>)]) {
        let pairs: Vec<Value> =
            values.iter().map(|(key, value)| json!({ "key": key, "value": value.as_ref() })).collect();
        fs::write(self.project.path().join("pairs.json"), json!(pairs).to_string())
            .expect("it can be written");
        self.wrangler(&format!("kv bulk put pairs.json --binding {binding}")).await;
    }

    /// Has a secret put into the worker that is asked, once it is there.
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has the worker that is asked answer on these routes too.
    pub fn routes(mut self, routes: &[&str]) -> Self {
        self.routes.extend(routes.iter().map(|route| (*route).to_owned()));
        self
    }

    /// Deploys workers, each after those that it needs; the last one is asked.
    pub async fn deploy(self, configs: &[&str]) -> Site<'a> {
        let text = |file: &str| fs::read_to_string(self.project.path().join(file)).expect("it has the file");
        let Place::Hearth(hearth) = self.place else {
            let secrets: String =
                self.secrets.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            fs::write(self.project.path().join(".dev.vars"), secrets).expect("the project can be written");
            // The one that is asked comes first.
            let args: Vec<&str> = configs.iter().rev().flat_map(|file| ["--config", file]).collect();
            let dev = self.project.dev_with(&args).await;
            let host = format!("localhost:{}", dev.address().port());
            return Site { address: dev.address(), host, sample: self, _dev: Some(dev) };
        };
        for config in configs {
            let mut args = vec!["deploy", "--config", *config];
            if Some(config) == configs.last() {
                args.extend(self.routes.iter().flat_map(|route| ["--route", route]));
            }
            self.project.wrangler(&args).await.expect_ok();
        }
        for (name, value) in &self.secrets {
            self.project.wrangler_with_input(&["secret", "put", name], value).await.expect_ok();
        }
        let asked = text(configs.last().expect("there is a worker"));
        let name = asked.lines().find_map(|line| line.strip_prefix("name = ")).expect("it has a name");
        let host = hearth.host(name.trim_matches('"'));
        Site { address: hearth.address(), host, sample: self, _dev: None }
    }
}

/// A deployed sample.
pub struct Site<'a> {
    pub address: SocketAddr,
    pub host: String,
    pub sample: Sample<'a>,
    _dev: Option<Dev>,
}

impl<'a> Site<'a> {
    /// Deploys another worker of the same project, which is asked from now on.
    pub async fn and_deploy(self, config: &str) -> Site<'a> {
        self.sample.deploy(&[config]).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Bytes::new()).await
    }

    /// Sends JSON.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// Sends JSON, and what it answers is JSON with this status.
    pub async fn json(&self, path: &str, body: Value, status: u16) -> Value {
        let answer = self.post(path, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        answer.json()
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        send_to(self.address, request).await.unwrap_or_else(|error| panic!("{method} {path}: {error:#}"))
    }
}

/// Asks again and again until there is an answer, for what comes to pass by itself.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..300 {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: not within half a minute")
}
