//! `/pages/projects/:project/deployments`.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use hearth_api::{
    ApiError, Caller, Change, Form, InAccount, PageQuery, Params, Part, Publication, Query, Reply, read,
};
use hearth_assets::{Manifest, NewFile, Routes, Rules};
use hearth_model::{AssetsConfig, Format, ModuleKind, PagesRoutes, Version, VersionAssets, VersionId};
use hearth_store::{Account, Entity, ProjectFile, StoreError, Worker};
use http::header;
use serde_json::{Map, Value, json};

use super::{Pages, deployment};
use crate::bindings::{self, About, Classes};
use crate::error::{aliased, in_production, invalid};
use crate::form::Deploying;
use crate::settings::{Environment, Settings};
use crate::view::{Known, note, notes, uses_functions};

/// Deployments of a page where the client does not say.
const PER_PAGE: u64 = 25;

/// Missing files that an error names.
const NAMED: usize = 5;

/// What of an upload's settings a deployment may say itself.
const OF_BUNDLE: [&str; 6] =
    ["main_module", "body_part", "bindings", "compatibility_date", "compatibility_flags", "limits"];

/// `GET deployments[?env=]`, newest first.
pub(super) async fn list(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    params: Params,
    query: Query,
) -> Result<Reply, ApiError> {
    let window = PageQuery::from_query(&query).window(PER_PAGE);
    let known = pages.known(&account, &params).await?;
    let wanted = query.get("env").filter(|env| !env.is_empty());
    let is_wanted = |version: &&Version| wanted.is_none_or(|env| Known::environment(version).as_str() == env);
    let found: Vec<&Version> = known.deployments.iter().filter(is_wanted).collect();
    let (shown, info) = window.cut(found);
    let place = pages.place(&account);
    Ok(Reply::page(shown.into_iter().map(|version| known.deployed(version, place)).collect(), info))
}

/// `GET deployments/:deployment`.
pub(super) async fn get(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let known = pages.known(&account, &params).await?;
    Ok(Reply::new(known.deployed(deployment(&known, &params)?, pages.place(&account))))
}

/// `POST deployments`: a form.
pub(super) async fn create(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
    request: Request,
) -> Result<Reply, ApiError> {
    let name = pages.find(&account, &params).await?.name;
    let (head, body) = request.into_parts();
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let body = read(body, pages.api.config().max_body_bytes()).await?;
    let sent = Deploying::read(Form::read(content_type, body, "metadata").await?)?;
    let _writer = pages.api.lock(&account, &name).await;
    let worker = pages.find(&account, &params).await?;
    let settings = Settings::of(&worker.dialect_settings)?;
    let environment = settings.environment(sent.branch.as_deref());
    let branch = sent.branch.unwrap_or_else(|| settings.production_branch.clone());
    let form = sent.code.into_form().await?;
    let (manifest, files, bytes) = pages.manifest(&worker, &sent.manifest).await?;
    let routes = sent.routes.unwrap_or_else(PagesRoutes::all);
    Routes::read(&routes).map_err(|error| invalid(error.to_string()))?;
    // Without code there is nothing that they could be for.
    let routes = if form.is_some() { routes } else { PagesRoutes::default() };
    let config = AssetsConfig { headers: sent.headers, redirects: sent.redirects, ..AssetsConfig::default() };
    let assets = VersionAssets { manifest, files, bytes, config, pages: Some(routes) };
    let own = form.as_ref().is_some_and(|form| form.document.contains_key("bindings"));
    let annotations = notes(
        environment,
        &branch,
        [
            (note::COMMIT_HASH, sent.commit_hash),
            (note::COMMIT_MESSAGE, sent.commit_message),
            (note::COMMIT_DIRTY, sent.commit_dirty.to_string()),
            (note::OUTPUT_DIR, sent.output_dir.unwrap_or_default()),
            (note::OWN_BINDINGS, if own { own.to_string() } else { String::new() }),
        ],
    );
    let wanted = Wanted { environment, form, assets, annotations };
    pages.deploy(&caller, &account, worker, &settings, wanted).await
}

/// `POST deployments/:deployment/retry`: the same once more, with what the project's environment is now.
pub(super) async fn retry(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
) -> Result<Reply, ApiError> {
    let (_writer, worker) = pages.locked(&account, &params).await?;
    let known = pages.known_of(&account, worker).await?;
    let old = deployment(&known, &params)?;
    let assets = old.assets.clone().ok_or_else(|| ApiError::internal("a deployment has no list of files"))?;
    let mut annotations = old.annotations.clone();
    annotations.retain(|key, _| key.starts_with("pages/") || key == note::ALIAS);
    let wanted =
        Wanted { environment: Known::environment(old), form: pages.code_of(old).await?, assets, annotations };
    pages.deploy(&caller, &account, known.worker, &known.settings, wanted).await
}

