//! `/workers/scripts/:worker/versions`.

use axum::extract::{Request, State};
use hearth_store::Listing;
use serde_json::{Value, json};

use crate::accept::{Call, Then};
use crate::auth::{Caller, InAccount};
use crate::envelope::Reply;
use crate::error::ApiError;
use crate::named::Named;
use crate::page::PageQuery;
use crate::params::Params;
use crate::query::Query;
use crate::scripts::{inherit, read_form};
use crate::state::{Api, store_page};
use crate::view;

/// Versions of a page where the client does not say: wrangler prints what it gets and calls it the newest ten.
const PER_PAGE: u64 = 10;

/// `POST versions`: a version that waits for a deployment.
pub(crate) async fn post(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
    query: Query,
    request: Request,
) -> Result<Reply, ApiError> {
    let name = params.worker()?;
    let form = read_form(&api, request, "metadata").await?;
    let call = Call::new(&api, &caller, &account, &name);
    let accepted = call.upload(form, inherit(&query), Then::Keep).await?;
    Ok(accepted.reply(view::version(&accepted.worker, &accepted.version)))
}

/// `GET versions`, newest first.
pub(crate) async fn list(
    State(api): State<Api>,
    Named { worker, .. }: Named,
    query: Query,
) -> Result<Reply, ApiError> {
    let window = PageQuery::from_query(&query).window(PER_PAGE);
    let Listing { items, total } = api.store().versions(worker.id, store_page(&window)).await?;
    let versions: Vec<Value> = items.iter().map(|version| view::version(&worker, version)).collect();
    let info = window.info(versions.len(), total);
    Ok(Reply::new(json!({"items": versions})).info(info))
}

/// `GET versions/:version`.
pub(crate) async fn get(
    State(api): State<Api>,
    Named { worker, .. }: Named,
    params: Params,
) -> Result<Reply, ApiError> {
    let version = api.store().version(worker.id, params.version()?).await?;
    Ok(Reply::new(view::version(&worker, &version)))
}
