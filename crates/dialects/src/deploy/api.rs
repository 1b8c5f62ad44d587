//! The handlers.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::State as FromState;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hearth_api::{ApiError, Change, Making, Query, code};
use hearth_model::{BindingKind, Dialect, Format, ModuleKind, Version, WorkerName};
use hearth_store::{Entity, Page, StoreError, Subdomain, Worker};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::view::{self, Deploying};
use super::words::{FILE, check_label, is_module, version_of};
use super::{IDLE, State};
use crate::fields::{Fields, bad};
use crate::session::Session;

type Call = Session<Deploying>;

/// `GET /api/deploy`.
pub(super) async fn list(FromState(state): FromState<State>, call: Call) -> Response {
    let listed = async {
        let account = &call.account;
        let workers = state.api.store().workers(&account.id, Some(Dialect::Deploy), Page::ALL).await?.items;
        let mut functions = Vec::with_capacity(workers.len());
        for worker in &workers {
            functions.push(view::function(&state.api, state.processes.as_ref(), account, worker).await?);
        }
        Ok(json!({"status": "success", "total": functions.len(), "functions": functions}))
    };
    answer(&call, listed.await)
}

/// `GET /api/deploy/:name[?version=]`: with a version, its code and variables too.
pub(super) async fn get(FromState(state): FromState<State>, call: Call, query: Query) -> Response {
    let found = async {
        let worker = find(&state, &call).await?;
        let mut function =
            view::function(&state.api, state.processes.as_ref(), &call.account, &worker).await?;
        function["status"] = json!("success");
        if let Some(wanted) = query.get("version").filter(|version| !version.is_empty()) {
            let version = find_version(&state, &worker, wanted).await?;
            function["code"] = json!(String::from_utf8_lossy(&code_of(&state, &version).await?));
            function["env_vars"] = json!(variables_of(&version));
        }
        Ok(function)
    };
    answer(&call, found.await)
}

/// `POST /api/deploy/:name`.
pub(super) async fn deploy(FromState(state): FromState<State>, call: Call, body: Body) -> Response {
    let deployed = async {
        let wanted = Wanted::read(body, state.api.config().max_upload_bytes).await?;
        accept(&state, &call, wanted).await
    };
    answer(&call, deployed.await)
}

/// `POST /api/rollback/:name` `{version}`.
pub(super) async fn rollback(FromState(state): FromState<State>, call: Call, body: Body) -> Response {
    let rolled = async {
        let mut fields = Fields::read(body, 1 << 20).await?;
        let wanted = fields.required("version")?;
        fields.end()?;
        let _writer = state.api.lock(&call.account, &name_of(&call)?).await;
        let worker = find(&state, &call).await?;
        let version = find_version(&state, &worker, &wanted).await?;
        state.api.give_all(&call.caller, &call.account, &worker, version.id, "rollback").await?;
        let config = state.api.config();
        let target = view::label(&version);
        let host = view::host(config, &call.account, worker.name.as_str(), Some(&target));
        Ok(json!({
            "accessUrl": view::url(config, &host),
            "alias": "",
            "funcName": worker.name,
            "status": "success",
            "targetVersion": target,
        }))
    };
    answer(&call, rolled.await)
}

/// `POST /api/stop/:name` `{version?}`: processes go, and the next request starts one.
pub(super) async fn stop(FromState(state): FromState<State>, call: Call, body: Body) -> Response {
    let stopped = async {
        let mut fields = Fields::read(body, 1 << 20).await?;
        let wanted = fields.text("version")?;
        fields.end()?;
        let worker = find(&state, &call).await?;
        let versions = match wanted {
            Some(wanted) => vec![find_version(&state, &worker, &wanted).await?],
            None => state.api.store().versions(worker.id, Page::ALL).await?.items,
        };
        let mut names = Vec::new();
        for version in versions {
            if state.processes.is_running(worker.id, version.id) {
                names.push(view::label(&version));
            }
            state.processes.suspend(worker.id, version.id).await;
        }
        Ok(json!({"status": "success", "funcName": worker.name, "stopped": names}))
    };
    answer(&call, stopped.await)
}

