//! Ours: a worker's scheduled runs, and one by hand.

use axum::extract::State;
use hearth_api::{Api, ApiError, InAccount, Json, Operation, Params, Reply};
use hearth_model::Cron as Expression;
use hearth_store::{ScheduledRun, Worker};
use hearth_supervisor::Scheduled;
use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Cron;

pub(crate) const PATH: &str = "/accounts/{account}/workers/scripts/{worker}/hearth/scheduled";

#[derive(Clone)]
struct Calls {
    api: Api,
    cron: Cron,
}

/// What a run by hand is sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wanted {
    /// The expression that the handler sees. Default: the worker's first one.
    cron: Option<Expression>,
    /// The time that the handler sees, in milliseconds since 1970. Default: now.
    scheduled_time: Option<i64>,
}

/// The operations.
pub fn operations(api: &Api, cron: &Cron) -> Vec<Operation> {
    let calls = Calls { api: api.clone(), cron: cron.clone() };
    vec![Operation::new(Method::GET, PATH, list, &calls), Operation::new(Method::POST, PATH, run, &calls)]
}

/// The latest runs, newest first.
async fn list(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let worker = calls.api.find_any(&account, params.get("worker")).await?;
    let runs = calls.api.store().runs(worker.id).await?;
    Ok(Reply::new(runs.iter().map(view).collect()))
}

/// Runs the handler now and answers when it has ended.
async fn run(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
    Json(wanted): Json<Wanted>,
) -> Result<Reply, ApiError> {
    let worker: Worker = calls.api.find_any(&account, params.get("worker")).await?;
    let cron = match wanted.cron {
        Some(cron) => cron.into(),
        None => {
            let schedules = calls.api.store().schedules(worker.id).await?;
            schedules.into_iter().next().map_or_else(|| "* * * * *".to_owned(), |schedule| schedule.cron)
        }
    };
    let scheduled_time_ms = wanted.scheduled_time.unwrap_or_else(|| Timestamp::now().as_millisecond());
    Ok(Reply::new(view(&calls.cron.run(worker.id, Scheduled { cron, scheduled_time_ms }).await)))
}

fn view(run: &ScheduledRun) -> Value {
    json!({
        "cron": run.cron,
        "scheduled_time": run.scheduled_on.to_string(),
        "started_on": run.started_on.to_string(),
        "duration_ms": run.duration_ms,
        "outcome": run.outcome,
        "error": run.error,
    })
}