/// `POST deployments/:deployment/rollback`: production serves it again.
pub(super) async fn rollback(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
) -> Result<Reply, ApiError> {
    let (_writer, worker) = pages.locked(&account, &params).await?;
    let known = pages.known_of(&account, worker).await?;
    let target = deployment(&known, &params)?;
    if Known::environment(target) != Environment::Production {
        return Err(invalid("Production is rolled back to a deployment of its own; this one is a preview."));
    }
    let id = target.id;
    pages.api.give_all(&caller, &account, &known.worker, id, "rollback").await?;
    pages.shown(&account, known.worker, id, Vec::new()).await
}

/// `DELETE deployments/:deployment[?force=true]`.
pub(super) async fn delete(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    params: Params,
    query: Query,
) -> Result<Reply, ApiError> {
    let (_writer, worker) = pages.locked(&account, &params).await?;
    let known = pages.known_of(&account, worker).await?;
    let version = deployment(&known, &params)?;
    if Some(version.id) == known.canonical {
        return Err(in_production());
    }
    if let Some(alias) = known.alias_of(version).filter(|_| !query.flag("force")) {
        return Err(aliased(alias));
    }
    match pages.api.store().delete_version(known.worker.id, version.id).await {
        Err(StoreError::Conflict { what: Entity::Version, .. }) => return Err(in_production()),
        done => done?,
    }
    pages.api.changed(Change::Worker(known.worker.id)).await;
    Ok(Reply::null())
}

/// `GET deployments/:deployment/history/logs`: what there is to say of how it was made.
pub(super) async fn logs(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let known = pages.known(&account, &params).await?;
    let version = deployment(&known, &params)?;
    let files = version.assets.as_ref().map_or(0, |assets| assets.files);
    let mut lines = vec![format!("Deploying {files} files.")];
    if uses_functions(version) {
        lines.push("Deploying the Worker of the functions.".to_owned());
    }
    lines.extend(ignored(version.assets.as_ref().map(|assets| &assets.config)));
    lines.push("Success: the deployment is served.".to_owned());
    let time = version.created_on.to_string();
    let data: Vec<Value> = lines.into_iter().map(|line| json!({"ts": time, "line": line})).collect();
    Ok(Reply::new(json!({"total": data.len(), "includes_container_logs": false, "data": data})))
}

/// The lines of `_headers` and `_redirects` that do not hold: they are passed over, as on Cloudflare.
fn ignored(config: Option<&AssetsConfig>) -> Vec<String> {
    config.map(|config| Rules::lenient(config).1).unwrap_or_default()
}

/// A deployment to be.
struct Wanted {
    environment: Environment,
    form: Option<Form>,
    assets: VersionAssets,
    annotations: BTreeMap<String, String>,
}

impl Pages {
    /// Makes a deployment. The caller holds the project's lock.
    async fn deploy(
        &self,
        caller: &Caller,
        account: &Account,
        worker: Worker,
        settings: &Settings,
        wanted: Wanted,
    ) -> Result<Reply, ApiError> {
        let Wanted { environment, form, assets, annotations } = wanted;
        let id = VersionId::random();
        let warnings = ignored(Some(&assets.config));
        let form = match form {
            None => None,
            Some(form) => {
                let url = self.place(account).url(worker.name.as_str(), Some(&id.prefix()));
                let noted = |key: &str| annotations.get(key).map_or("", String::as_str);
                let about =
                    About { url: &url, branch: noted(note::BRANCH), commit: noted(note::COMMIT_HASH) };
                let secrets = self.api.store().project_secrets(worker.id, environment.as_str()).await?;
                let classes = self.classes(account, settings.config(environment)).await?;
                Some(complete(form, settings, environment, secrets, &classes, about))
            }
        };
        let deploy = environment == Environment::Production;
        let publication = Publication { id, form, assets, annotations, deploy };
        let made = self.api.publish(caller, account, worker, publication).await?;
        self.shown(account, made.worker, id, warnings).await
    }

    async fn shown(
        &self,
        account: &Account,
        worker: Worker,
        id: VersionId,
        messages: Vec<String>,
    ) -> Result<Reply, ApiError> {
        let known = self.known_of(account, worker).await?;
        let made = known.deployments.iter().find(|version| version.id == id);
        let made = made.ok_or_else(|| ApiError::deployment_not_found(&id.to_string()))?;
        let reply = Reply::new(known.deployed(made, self.place(account)));
        Ok(messages.into_iter().fold(reply, Reply::message))
    }

