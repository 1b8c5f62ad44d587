//! What is known of one invocation, in Cloudflare's terms. Times are milliseconds since 1970.

/// The method that a call of a function's API is shown as.
pub const INVOKE: &str = "invoke";

/// One invocation of a worker, from its event to the end of its `waitUntil`.
///
/// workerd records up to 256 KiB of each, and says neither which script it was nor how much CPU it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// When the event arrived.
    pub event_timestamp_ms: i64,
    /// What called the worker; `None` for a kind that this version of Hearth does not know.
    pub event: Option<Event>,
    /// How it ended. A rejected `waitUntil` leaves the outcome of a fetch `ok`, and stands in `exceptions`.
    pub outcome: Outcome,
    /// Status of the answer to a fetch.
    pub response_status: Option<u16>,
    /// Calls of `console`, in their order.
    pub logs: Vec<Log>,
    /// What was thrown and not caught.
    pub exceptions: Vec<Exception>,
    /// What was published on `node:diagnostics_channel`, in its order.
    pub diagnostics: Vec<Diagnostic>,
    /// The exported entrypoint, `None` for the default export.
    pub entrypoint: Option<String>,
    /// Hexadecimal id of the object, when it ran in one.
    pub durable_object_id: Option<String>,
    /// What kind of code ran.
    pub execution_model: ExecutionModel,
    /// There was more than workerd records.
    pub truncated: bool,
}

impl Trace {
    /// Whether nobody needs to hear of it: nothing was printed or thrown, and it ended well or its client went away.
    pub fn is_quiet(&self) -> bool {
        self.outcome.is_quiet() && self.logs.is_empty() && self.exceptions.is_empty()
    }

    /// About how many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        let logs: usize = self.logs.iter().map(|log| log.message_json.len() + size_of::<Log>()).sum();
        let thrown: usize = self.exceptions.iter().map(|e| e.message.len() + e.name.len()).sum();
        let stacks: usize = self.exceptions.iter().filter_map(|e| e.stack.as_ref()).map(String::len).sum();
        let request = match &self.event {
            Some(Event::Fetch(fetch)) => {
                let headers = fetch.headers.iter().map(|(name, value)| name.len() + value.len());
                fetch.url.len() + headers.sum::<usize>()
            }
            _ => 0,
        };
        size_of::<Self>() + logs + thrown + stacks + request
    }
}

/// What called a worker.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An HTTP request.
    Fetch(FetchEvent),
    /// A call of a method, by its name.
    JsRpc {
        /// The method.
        method: String,
    },
    /// A call of a function over the API, which is no worker's.
    Invoke {
        /// The call's id: the caller's own, or one that was made up.
        request_id: String,
    },
    /// A cron trigger.
    Scheduled {
        /// When it was due.
        scheduled_time_ms: i64,
        /// The expression.
        cron: String,
    },
    /// A Durable Object's alarm.
    Alarm {
        /// When it was due.
        scheduled_time_ms: i64,
    },
    /// A batch of a queue.
    Queue {
        /// The queue's name.
        queue: String,
        /// Messages in the batch.
        batch_size: u32,
    },
    /// A message that arrived by mail.
    Email {
        /// Sender in the envelope.
        mail_from: String,
        /// Recipient in the envelope.
        rcpt_to: String,
        /// Bytes.
        raw_size: u32,
    },
    /// Traces of other workers, which this one tails.
    Tail {
        /// Their names, as far as they are known.
        scripts: Vec<Option<String>>,
    },
    /// What happened on a WebSocket whose object had hibernated.
    HibernatableWebSocket(WebSocketEvent),
    /// A TCP connection.
    Connect,
    /// Something of workerd's own.
    Custom,
}

/// An HTTP request as the worker saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchEvent {
    /// The method, in capital letters.
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// `request.cf` as JSON text.
    pub cf_json: Option<String>,
    /// Headers, names in small letters, secrets among them.
    pub headers: Vec<(String, String)>,
}

impl FetchEvent {
    /// The first value of a header, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// What happened on a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebSocketEvent {
    /// A message came.
    Message,
    /// The peer closed it.
    Close {
        /// The code of the close frame.
        code: u16,
        /// Whether there was one.
        was_clean: bool,
    },
    /// It broke.
    Error,
}

/// One call of `console`.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// When.
    pub timestamp_ms: i64,
    /// Which method.
    pub level: LogLevel,
    /// The arguments as the text of a JSON array. Not valid JSON when `truncated`.
    pub message_json: String,
    /// For each argument, what it says if it is an `Error`; empty when none is.
    pub errors: Vec<Option<ErrorInfo>>,
    /// The message was cut.
    pub truncated: bool,
}

/// The method of `console`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// `console.debug`.
    Debug,
    /// `console.info`.
    Info,
    /// `console.log`.
    Log,
    /// `console.warn`.
    Warn,
    /// `console.error`.
    Error,
}

/// An `Error` that was logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorInfo {
    /// Its class.
    pub name: String,
    /// Its message.
    pub message: String,
    /// Where it was made, without the line that repeats name and message.
    pub stack: Option<String>,
}

/// A message on a channel of `node:diagnostics_channel`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// When.
    pub timestamp_ms: i64,
    /// The channel.
    pub channel: String,
    /// The message as V8 serializes it.
    pub message: Vec<u8>,
}

/// Something thrown that nobody caught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// When.
    pub timestamp_ms: i64,
    /// Its class.
    pub name: String,
    /// Its message.
    pub message: String,
    /// Where it was thrown, without the line that repeats name and message.
    pub stack: Option<String>,
}

/// How an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Ok,
    /// By an exception that nobody caught.
    Exception,
    /// Its CPU time was used up.
    ExceededCpu,
    /// It was stopped by an operator.
    KillSwitch,
    /// The process was not there.
    DaemonDown,
    /// The code was not there.
    ScriptNotFound,
    /// The client went away.
    Canceled,
    /// Its memory was used up.
    ExceededMemory,
    /// There was too much to do.
    LoadShed,
    /// The client went away while the answer was sent.
    ResponseStreamDisconnected,
    /// The runtime failed.
    InternalError,
    /// It took too long.
    ExceededWallTime,
    /// A Durable Object ended itself.
    Aborted,
    /// In a way that is not known.
    Unknown,
}

impl Outcome {
    /// As it stands in a trace that a client reads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Exception => "exception",
            Self::ExceededCpu => "exceededCpu",
            Self::KillSwitch => "killSwitch",
            Self::DaemonDown => "daemonDown",
            Self::ScriptNotFound => "scriptNotFound",
            Self::Canceled => "canceled",
            Self::ExceededMemory => "exceededMemory",
            Self::LoadShed => "loadShed",
            Self::ResponseStreamDisconnected => "responseStreamDisconnected",
            Self::InternalError => "internalError",
            Self::ExceededWallTime => "exceededWallTime",
            Self::Aborted => "aborted",
            Self::Unknown => "unknown",
        }
    }

    /// Whether nobody needs to hear of it.
    pub(crate) fn is_quiet(self) -> bool {
        matches!(self, Self::Ok | Self::Canceled | Self::ResponseStreamDisconnected)
    }
}

/// What kind of code ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionModel {
    /// A worker.
    Stateless,
    /// A Durable Object.
    DurableObject,
    /// A workflow.
    Workflow,
}

impl ExecutionModel {
    /// As it stands in a trace that a client reads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stateless => "stateless",
            Self::DurableObject => "durableObject",
            Self::Workflow => "workflow",
        }
    }
}
