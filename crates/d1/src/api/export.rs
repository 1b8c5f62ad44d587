//! `POST D/:id/export`: begins to write the database down as a script, and says where it can be fetched
//! (wrangler-api.md 6). A failure is told inside of the envelope's result.

use std::sync::Arc;

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, Params, Reply};
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Endpoints;
use super::error::{self, bad_request};
use super::signature::{Direction, host};
use super::transfers::{Job, Stage};
use crate::{D1Error, DatabaseId, ExportOptions};

/// What is asked.
#[derive(Deserialize)]
pub struct Export {
    output_format: String,
    #[serde(default)]
    dump_options: Options,
    #[serde(default)]
    current_bookmark: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Options {
    no_schema: bool,
    no_data: bool,
    tables: Vec<String>,
}

/// Begins an export, or asks for one that was begun.
pub async fn post(
    State(endpoints): State<Endpoints>,
    account: InAccount,
    params: Params,
    headers: HeaderMap,
    uri: Uri,
    Json(asked): Json<Export>,
) -> Result<Reply, ApiError> {
    let (_, id) = endpoints.database(&account, &params).await?;
    let shared = &endpoints.0;
    if asked.output_format != "polling" {
        return Err(bad_request("Invalid property: output_format => must be \"polling\""));
    }
    let Options { no_schema, no_data, tables } = asked.dump_options;
    if no_schema && no_data {
        return Err(bad_request("With both no_schema and no_data there is nothing to export"));
    }
    let host = host(&headers, &uri).ok_or_else(|| bad_request("The request names no host"))?;
    let job = match asked.current_bookmark {
        Some(at) => {
            let found = shared.transfers.find(id, |job| job.direction == Direction::Export && job.at == at);
            match found {
                Some(job) => job,
                None => return Ok(failed("Not currently exporting anything.")),
            }
        }
        None => {
            let position = shared.d1.position(id).await.map_err(|error| error::database(&error))?;
            let job = shared.transfers.begin(id, Direction::Export, position, String::new(), Stage::Running);
            let options = ExportOptions { no_schema, no_data, tables };
            tokio::spawn(run(endpoints.clone(), id, options, Arc::clone(&job)));
            job
        }
    };
    let outcome = job.wait(shared.transfers.config.patience).await;
    let url = shared.signer.url(&host, Direction::Export, id, &job.filename, shared.transfers.config.keep);
    Ok(answer(&job, outcome, &url))
}

fn answer(job: &Job, outcome: Option<Result<Value, String>>, url: &str) -> Reply {
    match outcome {
        Some(Ok(_)) => Reply::new(json!({
            "success": true,
            "type": "export",
            "status": "complete",
            "at_bookmark": job.at,
            "messages": [],
            "result": {"filename": job.filename, "signed_url": url},
        })),
        Some(Err(error)) => failed(&error),
        None => Reply::new(json!({
            "success": true,
            "type": "export",
            "status": "active",
            "at_bookmark": job.at,
            "messages": ["Exporting..."],
        })),
    }
}

fn failed(error: &str) -> Reply {
    Reply::new(json!({
        "success": false,
        "type": "export",
        "status": "error",
        "error": error,
        "messages": [],
    }))
}

async fn run(endpoints: Endpoints, id: DatabaseId, options: ExportOptions, job: Arc<Job>) {
    let outcome = match write(&endpoints, id, options, &job).await {
        Ok(()) => Ok(Value::Null),
        Err(error) => {
            if let D1Error::Internal(cause) = &error {
                tracing::error!(%id, %cause, "an export failed");
            }
            endpoints.0.transfers.delete_file(&job);
            Err(error.to_string())
        }
    };
    job.stage.send_replace(Stage::Done(outcome));
}

async fn write(
    endpoints: &Endpoints,
    id: DatabaseId,
    options: ExportOptions,
    job: &Job,
) -> Result<(), D1Error> {
    let shared = &endpoints.0;
    let mut refused = None;
    let pieces = shared.d1.export(id, options).await?;
    let pieces = futures::StreamExt::map(pieces, |piece| {
        piece.map_err(|error| {
            let text = error.to_string();
            refused = Some(error);
            text
        })
    });
    let full = |text: &dyn std::fmt::Display| D1Error::Sql(format!("The export has no room. {text}"));
    let admitted = shared.d1.space().admit(&id.to_string(), 0).map_err(|no| full(&no))?;
    let written = shared.transfers.write(&job.file, pieces, u64::MAX, admitted).await;
    match (refused, written) {
        (Some(error), _) => Err(error),
        (None, Err(error)) if error.kind() == std::io::ErrorKind::StorageFull => Err(full(&error)),
        (None, written) => Ok(written.map(drop)?),
    }
}