    /// Writes the list of a deployment's files: its name, how many they are, and their bytes.
    async fn manifest(
        &self,
        worker: &Worker,
        wanted: &BTreeMap<String, String>,
    ) -> Result<(String, u64, u64), ApiError> {
        let words: Vec<String> = wanted.values().cloned().collect();
        let known = self.api.store().use_project_files(worker.id, &words).await?;
        let missing: Vec<&str> =
            wanted.iter().filter(|(_, word)| !known.contains_key(*word)).map(|(path, _)| &**path).collect();
        if !missing.is_empty() {
            let named: Vec<&str> = missing.iter().copied().take(NAMED).collect();
            return Err(invalid(format!(
                "{} of the files in `manifest` were not uploaded to this project, or too long ago: {}. Upload them and \
                 deploy again.",
                missing.len(),
                named.join(", ")
            )));
        }
        let file = |(path, word): (&String, &String)| {
            let ProjectFile { content, size, media_type, .. } = known.get(word)?;
            Some(NewFile {
                path: path.clone(),
                content: content.parse().ok()?,
                size: u32::try_from(*size).ok()?,
                media_type: media_type.clone(),
            })
        };
        let files: Option<Vec<NewFile>> = wanted.iter().map(file).collect();
        let files = files.ok_or_else(|| ApiError::internal("a project's list of files cannot be read"))?;
        let bytes = files.iter().map(|file| u64::from(file.size)).sum();
        let name = self.api.store().put_asset_manifest(Manifest::write(&files).into()).await?;
        Ok((name, files.len() as u64, bytes))
    }

    /// The classes of Durable Objects that an environment names by their namespaces.
    async fn classes(&self, account: &Account, config: &Map<String, Value>) -> Result<Classes, ApiError> {
        let mut classes = Classes::new();
        for id in bindings::namespaces(config) {
            let unknown =
                || invalid(format!("There is no namespace of Durable Objects {id:?} in the account."));
            let namespace = id.parse().map_err(|_| unknown())?;
            let found = self.api.store().namespace(&account.id, namespace).await?.ok_or_else(unknown)?;
            classes.insert(id.to_owned(), (found.namespace.class, found.script.to_string()));
        }
        Ok(classes)
    }

    /// The code of a deployment, as it was sent.
    async fn code_of(&self, version: &Version) -> Result<Option<Form>, ApiError> {
        let (key, main) = match &version.format {
            Format::Modules { main } => ("main_module", main),
            Format::ServiceWorker { body } => ("body_part", body),
            Format::Assets | Format::Function(_) => return Ok(None),
        };
        let mut document = Map::from_iter([(key.to_owned(), json!(main))]);
        if !note(version, note::OWN_BINDINGS).is_empty() {
            let is_own = |name: &str| !bindings::OURS.contains(&name);
            let own = version.bindings.iter().filter(|binding| !binding.is_secret() && is_own(&binding.name));
            document.insert("bindings".to_owned(), own.map(|binding| json!(binding)).collect());
            document.insert("compatibility_date".to_owned(), json!(version.compatibility.date));
            document.insert("compatibility_flags".to_owned(), json!(version.compatibility.flags));
            document.insert("limits".to_owned(), json!(version.limits));
        }
        let mut parts = Vec::with_capacity(version.modules.len());
        for module in version.modules.iter().filter(|module| module.kind != ModuleKind::SourceMap) {
            let content = self.api.store().module_content(module).await?;
            let media_type = Some(module.kind.media_type().to_owned());
            parts.push(Part { name: module.name.clone(), media_type, content });
        }
        Ok(Some(Form { document, parts }))
    }
}

/// Fills in what a bundle leaves to its project.
fn complete(
    mut form: Form,
    settings: &Settings,
    environment: Environment,
    secrets: BTreeMap<String, String>,
    classes: &Classes,
    about: About<'_>,
) -> Form {
    let config = settings.config(environment);
    let document = &mut form.document;
    document.retain(|key, value| OF_BUNDLE.contains(&&**key) && !value.is_null());
    let own = match document.remove("bindings") {
        Some(Value::Array(own)) => own,
        _ => bindings::of_environment(config, classes),
    };
    document.insert("bindings".to_owned(), Value::Array(bindings::complete(own, secrets, about)));
    if !document.contains_key("compatibility_date") {
        let (date, flags) = settings.compatibility(environment);
        document.insert("compatibility_date".to_owned(), Value::from(date));
        document.entry("compatibility_flags").or_insert_with(|| Value::from(flags));
    }
    if let Some(limits) = config.get("limits") {
        document.entry("limits").or_insert_with(|| limits.clone());
    }
    form
}