/// `DELETE /api/deploy/:name`, or one of its versions with `?version=`.
pub(super) async fn delete(FromState(state): FromState<State>, call: Call, query: Query) -> Response {
    let deleted = async {
        let _writer = state.api.lock(&call.account, &name_of(&call)?).await;
        let worker = find(&state, &call).await?;
        let mut answer = json!({"status": "success", "funcName": worker.name});
        let Some(wanted) = query.get("version").filter(|version| !version.is_empty()) else {
            state.api.remove(worker.id).await?;
            return Ok(answer);
        };
        let version = find_version(&state, &worker, wanted).await?;
        match state.api.store().delete_version(worker.id, version.id).await {
            Err(StoreError::Conflict { what: Entity::Version, .. }) => {
                return Err(conflict(format!(
                    "The version `{wanted}` is the latest. Deploy or roll back to another one first, or delete the function."
                )));
            }
            done => done?,
        }
        state.api.changed(Change::Worker(worker.id)).await;
        state.processes.suspend(worker.id, version.id).await;
        answer["version"] = json!(view::label(&version));
        Ok(answer)
    };
    answer(&call, deleted.await)
}

/// What `POST /api/deploy/:name` is sent.
struct Wanted {
    code: String,
    version: Option<String>,
    alias: Option<String>,
    variables: BTreeMap<String, String>,
    idle_timeout: Option<u64>,
}

impl Wanted {
    async fn read(body: Body, max: u64) -> Result<Self, ApiError> {
        // Text in JSON is longer than the text.
        let mut fields = Fields::read(body, max.saturating_mul(2)).await?;
        let runtime = fields.required("runtime")?;
        if runtime != "js" {
            return Err(bad(format!(
                "`runtime` is {runtime:?}; this API runs \"js\". Functions in Node.js, Python and Go are made with \
                 /api/v1/functions."
            )));
        }
        let wanted = Self {
            code: fields.required("code")?,
            version: fields.text("version")?,
            alias: fields.text("alias")?,
            variables: fields.variables("env_vars")?.unwrap_or_default(),
            idle_timeout: fields.seconds("idle_timeout")?,
        };
        fields.end()?;
        for (field, text) in [("version", &wanted.version), ("alias", &wanted.alias)] {
            text.as_ref().map_or(Ok(()), |text| check_label(field, text))?;
        }
        Ok(wanted)
    }

    fn alias(&self) -> &str {
        self.alias.as_deref().unwrap_or_default()
    }
}

async fn accept(state: &State, call: &Call, wanted: Wanted) -> Result<Value, ApiError> {
    let name = name_of(call)?;
    let _writer = state.api.lock(&call.account, &name).await;
    let worker = state.api.find_of(&call.account, Dialect::Deploy, &name).await?;
    let versions = match &worker {
        Some(worker) => {
            worker.check_spelling(&name)?;
            state.api.store().versions(worker.id, Page::ALL).await?.items
        }
        None => Vec::new(),
    };
    let label = wanted.version.clone().unwrap_or_else(|| made_up(&versions));
    check_clashes(&versions, &label, wanted.alias())?;
    let known = versions.into_iter().find(|version| view::label(version).eq_ignore_ascii_case(&label));
    let (name, label) = match (worker, known) {
        (Some(worker), Some(known)) => {
            again(state, call, &worker, &known, &wanted).await?;
            (worker.name.clone(), view::label(&known))
        }
        _ => (make(state, call, name, &label, &wanted).await?.name, label),
    };
    let config = state.api.config();
    let host = view::host(config, &call.account, name.as_str(), Some(&label));
    Ok(json!({
        "accessUrl": view::url(config, &host),
        "alias": wanted.alias(),
        "funcName": name,
        "status": "success",
        "subdomain": host,
        "version": label,
    }))
}

async fn make(
    state: &State,
    call: &Call,
    name: WorkerName,
    label: &str,
    wanted: &Wanted,
) -> Result<Worker, ApiError> {
    let file = FILE.to_owned();
    let (format, kind) = match is_module(&wanted.code) {
        true => (Format::Modules { main: file.clone() }, ModuleKind::EsModule),
        false => (Format::ServiceWorker { body: file.clone() }, ModuleKind::CommonJs),
    };
    let mut annotations = BTreeMap::from([
        (Version::LABEL.to_owned(), label.to_owned()),
        ("workers/tag".to_owned(), label.to_owned()),
    ]);
    if let Some(alias) = &wanted.alias {
        annotations.insert("workers/alias".to_owned(), alias.clone());
    }
    let making = Making {
        dialect: Dialect::Deploy,
        name,
        format,
        modules: vec![(file, kind, Bytes::from(wanted.code.clone()))],
        variables: wanted.variables.clone(),
        annotations,
        subdomain: Some(Subdomain { enabled: true, previews_enabled: true }),
        settings: wanted.idle_timeout.map(|seconds| json!({ IDLE: seconds })),
    };
    Ok(state.api.make(&call.caller, &call.account, making).await?.worker)
}

