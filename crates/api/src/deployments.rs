//! `/workers/scripts/:worker/deployments`: which versions serve, in which shares; rollback is a deployment of an
//! older version.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use hearth_model::{Binding, ObjectsError, Split, Version, VersionId, check_classes};
use hearth_store::{Listing, Worker};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::accept::Call;
use crate::auth::{Caller, InAccount};
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::json::Json;
use crate::named::Named;
use crate::page::PageQuery;
use crate::params::Params;
use crate::query::Query;
use crate::runtime::Change;
use crate::state::{Api, store_page};
use crate::upload::{read_annotations, read_code_update};
use crate::view;

/// Deployments of a page where the client does not say.
const PER_PAGE: u64 = 10;

/// What `POST deployments` is sent.
#[derive(Deserialize)]
pub(crate) struct NewDeployment {
    #[serde(default)]
    strategy: Option<String>,
    versions: Vec<Share>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, Option<String>>>,
    #[serde(default)]
    code_update_strategy: Option<Value>,
}

#[derive(Deserialize)]
struct Share {
    version_id: String,
    percentage: f64,
}

/// `GET deployments`, newest first.
pub(crate) async fn list(
    State(api): State<Api>,
    Named { worker, .. }: Named,
    query: Query,
) -> Result<Reply, ApiError> {
    let window = PageQuery::from_query(&query).window(PER_PAGE);
    let Listing { items, total } = api.store().deployments(worker.id, store_page(&window)).await?;
    let deployments: Vec<Value> = items.iter().map(view::deployment).collect();
    let info = window.info(deployments.len(), total);
    Ok(Reply::new(json!({"deployments": deployments})).info(info))
}

/// `GET deployments/:deployment`.
pub(crate) async fn get(
    State(api): State<Api>,
    Named { worker, .. }: Named,
    params: Params,
) -> Result<Reply, ApiError> {
    let text = params.get("deployment");
    let id = text.parse().map_err(|_| {
        ApiError::not_found(code::VERSION_NOT_FOUND, format!("Deployment {text:?} does not exist."))
    })?;
    Ok(Reply::new(view::deployment(&api.store().deployment(worker.id, id).await?)))
}

/// `POST deployments[?force=true]`.
pub(crate) async fn post(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
    query: Query,
    Json(new): Json<NewDeployment>,
) -> Result<Reply, ApiError> {
    let name = params.worker()?;
    let (worker, _writer) = api.to_write(&account, &name).await?;
    if let Some(strategy) = new.strategy.as_deref().filter(|strategy| *strategy != "percentage") {
        return Err(ApiError::bad_request(
            code::BAD_DEPLOYMENT,
            format!("The deployment strategy {strategy:?} does not exist; use \"percentage\"."),
        ));
    }
    let annotations = read_annotations(new.annotations.unwrap_or_default())?;
    let split = read_split(&new.versions)?;
    let mut targets = Vec::with_capacity(split.shares().len());
    for (id, _) in split.shares() {
        targets.push(api.store().version(worker.id, *id).await?);
    }
    let update = new.code_update_strategy.unwrap_or(Value::Null);
    let code_update = read_code_update(&Map::from_iter([("code_update_strategy".to_owned(), update)]))?;
    check_objects(&api, &worker, &targets).await?;
    let serving = match api.store().current_deployment(worker.id).await? {
        Some(_) => api.serving_version(worker.id).await?,
        None => None,
    };
    let older = |version: &Version| serving.as_ref().is_some_and(|serving| version.number < serving.number);
    if let Some(serving) = &serving
        && !query.flag("force")
    {
        let mut changed = BTreeSet::new();
        for target in targets.iter().filter(|target| older(target)) {
            changed.extend(changed_secrets(&api, &worker, serving, target).await?);
        }
        if !changed.is_empty() {
            let names: Vec<String> = changed.into_iter().collect();
            return Err(ApiError::bad_request(
                code::SECRETS_CHANGED,
                format!(
                    "A secret was changed since the version was made; deploying it brings back the old ones. The following secrets have changed: {}",
                    names.join(", ")
                ),
            ));
        }
    }
    let trigger = if targets.iter().all(older) { "rollback" } else { "promotion" };
    let call = Call::new(&api, &caller, &account, &name);
    let deployment = api.store().deploy(worker.id, split, call.release(&annotations, trigger)).await?;
    api.changed(Change::Deployed(worker.id, code_update)).await;
    Ok(Reply::new(view::deployment(&deployment)))
}

fn read_split(shares: &[Share]) -> Result<Split, ApiError> {
    let mut read: Vec<(VersionId, f64)> = Vec::with_capacity(shares.len());
    for share in shares {
        let id = share
            .version_id
            .parse()
            .map_err(|_| ApiError::version_not_found(format_args!("{:?}", share.version_id)))?;
        read.push((id, share.percentage));
    }
    Ok(Split::new(read)?)
}

/// Objects have one code, which must have their classes: a version of before a migration cannot come back.
async fn check_objects(api: &Api, worker: &Worker, targets: &[Version]) -> Result<(), ApiError> {
    let namespaces = api.store().namespaces_of(worker.id).await?;
    if namespaces.is_empty() {
        return Ok(());
    }
    for target in targets {
        check_classes(&target.exports, &namespaces, &[])?;
        let classes = target.bindings.iter().filter_map(Binding::own_class);
        let unbound = classes.into_iter().find(|class| !namespaces.iter().any(|n| n.class == **class));
        if let Some(class) = unbound {
            return Err(ObjectsError::NotConfigured(class.to_owned()).into());
        }
    }
    Ok(())
}

/// The secrets that `target` has otherwise than `serving`, or not at all.
async fn changed_secrets(
    api: &Api,
    worker: &Worker,
    serving: &Version,
    target: &Version,
) -> Result<Vec<String>, ApiError> {
    let now = api.store().secret_texts(worker.id, serving.id).await?;
    let then = api.store().secret_texts(worker.id, target.id).await?;
    let names: BTreeSet<&String> = now.keys().chain(then.keys()).collect();
    Ok(names.into_iter().filter(|name| now.get(*name) != then.get(*name)).cloned().collect())
}
