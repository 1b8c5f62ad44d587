//! Traces on their way to a worker that tails others: its `tail` handler, by `EventDispatcher.sendTraces`.

use std::sync::Arc;

use capnp::capability::Promise;
use http::Method;
use tokio::sync::oneshot;

use super::decode::NS_PER_MS;
use super::trace::{
    ErrorInfo, Event, ExecutionModel, FetchEvent, INVOKE, Log, LogLevel, Outcome, Trace, WebSocketEvent,
};
use crate::callee::Connection;
use crate::debug_port::{DebugPort, Entrypoint, FetchError};
use crate::fields::method_to_capnp;
use crate::schema::trace_capnp::{EventOutcome, trace};
use crate::schema::worker_interface_capnp::event_dispatcher;
use crate::vat;

/// A trace with what its process does not know: whose it is.
#[derive(Debug, Clone)]
pub struct TailItem {
    /// The trace.
    pub trace: Arc<Trace>,
    /// Name of the worker that ran.
    pub script: String,
    /// Its version, as a UUID.
    pub version: u128,
}

impl DebugPort {
    /// Hands traces to an entrypoint's `tail` handler. It answers when the handler has been begun: what the handler does
    /// goes on as with `waitUntil`, and how that ends is not told.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn send_traces(&self, entrypoint: Entrypoint, items: Vec<TailItem>) -> Result<(), FetchError> {
        let (respond, response) = oneshot::channel();
        let socket = self.socket().to_owned();
        self.threads().spawn(move || async move {
            let sent = match Connection::open(&socket).await {
                Ok(connection) => {
                    let dispatcher = connection.start_event(entrypoint.target(), None);
                    let sent = send(&dispatcher, &items).await;
                    if sent.is_ok() {
                        connection.ended();
                    }
                    sent.map_err(|error| match error.kind {
                        capnp::ErrorKind::Disconnected => FetchError::Disconnected(vat::readable(&error)),
                        _ => FetchError::Exception(vat::readable(&error)),
                    })
                }
                Err(error) => Err(FetchError::Connect(error)),
            };
            // Nobody waits any more: who sent them is gone.
            let _ = respond.send(sent);
        });
        response.await.unwrap_or_else(|_| Err(FetchError::Disconnected("no answer".to_owned())))
    }
}

async fn send(dispatcher: &event_dispatcher::Client, items: &[TailItem]) -> capnp::Result<()> {
    let mut request = dispatcher.send_traces_request();
    let mut list = request.get().init_traces(items.len() as u32);
    for (index, item) in items.iter().enumerate() {
        encode(list.reborrow().get(index as u32), item);
    }
    let answer: Promise<_, capnp::Error> = request.send().promise;
    answer.await.map(drop)
}

fn encode(mut to: trace::Builder<'_>, TailItem { trace, script, version }: &TailItem) {
    to.set_script_name(script);
    let mut id = to.reborrow().init_script_version().init_id();
    id.set_upper((version >> 64) as u64);
    id.set_lower(*version as u64);
    to.set_event_timestamp_ns(trace.event_timestamp_ms * NS_PER_MS);
    to.set_outcome(outcome(trace.outcome));
    to.set_entrypoint(trace.entrypoint.as_deref().unwrap_or("default"));
    if let Some(id) = &trace.durable_object_id {
        to.set_durable_object_id(id);
    }
    to.set_execution_model(match trace.execution_model {
        ExecutionModel::Stateless => trace::ExecutionModel::Stateless,
        ExecutionModel::DurableObject => trace::ExecutionModel::DurableObject,
        ExecutionModel::Workflow => trace::ExecutionModel::Workflow,
    });
    to.set_truncated(trace.truncated);
    if let Some(status) = trace.response_status {
        to.reborrow().init_response().set_status_code(status);
    }
    let mut logs = to.reborrow().init_logs(trace.logs.len() as u32);
    for (index, entry) in trace.logs.iter().enumerate() {
        log(logs.reborrow().get(index as u32), entry);
    }
    let mut exceptions = to.reborrow().init_exceptions(trace.exceptions.len() as u32);
    for (index, exception) in trace.exceptions.iter().enumerate() {
        let mut to = exceptions.reborrow().get(index as u32);
        to.set_timestamp_ns(exception.timestamp_ms * NS_PER_MS);
        to.set_name(&exception.name);
        to.set_message(&exception.message);
        if let Some(stack) = &exception.stack {
            to.set_stack(stack);
        }
    }
    let mut diagnostics = to.reborrow().init_diagnostic_channel_events(trace.diagnostics.len() as u32);
    for (index, diagnostic) in trace.diagnostics.iter().enumerate() {
        let mut to = diagnostics.reborrow().get(index as u32);
        to.set_timestamp_ns(diagnostic.timestamp_ms * NS_PER_MS);
        to.set_channel(&diagnostic.channel);
        to.set_message(&diagnostic.message);
    }
    event(to.init_event_info(), trace.event.as_ref());
}

