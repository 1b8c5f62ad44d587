//! `/accounts/{account}/analytics_engine/sql` (Cloudflare's page on the SQL API): the query is the body as it is, or
//! the parameter `query` of a GET. The answer is the query's, without an envelope; what is wrong with a query is said
//! in plain text.

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hearth_api::{ApiError, InAccount, Operation, Query, code};
use http::{Method, StatusCode, header};

use crate::Analytics;
use crate::engine::QueryError;

/// Longest body that is read, in bytes.
const MAX_BODY: usize = 64 << 10;

pub(crate) fn operations(analytics: &Analytics) -> Vec<Operation> {
    const SQL: &str = "/accounts/{account}/analytics_engine/sql";
    vec![Operation::new(Method::POST, SQL, post, analytics), Operation::new(Method::GET, SQL, get, analytics)]
}

async fn post(
    State(analytics): State<Analytics>,
    InAccount(account): InAccount,
    body: Body,
) -> Result<Response, ApiError> {
    let too_large =
        |_| ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, code::TOO_LARGE, "the query is too long");
    let body = to_bytes(body, MAX_BODY).await.map_err(too_large)?;
    let text = String::from_utf8(body.into())
        .map_err(|_| ApiError::bad_request(code::BAD_BODY, "the query is no UTF-8"))?;
    answer(&analytics, &account.id, text).await
}

async fn get(
    State(analytics): State<Analytics>,
    InAccount(account): InAccount,
    query: Query,
) -> Result<Response, ApiError> {
    let text = query.get("query").unwrap_or_default().to_owned();
    answer(&analytics, &account.id, text).await
}

async fn answer(
    analytics: &Analytics,
    account: &hearth_model::AccountId,
    text: String,
) -> Result<Response, ApiError> {
    let plain = |status: StatusCode, error: &QueryError| (status, format!("{error}\n")).into_response();
    Ok(match analytics.query(account, text).await {
        Ok(answer) => ([(header::CONTENT_TYPE, answer.kind)], answer.body).into_response(),
        Err(error @ QueryError::Sql(_)) => plain(StatusCode::UNPROCESSABLE_ENTITY, &error),
        Err(error @ QueryError::Slow) => plain(StatusCode::REQUEST_TIMEOUT, &error),
        Err(error @ QueryError::Busy) => plain(StatusCode::TOO_MANY_REQUESTS, &error),
        Err(QueryError::Internal(detail)) => return Err(ApiError::internal(detail)),
    })
}
