//! Answers in the shapes that Cloudflare's SDKs type and wrangler reads (wrangler-api.md 3 and 3.1).

use hearth_model::{Deployment, EntrypointExport, Format, Version};
use hearth_store::{Account, Domain, Route, Schedule, Worker, Zone};
use serde_json::{Value, json};

use crate::config::ApiConfig;

/// A version, whole: its list entry and its resources.
pub(crate) fn version(worker: &Worker, version: &Version) -> Value {
    let mut runtime = json!({
        "compatibility_date": version.compatibility.date,
        "compatibility_flags": version.compatibility.flags,
        "usage_model": "standard",
    });
    if version.limits != Default::default() {
        runtime["limits"] = json!(version.limits);
    }
    json!({
        "id": version.id.to_string(),
        "number": version.number,
        "metadata": {
            "created_on": version.created_on.to_string(),
            "modified_on": version.created_on.to_string(),
            "source": version.source,
            "author_id": version.author_email,
            "author_email": version.author_email,
            "has_preview": worker.subdomain.previews_enabled,
        },
        "annotations": version.annotations,
        "resources": {
            "bindings": bindings(version),
            "script": {
                "etag": version.etag(),
                "handlers": version.exports.handlers,
                "named_handlers": named_handlers(version),
                "last_deployed_from": version.source,
            },
            "script_runtime": runtime,
        },
        "startup_time_ms": version.startup_time_ms,
    })
}

/// The bindings of a version, secrets without their text.
pub(crate) fn bindings(version: &Version) -> Vec<Value> {
    version.bindings.iter().map(|binding| json!(binding.redacted())).collect()
}

fn named_handlers(version: &Version) -> Vec<Value> {
    let entry = |export: &EntrypointExport| json!({"name": export.name, "handlers": export.handlers});
    version.exports.entrypoints.iter().map(entry).collect()
}

/// A deployment.
pub(crate) fn deployment(deployment: &Deployment) -> Value {
    let versions: Vec<Value> = deployment
        .split
        .shares()
        .iter()
        .map(|(id, share)| json!({"version_id": id.to_string(), "percentage": percentage(*share)}))
        .collect();
    json!({
        "id": deployment.id.to_string(),
        "source": deployment.source,
        "strategy": "percentage",
        "author_email": deployment.author_email,
        "created_on": deployment.created_on.to_string(),
        "annotations": deployment.annotations,
        "versions": versions,
    })
}

/// Whole shares without a fraction: wrangler prints them as they come.
fn percentage(share: f64) -> Value {
    if share.fract() == 0.0 { json!(share as u64) } else { json!(share) }
}

/// A worker as the script endpoints show it, with the version that serves it.
pub(crate) fn script(worker: &Worker, version: Option<&Version>) -> Value {
    let mut script = json!({
        "id": worker.name,
        "kind": worker.dialect,
        "tag": worker.id.to_string(),
        "tags": worker.tags,
        "created_on": worker.created_on.to_string(),
        "modified_on": worker.modified_on.to_string(),
        "logpush": worker.logpush,
        "observability": worker.observability,
        "tail_consumers": worker.tail_consumers,
        "migration_tag": worker.migration_tag,
        "last_deployed_from": "wrangler",
        "usage_model": "standard",
        "has_assets": false,
        "placement": {},
        "routes": null,
    });
    if let Some(version) = version {
        script["etag"] = json!(version.etag());
        script["has_assets"] = json!(version.assets.is_some());
        script["handlers"] = json!(version.exports.handlers);
        script["named_handlers"] = json!(named_handlers(version));
        script["has_modules"] = json!(matches!(version.format, Format::Modules { .. }));
        script["compatibility_date"] = json!(version.compatibility.date);
        script["compatibility_flags"] = json!(version.compatibility.flags);
    }
    script
}

/// What belongs to the worker and not to a version.
pub(crate) fn script_settings(worker: &Worker) -> Value {
    json!({
        "logpush": worker.logpush,
        "observability": worker.observability,
        "tags": worker.tags,
        "tail_consumers": worker.tail_consumers,
    })
}

/// Settings of the worker together with those of a version.
pub(crate) fn settings(worker: &Worker, version: Option<&Version>) -> Value {
    let mut settings = script_settings(worker);
    settings["usage_model"] = json!("standard");
    settings["placement"] = json!({});
    settings["migration_tag"] = json!(worker.migration_tag);
    settings["bindings"] = json!([]);
    if let Some(version) = version {
        settings["bindings"] = Value::Array(bindings(version));
        settings["compatibility_date"] = json!(version.compatibility.date);
        settings["compatibility_flags"] = json!(version.compatibility.flags);
        settings["annotations"] = json!(version.annotations);
        if version.limits != Default::default() {
            settings["limits"] = json!(version.limits);
        }
    }
    settings
}

/// Where a worker is served without routes. `url` saves wrangler a call and replaces its workers.dev host.
pub(crate) fn subdomain(config: &ApiConfig, account: &Account, worker: &Worker) -> Value {
    let label = account.host_label();
    let owns = worker.dialect.owns_host();
    json!({
        "enabled": worker.subdomain.enabled,
        "previews_enabled": worker.subdomain.previews_enabled,
        "url": config.worker_url(&worker.name, label).filter(|_| owns),
        "preview_url_suffix": config.preview_suffix(&worker.name, label).filter(|_| owns),
    })
}

