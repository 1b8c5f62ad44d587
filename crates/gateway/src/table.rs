//! Which worker a request is for: a snapshot that readers take without waiting and that one change rebuilds in
//! O(log n), however many workers there are.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hearth_model::{
    AccountId, Dialect, Hostname, Published, PublishedDomain, PublishedRoute, PublishedWorker, TooMany,
    VersionId, WorkerId, WorkerName,
};
use http::StatusCode;
use parking_lot::Mutex;

use crate::access::{CountersSnapshot, Traffic};
use crate::caps::AccountCaps;
use crate::host::HostName;
use crate::lineage::{DEEPEST, Departure, Nested, Presence};

/// The hosts an installation answers on, besides routes and custom domains.
#[derive(Debug, Clone, Default)]
pub struct TableConfig {
    /// Domains below which every worker has a host of its own.
    pub base_domains: Vec<Hostname>,
    /// Hosts on which the path's first segment names the worker.
    pub path_hosts: Vec<Hostname>,
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub enum Target {
    /// To a worker.
    Worker(Match),
    /// A route that switches workers off matches: not served, whatever else might match.
    SwitchedOff,
    /// Nothing is known under this host and path.
    Unknown,
}

/// A worker, and how the request came to it.
#[derive(Debug, Clone)]
pub struct Match {
    /// The worker.
    pub worker: Arc<Served>,
    /// The version that the host names (a preview); None: the deployment decides.
    pub version: Option<VersionId>,
    /// How many bytes of the path name the worker (path mode) and are not for it to see.
    pub prefix: usize,
}

impl Match {
    /// Whether it is one deployment of a Pages project, by a host of its own: nothing for a search engine.
    pub(crate) fn is_unlisted(&self) -> bool {
        self.version.is_some() && self.worker.worker.dialect == Dialect::Pages
    }
}

/// A worker with what a lookup needs precomputed.
#[derive(Debug)]
pub struct Served {
    /// The worker as published.
    pub worker: PublishedWorker,
    /// Its name as it stands in hosts: `<worker>`, `<worker>.<account label>`, or of Pages `<project>.pages` with that label.
    /// Not every dialect's worker is found by it.
    key: Arc<str>,
    /// Versions' own names or the first digits of their ids, and aliases.
    previews: HashMap<Box<str>, VersionId>,
    /// The versions that have static assets; usually all or none.
    with_assets: Box<[VersionId]>,
    /// What its requests leave in memory, whatever else of it changes.
    pub(crate) traffic: Arc<Traffic>,
}

impl Served {
    fn new(worker: PublishedWorker, traffic: Arc<Traffic>) -> Self {
        let key = host_key(worker.dialect, &worker.name, worker.account_label.as_deref());
        let mut previews = HashMap::with_capacity(worker.versions.len());
        // The newest comes first and keeps a name that several claim; an alias never hides a version.
        for version in &worker.versions {
            let name = version
                .label
                .as_ref()
                .map_or_else(|| version.id.prefix(), |label| label.to_ascii_lowercase());
            previews.entry(name.into_boxed_str()).or_insert(version.id);
        }
        for version in &worker.versions {
            if let Some(alias) = &version.alias {
                previews.entry(alias.to_ascii_lowercase().into_boxed_str()).or_insert(version.id);
            }
        }
        let with_assets = worker.versions.iter().filter(|version| version.assets).map(|version| version.id);
        let with_assets = with_assets.collect();
        Self { worker, key: key.into(), previews, with_assets, traffic }
    }

    /// What it is called below a base domain.
    pub(crate) fn host_name(&self) -> &str {
        &self.key
    }

    /// Whether a version has static assets.
    pub fn has_assets(&self, version: VersionId) -> bool {
        self.with_assets.contains(&version)
    }

    /// Whether a version has code.
    pub fn has_code(&self, version: VersionId) -> bool {
        let mut versions = self.worker.versions.iter();
        versions.find(|other| other.id == version).is_none_or(|version| version.code)
    }

    /// Counts a call that came another way than through the gateway, as the request that it is in all but that.
    pub fn count(&self, status: StatusCode, took: Duration, bytes: u64) {
        self.traffic.record(Some(status), took, bytes);
    }

