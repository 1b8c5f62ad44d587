//! Entries as Cloudflare shows them: the first audit log's form
//! (<https://developers.cloudflare.com/api/resources/audit_logs/>) and the second one's
//! (<https://developers.cloudflare.com/api/resources/accounts/subresources/logs/subresources/audit/>).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::entry::{Entry, Outcome};
use crate::query::verb;

/// The first form. What was there before and after is JSON as a text too, as Cloudflare has it.
pub(crate) fn first(entry: &Entry) -> Value {
    let actor = &entry.actor;
    let outcome = Outcome::of(entry.status);
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    json!({
        "id": entry.id,
        "action": {"type": entry.operation, "result": outcome == Outcome::Done},
        "actor": {"id": actor.id, "email": actor.email, "ip": actor.ip, "type": actor.kind},
        "interface": "API",
        "metadata": {
            "description": entry.title,
            "outcome": outcome.as_str(),
            "method": entry.method,
            "path": entry.path,
            "status": entry.status,
            "code": entry.code,
            "user_agent": actor.agent,
            "token_id": actor.token_id,
            "token_name": actor.token_name,
        },
        "oldValue": text(&entry.before),
        "oldValueJson": entry.before,
        "newValue": text(&entry.after),
        "newValueJson": entry.after,
        "owner": {"id": entry.account},
        "resource": {"id": entry.resource_id, "type": entry.resource_type},
        "when": time(entry.at),
    })
}

/// The second form; `account` is the name of the entry's.
pub(crate) fn second(entry: &Entry, account: &str) -> Value {
    let actor = &entry.actor;
    let context = if actor.token_id.is_some() { "api_token" } else { "api" };
    let scope = match entry.path.as_str() {
        path if path.contains("/zones/") => "zones",
        path if path.contains("/user") => "user",
        _ => "accounts",
    };
    json!({
        "id": entry.id,
        "account": {"id": entry.account, "name": account},
        "action": {
            "description": entry.title,
            "result": if Outcome::of(entry.status) == Outcome::Done { "success" } else { "failure" },
            "time": time(entry.at),
            "type": verb(&entry.method),
        },
        "actor": {
            "id": actor.id,
            "context": context,
            "email": actor.email,
            "ip_address": actor.ip,
            "token_id": actor.token_id,
            "token_name": actor.token_name,
            "type": actor.kind,
        },
        "raw": {
            "method": entry.method,
            "status_code": entry.status,
            "uri": entry.path,
            "user_agent": actor.agent,
        },
        "resource": {
            "id": entry.resource_id,
            "product": entry.product,
            "type": entry.resource_type,
            "scope": scope,
            "request": entry.before,
            "response": entry.after,
        },
        "operation": entry.operation,
    })
}

fn time(at: i64) -> String {
    Timestamp::from_microsecond(at).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}
