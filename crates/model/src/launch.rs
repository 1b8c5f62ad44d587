//! What a process is told to run, and what a probe says of it.

use bytes::Bytes;

use crate::{
    AccountId, Binding, Compatibility, Exports, Format, Limits, ModuleKind, NamedWorkflow, Namespace,
    VersionId, WorkerId, WorkerName,
};

/// A version with everything it needs to run: code, and bindings with their secrets in the clear. It lives for the
/// moment of a start and is never written anywhere.
#[derive(Clone)]
pub struct Launch {
    /// The account.
    pub account: AccountId,
    /// The worker.
    pub worker: WorkerId,
    /// The worker's name.
    pub name: WorkerName,
    /// The version.
    pub version: VersionId,
    /// The version's tag (`workers/tag`), for the version metadata binding; empty when it has none.
    pub tag: String,
    /// When the version was made, RFC 3339, for the version metadata binding.
    pub created_on: String,
    /// Modules or a service worker.
    pub format: Format,
    /// Modules with their content, source maps left out.
    pub modules: Vec<LaunchModule>,
    /// Bindings; secrets have their text.
    pub bindings: Vec<Binding>,
    /// Date and flags.
    pub compatibility: Compatibility,
    /// Limits.
    pub limits: Limits,
    /// What the main module exports; empty for a probe, which is what finds out.
    pub exports: Exports,
    /// The worker's namespaces of Durable Objects.
    pub objects: Vec<Namespace>,
    /// The worker's workflows.
    pub workflows: Vec<NamedWorkflow>,
}

/// A module with its content.
#[derive(Clone)]
pub struct LaunchModule {
    /// The specifier.
    pub name: String,
    /// How the runtime takes it.
    pub kind: ModuleKind,
    /// The content.
    pub content: Bytes,
}

impl Launch {
    /// Whether it has Durable Objects or workflows, whose storage only one process at a time may use.
    pub fn has_storage(&self) -> bool {
        !self.objects.is_empty() || !self.workflows.is_empty()
    }
}

impl std::fmt::Debug for Launch {
    /// Without code and bindings: what is launched ends up in logs, its secrets must not.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Launch")
            .field("worker", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Handlers and entrypoints.
    pub exports: Exports,
    /// From the configuration to the first answer, in milliseconds.
    pub startup_time_ms: u64,
}

/// Why a probe failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProbeError {
    /// The code or its settings: the text is workerd's and for the caller (Cloudflare's code 10021).
    #[error("{0}")]
    Invalid(String),
    /// Something of ours; the text is for the operator.
    #[error("{0}")]
    Unavailable(String),
}