    /// A request at the worker, until it is answered.
    pub(crate) fn presence(&self, level: usize) -> Presence {
        Presence::new(Arc::clone(&self.traffic), level)
    }
}

/// A worker's name as it stands in hosts, below a base domain.
fn host_key(dialect: Dialect, name: &WorkerName, label: Option<&str>) -> String {
    let mut key = name.folded();
    let pages = (dialect == Dialect::Pages).then_some(Dialect::PAGES_LABEL);
    for label in pages.into_iter().chain(label) {
        key.push('.');
        key.push_str(&label.to_ascii_lowercase());
    }
    key
}

#[derive(Debug, Clone, Default)]
struct Snapshot {
    by_id: imbl::HashMap<WorkerId, Arc<Served>>,
    by_key: imbl::HashMap<Arc<str>, Arc<Served>>,
    domains: Arc<HashMap<String, WorkerId>>,
    routes: Arc<Routes>,
}

/// Routes by the host they name, each list with the most specific first.
#[derive(Debug, Default)]
struct Routes {
    exact: HashMap<String, Vec<PublishedRoute>>,
    wildcard: HashMap<String, Vec<PublishedRoute>>,
    /// The lengths of the keys of `wildcard`, longest first: only these suffixes of a host need a look.
    suffix_lengths: Vec<usize>,
}

impl Routes {
    fn new(routes: Vec<PublishedRoute>) -> Self {
        let mut this = Self::default();
        for route in routes {
            let (map, host) = match route.pattern.exact_host() {
                Some(host) => (&mut this.exact, host.to_owned()),
                None => (&mut this.wildcard, route.pattern.host_suffix().to_owned()),
            };
            map.entry(host).or_default().push(route);
        }
        for list in this.exact.values_mut().chain(this.wildcard.values_mut()) {
            list.sort_by(|a, b| b.pattern.specificity(&a.pattern));
        }
        this.suffix_lengths = this.wildcard.keys().map(String::len).collect();
        this.suffix_lengths.sort_unstable_by(|a, b| b.cmp(a));
        this.suffix_lengths.dedup();
        this
    }

    fn exact(&self, https: bool, host: &str, path: &str) -> Option<&PublishedRoute> {
        self.exact.get(host)?.iter().find(|route| route.pattern.matches(https, host, path))
    }

    fn wildcard(&self, https: bool, host: &str, path: &str) -> Option<&PublishedRoute> {
        let suffixes = self.suffix_lengths.iter().filter_map(|length| {
            let start = host.len().checked_sub(*length)?;
            host.get(start..)
        });
        let candidates = suffixes.filter_map(|suffix| self.wildcard.get(suffix));
        let matches =
            |route: &&PublishedRoute| route.zone.encloses(host) && route.pattern.matches(https, host, path);
        let matching = candidates.filter_map(|list| list.iter().find(matches));
        matching.max_by(|a, b| a.pattern.specificity(&b.pattern))
    }
}

/// All that is served. Reads take a snapshot; changes are serialized among themselves.
#[derive(Debug)]
pub struct RouteTable {
    config: TableConfig,
    current: ArcSwap<Snapshot>,
    change: Mutex<()>,
    /// What comes into accounts.
    pub(crate) accounts: AccountCaps,
}

impl RouteTable {
    /// A table of what is published.
    pub fn new(mut config: TableConfig, published: Published) -> Self {
        // Where one base domain lies below another, the longer one is meant.
        config.base_domains.sort_by_key(|base| std::cmp::Reverse(base.as_str().len()));
        let mut snapshot = Snapshot {
            routes: Arc::new(Routes::new(published.routes)),
            domains: Arc::new(domain_map(published.domains)),
            ..Snapshot::default()
        };
        for worker in published.workers {
            snapshot.insert(worker);
        }
        Self {
            config,
            current: ArcSwap::from_pointee(snapshot),
            change: Mutex::new(()),
            accounts: AccountCaps::default(),
        }
    }

    /// Publishes a worker, in place of what was published under its id.
    pub fn upsert_worker(&self, worker: PublishedWorker) {
        self.update(|snapshot| snapshot.insert(worker));
    }

    /// Takes a worker away. Its routes and domains stay and lead nowhere until they are set anew.
    pub fn remove_worker(&self, worker: WorkerId) {
        self.update(|snapshot| snapshot.remove(worker));
    }

