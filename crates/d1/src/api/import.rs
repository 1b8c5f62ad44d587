//! `POST D/:id/import`: `init` gives a URL for the file, `ingest` runs it as one transaction, `poll` asks how it goes
//! (wrangler-api.md 6). A failure is told inside of the envelope's result.

use std::sync::Arc;

use axum::extract::State;
use futures::StreamExt;
use hearth_api::{ApiError, InAccount, Json, Params, Reply};
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Endpoints;
use super::error::{self, bad_request};
use super::signature::{Direction, host};
use super::transfers::{Job, Stage, read};
use crate::{D1Error, DatabaseId, Imported};

/// What is asked.
#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum Action {
    /// A file with this MD5 is to come.
    Init {
        /// Hexadecimal.
        etag: String,
    },
    /// The file is there.
    Ingest {
        /// As `init` has given it.
        filename: String,
        /// As in `init`.
        etag: String,
    },
    /// How does it go?
    Poll {
        /// As `at_bookmark` has given it.
        current_bookmark: String,
    },
}

/// One step of the dance.
pub async fn post(
    State(endpoints): State<Endpoints>,
    account: InAccount,
    params: Params,
    headers: HeaderMap,
    uri: Uri,
    Json(action): Json<Action>,
) -> Result<Reply, ApiError> {
    let (_, id) = endpoints.database(&account, &params).await?;
    let shared = &endpoints.0;
    let job = match action {
        Action::Init { etag } => {
            let etag = etag.to_ascii_lowercase();
            if etag.len() != 32 || !etag.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(bad_request(
                    "Invalid property: etag => the file's MD5 is expected, in hexadecimal",
                ));
            }
            let host = host(&headers, &uri).ok_or_else(|| bad_request("The request names no host"))?;
            let position = shared.d1.position(id).await.map_err(|error| error::database(&error))?;
            let job = shared.transfers.begin(id, Direction::Import, position, etag, Stage::Expected);
            let valid = shared.transfers.config.keep;
            let url = shared.signer.url(&host, Direction::Import, id, &job.filename, valid);
            return Ok(Reply::new(json!({
                "success": true,
                "type": "import",
                "filename": job.filename,
                "upload_url": url,
            })));
        }
        Action::Ingest { filename, etag } => {
            let of_file = |job: &Job| job.direction == Direction::Import && job.filename == filename;
            let Some(job) = shared.transfers.find(id, of_file) else {
                return Ok(failed("There is no such file; it has expired, or was never announced."));
            };
            if !etag.eq_ignore_ascii_case(&job.etag) {
                return Ok(failed("The etag is not the one that the upload began with."));
            }
            if job.advance(&Stage::Uploaded, Stage::Running) {
                tokio::spawn(run(endpoints.clone(), id, Arc::clone(&job)));
            } else if matches!(*job.stage.borrow(), Stage::Expected | Stage::Uploading) {
                return Ok(failed("The file has not been uploaded."));
            }
            job
        }
        Action::Poll { current_bookmark } => {
            let asked = |job: &Job| job.direction == Direction::Import && job.at == current_bookmark;
            match shared.transfers.find(id, asked) {
                Some(job) => job,
                None => return Ok(failed("Not currently importing anything.")),
            }
        }
    };
    Ok(answer(&job, job.wait(shared.transfers.config.patience).await))
}

fn answer(job: &Job, outcome: Option<Result<Value, String>>) -> Reply {
    match outcome {
        Some(Ok(result)) => Reply::new(json!({
            "success": true,
            "type": "import",
            "status": "complete",
            "at_bookmark": job.at,
            "messages": [],
            "result": result,
        })),
        Some(Err(error)) => failed(&error),
        None => Reply::new(json!({
            "success": true,
            "type": "import",
            "status": "active",
            "at_bookmark": job.at,
            "messages": ["Importing..."],
        })),
    }
}

fn failed(error: &str) -> Reply {
    Reply::new(json!({
        "success": false,
        "type": "import",
        "status": "error",
        "error": error,
        "errors": [error],
        "messages": [],
    }))
}

async fn run(endpoints: Endpoints, id: DatabaseId, job: Arc<Job>) {
    let shared = &endpoints.0;
    let imported = match read(&job.file).await {
        Ok(pieces) => shared.d1.import(id, pieces.boxed()).await,
        Err(error) => Err(D1Error::Internal(error)),
    };
    let outcome = imported.map(|imported| summary(&imported)).map_err(|error| {
        if let D1Error::Internal(cause) = &error {
            tracing::error!(%id, %cause, "an import failed");
        }
        error.to_string()
    });
    job.stage.send_replace(Stage::Done(outcome));
    shared.transfers.delete_file(&job);
}

fn summary(imported: &Imported) -> Value {
    let summary = &imported.summary;
    json!({
        "num_queries": summary.statements,
        "final_bookmark": imported.position.to_string(),
        "meta": {
            "duration": summary.duration_us as f64 / 1000.0,
            "changes": summary.changes,
            "changed_db": summary.rows_written > 0,
            "rows_read": summary.rows_read,
            "rows_written": summary.rows_written,
            "size_after": summary.size_after,
        },
    })
}
