//! `workers/observability/telemetry/*`: shapes of Cloudflare's TypeScript SDK (`workers.observability.telemetry`).

use std::path::PathBuf;
use std::time::Instant;

use axum::extract::State;
use hearth_api::{ApiError, Caller, InAccount, Json, Operation, Reply, code};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Logs;
use super::query::{Query, QueryError, keys, values};
use super::scan::{Effort, ScanError};
use super::threads::Overloaded;

/// The operations below `/client/v4`.
pub(crate) fn operations(logs: &Logs) -> Vec<Operation> {
    vec![
        Operation::new(
            Method::POST,
            "/accounts/{account}/workers/observability/telemetry/query",
            query,
            logs,
        ),
        Operation::new(
            Method::POST,
            "/accounts/{account}/workers/observability/telemetry/keys",
            list_keys,
            logs,
        ),
        Operation::new(
            Method::POST,
            "/accounts/{account}/workers/observability/telemetry/values",
            list_values,
            logs,
        ),
    ]
}

async fn query(
    State(logs): State<Logs>,
    InAccount(account): InAccount,
    caller: Caller,
    Json(body): Json<Value>,
) -> Result<Reply, ApiError> {
    let query = Query::read(&body).map_err(|text| ApiError::bad_request(code::BAD_BODY, text))?;
    let (from, to) = query.timeframe();
    let began = Instant::now();
    let run = move |folder: PathBuf| {
        let mut effort = Effort::default();
        query.run(&folder, &mut effort).map(|view| (view, effort))
    };
    let (view, effort) = answer(logs.read(&account.id, run).await)?;
    let statistics = json!({
        "elapsed": began.elapsed().as_secs_f64(),
        "rows_read": effort.rows,
        "bytes_read": effort.bytes,
    });
    let now = jiff::Timestamp::now().to_string();
    let id = body["queryId"].as_str().unwrap_or_default();
    let run = json!({
        "id": format!("{:032x}", rand::random::<u128>()),
        "accountId": account.id.as_str(),
        "dry": body["dry"] == true,
        "granularity": body["granularity"].as_u64().unwrap_or(0),
        "query": {
            "id": id, "adhoc": true, "name": id, "description": null, "parameters": body["parameters"],
            "created": now, "createdBy": caller.email, "updated": now, "updatedBy": caller.email,
        },
        "status": "COMPLETED",
        "timeframe": { "from": from, "to": to },
        "userId": caller.email,
        "created": now,
        "updated": now,
        "statistics": statistics,
    });
    let mut result = Map::from_iter([("run".to_owned(), run), ("statistics".to_owned(), statistics)]);
    result.extend(view);
    Ok(Reply::new(Value::Object(result)))
}

async fn list_keys(
    State(logs): State<Logs>,
    InAccount(account): InAccount,
    Json(body): Json<Value>,
) -> Result<Reply, ApiError> {
    let read = move |folder: PathBuf| keys(&body, &folder);
    Ok(Reply::new(answer(logs.read(&account.id, read).await)?))
}

async fn list_values(
    State(logs): State<Logs>,
    InAccount(account): InAccount,
    Json(body): Json<Value>,
) -> Result<Reply, ApiError> {
    let read = move |folder: PathBuf| values(&body, &folder);
    Ok(Reply::new(answer(logs.read(&account.id, read).await)?))
}

fn answer<T>(outcome: Result<Result<T, QueryError>, Overloaded>) -> Result<T, ApiError> {
    let busy = |text: String| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code::INTERNAL, text);
    match outcome {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(QueryError::Invalid(text))) => Err(ApiError::bad_request(code::BAD_BODY, text)),
        Ok(Err(QueryError::Scan(error @ ScanError::TooLong))) => {
            Err(ApiError::bad_request(code::BAD_BODY, error.to_string()))
        }
        Ok(Err(QueryError::Scan(ScanError::Failed(error)))) => Err(ApiError::internal(error)),
        Err(Overloaded) => Err(busy("Too many queries of logs are under way. Try again.".to_owned())),
    }
}