    /// Replaces all routes.
    pub fn set_routes(&self, routes: Vec<PublishedRoute>) {
        let routes = Arc::new(Routes::new(routes));
        self.update(|snapshot| snapshot.routes = routes);
    }

    /// Replaces all custom domains.
    pub fn set_domains(&self, domains: Vec<PublishedDomain>) {
        let domains = Arc::new(domain_map(domains));
        self.update(|snapshot| snapshot.domains = domains);
    }

    /// Sets how many requests may come in a minute: into each account, and into those that have a limit of their own. `None`
    /// is as many as come.
    pub fn set_rates(&self, by_default: Option<u64>, own: HashMap<AccountId, Option<u64>>) {
        self.accounts.set_rates(by_default, own);
    }

    /// Counts a request of an account that comes another way than through the gateway.
    ///
    /// # Errors
    /// The account has as many in a minute as it may.
    pub fn arrive(&self, account: &AccountId) -> Result<(), TooMany> {
        self.accounts.arrive(account)
    }

    /// Requests that came into an account within the last minute, or about that.
    pub fn of_last_minute(&self, account: &AccountId) -> u64 {
        self.accounts.of_last_minute(account)
    }

    /// A worker by its id.
    pub fn worker(&self, id: WorkerId) -> Option<Arc<Served>> {
        self.current.load().by_id.get(&id).cloned()
    }

    /// The worker of this name in the account of another worker: what its service bindings mean.
    pub fn sibling(&self, of: WorkerId, name: &WorkerName) -> Option<Arc<Served>> {
        let snapshot = self.current.load();
        let label = snapshot.by_id.get(&of)?.worker.account_label.as_deref();
        let key = host_key(Dialect::Workers, name, label);
        snapshot.by_key.get(&*key).filter(|served| served.worker.dialect == Dialect::Workers).cloned()
    }

    /// A call that a worker makes to another, until it is answered. None for a worker that was deleted meanwhile: nobody
    /// reaches that any more.
    pub(crate) fn departure(&self, caller: WorkerId) -> Option<Departure> {
        self.worker(caller).map(|served| Departure::new(Arc::clone(&served.traffic)))
    }

    /// Counts a plain request over a service binding, until it is answered. None: it is nested so deep that the workers
    /// must be calling each other in a circle.
    pub fn nest(&self, caller: WorkerId, callee: &Served) -> Option<Nested> {
        let departure = self.departure(caller);
        let level = departure.as_ref().map_or(0, Departure::level);
        (level <= DEEPEST).then(|| Nested { _departure: departure, _presence: callee.presence(level) })
    }

    /// The counters of the workers that have had a request.
    pub(crate) fn counters(&self) -> Vec<(WorkerId, CountersSnapshot)> {
        let snapshot = self.current.load();
        snapshot.by_id.iter().filter_map(|(id, served)| Some((*id, served.traffic.snapshot()?))).collect()
    }

    /// How many workers are published.
    pub fn len(&self) -> usize {
        self.current.load().by_id.len()
    }

    /// Whether no worker is published.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where a request goes. `path` begins with `/` and has no query.
    pub fn lookup(&self, https: bool, host: &HostName<'_>, path: &str) -> Target {
        let host = host.as_str();
        let snapshot = self.current.load();
        let worker = |id: &WorkerId| match snapshot.by_id.get(id) {
            Some(worker) => found(worker, None),
            None => Target::Unknown,
        };
        let route = |route: &PublishedRoute| route.worker.as_ref().map_or(Target::SwitchedOff, worker);
        let by_path = || {
            let is_path_host = self.config.path_hosts.iter().any(|name| name.as_str() == host);
            if is_path_host { snapshot.by_path(path) } else { Target::Unknown }
        };
        // Hosts below a base domain are the workers' own: nobody's route or custom domain takes them away.
        let prefixes = || self.config.base_domains.iter().filter_map(|base| base.below(host));
        if prefixes().next().is_some() {
            return prefixes().find_map(|prefix| snapshot.below_base(prefix)).unwrap_or_else(by_path);
        }
        // A custom domain is as specific as `host/*`; a route on the same host runs before it, as on Cloudflare.
        if let Some(matching) = snapshot.routes.exact(https, host, path) {
            return route(matching);
        }
        if let Some(id) = snapshot.domains.get(host) {
            return worker(id);
        }
        if let Some(matching) = snapshot.routes.wildcard(https, host, path) {
            return route(matching);
        }
        by_path()
    }

