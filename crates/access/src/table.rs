//! Which applications stand before a request: a snapshot of what is stored, made for looking up. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use hearth_model::{AccountId, Hostname};
use hearth_store::AccessRecords;
use serde_json::Value;

use crate::access::Config;
use crate::domain::Domain;
use crate::duration;
use crate::path::readings;
use crate::policy::{Known, Policy, Rules};

/// How long a session lasts where an application does not say, in seconds: 24 hours, as on Cloudflare.
pub(crate) const SESSION: i64 = 24 * 3600;

/// An application as the gateway knows it.
#[derive(Debug)]
pub(crate) struct App {
    pub account: AccountId,
    pub aud: String,
    pub name: String,
    /// In seconds.
    pub session: i64,
    /// Tokens that were issued before open nothing; seconds since 1970.
    pub revoked: i64,
    /// Whether preflight requests of browsers pass.
    pub passes_preflight: bool,
    /// What those are told who are not let in.
    pub deny_message: Option<String>,
    pub policies: Vec<Policy>,
}

/// A service token as the gateway knows it.
#[derive(Debug)]
pub(crate) struct Token {
    pub id: String,
    pub account: AccountId,
    pub client_id: String,
    pub digest: [u8; 32],
    /// Seconds since 1970.
    pub expires: i64,
}

/// An application where it stands.
type Entry = (Domain, Arc<App>);

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub account: &'a AccountId,
    /// The host, in lower case, without a port.
    pub host: &'a str,
    pub path: &'a str,
    /// Where the host or the path is one that a worker has below a base domain: its own name there.
    pub key: Option<&'a str>,
    /// How many bytes of the path name the worker.
    pub prefix: usize,
    /// Whether the host is the control host.
    pub control: bool,
}

/// An application that a request has to pass.
pub(crate) struct Before {
    pub app: Arc<App>,
    /// Where a cookie of it is sent.
    pub cookie_path: String,
}

/// All applications and service tokens.
#[derive(Default)]
pub(crate) struct Table {
    /// By the host that they name.
    hosts: HashMap<String, Vec<Entry>>,
    wildcards: Vec<Entry>,
    /// By the name below a base domain: they stand before all that leads to that worker.
    keys: HashMap<String, Vec<Entry>>,
    /// Those at the control host, which has many names.
    control: Vec<Entry>,
    by_aud: HashMap<String, Arc<App>>,
    by_client: HashMap<String, Token>,
    bases: Vec<Hostname>,
}

impl Table {
    /// Of what is stored.
    pub(crate) fn new(records: AccessRecords, config: &Config) -> Self {
        let countries = config.countries;
        let mut table = Self { bases: config.base_domains.clone(), ..Self::default() };
        let groups: HashMap<&str, (&AccountId, Arc<Rules>)> = records
            .groups
            .iter()
            .filter_map(|group| {
                let read = Rules::read(&group.document, &Known { group: &|_| None, countries });
                let read = read.inspect_err(|error| {
                    tracing::error!(group = group.id, error, "a stored access group cannot be read");
                });
                Some((group.id.as_str(), (&group.account, Arc::new(read.ok()?))))
            })
            .collect();
        let policies: HashMap<&str, Policy> = records
            .policies
            .iter()
            .filter_map(|policy| {
                let group = |id: &str| {
                    let (account, rules) = groups.get(id)?;
                    (**account == policy.account).then(|| Arc::clone(rules))
                };
                let read = Policy::read(&policy.document, &Known { group: &group, countries });
                let read = read.inspect_err(|error| {
                    tracing::error!(policy = policy.id, error, "a stored access policy cannot be read");
                });
                Some((policy.id.as_str(), read.ok()?))
            })
            .collect();
        for stored in &records.apps {
            let document = &stored.document;
            let text = |name: &str| document[name].as_str().map(str::to_owned);
            let app = Arc::new(App {
                account: stored.account.clone(),
                aud: stored.aud.clone(),
                name: text("name").unwrap_or_default(),
                session: document["session_duration"].as_str().and_then(duration::seconds).unwrap_or(SESSION),
                revoked: stored.revoked_on.as_second(),
                passes_preflight: document["options_preflight_bypass"] == true,
                deny_message: text("custom_deny_message"),
                // One that cannot be read may be the one that keeps somebody out: then nobody gets in.
                policies: stored
                    .policies
                    .iter()
                    .map(|id| policies.get(id.as_str()).cloned())
                    .collect::<Option<_>>()
                    .unwrap_or_default(),
            });
            table.by_aud.insert(stored.aud.clone(), Arc::clone(&app));
            for domain in domains(document) {
                if domain.is_at(&config.control_hosts) {
                    table.control.push((domain, Arc::clone(&app)));
                } else {
                    table.place(domain, &app);
                }
            }
        }
        for token in records.tokens {
            let known = Token {
                id: token.id,
                account: token.account,
                client_id: token.client_id.clone(),
                digest: token.digest,
                expires: token.expires_on.as_second(),
            };
            table.by_client.insert(token.client_id, known);
        }
        table
    }

    fn place(&mut self, domain: Domain, app: &Arc<App>) {
        let entry = || (domain.clone(), Arc::clone(app));
        if domain.has_wildcard_host() {
            self.wildcards.push(entry());
            return;
        }
        for key in self.bases.iter().filter_map(|base| below(&domain.host, base)) {
            self.keys.entry(key.to_owned()).or_default().push(entry());
        }
        self.hosts.entry(domain.host.clone()).or_default().push(entry());
    }

