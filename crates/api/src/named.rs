//! The worker that a call is about.

use axum::extract::FromRequestParts;
use hearth_model::WorkerName;
use hearth_store::{Account, Worker};
use http::request::Parts;

use crate::auth::InAccount;
use crate::error::ApiError;
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

impl Api {
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
