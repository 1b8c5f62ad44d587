//! What each part is told of the settings.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use hearth_api::{ApiConfig, PublicUrl};
use hearth_cache::Cache;
use hearth_model::AccountId;
use hearth_observe::{Logs, LogsConfig};
use hearth_space::Space;

use super::{AUDIT, CACHE_FOLDER, LOGS_FOLDER};
use crate::settings::Settings;
use crate::wiring;

/// Descriptors that one process needs of us: four listeners, two pipes, its heartbeat and a connection.
const FILES_PER_PROCESS: usize = 8;

pub(super) fn s3(settings: &Settings, default_account: AccountId) -> hearth_s3::Config {
    let defaults = hearth_s3::Config::new(settings.s3_hosts.clone(), default_account);
    let max_connections = defaults.max_connections.min(open_files() / 8).max(16);
    hearth_s3::Config { max_connections, ..defaults }
}

/// How much KV, R2 and D1 may still write.
pub(super) fn space(settings: &Settings) -> Result<Space> {
    let bytes = |mb: u64| mb.saturating_mul(1 << 20);
    let config = hearth_space::Config {
        folder: settings.data_dir.clone(),
        account_quota: settings.storage.account_quota_mb.map(bytes),
        reserve: settings.storage.reserve_mb.map(bytes),
    };
    Space::new(config).context("the data folder's disk cannot be asked what it has free")
}

/// Who changes what.
pub(super) fn audit(settings: &Settings) -> Result<hearth_audit::Log> {
    let config = hearth_audit::Config {
        path: settings.data_dir.join(AUDIT),
        retention: Duration::from_secs(u64::from(settings.audit.retention_days) * 24 * 3600),
        most_bytes: settings.audit.max_mb.saturating_mul(1 << 20),
    };
    hearth_audit::Log::open(&config).context("the audit log cannot be kept in the data folder")
}

/// What workers cache.
pub(super) fn cache(settings: &Settings, space: &Space) -> Result<Cache> {
    let bytes = |mb: u64| mb.saturating_mul(1 << 20);
    let folder = settings.data_dir.join(CACHE_FOLDER);
    let config = hearth_cache::Config {
        memory: usize::try_from(bytes(settings.cache.memory_mb)).unwrap_or(usize::MAX),
        disk: bytes(settings.cache.disk_mb),
        space: space.clone(),
        ..hearth_cache::Config::new(folder.clone())
    };
    Cache::open(config).with_context(|| format!("{} cannot be used for the cache", folder.display()))
}

pub(super) fn processes(
    settings: &Settings,
    run_dir: PathBuf,
    objects: PathBuf,
) -> hearth_supervisor::Config {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut config = hearth_supervisor::Config::for_machine(run_dir, objects, cores, machine_memory());
    let wanted = &settings.processes;
    config.spares = wanted.spares.unwrap_or(config.spares).max(1);
    config.memory_budget = wanted.memory_budget_mb.map_or(config.memory_budget, |mb| mb << 20);
    let affordable = open_files() / 2 / FILES_PER_PROCESS;
    config.max_processes = wanted.max.unwrap_or(config.max_processes).min(affordable).max(1);
    config.max_per_worker = wanted.max_per_worker.unwrap_or(config.max_per_worker).max(1);
    config.spare_cores = wanted.spare_cores.unwrap_or(config.spare_cores);
    config.cool_down = wanted.cool_down_s.map_or(config.cool_down, Duration::from_secs);
    let functions = &settings.functions;
    config.function_spares = functions.spares.unwrap_or(config.function_spares);
    config.max_per_function = functions.max_processes.unwrap_or(config.max_per_function).max(1);
    config.queue_timeout = functions.queue_timeout_s.map_or(config.queue_timeout, Duration::from_secs);
    config.tails = settings.logs.workers;
    config.idle_timeout = wanted.idle_timeout_s.map_or(config.idle_timeout, Duration::from_secs);
    config.swap_window = wanted.swap_window_ms.map_or(config.swap_window, Duration::from_millis);
    config
}

/// Descriptors that this process may have.
fn open_files() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// What is kept of workers' logs.
pub(super) fn logs(settings: &Settings, space: &Space) -> Result<Logs> {
    let defaults = LogsConfig::new(settings.data_dir.join(LOGS_FOLDER), space.clone());
    let days = |days: u32| Duration::from_secs(u64::from(days) * 24 * 3600);
    let config = LogsConfig {
        retention: settings.logs.retention_days.map_or(defaults.retention, days),
        account_bytes: settings
            .logs
            .account_mb
            .map_or(defaults.account_bytes, |mb| mb.saturating_mul(1 << 20)),
        ..defaults
    };
    Logs::open(config).context("logs cannot be kept in the data folder")
}

/// Bytes of memory of the machine; 2 GiB where it cannot be read.
fn machine_memory() -> u64 {
    wiring::nodes::memory("MemTotal:").unwrap_or(2 << 30)
}

pub(super) fn api(settings: &Settings, port: u16) -> ApiConfig {
    let public_url = match &settings.public_url {
        Some(url) => PublicUrl { scheme: url.scheme().to_owned(), port: url.port() },
        None => PublicUrl { scheme: "http".to_owned(), port: (port != 80).then_some(port) },
    };
    ApiConfig {
        base_domains: settings.base_domains.iter().map(ToString::to_string).collect(),
        public_url,
        require_token: !settings.dev,
        ..ApiConfig::default()
    }
}

/// Where people sign in for Access, and what it stands before.
pub(super) fn access(settings: &Settings, api: &ApiConfig) -> hearth_access::Config {
    let host = settings.api_hosts.first().map_or("localhost", |host| host.as_str());
    let port = api.public_url.port.map(|port| format!(":{port}")).unwrap_or_default();
    hearth_access::Config {
        control: format!("{}://{host}{port}", api.public_url.scheme),
        base_domains: settings.base_domains.clone(),
        control_hosts: settings.api_hosts.clone(),
        countries: !settings.mmdb.is_empty(),
    }
}

pub(super) fn gateway(settings: &Settings) -> hearth_gateway::Config {
    let defaults = hearth_gateway::Config::default();
    hearth_gateway::Config {
        colo: settings.colo.clone(),
        mmdb: settings.mmdb.clone(),
        trusted_proxies: settings.trusted_proxies.clone(),
        api_hosts: settings.api_hosts.clone(),
        dev: settings.dev,
        // A client's connection needs another one to its worker.
        max_connections: defaults.max_connections.min(open_files() / 4).max(16),
        ..defaults
    }
}

pub(super) fn nexo(settings: &Settings) -> hearth_dialects::nexo::Config {
    let defaults = hearth_dialects::nexo::Config::default();
    let max_concurrent = settings.nexo.max_concurrent.unwrap_or(defaults.max_concurrent);
    hearth_dialects::nexo::Config { max_concurrent }
}