    /// Whether the path's first segment names the worker on this host.
    pub(crate) fn is_path_host(&self, host: &HostName<'_>) -> bool {
        self.config.path_hosts.iter().any(|name| name.as_str() == host.as_str())
    }

    /// Whether a host lies below a base domain: whatever is not known there is nowhere.
    pub fn is_below_base(&self, host: &HostName<'_>) -> bool {
        self.config.base_domains.iter().any(|base| base.below(host.as_str()).is_some())
    }

    fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        let _one_at_a_time = self.change.lock();
        let mut next = Snapshot::clone(&self.current.load());
        change(&mut next);
        self.current.store(Arc::new(next));
    }
}

fn domain_map(domains: Vec<PublishedDomain>) -> HashMap<String, WorkerId> {
    domains.into_iter().map(|domain| (domain.hostname.into(), domain.worker)).collect()
}

fn found(worker: &Arc<Served>, version: Option<VersionId>) -> Target {
    Target::Worker(Match { worker: Arc::clone(worker), version, prefix: 0 })
}

impl Snapshot {
    fn insert(&mut self, worker: PublishedWorker) {
        let traffic = self.by_id.get(&worker.id).map(|old| Arc::clone(&old.traffic)).unwrap_or_default();
        self.remove(worker.id);
        let served = Arc::new(Served::new(worker, traffic));
        if served.worker.dialect.has_host() {
            self.by_key.insert(Arc::clone(&served.key), Arc::clone(&served));
        }
        self.by_id.insert(served.worker.id, served);
    }

    fn remove(&mut self, id: WorkerId) {
        let Some(old) = self.by_id.remove(&id) else { return };
        // A worker made anew under the same name has taken the key over already.
        if self.by_key.get(&*old.key).is_some_and(|holder| holder.worker.id == id) {
            self.by_key.remove(&*old.key);
        }
    }

    /// The worker that a name below a base domain stands for.
    fn below_base(&self, prefix: &str) -> Option<Target> {
        let exact =
            || self.by_key.get(prefix).filter(|served| served.worker.subdomain).map(|w| found(w, None));
        match prefix.split_once('.') {
            None => exact().or_else(|| self.dashed(prefix)),
            Some((name, key)) => self
                .project(prefix)
                .or_else(|| self.preview(name, key))
                .or_else(exact)
                .or_else(|| self.dashed(prefix)),
        }
    }

    /// A Pages project: its host looks like that of a version of a worker called `pages`, which yields.
    fn project(&self, key: &str) -> Option<Target> {
        let served = self.by_key.get(key)?;
        let is_served = served.worker.dialect == Dialect::Pages && served.worker.subdomain;
        is_served.then(|| found(served, None))
    }

    /// `<version or alias>-<worker>`: both may hold hyphens, so every split is tried.
    fn dashed(&self, prefix: &str) -> Option<Target> {
        let label = prefix.find('.').unwrap_or(prefix.len());
        let hyphens = prefix[..label].match_indices('-').map(|(at, _)| at);
        hyphens.into_iter().find_map(|at| self.preview(&prefix[..at], &prefix[at + 1..]))
    }

    fn preview(&self, name: &str, key: &str) -> Option<Target> {
        let served = self.by_key.get(key).filter(|served| served.worker.previews)?;
        served.previews.get(name).map(|version| found(served, Some(*version)))
    }

    fn by_path(&self, path: &str) -> Target {
        let name = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        // `//name` is not `/name`: what is stripped must be exactly what was matched.
        let plain = path.len() > name.len() && path.as_bytes()[0] == b'/' && path[1..].starts_with(name);
        let lowered = HostName::fold(name);
        match self.by_key.get(&*lowered) {
            Some(worker) if plain && !name.is_empty() && !name.contains('.') && worker.worker.subdomain => {
                Target::Worker(Match { worker: Arc::clone(worker), version: None, prefix: name.len() + 1 })
            }
            _ => Target::Unknown,
        }
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
