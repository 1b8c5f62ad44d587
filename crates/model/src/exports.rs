//! What a worker's main module exports, as the deploy's probe found it.

use serde::{Deserialize, Serialize};

/// The handlers and entrypoints of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exports {
    /// Handlers of the default export: `fetch`, `scheduled`, `queue`, `email`, `tail`, … in the order found.
    pub handlers: Vec<String>,
    /// Named exports that are classes or objects with handlers.
    pub entrypoints: Vec<EntrypointExport>,
}

/// Handlers of the default export that are called by events which do not come as a client's request.
const EVENT_HANDLERS: [&str; 2] = ["scheduled", "queue"];

impl Exports {
    /// Whether the worker has handlers for events that do not come as a client's request. They need a dispatcher beside
    /// the worker, which costs a cold start 6 ms.
    pub fn takes_events(&self) -> bool {
        self.handlers.iter().any(|handler| EVENT_HANDLERS.contains(&handler.as_str()))
    }
}

/// One named export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntrypointExport {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: EntrypointKind,
    /// The handlers and methods it has.
    pub handlers: Vec<String>,
}

/// What a named export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntrypointKind {
    /// A class that extends `WorkerEntrypoint`.
    WorkerEntrypoint,
    /// A class that extends `DurableObject`.
    DurableObject,
    /// A class that extends `WorkflowEntrypoint`.
    Workflow,
    /// A class that extends nothing of ours: a Durable Object of the old kind, or just a class.
    Class,
    /// An object with handlers.
    Object,
}
