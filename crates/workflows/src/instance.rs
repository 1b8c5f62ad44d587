//! How an instance reads in Cloudflare's API: made of the engine's record and history of it. Pure.
//!
//! The engine writes a line into the history for all that happens (`step_started`, `attempt_errored`, …, with the step's
//! name and number); the API shows steps with their attempts.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// What the engine says of an instance (`describe` in `runtime/workflows/engine.js`) as the API's answer.
pub fn view(described: &Value) -> Value {
    let record = &described["record"];
    let history: Vec<&Value> = described["history"].as_array().into_iter().flatten().collect();
    let first = |kind: &str| history.iter().find(|event| event["type"] == kind);
    let end = history.iter().rev().find(|event| {
        matches!(
            event["type"].as_str(),
            Some("workflow_completed" | "workflow_errored" | "workflow_terminated")
        )
    });
    let status = record["status"].as_str().unwrap_or("unknown");
    let success = match status {
        "complete" => json!(true),
        "errored" | "terminated" => json!(false),
        _ => Value::Null,
    };
    let mut steps = steps(&history, &described["events"]);
    if status == "terminated" {
        steps.push(json!({ "type": "termination", "trigger": { "source": "api" } }));
    }
    json!({
        "status": status,
        "params": record["params"],
        "trigger": { "source": described["source"].as_str().unwrap_or("unknown") },
        "versionId": described["version"],
        "queued": first("workflow_queued").map_or(Value::Null, |event| time(event)),
        "start": first("workflow_started").map_or(Value::Null, |event| time(event)),
        "end": end.map_or(Value::Null, |event| time(event)),
        "success": success,
        "step_count": steps.len(),
        "steps": steps,
        "output": record["output"],
        "error": record["error"],
    })
}

/// RFC 3339 of the engine's milliseconds; null for what is no time.
pub fn rfc3339(milliseconds: &Value) -> Value {
    let time = milliseconds.as_i64().and_then(|at| Timestamp::from_millisecond(at).ok());
    time.map_or(Value::Null, |at| json!(at.to_string()))
}

fn time(event: &Value) -> Value {
    rfc3339(&event["timestamp"])
}

/// The steps in the order they began. One that ran again after a crash goes on where it was.
fn steps(history: &[&Value], events: &Value) -> Vec<Value> {
    let mut steps: Vec<(String, Map<String, Value>)> = Vec::new();
    for event in history {
        let (Some(kind), Some(name)) = (event["type"].as_str(), event["stepName"].as_str()) else { continue };
        let Some((class, happened)) = class_of(kind) else { continue };
        let key = format!("{class} {name}");
        let position = steps.iter().position(|(known, _)| *known == key);
        let index = position.unwrap_or_else(|| {
            steps.push((key, begin(class, name, event)));
            steps.len() - 1
        });
        happens(&mut steps[index].1, class, happened, event, &events[name]);
    }
    steps.into_iter().map(|(_, step)| Value::Object(step)).collect()
}

/// The API's type of the step that a line is about, and what happened to it.
fn class_of(kind: &str) -> Option<(&'static str, &str)> {
    let (subject, happened) = kind.rsplit_once('_')?;
    Some(match subject {
        "step" => ("step", happened),
        "attempt" => ("step", kind),
        "sleep" => ("sleep", happened),
        "wait" => ("waitForEvent", happened),
        "wait_timed" => ("waitForEvent", "timed_out"),
        _ => return None,
    })
}

fn begin(class: &str, name: &str, event: &Value) -> Map<String, Value> {
    let mut step = Map::new();
    step.insert("name".to_owned(), json!(name));
    step.insert("type".to_owned(), json!(class));
    step.insert("start".to_owned(), time(event));
    step.insert("end".to_owned(), Value::Null);
    match class {
        "step" => {
            step.insert("success".to_owned(), Value::Null);
            step.insert("output".to_owned(), Value::Null);
            step.insert("attempts".to_owned(), json!([]));
            step.insert("config".to_owned(), event["config"].clone());
        }
        _ => {
            step.insert("finished".to_owned(), json!(false));
            step.insert("error".to_owned(), Value::Null);
        }
    }
    step
}

