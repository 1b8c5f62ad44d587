//! From workerd's description of an invocation to ours. What a newer workerd may add reads as unknown, not as an error.

use capnp::text;

use super::trace::{
    Diagnostic, ErrorInfo, Event, Exception, ExecutionModel, FetchEvent, Log, LogLevel, Outcome, Trace,
    WebSocketEvent,
};
use crate::fields::method_name;
use crate::schema::trace_capnp::{EventOutcome, trace};

pub(crate) const NS_PER_MS: i64 = 1_000_000;

/// Whether it holds nothing that somebody would look for in a log.
pub(crate) fn is_quiet(trace: trace::Reader<'_>) -> capnp::Result<bool> {
    Ok(outcome(trace).is_quiet() && trace.get_logs()?.is_empty() && trace.get_exceptions()?.is_empty())
}

pub(crate) fn decode(trace: trace::Reader<'_>) -> capnp::Result<Trace> {
    Ok(Trace {
        event_timestamp_ms: trace.get_event_timestamp_ns() / NS_PER_MS,
        event: event(trace)?,
        outcome: outcome(trace),
        response_status: match trace.has_response() {
            true => Some(trace.get_response()?.get_status_code()),
            false => None,
        },
        logs: trace.get_logs()?.iter().map(log).collect::<capnp::Result<_>>()?,
        exceptions: trace.get_exceptions()?.iter().map(exception).collect::<capnp::Result<_>>()?,
        diagnostics: trace
            .get_diagnostic_channel_events()?
            .iter()
            .map(diagnostic)
            .collect::<capnp::Result<_>>()?,
        entrypoint: some(trace.get_entrypoint()?).filter(|name| name != "default"),
        durable_object_id: some(trace.get_durable_object_id()?),
        execution_model: match trace.get_execution_model() {
            Ok(trace::ExecutionModel::DurableObject) => ExecutionModel::DurableObject,
            Ok(trace::ExecutionModel::Workflow) => ExecutionModel::Workflow,
            Ok(trace::ExecutionModel::Stateless) | Err(_) => ExecutionModel::Stateless,
        },
        truncated: trace.get_truncated(),
    })
}

fn outcome(trace: trace::Reader<'_>) -> Outcome {
    match trace.get_outcome() {
        Ok(EventOutcome::Ok) => Outcome::Ok,
        Ok(EventOutcome::Exception) => Outcome::Exception,
        Ok(EventOutcome::ExceededCpu) => Outcome::ExceededCpu,
        Ok(EventOutcome::KillSwitch) => Outcome::KillSwitch,
        Ok(EventOutcome::DaemonDown) => Outcome::DaemonDown,
        Ok(EventOutcome::ScriptNotFound) => Outcome::ScriptNotFound,
        Ok(EventOutcome::Canceled) => Outcome::Canceled,
        Ok(EventOutcome::ExceededMemory) => Outcome::ExceededMemory,
        Ok(EventOutcome::LoadShed) => Outcome::LoadShed,
        Ok(EventOutcome::ResponseStreamDisconnected) => Outcome::ResponseStreamDisconnected,
        Ok(EventOutcome::InternalError) => Outcome::InternalError,
        Ok(EventOutcome::ExceededWallTime) => Outcome::ExceededWallTime,
        Ok(EventOutcome::Aborted) => Outcome::Aborted,
        Ok(EventOutcome::Unknown) | Err(_) => Outcome::Unknown,
    }
}