    /// Whether there is no application.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_aud.is_empty()
    }

    /// The application that tokens for `aud` are of.
    pub(crate) fn app(&self, aud: &str) -> Option<&Arc<App>> {
        self.by_aud.get(aud)
    }

    /// The service token that calls itself so.
    pub(crate) fn client(&self, id: &str) -> Option<&Token> {
        self.by_client.get(id)
    }

    /// Whether any application stands before a host or a worker, whatever the path.
    pub(crate) fn stands_before(&self, host: &str, key: Option<&str>) -> bool {
        let of_worker = |key| !self.of_worker(key).is_empty() || !self.of_preview(host, key).is_empty();
        !self.at(host).is_empty() || key.is_some_and(of_worker)
    }

    /// Whether any application stands before paths of the control host.
    pub(crate) fn stands_before_control(&self) -> bool {
        !self.control.is_empty()
    }

    /// Where cookies of the applications of a host or a worker are sent.
    pub(crate) fn cookie_paths(&self, host: &str, key: Option<&str>, control: bool) -> Vec<String> {
        let mut entries = self.at(host);
        if let Some(key) = key {
            entries.extend(self.of_worker(key));
            entries.extend(self.of_preview(host, key));
        }
        entries.extend(self.control.iter().filter(|_| control));
        let mut paths: Vec<String> = entries.iter().map(|(domain, _)| domain.plain_path()).collect();
        paths.push("/".to_owned());
        paths.sort();
        paths.dedup();
        paths
    }

    /// The applications at a host.
    fn at(&self, host: &str) -> Vec<&Entry> {
        let mut found: Vec<&Entry> = self.hosts.get(host).into_iter().flatten().collect();
        found.extend(self.wildcards.iter().filter(|(domain, _)| domain.names(host)));
        found
    }

    /// The applications at a worker's own hosts below the base domains.
    fn of_worker(&self, key: &str) -> Vec<&Entry> {
        let mut found: Vec<&Entry> = self.keys.get(key).into_iter().flatten().collect();
        if !self.wildcards.is_empty() {
            let own: Vec<String> = self.bases.iter().map(|base| format!("{key}.{base}")).collect();
            let names = |(domain, _): &&Entry| own.iter().any(|host| domain.names(host));
            found.extend(self.wildcards.iter().filter(names));
        }
        found
    }

    /// The applications that name previews of a worker, where the host is one: a version or an alias of it, which stands
    /// before the worker's name with a dot or a hyphen, below any base domain.
    fn of_preview(&self, host: &str, key: &str) -> Vec<&Entry> {
        let preview = |base| below(host, base)?.strip_suffix(key)?.strip_suffix(['.', '-']);
        let Some(preview) = self.bases.iter().find_map(preview) else { return Vec::new() };
        let mut found = Vec::new();
        for base in &self.bases {
            let own = format!("{key}.{base}");
            for behind in [format!("-{own}"), format!(".{own}")] {
                let all = self.at(&format!("{preview}{behind}"));
                found.extend(all.into_iter().filter(|(domain, _)| domain.host.ends_with(&behind)));
            }
        }
        found
    }

    /// The applications that a request has to pass: for each reading of its path the most specific one, of those that are of
    /// the worker's account. Nearly always one or none.
    pub(crate) fn before(&self, place: &Place<'_>) -> Vec<Before> {
        let mut found: Vec<Before> = Vec::new();
        if place.control {
            let all: Vec<&Entry> = self.control.iter().collect();
            note(&mut found, place, &[&all], place.path, "");
            return found;
        }
        let mut at_host = self.at(place.host);
        let own = place.key.map(|key| self.of_worker(key)).unwrap_or_default();
        if place.prefix == 0 {
            // Who has said what holds for previews means these, and not what holds for the worker.
            let previews = place.key.map(|key| self.of_preview(place.host, key)).unwrap_or_default();
            at_host.extend(own);
            note(&mut found, place, &[&previews, &at_host], place.path, "");
        } else {
            // The path means something else to each.
            let (prefix, path) = place.path.split_at_checked(place.prefix).unwrap_or(("", place.path));
            note(&mut found, place, &[&at_host], place.path, "");
            note(&mut found, place, &[&own], path, prefix);
        }
        found
    }
}

/// Adds for each reading of a path the application that is meant: of the first entries that enclose it, the most specific.
fn note(found: &mut Vec<Before>, place: &Place<'_>, tiers: &[&[&Entry]], path: &str, prefix: &str) {
    if tiers.iter().all(|entries| entries.is_empty()) {
        return;
    }
    for reading in readings(path) {
        let meant = tiers.iter().find_map(|entries| {
            let enclose =
                |(domain, app): &&&Entry| app.account == *place.account && domain.encloses(&reading);
            entries.iter().filter(enclose).max_by(|(one, _), (other, _)| one.specificity(other))
        });
        if let Some((domain, app)) = meant
            && !found.iter().any(|before| Arc::ptr_eq(&before.app, app))
        {
            let plain = domain.plain_path();
            // Browsers send a cookie to its path as that is spelled, letter for letter.
            let asked = path.get(..plain.len()).filter(|start| start.eq_ignore_ascii_case(&plain));
            let plain = asked.unwrap_or(&plain);
            let below = if prefix.is_empty() || plain != "/" { plain } else { "" };
            found.push(Before { app: Arc::clone(app), cookie_path: format!("{prefix}{below}") });
        }
    }
}

/// What an application's document says that it stands before.
pub(crate) fn domains(document: &Value) -> Vec<Domain> {
    let all = document["self_hosted_domains"].as_array().into_iter().flatten().filter_map(Value::as_str);
    all.filter_map(|text| Domain::parse(text).ok()).collect()
}

/// What a host is called below a base domain.
pub(crate) fn below<'a>(host: &'a str, base: &Hostname) -> Option<&'a str> {
    host.strip_suffix(base.as_str())?.strip_suffix('.').filter(|key| !key.is_empty())
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
