//! Which applications stand before a request: a snapshot of what is stored, made for looking up. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use hearth_model::{AccountId, Hostname};
use hearth_store::AccessRecords;
use serde_json::Value;

use crate::domain::Domain;
use crate::duration;
use crate::path::readings;
use crate::policy::Policy;

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
    by_aud: HashMap<String, Arc<App>>,
    by_client: HashMap<String, Token>,
    bases: Vec<Hostname>,
}

impl Table {
    pub(crate) fn new(records: AccessRecords, bases: &[Hostname]) -> Self {
        let mut table = Self { bases: bases.to_vec(), ..Self::default() };
        let policies: HashMap<&str, Policy> = records
            .policies
            .iter()
            .filter_map(|policy| match Policy::read(&policy.document) {
                Ok(read) => Some((policy.id.as_str(), read)),
                Err(error) => {
                    // It lets nobody in: an application without policies is closed.
                    tracing::error!(policy = policy.id, error, "a stored access policy cannot be read");
                    None
                }
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
                policies: stored
                    .policies
                    .iter()
                    .filter_map(|id| policies.get(id.as_str()).cloned())
                    .collect(),
            });
            table.by_aud.insert(stored.aud.clone(), Arc::clone(&app));
            for domain in domains(document) {
                table.place(domain, &app);
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
        self.hosts.contains_key(host)
            || self.wildcards.iter().any(|(domain, _)| domain.names(host))
            || key.is_some_and(|key| self.has_key(key))
    }

    /// Where cookies of the applications of a host or a worker are sent.
    pub(crate) fn cookie_paths(&self, host: &str, key: Option<&str>) -> Vec<String> {
        let at_host = self.hosts.get(host).into_iter().flatten();
        let wild = self.wildcards.iter().filter(|(domain, _)| domain.names(host));
        let own = key.and_then(|key| self.keys.get(key)).into_iter().flatten();
        let mut paths: Vec<String> =
            at_host.chain(wild).chain(own).map(|(domain, _)| domain.plain_path()).collect();
        paths.push("/".to_owned());
        paths.sort();
        paths.dedup();
        paths
    }

    fn has_key(&self, key: &str) -> bool {
        self.keys.contains_key(key) || !self.own_wildcards(key).is_empty()
    }

    /// The wildcards that name a worker's own host.
    fn own_wildcards(&self, key: &str) -> Vec<&Entry> {
        if self.wildcards.is_empty() {
            return Vec::new();
        }
        let own: Vec<String> = self.bases.iter().map(|base| format!("{key}.{base}")).collect();
        self.wildcards.iter().filter(|(domain, _)| own.iter().any(|host| domain.names(host))).collect()
    }

    /// The applications that a request has to pass: for each reading of its path the most specific one, of those that are of
    /// the worker's account. Nearly always one or none.
    pub(crate) fn before(&self, place: &Place<'_>) -> Vec<Before> {
        let mut found: Vec<Before> = Vec::new();
        let mut note = |entries: &[&Entry], path: &str, prefix: &str| {
            if entries.is_empty() {
                return;
            }
            for reading in readings(path) {
                let meant = entries
                    .iter()
                    .filter(|(domain, app)| app.account == *place.account && domain.encloses(&reading))
                    .max_by(|(one, _), (other, _)| one.specificity(other));
                if let Some((domain, app)) = meant
                    && !found.iter().any(|before| Arc::ptr_eq(&before.app, app))
                {
                    let plain = domain.plain_path();
                    let below = if prefix.is_empty() || plain != "/" { plain.as_str() } else { "" };
                    let cookie_path = format!("{prefix}{below}");
                    found.push(Before { app: Arc::clone(app), cookie_path });
                }
            }
        };
        let mut at_host: Vec<&Entry> = self.hosts.get(place.host).into_iter().flatten().collect();
        at_host.extend(self.wildcards.iter().filter(|(domain, _)| domain.names(place.host)));
        let mut own: Vec<&Entry> = Vec::new();
        if let Some(key) = place.key {
            own.extend(self.keys.get(key).into_iter().flatten());
            own.extend(self.own_wildcards(key));
        }
        if place.prefix == 0 {
            at_host.extend(own);
            note(&at_host, place.path, "");
        } else {
            // The path means something else to each.
            let (prefix, path) = place.path.split_at_checked(place.prefix).unwrap_or(("", place.path));
            note(&at_host, place.path, "");
            note(&own, path, prefix);
        }
        found
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
mod tests {
    use hearth_store::AccessApp;
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn account(n: u8) -> AccountId {
        format!("{n:032x}").parse().unwrap()
    }

    fn table(apps: &[(&str, u8, &[&str])]) -> Table {
        let app = |(name, owner, domains): &(&str, u8, &[&str])| AccessApp {
            id: (*name).into(),
            account: account(*owner),
            aud: format!("aud-{name}"),
            document: json!({ "name": name, "self_hosted_domains": domains }),
            policies: Vec::new(),
            created_on: Timestamp::UNIX_EPOCH,
            updated_on: Timestamp::UNIX_EPOCH,
            revoked_on: Timestamp::UNIX_EPOCH,
        };
        let records = AccessRecords { apps: apps.iter().map(app).collect(), ..AccessRecords::default() };
        Table::new(records, &["apps.test".parse().unwrap(), "localhost".parse().unwrap()])
    }

    fn found(table: &Table, host: &str, path: &str, key: Option<&str>, prefix: usize) -> Vec<String> {
        let account = account(1);
        let all = table.before(&Place { account: &account, host, path, key, prefix });
        all.iter().map(|before| format!("{} {}", before.app.name, before.cookie_path)).collect()
    }

    #[test]
    fn an_application_stands_before_every_way_to_the_worker_that_its_host_names() {
        let table = table(&[("all", 1, &["hello.apps.test"]), ("admin", 1, &["other.apps.test/admin"])]);
        for (host, path, prefix) in [
            ("hello.apps.test", "/", 0),
            ("hello.localhost", "/x", 0),
            ("0123abcd-hello.apps.test", "/", 0),
            ("beta.hello.localhost", "/", 0),
        ] {
            assert_eq!(found(&table, host, path, Some("hello"), prefix), ["all /"], "{host}{path}");
        }
        assert_eq!(found(&table, "apps.test", "/hello/x", Some("hello"), 6), ["all /hello"]);
        assert_eq!(found(&table, "apps.test", "/other/ADMIN/x", Some("other"), 6), ["admin /other/admin"]);
        assert!(found(&table, "apps.test", "/other/x", Some("other"), 6).is_empty());
        assert!(found(&table, "third.apps.test", "/admin", Some("third"), 0).is_empty());
        assert!(found(&table, "custom.test", "/", None, 0).is_empty(), "a host of its own");
        assert!(table.stands_before("beta.hello.localhost", Some("hello")));
        assert!(!table.stands_before("third.localhost", Some("third")));
    }

    #[test]
    fn wildcards_name_workers_however_they_are_reached() {
        let table = table(&[("all", 1, &["*.apps.test"]), ("one", 1, &["hello.apps.test"])]);
        assert_eq!(found(&table, "any.apps.test", "/", Some("any"), 0), ["all /"]);
        assert_eq!(found(&table, "any.localhost", "/", Some("any"), 0), ["all /"]);
        assert_eq!(found(&table, "v.any.localhost", "/", Some("any"), 0), ["all /"]);
        assert_eq!(found(&table, "apps.test", "/any/", Some("any"), 4), ["all /any"]);
        for host in ["hello.apps.test", "v-hello.apps.test", "hello.localhost"] {
            assert_eq!(found(&table, host, "/", Some("hello"), 0), ["one /"], "the more specific at {host}");
        }
        assert!(table.stands_before("apps.test", Some("any")));
    }

    #[test]
    fn the_more_specific_path_counts_and_no_spelling_leads_around_the_other() {
        let table = table(&[("site", 1, &["a.test"]), ("public", 1, &["a.test/public"])]);
        assert_eq!(found(&table, "a.test", "/x", None, 0), ["site /"]);
        assert_eq!(found(&table, "a.test", "/public/x", None, 0), ["public /public"]);
        let both = found(&table, "a.test", "/public/..%2fsecret", None, 0);
        assert_eq!(both, ["public /public", "site /"], "it has to pass both");
        let half = self::table(&[("admin", 1, &["a.test/admin"])]);
        for path in ["/%61dmin", "//admin", "/x/../admin", "/ADMIN", "/admin%2fx", "/x%2f..%2fadmin"] {
            assert_eq!(found(&half, "a.test", path, None, 0), ["admin /admin"], "{path}");
        }
    }

    #[test]
    fn nobody_stands_before_what_is_another_accounts() {
        let table = table(&[("theirs", 2, &["a.test", "hello.apps.test", "*.apps.test"])]);
        assert!(found(&table, "a.test", "/", None, 0).is_empty());
        assert!(found(&table, "hello.apps.test", "/", Some("hello"), 0).is_empty());
    }
}
