//! The words of the domain: accounts, workers, versions, bindings, deployments, routes and limits.
//!
//! Types and rules only. Nothing here opens a file, a socket or a database, so every rule can be tested as a
//! function. Names and wire shapes are Cloudflare's where Cloudflare has one.

#![forbid(unsafe_code)]

mod access;
mod assets;
mod binding;
mod compatibility;
mod cron;
mod deployment;
mod dialect;
mod exports;
mod host;
mod id;
mod launch;
mod limits;
mod module;
mod object_exports;
mod objects;
mod published;
mod quotas;
mod rights;
mod role;
mod route;
mod version;
mod workflow;

pub use access::{Access, AccessToken, PublishedAccess, TokenHash};
pub use assets::{AssetsConfig, HtmlHandling, NotFoundHandling, PagesRoutes, RunWorkerFirst, VersionAssets};
pub use binding::{Binding, BindingError, BindingKind, RateLimit};
pub use compatibility::{Compatibility, CompatibilityError};
pub use cron::{Cron, CronError};
pub use deployment::{Deployment, DeploymentSource, SHARE_TOLERANCE, Split, SplitError, VersionChoice};
pub use dialect::Dialect;
pub use exports::{EntrypointExport, EntrypointKind, Exports};
pub use host::{HostError, Hostname, SESSION_COOKIES};
pub use id::{AccountId, IdError, NamespaceId, VersionId, WorkerId, WorkerName};
pub use launch::{Launch, LaunchModule, ProbeError, Probed};
pub use limits::{Limits, MAX_SCRIPT_BYTES};
pub use module::{Module, ModuleError, ModuleKind};
pub use object_exports::{
    ObjectExport, PendingClass, ReconcileError, Reconciled, Reconciliation, Remark, RenamedClass, Storage,
    TransferredClass, reconcile,
};
pub use objects::{
    CodeUpdate, Migrations, Namespace, NamespaceChange, ObjectsError, Stranger, check_classes, migrate,
};
pub use published::{Published, PublishedDomain, PublishedRoute, PublishedVersion, PublishedWorker};
pub use quotas::{Quota, Quotas, TooMany};
pub use rights::{Area, AreaScope, Grant, Grants, Level, On, Policy, Right, Target, Thing, ThingKind};
pub use role::Role;
pub use route::{PatternError, RoutePattern};
pub use version::{Format, Function, FunctionRuntime, Version};
pub use workflow::{NamedWorkflow, Workflow};
