//! `POST /graphql`: the operations of Cloudflare's analytics that wrangler calls (wrangler-api.md 6), told by their
//! names. It is no GraphQL: each is answered by the capability that counts, whole.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::State;
use axum::response::Response;
use hearth_model::AccountId;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::Caller;
use crate::envelope::json_response;
use crate::error::ApiError;
use crate::json::Json;
use crate::routes::Operation;

/// What an operation is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The account, one of the caller's.
    pub account: AccountId,
    /// The variable `filter`; null where there is none.
    pub filter: Value,
    /// The query's text, for the limit and the order that stand in it.
    pub query: String,
}

/// The groups of an account that answer an operation: the name of their list, and the list.
pub type Groups = (&'static str, Vec<Value>);

/// A capability that counts.
#[async_trait]
pub trait Analytics: Send + Sync + 'static {
    /// Answers one operation. None: it is not one of its own.
    async fn groups(&self, operation: &str, ask: &Ask) -> Option<Result<Groups, ApiError>>;
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    query: String,
    #[serde(default, rename = "operationName")]
    operation: Option<String>,
    #[serde(default)]
    variables: Variables,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Variables {
    #[serde(rename = "accountTag")]
    account: String,
    filter: Value,
}

/// The operation, answered by these.
pub fn analytics(sources: Vec<Arc<dyn Analytics>>) -> Operation {
    Operation::new(Method::POST, "/graphql", post, &sources)
}

async fn post(
    State(sources): State<Vec<Arc<dyn Analytics>>>,
    caller: Caller,
    Json(body): Json<Body>,
) -> Result<Response, ApiError> {
    let account: AccountId = match body.variables.account.parse() {
        Ok(account) if caller.scope.allows(&account) => account,
        _ => return Ok(refused(StatusCode::FORBIDDEN, "not authorized for that account")),
    };
    let ask = Ask { account, filter: body.variables.filter, query: body.query };
    let operation = body.operation.as_deref().unwrap_or("without a name");
    for source in &sources {
        if let Some(groups) = source.groups(operation, &ask).await {
            let (name, groups) = groups?;
            let accounts = json!({"data": {"viewer": {"accounts": [{name: groups}]}}, "errors": null});
            return Ok(json_response(StatusCode::OK, &accounts));
        }
    }
    Ok(refused(StatusCode::OK, &format!("this Hearth does not answer the operation {operation}")))
}

/// GraphQL's errors have no envelope of Cloudflare's.
fn refused(status: StatusCode, message: &str) -> Response {
    let errors = json!({"data": null, "errors": [{"message": message, "path": null, "extensions": {}}]});
    json_response(status, &errors)
}
