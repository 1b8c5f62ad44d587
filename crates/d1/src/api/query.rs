//! `POST D/:id/query` and `raw`: one call is one transaction, whatever it holds (wrangler's migrations rely on it).

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hearth_api::{ApiError, InAccount, Json, Params};
use http::header;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Endpoints;
use super::error::{self, bad_request};
use crate::{Request, Results, Shape};

/// `{"sql", "params"}` or `{"batch": [{"sql", "params"}]}`. Only the engine parses what is in them.
#[derive(Deserialize)]
pub struct Queries {
    #[serde(default)]
    sql: Option<Box<RawValue>>,
    #[serde(default)]
    params: Option<Box<RawValue>>,
    #[serde(default)]
    batch: Option<Box<RawValue>>,
}

impl Queries {
    fn into_bytes(self) -> Result<Bytes, ApiError> {
        let params = self.params.as_ref().map_or("[]", |params| params.get());
        match (&self.sql, &self.batch) {
            (Some(sql), None) => Ok(format!("{{\"sql\":{},\"params\":{params}}}", sql.get()).into()),
            (None, Some(batch)) if batch.get().starts_with('[') => Ok(batch.get().to_owned().into()),
            (None, Some(_)) => Err(bad_request("Invalid property: batch => an array of queries is expected")),
            (Some(_), Some(_)) => Err(bad_request("Either `sql` or `batch` is expected, not both")),
            (None, None) => Err(bad_request("Invalid property: sql => Required")),
        }
    }
}

/// Rows as objects.
pub async fn query(
    State(endpoints): State<Endpoints>,
    account: InAccount,
    params: Params,
    Json(queries): Json<Queries>,
) -> Result<Response, ApiError> {
    run(&endpoints, &account, &params, queries, Results::Objects).await
}

/// Rows as arrays.
pub async fn raw(
    State(endpoints): State<Endpoints>,
    account: InAccount,
    params: Params,
    Json(queries): Json<Queries>,
) -> Result<Response, ApiError> {
    run(&endpoints, &account, &params, queries, Results::RowsAndColumns).await
}

async fn run(
    endpoints: &Endpoints,
    account: &InAccount,
    params: &Params,
    queries: Queries,
    results: Results,
) -> Result<Response, ApiError> {
    let (_, id) = endpoints.database(account, params).await?;
    let request = Request { queries: queries.into_bytes()?, results, shape: Shape::PerStatement };
    let answer = endpoints.0.d1.query(id, request).await.map_err(|error| error::database(&error))?;
    Ok(enveloped(answer.results))
}

/// The envelope around a result that is JSON already, and may be long.
fn enveloped(result: Bytes) -> Response {
    let parts = [
        Bytes::from_static(br#"{"success":true,"errors":[],"messages":[],"result":"#),
        result,
        Bytes::from_static(b"}"),
    ];
    let body = Body::from_stream(futures::stream::iter(parts.map(Ok::<_, std::convert::Infallible>)));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(body: &str) -> Result<String, ApiError> {
        let queries: Queries = serde_json::from_str(body).unwrap();
        queries.into_bytes().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn both_forms_are_read() {
        assert_eq!(bytes(r#"{"sql":"a;b"}"#).unwrap(), r#"{"sql":"a;b","params":[]}"#);
        assert_eq!(bytes(r#"{"sql":"a","params":[1,"x"]}"#).unwrap(), r#"{"sql":"a","params":[1,"x"]}"#);
        assert_eq!(bytes(r#"{"batch":[{"sql":"a"}]}"#).unwrap(), r#"[{"sql":"a"}]"#);
        for bad in ["{}", r#"{"sql":"a","batch":[]}"#, r#"{"batch":{"sql":"a"}}"#] {
            assert_eq!(bytes(bad).unwrap_err().code(), error::BAD_REQUEST, "{bad}");
        }
    }
}
