//! `tail_consumers`: the workers that are told of a worker's invocations.

use hearth_model::WorkerName;
use hearth_store::Account;
use serde_json::Value;

use crate::error::{ApiError, code};
use crate::state::Api;
use crate::upload::ScriptSettings;

impl Api {
    /// Every tail worker is a worker of the account; a worker may name itself before it exists.
    ///
    /// # Errors
    /// 10203, in Cloudflare's words.
    pub(crate) async fn check_tail_workers(
        &self,
        account: &Account,
        name: &WorkerName,
        settings: &ScriptSettings,
    ) -> Result<(), ApiError> {
        let consumers = settings.tail_consumers.as_ref().and_then(Value::as_array).into_iter().flatten();
        for consumer in consumers {
            let service = consumer["service"].as_str().unwrap_or_default();
            let exists = match service.parse::<WorkerName>() {
                Ok(other) => other == *name || self.find_worker(account, &other).await?.is_some(),
                Err(_) => false,
            };
            if !exists {
                return Err(ApiError::bad_request(
                    code::TAIL_WORKER,
                    format!(
                        "Tail Worker {service:?} does not exist on this account. Check the Worker name and try again."
                    ),
                ));
            }
        }
        Ok(())
    }
}