fn event(mut to: trace::event_info::Builder<'_>, event: Option<&Event>) {
    match event {
        Some(Event::Fetch(request)) => fetch(to.init_fetch(), request),
        Some(Event::JsRpc { method }) => to.init_js_rpc().set_method_name(method),
        // No kind of workerd's is nearer.
        Some(Event::Invoke { .. }) => to.init_js_rpc().set_method_name(INVOKE),
        Some(Event::Scheduled { scheduled_time_ms, cron }) => {
            let mut to = to.init_scheduled();
            to.set_scheduled_time(*scheduled_time_ms as f64);
            to.set_cron(cron);
        }
        Some(Event::Alarm { scheduled_time_ms }) => {
            to.init_alarm().set_scheduled_time_ms(*scheduled_time_ms);
        }
        Some(Event::Queue { queue, batch_size }) => {
            let mut to = to.init_queue();
            to.set_queue_name(queue);
            to.set_batch_size(*batch_size);
        }
        Some(Event::Email { mail_from, rcpt_to, raw_size }) => {
            let mut to = to.init_email();
            to.set_mail_from(mail_from);
            to.set_rcpt_to(rcpt_to);
            to.set_raw_size(*raw_size);
        }
        Some(Event::Tail { scripts }) => {
            let mut items = to.init_trace().init_traces(scripts.len() as u32);
            for (index, script) in scripts.iter().enumerate() {
                if let Some(script) = script {
                    items.reborrow().get(index as u32).set_script_name(script);
                }
            }
        }
        Some(Event::HibernatableWebSocket(kind)) => {
            let mut to = to.init_hibernatable_web_socket().init_type();
            match kind {
                WebSocketEvent::Message => to.set_message(()),
                WebSocketEvent::Close { code, was_clean } => {
                    let mut close = to.init_close();
                    close.set_code(*code);
                    close.set_was_clean(*was_clean);
                }
                WebSocketEvent::Error => to.set_error(()),
            }
        }
        // Of both there is nothing to say but that they are there.
        Some(Event::Connect) => drop(to.init_connect()),
        Some(Event::Custom) => drop(to.init_custom()),
        None => to.set_none(()),
    }
}

fn fetch(mut to: trace::fetch::Builder<'_>, request: &FetchEvent) {
    let method = Method::from_bytes(request.method.as_bytes()).ok();
    // One that workerd itself named; GET is what an unset one reads as.
    if let Some(method) = method.as_ref().and_then(method_to_capnp) {
        to.set_method(method);
    }
    to.set_url(&request.url);
    if let Some(cf) = &request.cf_json {
        to.set_cf_json(cf);
    }
    let mut headers = to.init_headers(request.headers.len() as u32);
    for (index, (name, value)) in request.headers.iter().enumerate() {
        let mut header = headers.reborrow().get(index as u32);
        header.set_name(name);
        header.set_value(value);
    }
}

fn log(mut to: trace::log::Builder<'_>, log: &Log) {
    to.set_timestamp_ns(log.timestamp_ms * NS_PER_MS);
    to.set_level(match log.level {
        LogLevel::Debug => trace::log::Level::Debug,
        LogLevel::Info => trace::log::Level::Info,
        LogLevel::Log => trace::log::Level::Log,
        LogLevel::Warn => trace::log::Level::Warn,
        LogLevel::Error => trace::log::Level::Error,
    });
    to.set_message(&log.message_json);
    to.set_truncated(log.truncated);
    let mut errors = to.init_error_info(log.errors.len() as u32);
    for (index, error) in log.errors.iter().enumerate() {
        let mut slot = errors.reborrow().get(index as u32);
        match error {
            Some(ErrorInfo { name, message, stack }) => {
                let mut info = slot.init_info();
                info.set_name(name);
                info.set_message(message);
                if let Some(stack) = stack {
                    info.set_stack(stack);
                }
            }
            None => slot.set_none(()),
        }
    }
}

fn outcome(outcome: Outcome) -> EventOutcome {
    match outcome {
        Outcome::Ok => EventOutcome::Ok,
        Outcome::Exception => EventOutcome::Exception,
        Outcome::ExceededCpu => EventOutcome::ExceededCpu,
        Outcome::KillSwitch => EventOutcome::KillSwitch,
        Outcome::DaemonDown => EventOutcome::DaemonDown,
        Outcome::ScriptNotFound => EventOutcome::ScriptNotFound,
        Outcome::Canceled => EventOutcome::Canceled,
        Outcome::ExceededMemory => EventOutcome::ExceededMemory,
        Outcome::LoadShed => EventOutcome::LoadShed,
        Outcome::ResponseStreamDisconnected => EventOutcome::ResponseStreamDisconnected,
        Outcome::InternalError => EventOutcome::InternalError,
        Outcome::ExceededWallTime => EventOutcome::ExceededWallTime,
        Outcome::Aborted => EventOutcome::Aborted,
        Outcome::Unknown => EventOutcome::Unknown,
    }
}
