//! The worker that a call is about.

use axum::extract::FromRequestParts;
use hearth_model::{Dialect, WorkerId, WorkerName};
use hearth_store::{Account, Entity, StoreError, Worker};
use http::request::Parts;

use crate::auth::InAccount;
use crate::error::{ApiError, code};
use crate::params::Params;
use crate::state::Api;

/// The worker that the segment `{worker}` names, without regard to case, and its account. 10007 when there is none.
pub(crate) struct Named {
    pub account: Account,
    pub worker: Worker,
}

impl FromRequestParts<Api> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let InAccount(account) = InAccount::from_request_parts(parts, api).await?;
        let params = Params::from_request_parts(parts, api).await?;
        let worker = api.worker(&account, &params.worker()?).await?;
        Ok(Self { account, worker })
    }
}

/// The same, whatever dialect made it ([`Api::find_any`]).
pub(crate) struct NamedAny {
    pub account: Account,
    pub worker: Worker,
}

impl FromRequestParts<Api> for NamedAny {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let InAccount(account) = InAccount::from_request_parts(parts, api).await?;
        let params = Params::from_request_parts(parts, api).await?;
        let worker = api.find_any(&account, params.get("worker")).await?;
        Ok(Self { account, worker })
    }
}

impl Api {
    /// What is listed under a name or an id (`tag`), whatever dialect made it. A worker of Cloudflare's API has its name
    /// before all others.
    ///
    /// # Errors
    /// 10007 when there is none; 400 with their ids when several other dialects have one of that name.
    pub async fn find_any(&self, account: &Account, text: &str) -> Result<Worker, ApiError> {
        let mut named = self.store().namesakes(&account.id, &text.parse::<WorkerName>()?).await?;
        if let Some(worker) = named.iter().position(|worker| worker.dialect == Dialect::Workers) {
            return Ok(named.swap_remove(worker));
        }
        if let Ok(id) = text.parse::<WorkerId>() {
            match self.store().worker(id).await {
                Ok(worker) if worker.account == account.id => return Ok(worker),
                Ok(_) | Err(StoreError::NotFound { what: Entity::Worker, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match (named.pop(), named.is_empty()) {
            (Some(worker), true) => Ok(worker),
            (None, _) => Err(ApiError::worker_not_found()),
            (Some(last), false) => {
                named.push(last);
                let each = |worker: &Worker| format!("the {} {}", worker.dialect.title(), worker.id);
                let all = named.iter().map(each).collect::<Vec<_>>().join(", ");
                let text = format!("Several have the name {text:?}: {all}. Name one by its id.");
                Err(ApiError::bad_request(code::BAD_IDENTIFIER, text))
            }
        }
    }

    /// The worker of that name, spelled as it is, and what keeps others from writing to it. No extractor: a body that
    /// arrives slowly would hold it up.
    pub(crate) async fn to_write(
        &self,
        account: &Account,
        name: &WorkerName,
    ) -> Result<(Worker, impl Drop + use<>), ApiError> {
        let writer = self.lock(account, name).await;
        let worker = self.worker(account, name).await?;
        worker.check_spelling(name)?;
        Ok((worker, writer))
    }
}
