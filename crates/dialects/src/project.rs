//! A project as wrangler configures it, deployed without wrangler: for the template gallery and `hearth deploy`. Only what
//! needs no bundler and no build; everything else is refused by name.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A file of a project: its path below the project's folder, and its content.
pub type File = (String, Bytes);

/// Why a project cannot be deployed; for people.
pub type Refusal = String;

/// `wrangler.jsonc`, as far as it is understood here.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    #[serde(rename = "$schema")]
    _schema: Option<String>,
    name: String,
    main: String,
    compatibility_date: Option<String>,
    compatibility_flags: Vec<String>,
    workers_dev: Option<bool>,
    preview_urls: Option<bool>,
    vars: Map<String, Value>,
    triggers: Triggers,
    queues: Queues,
    kv_namespaces: Vec<KvNamespace>,
    r2_buckets: Vec<R2Bucket>,
    d1_databases: Vec<D1Database>,
    services: Vec<Service>,
    observability: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Triggers {
    crons: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Queues {
    producers: Vec<Producer>,
    consumers: Vec<Consumer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Producer {
    binding: String,
    queue: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Consumer {
    queue: String,
    max_batch_size: Option<u64>,
    max_batch_timeout: Option<u64>,
    max_retries: Option<u64>,
    dead_letter_queue: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KvNamespace {
    binding: String,
    id: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct R2Bucket {
    binding: String,
    bucket_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct D1Database {
    binding: String,
    database_id: String,
    #[serde(rename = "database_name")]
    _name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    binding: String,
    service: String,
    entrypoint: Option<String>,
}

impl Config {
    fn read(text: &str) -> Result<Self, Refusal> {
        let parsed = jsonc_parser::parse_to_serde_value(text, &jsonc_parser::ParseOptions::default());
        parsed.map_err(|error| format!("The configuration cannot be used without wrangler: {error}."))
    }
}

/// The declaration of a project's `Env`, with the names of `@cloudflare/workers-types`.
///
/// # Errors
/// What is wrong, or what needs wrangler.
pub fn types(config: &str) -> Result<String, Refusal> {
    let config = Config::read(config)?;
    let var = |value: &Value| match value {
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "boolean",
        _ => "unknown",
    };
    let vars = config.vars.iter().map(|(name, value)| (name, var(value)));
    let queues = config.queues.producers.iter().map(|one| (&one.binding, "Queue"));
    let kv = config.kv_namespaces.iter().map(|one| (&one.binding, "KVNamespace"));
    let r2 = config.r2_buckets.iter().map(|one| (&one.binding, "R2Bucket"));
    let d1 = config.d1_databases.iter().map(|one| (&one.binding, "D1Database"));
    let services = config.services.iter().map(|one| (&one.binding, "Fetcher"));
    let fields = vars.chain(queues).chain(kv).chain(r2).chain(d1).chain(services);
    let fields: Vec<String> = fields.map(|(name, kind)| format!("  {}: {kind};\n", json!(name))).collect();
    Ok(format!(
        "// Made by `hearth types` of the project's configuration.\ninterface Env {{\n{}}}\n",
        fields.concat()
    ))
}

/// A project that can be deployed.
#[derive(Debug)]
pub struct Project {
    config: Config,
    /// Name, media type and content of its modules, the main one first.
    modules: Vec<(String, &'static str, Bytes)>,
}

impl Project {
    /// Reads a configuration. `files` are those of the project's folder.
    ///
    /// # Errors
    /// What is wrong, or what needs wrangler.
    pub fn read(config: &str, files: &[File]) -> Result<Self, Refusal> {
        let config = Config::read(config)?;
        if config.name.is_empty() || config.main.is_empty() {
            return Err("The configuration has no `name` or no `main`.".to_owned());
        }
        let modules = modules(&config.main, files)?;
        Ok(Self { config, modules })
    }

    /// The worker's name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    fn bindings(&self) -> Vec<Value> {
        let config = &self.config;
        let vars = config.vars.iter().map(|(name, value)| match value {
            Value::String(text) => json!({"type": "plain_text", "name": name, "text": text}),
            other => json!({"type": "json", "name": name, "json": other}),
        });
        let queues = config.queues.producers.iter();
        let queues = queues.map(|one| json!({"type": "queue", "name": one.binding, "queue_name": one.queue}));
        let kv = config.kv_namespaces.iter();
        let kv = kv.map(|one| json!({"type": "kv_namespace", "name": one.binding, "namespace_id": one.id}));
        let r2 = config.r2_buckets.iter();
        let r2 =
            r2.map(|one| json!({"type": "r2_bucket", "name": one.binding, "bucket_name": one.bucket_name}));
        let d1 = config.d1_databases.iter();
        let d1 = d1.map(|one| json!({"type": "d1", "name": one.binding, "id": one.database_id}));
        let services = config.services.iter().map(|one| {
            json!({"type": "service", "name": one.binding, "service": one.service, "entrypoint": one.entrypoint})
        });
        vars.chain(queues).chain(kv).chain(r2).chain(d1).chain(services).collect()
    }

    fn metadata(&self) -> Value {
        let mut metadata = json!({
            "main_module": self.modules[0].0,
            "compatibility_flags": self.config.compatibility_flags,
            "bindings": self.bindings(),
            // What is not in the configuration and was set by hand stays.
            "keep_bindings": ["secret_text"],
        });
        if let Some(date) = &self.config.compatibility_date {
            metadata["compatibility_date"] = json!(date);
        }
        if let Some(observability) = &self.config.observability {
            metadata["observability"] = observability.clone();
        }
        metadata
    }
}

/// The modules of a project: its main one and what lies beside and below it.
fn modules(main: &str, files: &[File]) -> Result<Vec<(String, &'static str, Bytes)>, Refusal> {
    let main = main.strip_prefix("./").unwrap_or(main);
    if main.ends_with(".ts") || main.ends_with(".tsx") || main.ends_with(".jsx") {
        return Err(format!(
            "{main} has to be compiled, which wrangler does: npm install --save-dev wrangler"
        ));
    }
    let folder = main.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
    let named = files.iter().filter_map(|(path, content)| {
        let name = path.strip_prefix(&folder)?;
        let hidden = name.split('/').any(|part| part.starts_with('.') || part == "node_modules");
        let kind = media_type(name).filter(|_| !hidden)?;
        Some((name.to_owned(), kind, content.clone()))
    });
    let mut modules: Vec<_> = named.collect();
    let own = main.strip_prefix(&folder).unwrap_or(main);
    let position = modules.iter().position(|(name, ..)| name == own);
    let position = position.ok_or_else(|| format!("There is no file {main}, which `main` names."))?;
    modules.swap(0, position);
    Ok(modules)
}

/// What is uploaded, by wrangler's own rules.
fn media_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "js" | "mjs" => Some("application/javascript+module"),
        "txt" | "html" | "sql" => Some("text/plain"),
        "wasm" => Some("application/wasm"),
        "bin" => Some("application/octet-stream"),
        _ => None,
    }
}

/// Cloudflare's API, below `/client/v4`.
#[async_trait]
pub trait Calls: Send + Sync {
    /// One call; the answer is the envelope's `result`.
    ///
    /// # Errors
    /// Status and text of the refusal.
    async fn call(&self, method: Method, path: &str, kind: &str, body: Bytes)
    -> Result<Value, (u16, String)>;
}

/// Deploys a project into an account. Returns where it is served.
///
/// # Errors
/// Status and text of the first call that was refused.
pub async fn deploy(project: &Project, calls: &dyn Calls, account: &str) -> Result<Value, (u16, String)> {
    let api = |path: String| format!("/accounts/{account}{path}");
    let send = |method: Method, path: String, body: Value| async move {
        calls.call(method, &path, "application/json", body.to_string().into()).await
    };
    let queues = queue_ids(project, calls, account).await?;
    let script = format!("/workers/scripts/{}", project.name());
    let (kind, form) = form(&project.metadata(), &project.modules);
    calls.call(Method::PUT, &api(format!("{script}?excludeScript=true")), &kind, form).await?;
    let workers_dev = project.config.workers_dev.unwrap_or(true);
    let hosts = json!({
        "enabled": workers_dev,
        "previews_enabled": project.config.preview_urls.unwrap_or(workers_dev),
    });
    let served = send(Method::POST, api(format!("{script}/subdomain")), hosts).await?;
    if let Some(crons) = &project.config.triggers.crons {
        let crons: Vec<Value> = crons.iter().map(|cron| json!({"cron": cron})).collect();
        send(Method::PUT, api(format!("{script}/schedules")), Value::Array(crons)).await?;
    }
    for consumer in &project.config.queues.consumers {
        let Some(id) = queues.get(&consumer.queue) else { continue };
        consume(project, consumer, &api(format!("/queues/{id}/consumers")), calls).await?;
    }
    Ok(served)
}

/// The queues of a project, made where they are missing.
async fn queue_ids(
    project: &Project,
    calls: &dyn Calls,
    account: &str,
) -> Result<BTreeMap<String, String>, (u16, String)> {
    let queues = &project.config.queues;
    let produced = queues.producers.iter().map(|one| &one.queue);
    let dead = queues.consumers.iter().filter_map(|one| one.dead_letter_queue.as_ref());
    let consumed = queues.consumers.iter().map(|one| &one.queue);
    let mut ids = BTreeMap::new();
    for name in produced.chain(consumed).chain(dead) {
        if ids.contains_key(name) {
            continue;
        }
        let path = format!("/accounts/{account}/queues");
        let known = calls.call(Method::GET, &format!("{path}?name={name}"), "", Bytes::new()).await?;
        let known =
            known.as_array().and_then(|list| list.iter().find(|one| one["queue_name"] == **name).cloned());
        let queue = match known {
            Some(queue) => queue,
            None => {
                let body = json!({"queue_name": name}).to_string();
                calls.call(Method::POST, &path, "application/json", body.into()).await?
            }
        };
        ids.insert(name.clone(), queue["queue_id"].as_str().unwrap_or_default().to_owned());
    }
    Ok(ids)
}

/// Makes the worker the queue's consumer, or changes how it is that.
async fn consume(
    project: &Project,
    consumer: &Consumer,
    path: &str,
    calls: &dyn Calls,
) -> Result<(), (u16, String)> {
    let mut settings = json!({});
    for (key, value) in [
        ("batch_size", consumer.max_batch_size),
        ("max_wait_time_ms", consumer.max_batch_timeout.map(|seconds| seconds * 1000)),
        ("max_retries", consumer.max_retries),
    ] {
        if let Some(value) = value {
            settings[key] = json!(value);
        }
    }
    let body = json!({
        "type": "worker",
        "script_name": project.name(),
        "settings": settings,
        "dead_letter_queue": consumer.dead_letter_queue,
    });
    let known = calls.call(Method::GET, path, "", Bytes::new()).await?;
    let (method, path) = match known[0]["consumer_id"].as_str() {
        Some(id) => (Method::PUT, format!("{path}/{id}")),
        None => (Method::POST, path.to_owned()),
    };
    calls.call(method, &path, "application/json", body.to_string().into()).await.map(drop)
}

/// A form with the metadata and the modules, and its media type.
fn form(metadata: &Value, modules: &[(String, &'static str, Bytes)]) -> (String, Bytes) {
    let boundary = format!("hearth-{:032x}", rand::random::<u128>());
    let mut form = Vec::new();
    let mut part = |head: String, content: &[u8]| {
        form.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(),
        );
        form.extend_from_slice(content);
        form.extend_from_slice(b"\r\n");
    };
    part("name=\"metadata\"\r\nContent-Type: application/json".to_owned(), metadata.to_string().as_bytes());
    for (name, kind, content) in modules {
        part(format!("name=\"{name}\"; filename=\"{name}\"\r\nContent-Type: {kind}"), content);
    }
    form.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), form.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Vec<File> {
        paths.iter().map(|path| ((*path).to_owned(), Bytes::from_static(b"x"))).collect()
    }

    #[test]
    fn modules_are_what_lies_beside_and_below_the_main_one() {
        let all = files(&["a.js", "src/index.js", "src/page.html", "src/lib/b.mjs", "src/.env", "src/x.ts"]);
        let modules = modules("./src/index.js", &all).unwrap();
        let names: Vec<_> = modules.iter().map(|(name, kind, _)| (name.as_str(), *kind)).collect();
        let module = "application/javascript+module";
        assert_eq!(names, [("index.js", module), ("page.html", "text/plain"), ("lib/b.mjs", module)]);
    }

    #[test]
    fn the_environment_has_a_type_for_each_binding() {
        let config = r#"{"name": "a", "main": "a.ts", "vars": {"A": "x", "N": 1, "O": {}},
            "queues": {"producers": [{"binding": "Q", "queue": "q"}]},
            "kv_namespaces": [{"binding": "KV", "id": "1"}]}"#;
        let text = types(config).unwrap();
        for field in
            ["\"A\": string;", "\"N\": number;", "\"O\": unknown;", "\"Q\": Queue;", "\"KV\": KVNamespace;"]
        {
            assert!(text.contains(field), "{field}: {text}");
        }
    }

    #[test]
    fn what_needs_wrangler_says_so() {
        for (config, says) in [
            (r#"{"name": "a", "main": "index.ts"}"#, "wrangler"),
            (r#"{"name": "a", "main": "index.js", "assets": {}}"#, "assets"),
            (r#"{"name": "a", "main": "other.js"}"#, "other.js"),
            (r#"{"main": "index.js"}"#, "`name`"),
            ("{", "configuration"),
        ] {
            let refusal = Project::read(config, &files(&["index.js"])).unwrap_err();
            assert!(refusal.contains(says), "{config}: {refusal}");
        }
        let commented = "{ // a comment\n \"name\": \"a\", \"main\": \"index.js\", }";
        assert_eq!(Project::read(commented, &files(&["index.js"])).unwrap().name(), "a");
    }
}
