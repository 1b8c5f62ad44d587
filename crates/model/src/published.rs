//! What the data plane knows: the part of the metadata that a request needs, as the store hands it out.

use crate::{
    AccountId, Dialect, Hostname, PublishedAccess, RoutePattern, Split, VersionId, WorkerId, WorkerName,
};

/// Everything that is served, loaded once at start; single entries replace it afterwards.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// Every worker that has a version.
    pub workers: Vec<PublishedWorker>,
    /// Every route.
    pub routes: Vec<PublishedRoute>,
    /// Every custom domain.
    pub domains: Vec<PublishedDomain>,
}

/// A worker as the gateway sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedWorker {
    /// Its immutable id.
    pub id: WorkerId,
    /// The API it belongs to: not every dialect's workers have hosts below a base domain.
    pub dialect: Dialect,
    /// Its name.
    pub name: WorkerName,
    /// The account it belongs to.
    pub account: AccountId,
    /// The account's host label; None for the default account, whose workers are served right below a base domain.
    pub account_label: Option<String>,
    /// Whether it is served on `<worker>.<base-domain>` (wrangler's `workers_dev`).
    pub subdomain: bool,
    /// Whether its versions are served on preview hosts (wrangler's `preview_urls`).
    pub previews: bool,
    /// Who may reach it.
    pub access: PublishedAccess,
    /// The deployment in force; None for a worker that only has versions.
    pub split: Option<Split>,
    /// All versions, newest first.
    pub versions: Vec<PublishedVersion>,
}

/// A version as the gateway sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedVersion {
    /// Its id.
    pub id: VersionId,
    /// Its own name in hosts, where its dialect gives it one; else the first digits of its id are.
    pub label: Option<String>,
    /// Its preview alias. Where several versions were uploaded under one alias, the newest has it.
    pub alias: Option<String>,
    /// Whether it has static assets.
    pub assets: bool,
    /// Whether it has code; without, it has nothing but assets.
    pub code: bool,
}

/// A route as the gateway sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedRoute {
    /// What it matches, among the hosts of its zone.
    pub pattern: RoutePattern,
    /// The zone that owns it: `*example.com/*` does not match `notexample.com`, which is another zone's.
    pub zone: Hostname,
    /// The worker, or None for a route that switches workers off for its paths, as on Cloudflare.
    pub worker: Option<WorkerId>,
}

/// A custom domain as the gateway sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedDomain {
    /// The exact host.
    pub hostname: Hostname,
    /// The worker that owns it.
    pub worker: WorkerId,
}
