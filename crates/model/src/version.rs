//! An uploaded version of a worker: immutable once accepted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Binding, Compatibility, Exports, Limits, Module, VersionAssets, VersionId, WorkerId};

/// A version of a worker. Secrets are named in `bindings`, their texts are kept apart and encrypted.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Its id.
    pub id: VersionId,
    /// The worker it belongs to.
    pub worker: WorkerId,
    /// 1 for the worker's first, counting up.
    pub number: u64,
    /// When it was accepted.
    pub created_on: Timestamp,
    /// Who uploaded it: `wrangler`, `api`, `dash` or `terraform`, as wrangler prints it.
    pub source: String,
    /// The e-mail of the token's owner.
    pub author_email: String,
    /// `workers/message`, `workers/tag`, `workers/alias`, `workers/triggered_by`, [`Self::LABEL`].
    pub annotations: BTreeMap<String, String>,
    /// Modules or a service worker.
    pub format: Format,
    /// The upload's parts but its metadata, in their order; source maps too.
    pub modules: Vec<Module>,
    /// Bindings, secrets without their text.
    pub bindings: Vec<Binding>,
    /// Date and flags.
    pub compatibility: Compatibility,
    /// Limits of its own.
    pub limits: Limits,
    /// What its main module exports.
    pub exports: Exports,
    /// How long its probe took to start, in milliseconds.
    pub startup_time_ms: u64,
    /// Its static assets.
    pub assets: Option<VersionAssets>,
}

/// How the code is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// ECMAScript modules; the name of the main one.
    Modules {
        /// Its name among the modules.
        main: String,
    },
    /// One script with `addEventListener`; the name of its part.
    ServiceWorker {
        /// Its name among the modules.
        body: String,
    },
    /// A function: not a worker's code, and no workerd runs it.
    Function(Function),
    /// No code: static assets alone.
    Assets,
}

/// How a function is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// What runs it.
    pub runtime: FunctionRuntime,
    /// The function of the code that is called.
    pub handler: String,
    /// Which of the modules is the code that runs; others beside it are what it was made of.
    pub main: String,
    /// Names the dependencies that were installed for it, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependencies: Option<String>,
}

/// What runs a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FunctionRuntime {
    /// JavaScript, and TypeScript without its types.
    Nodejs,
    /// Python 3.
    Python,
    /// Go, compiled when it is deployed.
    Go,
}

impl FunctionRuntime {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nodejs, Self::Python, Self::Go];

    /// As users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nodejs => "nodejs",
            Self::Python => "python",
            Self::Go => "go",
        }
    }
}

impl std::str::FromStr for FunctionRuntime {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|runtime| runtime.name() == text).ok_or(())
    }
}

impl Format {
    /// How a function is run, if it is one.
    pub fn function(&self) -> Option<&Function> {
        match self {
            Self::Function(function) => Some(function),
            Self::Modules { .. } | Self::ServiceWorker { .. } | Self::Assets => None,
        }
    }
}

impl Version {
    /// The annotation that holds a version's own name.
    pub const LABEL: &str = "hearth/label";

    /// The alias of its preview host, if it was uploaded with one.
    pub fn alias(&self) -> Option<&str> {
        self.annotations.get("workers/alias").map(String::as_str)
    }

    /// Its own name among the worker's versions, where its dialect gives it one.
    pub fn label(&self) -> Option<&str> {
        self.annotations.get(Self::LABEL).map(String::as_str)
    }

    /// A digest of code and configuration for `ETag`s: equal versions have equal ones.
    pub fn etag(&self) -> String {
        let mut parts: Vec<&str> = self.modules.iter().map(|module| module.hash.as_str()).collect();
        parts.extend(self.assets.as_ref().map(|assets| assets.manifest.as_str()));
        parts.sort_unstable();
        parts.concat().chars().take(64).collect()
    }
}
