//! Projects and deployments as clients read them.

use std::collections::BTreeMap;

use hearth_api::ApiConfig;
use hearth_model::{BindingKind, Dialect, Format, Version, VersionId};
use hearth_store::{Account, Domain, Worker};
use serde_json::{Map, Value, json};

use crate::names;
use crate::settings::{ENV_VARS, Environment, Settings, is_secret};

/// The annotations of a version that say what its deployment is.
pub(crate) mod note {
    pub const ENVIRONMENT: &str = "pages/environment";
    pub const BRANCH: &str = "pages/branch";
    pub const COMMIT_HASH: &str = "pages/commit_hash";
    pub const COMMIT_MESSAGE: &str = "pages/commit_message";
    pub const COMMIT_DIRTY: &str = "pages/commit_dirty";
    pub const OUTPUT_DIR: &str = "pages/output_dir";
    /// There when the bindings are those of a configuration file, and not of the project.
    pub const OWN_BINDINGS: &str = "pages/own_bindings";
    /// The alias of the version's host.
    pub const ALIAS: &str = "workers/alias";
}

/// What builds have on Cloudflare; here each is over when the deployment is accepted.
const STAGES: [&str; 5] = ["queued", "initialize", "clone_repo", "build", "deploy"];

/// Where an account's projects are served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub config: &'a ApiConfig,
    pub account: &'a Account,
}

impl Place<'_> {
    /// The host of a project, or of one of its deployments or branches, with the port.
    pub(crate) fn host(self, project: &str, prefix: Option<&str>) -> String {
        let prefix = prefix.map(|prefix| format!("{prefix}.")).unwrap_or_default();
        let account = self.account.host_label().map(|label| format!(".{label}")).unwrap_or_default();
        let base = self.config.base_domains.first().map_or("localhost", String::as_str);
        let port = self.config.public_url.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{prefix}{project}.{}{account}.{base}{port}", Dialect::PAGES_LABEL)
    }

    /// The same as a URL.
    pub(crate) fn url(self, project: &str, prefix: Option<&str>) -> String {
        format!("{}://{}", self.config.public_url.scheme, self.host(project, prefix))
    }
}

/// A project with all that is asked for at once.
pub(crate) struct Known {
    pub worker: Worker,
    pub settings: Settings,
    /// Newest first.
    pub deployments: Vec<Version>,
    /// The one that production serves.
    pub canonical: Option<VersionId>,
    pub domains: Vec<Domain>,
}

impl Known {
    /// The alias that leads to a deployment: of those of a branch the newest has it.
    pub(crate) fn alias_of<'a>(&self, version: &'a Version) -> Option<&'a str> {
        let alias = version.alias()?;
        let newest = self.deployments.iter().find(|other| other.alias() == Some(alias))?;
        (newest.id == version.id).then_some(alias)
    }

    /// Where a deployment is for.
    pub(crate) fn environment(version: &Version) -> Environment {
        match note(version, note::ENVIRONMENT) == Environment::Preview.as_str() {
            true => Environment::Preview,
            false => Environment::Production,
        }
    }

    /// The deployment of this id.
    pub(crate) fn deployment(&self, id: &str) -> Option<&Version> {
        let id: VersionId = id.parse().ok()?;
        self.deployments.iter().find(|version| version.id == id)
    }

    /// As clients read a project.
    pub(crate) fn project(&self, place: Place<'_>) -> Value {
        let Self { worker, settings, .. } = self;
        let name = worker.name.as_str();
        let subdomain = place.host(name, None);
        let custom = self.domains.iter().map(|domain| domain.hostname.as_str().to_owned());
        let domains: Vec<String> = std::iter::once(subdomain.clone()).chain(custom).collect();
        let canonical = self.deployments.iter().find(|version| Some(version.id) == self.canonical);
        let shown = |version: &Version| self.deployed(version, place);
        let script = |environment: Environment| format!("pages-{name}-{}", environment.as_str());
        json!({
            "id": worker.id.to_string(),
            "name": name,
            "subdomain": subdomain,
            "domains": domains,
            "production_branch": settings.production_branch,
            "build_config": settings.build_config,
            "deployment_configs": {
                "production": config(&settings.production),
                "preview": config(&settings.preview),
            },
            "canonical_deployment": canonical.map(shown),
            "latest_deployment": self.deployments.first().map(shown),
            "created_on": worker.created_on.to_string(),
            "production_script_name": script(Environment::Production),
            "preview_script_name": script(Environment::Preview),
            "uses_functions": self.deployments.first().map(uses_functions),
            "framework": "",
            "framework_version": "",
        })
    }

    /// As clients read a deployment.
    pub(crate) fn deployed(&self, version: &Version, place: Place<'_>) -> Value {
        let name = self.worker.name.as_str();
        let created = version.created_on.to_string();
        let stage = |name: &str| json!({"name": name, "status": "success", "started_on": created, "ended_on": created});
        let mut aliases: Vec<String> =
            self.alias_of(version).map(|alias| place.url(name, Some(alias))).into_iter().collect();
        if Some(version.id) == self.canonical {
            aliases.push(place.url(name, None));
            let scheme = &place.config.public_url.scheme;
            aliases
                .extend(self.domains.iter().map(|domain| format!("{scheme}://{}", domain.hostname.as_str())));
        }
        let output = note(version, note::OUTPUT_DIR);
        json!({
            "id": version.id.to_string(),
            "short_id": version.id.prefix(),
            "project_id": self.worker.id.to_string(),
            "project_name": name,
            "environment": Self::environment(version).as_str(),
            "url": place.url(name, Some(&version.id.prefix())),
            "aliases": aliases,
            "created_on": created,
            "modified_on": created,
            "production_branch": self.settings.production_branch,
            "latest_stage": stage("deploy"),
            "stages": STAGES.map(stage),
            "deployment_trigger": {
                "type": "ad_hoc",
                "metadata": {
                    "branch": note(version, note::BRANCH),
                    "commit_hash": note(version, note::COMMIT_HASH),
                    "commit_message": note(version, note::COMMIT_MESSAGE),
                    "commit_dirty": note(version, note::COMMIT_DIRTY) == "true",
                },
            },
            "env_vars": variables(version),
            "build_config": {
                "build_command": null, "destination_dir": output, "root_dir": null, "web_analytics_tag": null,
                "web_analytics_token": null,
            },
            "source": null,
            "is_skipped": false,
            "skip_reason": null,
            "uses_functions": uses_functions(version),
        })
    }
}