/// A version that is there already is deployed again if it is the same one.
async fn again(
    state: &State,
    call: &Call,
    worker: &Worker,
    known: &Version,
    wanted: &Wanted,
) -> Result<(), ApiError> {
    let store = state.api.store();
    if code_of(state, known).await? != wanted.code.as_bytes() || variables_of(known) != wanted.variables {
        return Err(conflict(format!(
            "The version `{}` exists already, with other code or variables. Give this one another name.",
            view::label(known)
        )));
    }
    if let Some(alias) = wanted.alias.as_deref().filter(|alias| known.alias() != Some(alias)) {
        store.move_alias(worker.id, known.id, alias).await?;
    }
    if let Some(seconds) = wanted.idle_timeout {
        let settings = Some(json!({ IDLE: seconds }));
        let changes = hearth_store::WorkerChanges { dialect_settings: settings, ..Default::default() };
        store.update_worker(worker.id, changes).await?;
    }
    state.api.give_all(&call.caller, &call.account, worker, known.id, "upload").await?;
    Ok(())
}

/// What was sent as a version's code.
async fn code_of(state: &State, version: &Version) -> Result<Bytes, ApiError> {
    match version.modules.first() {
        Some(module) => Ok(state.api.store().module_content(module).await?),
        None => Ok(Bytes::new()),
    }
}

fn variables_of(version: &Version) -> BTreeMap<String, String> {
    let variable = |binding: &hearth_model::Binding| match &binding.kind {
        BindingKind::PlainText { text } => Some((binding.name.clone(), text.clone())),
        _ => None,
    };
    version.bindings.iter().filter_map(variable).collect()
}

/// A version and an alias of one function cannot have one host.
fn check_clashes(versions: &[Version], label: &str, alias: &str) -> Result<(), ApiError> {
    let is = |text: &str, other: &str| !text.is_empty() && text.eq_ignore_ascii_case(other);
    if is(alias, label) {
        return Err(conflict(format!("The version and its alias are both called `{label}`.")));
    }
    for version in versions {
        let name = view::label(version);
        if is(alias, &name) {
            return Err(conflict(format!("The alias `{alias}` is the name of a version.")));
        }
        if is(label, version.alias().unwrap_or_default()) {
            return Err(conflict(format!(
                "The version's name `{label}` is the alias of the version `{name}`."
            )));
        }
    }
    Ok(())
}

fn made_up(versions: &[Version]) -> String {
    let mut now = Timestamp::now();
    loop {
        let label = version_of(now);
        if !versions.iter().any(|version| view::label(version) == label) {
            return label;
        }
        now += jiff::SignedDuration::from_millis(1);
    }
}

fn name_of(call: &Call) -> Result<WorkerName, ApiError> {
    let name = call.param("name");
    let is_label = |name: &str| name.bytes().last().is_some_and(|b| b.is_ascii_alphanumeric());
    match name.parse::<WorkerName>() {
        Ok(name) if is_label(name.as_str()) => Ok(name),
        _ => Err(bad(format!(
            "The function's name {name:?} cannot stand in a host: use 1 to 63 letters, digits, '-' or '_', beginning \
             and ending with a letter or digit."
        ))),
    }
}

async fn find(state: &State, call: &Call) -> Result<Worker, ApiError> {
    let name = name_of(call)?;
    let found = state.api.find_of(&call.account, Dialect::Deploy, &name).await?;
    found
        .ok_or_else(|| ApiError::not_found(code::WORKER_NOT_FOUND, format!("There is no function `{name}`.")))
}

async fn find_version(state: &State, worker: &Worker, wanted: &str) -> Result<Version, ApiError> {
    let found = state.api.store().version_by_label(worker.id, wanted).await?;
    found.ok_or_else(|| {
        let text = format!("The function `{}` has no version `{wanted}`.", worker.name);
        ApiError::not_found(code::VERSION_NOT_FOUND, text)
    })
}

fn conflict(text: String) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, code::BINDING_NAME_TAKEN, text)
}

fn answer(call: &Call, result: Result<Value, ApiError>) -> Response {
    match result {
        Ok(body) => Json(body).into_response(),
        Err(error) => call.refuse(&error),
    }
}