fn happens(step: &mut Map<String, Value>, class: &str, happened: &str, event: &Value, received: &Value) {
    let end = |step: &mut Map<String, Value>| {
        step.insert("end".to_owned(), time(event));
    };
    match (class, happened) {
        ("step", "completed") => {
            end(step);
            step.insert("success".to_owned(), json!(true));
            step.insert("output".to_owned(), event["output"].clone());
        }
        ("step", "errored") => {
            end(step);
            step.insert("success".to_owned(), json!(false));
        }
        ("step", "attempt_started") => {
            if let Some(Value::Array(attempts)) = step.get_mut("attempts") {
                attempts.push(json!({ "start": time(event), "end": null, "success": null, "error": null }));
            }
        }
        ("step", "attempt_completed" | "attempt_errored") => {
            let attempts = step.get_mut("attempts").and_then(Value::as_array_mut);
            if let Some(attempt) = attempts.and_then(|attempts| attempts.last_mut()) {
                attempt["end"] = time(event);
                attempt["success"] = json!(happened == "attempt_completed");
                attempt["error"] = event["error"].clone();
            }
        }
        ("sleep" | "waitForEvent", "completed") => {
            end(step);
            step.insert("finished".to_owned(), json!(true));
            if class == "waitForEvent" {
                step.insert("output".to_owned(), received.clone());
            }
        }
        ("waitForEvent", "timed_out") => {
            end(step);
            step.insert("finished".to_owned(), json!(true));
            let text = "Execution timed out";
            step.insert("error".to_owned(), json!({ "name": "TimeoutError", "message": text }));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(status: &str, history: Value) -> Value {
        json!({
            "record": { "id": "a", "params": { "x": 1 }, "created": 1000, "status": status, "output": 3 },
            "history": history,
            "events": { "go-1": { "type": "go", "payload": { "y": 2 } } },
            "version": "v", "source": "binding",
        })
    }

    #[test]
    fn steps_have_their_attempts() {
        let shown = view(&described(
            "complete",
            json!([
                { "type": "workflow_queued", "timestamp": 1000 },
                { "type": "workflow_started", "timestamp": 2000 },
                { "type": "step_started", "timestamp": 3000, "stepName": "one-1", "config": { "retries": { "limit": 2 } } },
                { "type": "attempt_started", "timestamp": 3000, "stepName": "one-1", "attempt": 1 },
                { "type": "attempt_errored", "timestamp": 4000, "stepName": "one-1", "error": { "name": "Error", "message": "no" } },
                { "type": "workflow_waiting", "timestamp": 4000 },
                { "type": "attempt_started", "timestamp": 5000, "stepName": "one-1", "attempt": 2 },
                { "type": "attempt_completed", "timestamp": 6000, "stepName": "one-1" },
                { "type": "step_completed", "timestamp": 6000, "stepName": "one-1", "output": 2 },
                { "type": "sleep_started", "timestamp": 6000, "stepName": "nap-1", "durationMs": 1000 },
                { "type": "sleep_completed", "timestamp": 7000, "stepName": "nap-1" },
                { "type": "wait_started", "timestamp": 7000, "stepName": "go-1", "eventType": "go" },
                { "type": "wait_completed", "timestamp": 8000, "stepName": "go-1" },
                { "type": "wait_started", "timestamp": 8000, "stepName": "never-1", "eventType": "never" },
                { "type": "wait_timed_out", "timestamp": 9000, "stepName": "never-1" },
                { "type": "workflow_completed", "timestamp": 9000, "output": 3 },
            ]),
        ));
        let at = |second: i64| json!(Timestamp::from_second(second).unwrap().to_string());
        assert_eq!((&shown["queued"], &shown["start"], &shown["end"]), (&at(1), &at(2), &at(9)));
        assert_eq!((&shown["success"], &shown["output"]), (&json!(true), &json!(3)));
        assert_eq!(shown["versionId"], "v");
        assert_eq!(
            shown["steps"],
            json!([
                {
                    "name": "one-1", "type": "step", "start": at(3), "end": at(6), "success": true, "output": 2,
                    "config": { "retries": { "limit": 2 } },
                    "attempts": [
                        { "start": at(3), "end": at(4), "success": false, "error": { "name": "Error", "message": "no" } },
                        { "start": at(5), "end": at(6), "success": true, "error": null },
                    ],
                },
                { "name": "nap-1", "type": "sleep", "start": at(6), "end": at(7), "finished": true, "error": null },
                {
                    "name": "go-1", "type": "waitForEvent", "start": at(7), "end": at(8), "finished": true, "error": null,
                    "output": { "type": "go", "payload": { "y": 2 } },
                },
                {
                    "name": "never-1", "type": "waitForEvent", "start": at(8), "end": at(9), "finished": true,
                    "error": { "name": "TimeoutError", "message": "Execution timed out" },
                },
            ])
        );
    }

    #[test]
    fn what_has_not_ended_has_no_end() {
        let shown = view(&described(
            "running",
            json!([
                { "type": "workflow_queued", "timestamp": 1000 },
                { "type": "step_started", "timestamp": 3000, "stepName": "one-1", "config": {} },
                { "type": "attempt_started", "timestamp": 3000, "stepName": "one-1", "attempt": 1 },
            ]),
        ));
        assert_eq!((&shown["end"], &shown["success"]), (&Value::Null, &Value::Null));
        assert_eq!(shown["steps"][0]["attempts"][0]["success"], Value::Null);
        assert_eq!(view(&described("terminated", json!([])))["steps"][0]["type"], "termination");
    }
}