/// What a version's annotation says.
pub(crate) fn note<'a>(version: &'a Version, key: &str) -> &'a str {
    version.annotations.get(key).map_or("", String::as_str)
}

/// Whether a deployment has code.
pub(crate) fn uses_functions(version: &Version) -> bool {
    version.format != Format::Assets
}

/// The annotations of a deployment to be.
pub(crate) fn notes(
    environment: Environment,
    branch: &str,
    more: impl IntoIterator<Item = (&'static str, String)>,
) -> BTreeMap<String, String> {
    let alias = (environment == Environment::Preview).then(|| names::alias(branch)).flatten();
    let own = [(note::ENVIRONMENT, environment.as_str().to_owned()), (note::BRANCH, branch.to_owned())];
    let all = own.into_iter().chain(more).chain(alias.map(|alias| (note::ALIAS, alias)));
    all.filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key.to_owned(), text)).collect()
}

/// An environment: secrets without their texts, and what clients expect to be there.
fn config(kept: &Map<String, Value>) -> Value {
    let mut shown = json!({
        "always_use_latest_compatibility_date": false,
        "build_image_major_version": 3,
        "compatibility_date": hearth_model::Compatibility::FOR_DIALECTS,
        "compatibility_flags": [],
        "env_vars": null,
        "fail_open": true,
        "usage_model": "standard",
    });
    for (key, value) in kept {
        shown[key] = value.clone();
    }
    for variable in shown[ENV_VARS].as_object_mut().into_iter().flat_map(Map::values_mut) {
        if is_secret(variable) {
            variable["value"] = json!("");
        }
    }
    shown
}

fn variables(version: &Version) -> Value {
    let variable = |binding: &hearth_model::Binding| {
        let shown = match &binding.kind {
            BindingKind::PlainText { text } => json!({"type": "plain_text", "value": text}),
            BindingKind::SecretText { .. } => json!({"type": "secret_text", "value": ""}),
            _ => return None,
        };
        Some((binding.name.clone(), shown))
    };
    Value::Object(version.bindings.iter().filter_map(variable).collect())
}

/// A project's custom domain: there is nothing to wait for.
pub(crate) fn domain(domain: &Domain) -> Value {
    json!({
        "id": domain.id.as_str(),
        "domain_id": domain.id.as_str(),
        "name": domain.hostname.as_str(),
        "status": "active",
        "zone_tag": domain.zone.as_str(),
        "created_on": domain.created_on.to_string(),
        "certificate_authority": "lets_encrypt",
        "validation_data": {"method": "http", "status": "active"},
        "verification_data": {"status": "active"},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_api::PublicUrl;

    #[test]
    fn secrets_are_shown_without_their_texts() {
        let kept = json!({"env_vars": {"S": {"type": "secret_text"}, "P": {"type": "plain_text", "value": "x"}}, "fail_open": false});
        let shown = config(kept.as_object().unwrap());
        assert_eq!(shown["env_vars"]["S"], json!({"type": "secret_text", "value": ""}));
        assert_eq!((&shown["env_vars"]["P"]["value"], &shown["fail_open"]), (&json!("x"), &json!(false)));
        assert_eq!(config(&Map::new())["env_vars"], Value::Null);
    }

    #[test]
    fn a_preview_has_its_branch_s_alias_and_production_none() {
        let preview = notes(Environment::Preview, "fix/api", [(note::COMMIT_HASH, "c0ffee".to_owned())]);
        assert_eq!(
            (preview[note::ALIAS].as_str(), preview[note::COMMIT_HASH].as_str()),
            ("fix-api", "c0ffee")
        );
        let production = notes(Environment::Production, "main", [(note::COMMIT_HASH, String::new())]);
        assert!(!production.contains_key(note::ALIAS) && !production.contains_key(note::COMMIT_HASH));
    }

    #[test]
    fn hosts_stand_below_pages() {
        let account = |is_default| Account {
            id: hearth_model::AccountId::random(),
            name: "team".to_owned(),
            subdomain: "team".to_owned(),
            is_default,
            created_on: jiff::Timestamp::now(),
        };
        let https = PublicUrl { scheme: "https".to_owned(), port: None };
        let config = ApiConfig {
            base_domains: vec!["apps.example".to_owned()],
            public_url: https,
            ..ApiConfig::default()
        };
        let (default, other) = (account(true), account(false));
        let place = Place { config: &config, account: &default };
        assert_eq!(place.url("site", None), "https://site.pages.apps.example");
        assert_eq!(place.url("site", Some("fix-api")), "https://fix-api.site.pages.apps.example");
        let place = Place { config: &config, account: &other };
        assert_eq!(place.host("site", None), "site.pages.team.apps.example");
    }
}
