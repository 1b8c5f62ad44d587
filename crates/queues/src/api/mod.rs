//! Queues in Cloudflare's API (wrangler-api.md 8): queues, their consumers, messages over HTTP, subscriptions.

mod consumers;
mod messages;
mod queues;
mod subscriptions;

use axum::response::{IntoResponse, Response};
use hearth_api::{Api, ApiError, InAccount, Operation, Params, Reply};
use hearth_store::{Entity, StoreError};
use http::Method;

use crate::queues::{KIND, Queues};
use crate::rules::{Refusal, code};
use crate::store::EngineError;

/// What the handlers have at hand.
#[derive(Clone)]
pub(crate) struct Rest {
    queues: Queues,
    api: Api,
}

pub(crate) fn operations(queues: &Queues, api: &Api) -> Vec<Operation> {
    const QUEUES: &str = "/accounts/{account}/queues";
    const QUEUE: &str = "/accounts/{account}/queues/{queue}";
    const METRICS: &str = "/accounts/{account}/queues/{queue}/metrics";
    const PURGE: &str = "/accounts/{account}/queues/{queue}/purge";
    const CONSUMERS: &str = "/accounts/{account}/queues/{queue}/consumers";
    const CONSUMER: &str = "/accounts/{account}/queues/{queue}/consumers/{consumer}";
    const MESSAGES: &str = "/accounts/{account}/queues/{queue}/messages";
    const BATCH: &str = "/accounts/{account}/queues/{queue}/messages/batch";
    const PULL: &str = "/accounts/{account}/queues/{queue}/messages/pull";
    const ACK: &str = "/accounts/{account}/queues/{queue}/messages/ack";
    const PEEK: &str = "/accounts/{account}/queues/{queue}/messages/peek";
    const PREVIEW: &str = "/accounts/{account}/queues/{queue}/messages/preview";
    const PURGE_SOME: &str = "/accounts/{account}/queues/{queue}/messages/purge";
    const SUBSCRIPTIONS: &str = "/accounts/{account}/event_subscriptions/subscriptions";
    const SUBSCRIPTION: &str = "/accounts/{account}/event_subscriptions/subscriptions/{subscription}";
    let rest = &Rest { queues: queues.clone(), api: api.clone() };
    vec![
        Operation::new(Method::GET, QUEUES, queues::list, rest),
        Operation::new(Method::POST, QUEUES, queues::create, rest),
        Operation::new(Method::GET, QUEUE, queues::show, rest),
        Operation::new(Method::PUT, QUEUE, queues::update, rest),
        Operation::new(Method::PATCH, QUEUE, queues::update, rest),
        Operation::new(Method::DELETE, QUEUE, queues::delete, rest),
        Operation::new(Method::GET, METRICS, queues::metrics, rest),
        Operation::new(Method::POST, PURGE, queues::purge, rest),
        Operation::new(Method::GET, PURGE, queues::purged, rest),
        Operation::new(Method::GET, CONSUMERS, consumers::list, rest),
        Operation::new(Method::POST, CONSUMERS, consumers::create, rest),
        Operation::new(Method::GET, CONSUMER, consumers::show, rest),
        Operation::new(Method::PUT, CONSUMER, consumers::update, rest),
        Operation::new(Method::DELETE, CONSUMER, consumers::delete, rest),
        Operation::new(Method::POST, MESSAGES, messages::push, rest),
        Operation::new(Method::POST, BATCH, messages::push_batch, rest),
        Operation::new(Method::POST, PULL, messages::pull, rest),
        Operation::new(Method::POST, ACK, messages::acknowledge, rest),
        Operation::new(Method::POST, PEEK, messages::peek, rest),
        Operation::new(Method::POST, PREVIEW, messages::peek, rest),
        Operation::new(Method::POST, PURGE_SOME, messages::purge, rest),
        Operation::new(Method::GET, SUBSCRIPTIONS, subscriptions::list, rest),
        Operation::new(Method::POST, SUBSCRIPTIONS, subscriptions::create, rest),
        Operation::new(Method::GET, SUBSCRIPTION, subscriptions::show, rest),
        Operation::new(Method::PATCH, SUBSCRIPTION, subscriptions::update, rest),
        Operation::new(Method::DELETE, SUBSCRIPTION, subscriptions::delete, rest),
    ]
}

/// What an operation is refused with.
pub(crate) struct No(ApiError);

impl From<ApiError> for No {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.into())
    }
}

impl From<EngineError> for No {
    fn from(error: EngineError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound { what: Entity::Resource(KIND), .. } => {
                Self(ApiError::not_found(code::NO_QUEUE, "Queue does not exist."))
            }
            StoreError::Conflict { what: Entity::Resource(KIND), .. } => Self(ApiError::new(
                http::StatusCode::CONFLICT,
                code::NAME_TAKEN,
                "Queue name is already taken. Please use a different name and try again.",
            )),
            _ => Self(error.into()),
        }
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

type Answer = Result<Reply, No>;

impl Rest {
    /// The id of a path's queue, which the account has.
    async fn id(&self, account: &InAccount, params: &Params) -> Result<String, No> {
        Ok(self.queues.resource(&account.0.id, params.get("queue")).await?.id)
    }
}