/// A worker as the newer `workers/workers` endpoints show it.
pub(crate) fn worker(config: &ApiConfig, account: &Account, worker: &Worker, references: Value) -> Value {
    json!({
        "id": worker.id.to_string(),
        "name": worker.name,
        "kind": worker.dialect,
        "created_on": worker.created_on.to_string(),
        "updated_on": worker.modified_on.to_string(),
        "tags": worker.tags,
        "logpush": worker.logpush,
        "observability": worker.observability,
        "tail_consumers": worker.tail_consumers.as_ref().unwrap_or(&json!([])),
        "subdomain": subdomain(config, account, worker),
        "references": references,
    })
}

/// An account.
pub(crate) fn account(account: &Account) -> Value {
    json!({
        "id": account.id,
        "name": account.name,
        "type": "standard",
        "settings": {"enforce_twofactor": false},
        "created_on": account.created_on.to_string(),
    })
}

/// A person, as they see themselves; `two_factor`: whether they are asked for a second factor.
pub(crate) fn user(id: &str, email: &str, name: &str, two_factor: bool) -> Value {
    json!({
        "id": id,
        "email": email,
        "first_name": if name.is_empty() { Value::Null } else { json!(name) },
        "last_name": null,
        "username": email,
        "telephone": null,
        "country": null,
        "zipcode": null,
        "two_factor_authentication_enabled": two_factor,
        "two_factor_authentication_locked": false,
        "suspended": false,
    })
}

/// A zone.
pub(crate) fn zone(zone: &Zone, account: &Account) -> Value {
    json!({
        "id": zone.id.as_str(),
        "name": zone.name.as_str(),
        "status": "active",
        "type": "full",
        "paused": false,
        "development_mode": 0,
        "name_servers": [],
        "account": {"id": account.id, "name": account.name},
        "owner": {"id": account.id, "name": account.name, "type": "organization"},
        "created_on": zone.created_on.to_string(),
        "modified_on": zone.created_on.to_string(),
        "activated_on": zone.created_on.to_string(),
    })
}

/// A route of a zone.
pub(crate) fn route(route: &Route) -> Value {
    json!({
        "id": route.id.as_str(),
        "pattern": route.pattern.as_str(),
        "script": route.script,
        "zone_id": route.zone.as_str(),
        "zone_name": route.zone_name.as_str(),
        "request_limit_fail_open": false,
    })
}

/// A custom domain.
pub(crate) fn domain(domain: &Domain) -> Value {
    json!({
        "id": domain.id.as_str(),
        "hostname": domain.hostname.as_str(),
        "service": domain.script,
        "environment": "production",
        "zone_id": domain.zone.as_str(),
        "zone_name": domain.zone_name.as_str(),
        "enabled": domain.enabled,
        "previews_enabled": domain.previews_enabled,
        "created_on": domain.created_on.to_string(),
    })
}

/// Cron triggers.
pub(crate) fn schedules(schedules: &[Schedule]) -> Value {
    let list: Vec<Value> = schedules
        .iter()
        .map(|schedule| {
            json!({
                "cron": schedule.cron,
                "created_on": schedule.created_on.to_string(),
                "modified_on": schedule.modified_on.to_string(),
            })
        })
        .collect();
    json!({"schedules": list})
}

#[cfg(test)]
mod tests {
    use hearth_model::{Binding, BindingKind, Compatibility, VersionId, WorkerId};
    use hearth_store::Subdomain;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn no_view_shows_a_secret_even_if_it_is_given_one() {
        let worker = Worker {
            id: WorkerId::random(),
            account: "a".parse().unwrap(),
            dialect: hearth_model::Dialect::Workers,
            dialect_settings: json!({}),
            access: hearth_model::Access::Open,
            name: "demo".parse().unwrap(),
            created_on: Timestamp::UNIX_EPOCH,
            modified_on: Timestamp::UNIX_EPOCH,
            tags: vec![],
            logpush: false,
            observability: None,
            tail_consumers: None,
            subdomain: Subdomain::default(),
            migration_tag: None,
            last_deployed_from: None,
        };
        let secret = BindingKind::SecretText { text: Some("hush".into()) };
        let shown = Version {
            id: VersionId::random(),
            worker: worker.id,
            number: 1,
            created_on: Timestamp::UNIX_EPOCH,
            source: "api".into(),
            author_email: String::new(),
            annotations: Default::default(),
            format: Format::Modules { main: "index.js".into() },
            modules: vec![],
            bindings: vec![Binding { name: "S".into(), kind: secret }],
            compatibility: Compatibility { date: Compatibility::OLDEST.into(), flags: vec![] },
            limits: Default::default(),
            exports: Default::default(),
            startup_time_ms: 0,
            assets: None,
        };
        for view in [version(&worker, &shown), settings(&worker, Some(&shown)), script(&worker, Some(&shown))]
        {
            assert!(!view.to_string().contains("hush"), "{view}");
        }
    }
}
