//! Cloudflare's REST endpoints for R2 (wrangler-api.md 7).

mod analytics;
mod buckets;
mod domains;
mod notifications;
mod objects;
mod rules;

use hearth_api::{ApiError, InAccount, Operation, Params};
use http::Method;

use crate::store::{Bucket, BucketSettings, R2, R2Error};

/// Where the codes of R2's own errors are not enough.
mod code {
    /// The bucket has no CORS rules. wrangler shows the text.
    pub(super) const NO_CORS: u32 = 10059;
    /// Rules that do not hold.
    pub(super) const BAD_RULES: u32 = 10040;
    /// No such custom domain, or no notifications for a queue.
    pub(super) const NO_DOMAIN: u32 = 10058;
    /// No such queue.
    pub(super) const NO_QUEUE: u32 = 11000;
}

impl R2 {
    /// The operations of the API.
    pub fn operations(&self) -> Vec<Operation> {
        let (get, put, post) = (Method::GET, Method::PUT, Method::POST);
        let (patch, delete) = (Method::PATCH, Method::DELETE);
        let sippy = "/accounts/{account}/r2/buckets/{bucket}/sippy";
        let local_uploads = "/accounts/{account}/r2/buckets/{bucket}/local-uploads";
        let missing = [
            (get.clone(), sippy, "Sippy (incremental migration) is"),
            (put.clone(), sippy, "Sippy (incremental migration) is"),
            (delete.clone(), sippy, "Sippy (incremental migration) is"),
            (get.clone(), local_uploads, "Local uploads are"),
            (put.clone(), local_uploads, "Local uploads are"),
        ];
        let missing = missing.into_iter().map(|(method, path, what)| {
            Operation::new(method, path, move || async move { ApiError::not_supported(what) }, self)
        });
        let mut operations = vec![
            Operation::new(get.clone(), "/accounts/{account}/r2/buckets", buckets::list, self),
            Operation::new(post.clone(), "/accounts/{account}/r2/buckets", buckets::create, self),
            Operation::new(get.clone(), "/accounts/{account}/r2/buckets/{bucket}", buckets::get, self),
            Operation::new(patch, "/accounts/{account}/r2/buckets/{bucket}", buckets::patch, self),
            Operation::new(delete.clone(), "/accounts/{account}/r2/buckets/{bucket}", buckets::delete, self),
            Operation::new(
                get.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/usage",
                buckets::usage,
                self,
            ),
            Operation::new(
                get.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/objects",
                objects::list,
                self,
            ),
            Operation::new(
                delete.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/objects",
                objects::delete_many,
                self,
            ),
            Operation::new(
                get.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/objects/{*key}",
                objects::get,
                self,
            ),
            Operation::new(
                put.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/objects/{*key}",
                objects::put,
                self,
            ),
            Operation::new(
                delete.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/objects/{*key}",
                objects::delete,
                self,
            ),
            Operation::new(
                get.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/cors",
                rules::get_cors,
                self,
            ),
            Operation::new(
                put.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/cors",
                rules::put_cors,
                self,
            ),
            Operation::new(
                delete.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/cors",
                rules::delete_cors,
                self,
            ),
            Operation::new(
                get.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/lifecycle",
                rules::get_lifecycle,
                self,
            ),
            Operation::new(
                put.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/lifecycle",
                rules::put_lifecycle,
                self,
            ),
            Operation::new(
                get.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/lock",
                rules::get_locks,
                self,
            ),
            Operation::new(
                put.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/lock",
                rules::put_locks,
                self,
            ),
            Operation::new(
                get.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/domains/managed",
                domains::get_managed,
                self,
            ),
            Operation::new(
                put.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/domains/managed",
                domains::put_managed,
                self,
            ),
            Operation::new(
                get.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/domains/custom",
                domains::list_custom,
                self,
            ),
            Operation::new(
                post,
                "/accounts/{account}/r2/buckets/{bucket}/domains/custom",
                domains::add_custom,
                self,
            ),
            Operation::new(
                get.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/domains/custom/{domain}",
                domains::get_custom,
                self,
            ),
            Operation::new(
                put.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/domains/custom/{domain}",
                domains::put_custom,
                self,
            ),
            Operation::new(
                delete.clone(),
                "/accounts/{account}/r2/buckets/{bucket}/domains/custom/{domain}",
                domains::delete_custom,
                self,
            ),
            Operation::new(
                get.clone(),
                "/accounts/{account}/event_notifications/r2/{bucket}/configuration",
                notifications::get,
                self,
            ),
            Operation::new(
                get,
                "/accounts/{account}/event_notifications/r2/{bucket}/configuration/queues/{queue}",
                notifications::get_queue,
                self,
            ),
            Operation::new(
                put,
                "/accounts/{account}/event_notifications/r2/{bucket}/configuration/queues/{queue}",
                notifications::put_queue,
                self,
            ),
            Operation::new(
                delete,
                "/accounts/{account}/event_notifications/r2/{bucket}/configuration/queues/{queue}",
                notifications::delete_queue,
                self,
            ),
        ];
        operations.extend(missing);
        operations
    }

    /// The bucket that a path names.
    fn named(&self, account: &InAccount, params: &Params) -> Result<std::sync::Arc<Bucket>, ApiError> {
        Ok(self.bucket(&account.0.id, params.get("bucket"))?)
    }

    /// Changes the settings of the bucket that a path names.
    async fn change(
        &self,
        account: &InAccount,
        params: &Params,
        change: impl FnOnce(&mut BucketSettings) -> Result<(), Refused>,
    ) -> Result<std::sync::Arc<Bucket>, ApiError> {
        let changed = self.change_settings(&account.0.id, params.get("bucket"), change).await;
        changed.map_err(|refused| refused.0)
    }
}

/// An [`ApiError`] out of a change of settings.
struct Refused(ApiError);

impl From<R2Error> for Refused {
    fn from(error: R2Error) -> Self {
        Self(error.into())
    }
}

impl From<R2Error> for ApiError {
    fn from(error: R2Error) -> Self {
        let shown = Self::new(error.status(), error.code(), error.to_string());
        match error {
            R2Error::Internal(detail) => shown.with_detail(detail),
            _ => shown,
        }
    }
}
