//! `GET scripts/:worker/hearth/assets`, which Cloudflare's API has not: the files of a version.

use axum::extract::State;
use hearth_assets::{Listing, Unreadable};
use hearth_model::IdError;
use serde_json::{Value, json};

use super::sessions::Assets;
use crate::auth::InAccount;
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::page::PageQuery;
use crate::params::Params;
use crate::query::Query;

/// Files of a page where the client does not say.
const PER_PAGE: u64 = 100;

/// The files whose path has `search` in it, without regard to case, in the order of paths: `path`, `size` in bytes, `type`
/// (null where responses say none) and `hash`, of `version_id`, else of the version that serves.
pub(super) async fn list(
    State(assets): State<Assets>,
    InAccount(account): InAccount,
    params: Params,
    query: Query,
) -> Result<Reply, ApiError> {
    let api = assets.api();
    let worker = api.worker(&account, &params.worker()?).await?;
    let version = match query.get("version_id") {
        Some(text) => {
            let id = text.parse();
            let id = id.map_err(|_: IdError| ApiError::version_not_found(format_args!("{text:?}")))?;
            Some(api.store().version(worker.id, id).await?)
        }
        None => api.serving_version(worker.id).await?,
    };
    let window = PageQuery::from_query(&query).window(PER_PAGE);
    let kept = match &version {
        Some(version) => api.store().served_assets(version.id).await?,
        None => None,
    };
    let Some(kept) = kept else {
        return Ok(Reply::page(Vec::new(), window.info(0, 0)));
    };
    let search = query.get("search").unwrap_or_default().to_lowercase();
    let found = tokio::task::spawn_blocking(move || {
        let Some(listing) = Listing::read(&kept.manifest)? else { return Ok(None) };
        let found = listing.files().filter(|(path, _)| path.to_lowercase().contains(&search));
        let (mut page, mut total) = (Vec::new(), 0);
        for (path, file) in found {
            if total >= window.offset() && (page.len() as u64) < window.limit() {
                page.push(json!({
                    "path": path,
                    "size": file.size,
                    "type": file.media_type,
                    "hash": file.content.to_string(),
                }));
            }
            total += 1;
        }
        Ok::<_, Unreadable>(Some((page, total)))
    });
    let found: Option<(Vec<Value>, u64)> =
        found.await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    let (page, total) = found.ok_or_else(|| {
        ApiError::not_found(
            code::ASSETS_UNLISTED,
            "This version was made when the paths of files were not kept. Deploy the Worker again to see them.",
        )
    })?;
    let info = window.info(page.len(), total);
    Ok(Reply::page(page, info))
}