fn event(trace: trace::Reader<'_>) -> capnp::Result<Option<Event>> {
    use trace::event_info::Which;
    let Ok(kind) = trace.get_event_info().which() else { return Ok(None) };
    Ok(Some(match kind {
        Which::None(()) => return Ok(None),
        Which::Fetch(fetch) => {
            let fetch = fetch?;
            let headers = fetch.get_headers()?.iter();
            Event::Fetch(FetchEvent {
                method: fetch.get_method().map_or("UNKNOWN", method_name).to_owned(),
                url: owned(fetch.get_url()?),
                cf_json: some(fetch.get_cf_json()?),
                headers: headers
                    .map(|header| Ok((owned(header.get_name()?), owned(header.get_value()?))))
                    .collect::<capnp::Result<_>>()?,
            })
        }
        Which::JsRpc(call) => Event::JsRpc { method: owned(call?.get_method_name()?) },
        Which::Scheduled(scheduled) => {
            let scheduled = scheduled?;
            // Whole milliseconds in a double, as JavaScript has them.
            let scheduled_time_ms = scheduled.get_scheduled_time() as i64;
            Event::Scheduled { scheduled_time_ms, cron: owned(scheduled.get_cron()?) }
        }
        Which::Alarm(alarm) => Event::Alarm { scheduled_time_ms: alarm?.get_scheduled_time_ms() },
        Which::Queue(queue) => {
            let queue = queue?;
            Event::Queue { queue: owned(queue.get_queue_name()?), batch_size: queue.get_batch_size() }
        }
        Which::Email(email) => {
            let email = email?;
            Event::Email {
                mail_from: owned(email.get_mail_from()?),
                rcpt_to: owned(email.get_rcpt_to()?),
                raw_size: email.get_raw_size(),
            }
        }
        Which::Trace(tail) => {
            let traces = tail?.get_traces()?.iter();
            let scripts = traces.map(|item| Ok(some(item.get_script_name()?)));
            Event::Tail { scripts: scripts.collect::<capnp::Result<_>>()? }
        }
        Which::HibernatableWebSocket(socket) => Event::HibernatableWebSocket(web_socket(socket?)?),
        Which::Connect(_) => Event::Connect,
        Which::Custom(_) => Event::Custom,
    }))
}

fn web_socket(socket: trace::hibernatable_web_socket::Reader<'_>) -> capnp::Result<WebSocketEvent> {
    use trace::hibernatable_web_socket::type_::Which;
    Ok(match socket.get_type().which()? {
        Which::Message(()) => WebSocketEvent::Message,
        Which::Close(close) => {
            WebSocketEvent::Close { code: close.get_code(), was_clean: close.get_was_clean() }
        }
        Which::Error(()) => WebSocketEvent::Error,
    })
}

fn log(log: trace::log::Reader<'_>) -> capnp::Result<Log> {
    let level = match log.get_level() {
        Ok(trace::log::Level::Debug) => LogLevel::Debug,
        Ok(trace::log::Level::Info) => LogLevel::Info,
        Ok(trace::log::Level::Warn) => LogLevel::Warn,
        Ok(trace::log::Level::Error) => LogLevel::Error,
        Ok(trace::log::Level::Log) | Err(_) => LogLevel::Log,
    };
    Ok(Log {
        timestamp_ms: log.get_timestamp_ns() / NS_PER_MS,
        level,
        message_json: owned(log.get_message()?),
        errors: log.get_error_info()?.iter().map(error).collect::<capnp::Result<_>>()?,
        truncated: log.get_truncated(),
    })
}

fn error(slot: trace::error_slot::Reader<'_>) -> capnp::Result<Option<ErrorInfo>> {
    let Ok(trace::error_slot::Info(info)) = slot.which() else { return Ok(None) };
    let info = info?;
    Ok(Some(ErrorInfo {
        name: owned(info.get_name()?),
        message: owned(info.get_message()?),
        stack: some(info.get_stack()?),
    }))
}

fn exception(exception: trace::exception::Reader<'_>) -> capnp::Result<Exception> {
    Ok(Exception {
        timestamp_ms: exception.get_timestamp_ns() / NS_PER_MS,
        name: owned(exception.get_name()?),
        message: owned(exception.get_message()?),
        stack: some(exception.get_stack()?),
    })
}

fn diagnostic(event: trace::diagnostic_channel_event::Reader<'_>) -> capnp::Result<Diagnostic> {
    Ok(Diagnostic {
        timestamp_ms: event.get_timestamp_ns() / NS_PER_MS,
        channel: owned(event.get_channel()?),
        message: event.get_message()?.to_vec(),
    })
}

/// A worker's strings may hold lone surrogates, which are no UTF-8.
fn owned(text: text::Reader<'_>) -> String {
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}

/// Absent text and empty text look alike.
fn some(text: text::Reader<'_>) -> Option<String> {
    (!text.is_empty()).then(|| owned(text))
}
