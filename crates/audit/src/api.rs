//! The log, read: by Cloudflare's two APIs for an account, and by ours for the installation.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hearth_api::{ApiError, InAccount, Operation, PageQuery, Query, Reply, code};
use http::Method;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::log::{Log, LogError};
use crate::query::{Filter, Scope};
use crate::view;

/// Entries of a page where the client does not say.
const PER_PAGE: u64 = 100;

/// Most entries of a page.
const MOST: u64 = 1000;

/// What the API can do.
pub fn operations(log: &Log) -> Vec<Operation> {
    let get = || Method::GET;
    vec![
        Operation::new(get(), "/accounts/{account}/audit_logs", first, log),
        Operation::new(get(), "/accounts/{account}/logs/audit", second, log),
        Operation::new(get(), "/installation/audit_logs", installation, log),
    ]
}

/// `GET accounts/:account/audit_logs`.
async fn first(
    State(log): State<Log>,
    InAccount(account): InAccount,
    query: Query,
) -> Result<Reply, ApiError> {
    page(&log, filter(Scope::Account(account.id), &query)?, &query).await
}

/// `GET installation/audit_logs`: what is no account's, or with `all=true` everything.
async fn installation(State(log): State<Log>, query: Query) -> Result<Reply, ApiError> {
    let scope = if query.flag("all") { Scope::Everything } else { Scope::Installation };
    page(&log, filter(scope, &query)?, &query).await
}

async fn page(log: &Log, filter: Filter, query: &Query) -> Result<Reply, ApiError> {
    let window = PageQuery { cursor: None, ..PageQuery::from_query(query) }.window(PER_PAGE);
    let (entries, total) = log.page(filter, window.offset(), window.limit()).await.map_err(broken)?;
    let info = window.info(entries.len(), total);
    Ok(Reply::page(entries.iter().map(view::first).collect(), info))
}

/// `GET accounts/:account/logs/audit`.
async fn second(
    State(log): State<Log>,
    InAccount(account): InAccount,
    query: Query,
) -> Result<Response, ApiError> {
    let filter = filter(Scope::Account(account.id.clone()), &query)?;
    let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(PER_PAGE).clamp(1, MOST);
    let after = query.get("cursor").filter(|cursor| !cursor.is_empty()).map(number).transpose()?;
    // One more says whether there is another page.
    let mut found = log.after(filter, after, limit + 1).await.map_err(broken)?;
    let more = found.len() as u64 > limit;
    found.truncate(limit as usize);
    let after = found.last().filter(|_| more).map(|(number, _)| cursor(*number));
    let entries: Vec<_> = found.iter().map(|(_, entry)| view::second(entry, &account.name)).collect();
    // Its `result_info` is another one than those of pages; Cloudflare's SDKs look for `cursors.after`, its documentation
    // names `cursor`.
    let body = json!({
        "success": true,
        "errors": [],
        "messages": [],
        "result_info": {"count": entries.len(), "cursor": after, "cursors": {"after": after}},
        "result": entries,
    });
    Ok(axum::Json(body).into_response())
}

/// The parameters of both APIs, by the names of either.
fn filter(scope: Scope, query: &Query) -> Result<Filter, ApiError> {
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| query.get(name));
        found.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let time = |name: &str| query.get(name).map(|text| moment(name, text)).transpose();
    Ok(Filter {
        since: time("since")?,
        before: time("before")?,
        id: text(&["id", "audit_log_id"]),
        email: text(&["actor.email", "actor_email"]),
        ip: text(&["actor.ip", "actor_ip_address"]),
        token_id: text(&["actor_token_id"]),
        action: text(&["action.type", "action_type"]),
        method: text(&["raw_method"]),
        resource: text(&["resource_id"]),
        resource_type: text(&["resource_type"]),
        done: text(&["action_result"]).map(|result| result == "success"),
        ascending: query.get("direction") == Some("asc"),
        ..Filter::of(scope)
    })
}

/// A time as RFC 3339 writes it, or a date, which begins at midnight UTC. In microseconds since 1970.
fn moment(name: &str, text: &str) -> Result<i64, ApiError> {
    let date = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    let time = text.parse::<Timestamp>().ok().or_else(date);
    time.map(Timestamp::as_microsecond).ok_or_else(|| {
        ApiError::bad_request(
            code::BAD_BODY,
            format!("`{name}` is neither a date such as 2026-11-30 nor a time such as 2026-11-30T12:00:00Z."),
        )
    })
}

fn cursor(number: i64) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(number.to_string())
}

fn number(cursor: &str) -> Result<i64, ApiError> {
    let decode = || {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        std::str::from_utf8(&bytes).ok()?.parse().ok()
    };
    decode()
        .ok_or_else(|| ApiError::bad_request(code::BAD_BODY, "`cursor` was not given out by this server."))
}

fn broken(error: LogError) -> ApiError {
    ApiError::internal(error)
}
