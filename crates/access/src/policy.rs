//! Whom an application lets in (Cloudflare's documentation, "Access policies"). Pure.
//!
//! A policy matches who is in one of `include`, in all of `require` and in none of `exclude`. Those that bypass Access and
//! those for services are asked first, in their order, then those that allow or deny; who matches none is not let in.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

/// Most rules of a policy or a group in each of its lists.
const MOST_RULES: usize = 1000;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    Everyone,
    Email(String),
    EmailDomain(String),
    Ip(IpNet),
    /// A country by its ISO 3166 code, of where the client's address is.
    Geo(String),
    /// What a provider of single sign-on says that somebody is in.
    Claim(String),
    /// Rules that have a name.
    Group(Arc<Rules>),
    AnyServiceToken,
    /// By its id.
    ServiceToken(String),
}

/// Whom a policy or a group is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    pub include: Vec<Rule>,
    pub exclude: Vec<Rule>,
    pub require: Vec<Rule>,
}

/// What rules refer to.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    /// The account's groups, by their ids. In groups, none are known.
    pub group: &'a dyn Fn(&str) -> Option<Arc<Rules>>,
    /// Whether it is known in which country an address is.
    pub countries: bool,
}

/// What becomes of whom a policy matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow,
    Deny,
    Bypass,
    ServiceAuth,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    pub decision: Decision,
    pub rules: Rules,
}

/// What is known of somebody.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub ip: IpAddr,
    /// The country of that, `XX` if unknown.
    pub country: &'a str,
    /// Who is signed in.
    pub person: Option<Person<'a>>,
    /// The id of the service token that is shown.
    pub token: Option<&'a str>,
}

/// Somebody who is signed in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Person<'a> {
    pub email: &'a str,
    pub groups: &'a [String],
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is let in, whoever it is.
    Bypass,
    /// It is a service's.
    Service,
    /// It is a person's who is let in.
    Allow,
    /// Whoever makes it may be let in, and is to sign in.
    SignIn,
    /// It is not let in.
    Deny,
}

/// Asks the policies of an application in their order.
pub(crate) fn decide<'a>(policies: impl Iterator<Item = &'a Policy> + Clone, facts: &Facts<'_>) -> Outcome {
    for policy in policies.clone() {
        match policy.decision {
            Decision::Bypass if policy.rules.apply(facts) => return Outcome::Bypass,
            Decision::ServiceAuth if policy.rules.apply(facts) => return Outcome::Service,
            _ => {}
        }
    }
    let mut of_people = policies.filter(|policy| matches!(policy.decision, Decision::Allow | Decision::Deny));
    if facts.person.is_none() {
        let lets_in = of_people.any(|policy| policy.decision == Decision::Allow);
        return if lets_in { Outcome::SignIn } else { Outcome::Deny };
    }
    match of_people.find(|policy| policy.rules.apply(facts)).map(|policy| policy.decision) {
        Some(Decision::Allow) => Outcome::Allow,
        _ => Outcome::Deny,
    }
}

impl Rules {
    fn apply(&self, facts: &Facts<'_>) -> bool {
        let applies = |rule: &Rule| rule.applies(facts);
        self.include.iter().any(applies)
            && self.require.iter().all(applies)
            && !self.exclude.iter().any(applies)
    }

    /// Reads `include`, `exclude`, `require` of what a policy or a group is sent as.
    ///
    /// # Errors
    /// What is wrong with it, for the caller.
    pub(crate) fn read(sent: &Value, known: &Known<'_>) -> Result<Self, String> {
        let rules = |name: &str| -> Result<Vec<Rule>, String> {
            match &sent[name] {
                Value::Null => Ok(Vec::new()),
                Value::Array(all) if all.len() <= MOST_RULES => {
                    all.iter().map(|rule| Rule::read(rule, known)).collect()
                }
                Value::Array(_) => Err(format!("`{name}` has more than {MOST_RULES} rules")),
                _ => Err(format!("`{name}` is a list of rules")),
            }
        };
        let rules =
            Self { include: rules("include")?, exclude: rules("exclude")?, require: rules("require")? };
        if rules.include.is_empty() {
            return Err("it needs a rule in `include`".into());
        }
        Ok(rules)
    }

    /// Whether a rule is one of these, or of a group among them.
    fn has(&self, wanted: fn(&Rule) -> bool) -> bool {
        let mut all = self.include.iter().chain(&self.exclude).chain(&self.require);
        all.any(|rule| rule.is(wanted))
    }
}

impl Policy {
    /// Reads `decision` and the rules of what a policy is sent as.
    ///
    /// # Errors
    /// What is wrong with it, for the caller.
    pub(crate) fn read(sent: &Value, known: &Known<'_>) -> Result<Self, String> {
        let decision = match sent["decision"].as_str() {
            Some("allow") => Decision::Allow,
            Some("deny") => Decision::Deny,
            Some("bypass") => Decision::Bypass,
            Some("non_identity") => Decision::ServiceAuth,
            _ => return Err("`decision` is one of allow, deny, bypass and non_identity".into()),
        };
        let policy = Self { decision, rules: Rules::read(sent, known)? };
        policy.check()?;
        Ok(policy)
    }

    /// Nobody is signed in where these are asked, so rules about people would never apply, and one in `exclude` would
    /// keep nobody out.
    fn check(&self) -> Result<(), String> {
        let of_people = |rule: &Rule| matches!(rule, Rule::Email(_) | Rule::EmailDomain(_) | Rule::Claim(_));
        let of_tokens = |rule: &Rule| matches!(rule, Rule::AnyServiceToken | Rule::ServiceToken(_));
        let for_all = |rule: &Rule| *rule == Rule::Everyone;
        match self.decision {
            Decision::Bypass | Decision::ServiceAuth if self.rules.has(of_people) => {
                Err("policies that bypass Access or are for services cannot ask who somebody is".into())
            }
            Decision::ServiceAuth if self.rules.include.iter().any(|rule| rule.is(for_all)) => {
                Err("a policy for services includes tokens or addresses; to let everybody in use `bypass`"
                    .into())
            }
            Decision::Allow | Decision::Deny if self.rules.has(of_tokens) => {
                Err("service tokens are let in by a policy whose decision is non_identity".into())
            }
            _ => Ok(()),
        }
    }
}

impl Rule {
    fn applies(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Everyone => true,
            Self::Email(email) => facts.person.is_some_and(|person| person.email.to_lowercase() == *email),
            Self::EmailDomain(domain) => facts.person.is_some_and(|person| {
                person.email.rsplit_once('@').is_some_and(|(_, behind)| behind.to_lowercase() == *domain)
            }),
            Self::Ip(network) => network.contains(&facts.ip.to_canonical()),
            Self::Geo(country) => facts.country == country,
            Self::Claim(group) => facts.person.is_some_and(|person| person.groups.contains(group)),
            Self::Group(rules) => rules.apply(facts),
            Self::AnyServiceToken => facts.token.is_some(),
            Self::ServiceToken(id) => facts.token == Some(id),
        }
    }

    /// Whether it is wanted, or a group that has such a rule.
    fn is(&self, wanted: fn(&Self) -> bool) -> bool {
        match self {
            Self::Group(rules) => rules.has(wanted),
            plain => wanted(plain),
        }
    }

    fn read(sent: &Value, known: &Known<'_>) -> Result<Self, String> {
        let unknown = || {
            format!(
                "the rule {sent} is none of everyone, email, email_domain, ip, geo, group, oidc (claim_name `groups`), \
                 any_valid_service_token and service_token"
            )
        };
        let (kind, about) = match sent.as_object().map(|rule| (rule.len(), rule.iter().next())) {
            Some((1, Some(pair))) => pair,
            _ => return Err(unknown()),
        };
        let text = |name: &str| match about[name].as_str().map(str::trim) {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(format!("the rule {sent} has no `{name}`")),
        };
        Ok(match kind.as_str() {
            "everyone" => Self::Everyone,
            "email" => Self::Email(text("email")?.to_lowercase()),
            "email_domain" => Self::EmailDomain(text("domain")?.trim_start_matches('@').to_lowercase()),
            "ip" => Self::Ip(network(&text("ip")?)?),
            "oidc" if about["claim_name"] == "groups" => {
                if about["identity_provider_id"].as_str().is_some_and(|id| !id.is_empty()) {
                    return Err("leave `identity_provider_id` out: groups of every provider count".into());
                }
                Self::Claim(text("claim_value")?)
            }
            "geo" if !known.countries => {
                return Err(
                    "no country is known here: name a file in `mmdb` of the server's configuration".into()
                );
            }
            "geo" => Self::Geo(country(&text("country_code")?)?),
            "group" => {
                let id = text("id")?;
                let missing = || format!("there is no group {id:?}; a group cannot name another one");
                Self::Group((known.group)(&id).ok_or_else(missing)?)
            }
            "any_valid_service_token" => Self::AnyServiceToken,
            "service_token" => Self::ServiceToken(text("token_id")?),
            _ => return Err(unknown()),
        })
    }
}

/// Two letters, as `request.cf.country` has them.
fn country(text: &str) -> Result<String, String> {
    let code = text.to_ascii_uppercase();
    let fits = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    if fits { Ok(code) } else { Err(format!("{text:?} is no country's code of two letters")) }
}

/// An address alone is a network of one.
fn network(text: &str) -> Result<IpNet, String> {
    let read = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    read.map_err(|_| format!("{text:?} is no address and no network"))
}

/// What a policy or a group says, as it is stored and shown: without what it has no meaning for.
pub(crate) fn document(sent: &Value) -> Map<String, Value> {
    let mut kept = Map::new();
    for name in ["name", "decision", "include", "exclude", "require", "session_duration"] {
        let value = match (&sent[name], name) {
            (Value::Null, "exclude" | "require") => json!([]),
            (Value::Null, _) => continue,
            (value, _) => value.clone(),
        };
        kept.insert(name.to_owned(), value);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Known<'static> = Known { group: &|_| None, countries: true };

    fn policy(decision: &str, include: Value, exclude: Value, require: Value) -> Policy {
        Policy::read(
            &json!({"decision": decision, "include": include, "exclude": exclude, "require": require}),
            &NONE,
        )
        .unwrap()
    }

    fn facts<'a>(
        ip: &str,
        email: Option<&'a str>,
        groups: &'a [String],
        token: Option<&'a str>,
    ) -> Facts<'a> {
        let person = email.map(|email| Person { email, groups });
        Facts { ip: ip.parse().unwrap(), country: if person.is_some() { "DE" } else { "XX" }, person, token }
    }

    #[test]
    fn each_rule_applies_to_whom_it_names() {
        let groups = ["admins".to_owned()];
        let someone = facts("10.1.2.3", Some("Jane@Example.com"), &groups, Some("t1"));
        let nobody = facts("::ffff:192.0.2.1", None, &[], None);
        for (rule, applies) in [
            (json!({"everyone": {}}), true),
            (json!({"email": {"email": "jane@example.com"}}), true),
            (json!({"email": {"email": "jane@example.com.evil"}}), false),
            (json!({"email_domain": {"domain": "@example.com"}}), true),
            (json!({"email_domain": {"domain": "ample.com"}}), false),
            (json!({"ip": {"ip": "10.0.0.0/8"}}), true),
            (json!({"ip": {"ip": "10.1.2.4"}}), false),
            (json!({"geo": {"country_code": "de"}}), true),
            (json!({"geo": {"country_code": "FR"}}), false),
            (json!({"oidc": {"claim_name": "groups", "claim_value": "admins"}}), true),
            (json!({"oidc": {"claim_name": "groups", "claim_value": "admin"}}), false),
            (json!({"any_valid_service_token": {}}), true),
            (json!({"service_token": {"token_id": "t1"}}), true),
            (json!({"service_token": {"token_id": "t2"}}), false),
        ] {
            let rule = Rule::read(&rule, &NONE).unwrap();
            assert_eq!(rule.applies(&someone), applies, "{rule:?}");
            assert_eq!(rule.applies(&nobody), rule == Rule::Everyone, "{rule:?} to nobody");
        }
        assert!(
            Rule::read(&json!({"ip": {"ip": "192.0.2.0/24"}}), &NONE).unwrap().applies(&nobody),
            "a mapped address"
        );
    }

    #[test]
    fn include_is_any_require_is_all_exclude_is_none() {
        let staff = json!([{"email_domain": {"domain": "a.test"}}, {"email": {"email": "x@b.test"}}]);
        let inside = json!([{"ip": {"ip": "10.0.0.0/8"}}]);
        let policy = policy("allow", staff, json!([{"email": {"email": "out@a.test"}}]), inside);
        for (email, ip, expected) in [
            ("me@a.test", "10.0.0.1", Outcome::Allow),
            ("x@b.test", "10.0.0.1", Outcome::Allow),
            ("y@b.test", "10.0.0.1", Outcome::Deny),
            ("out@a.test", "10.0.0.1", Outcome::Deny),
            ("me@a.test", "11.0.0.1", Outcome::Deny),
        ] {
            let outcome = decide([&policy].into_iter(), &facts(ip, Some(email), &[], None));
            assert_eq!(outcome, expected, "{email} from {ip}");
        }
        assert_eq!(decide([&policy].into_iter(), &facts("10.0.0.1", None, &[], None)), Outcome::SignIn);
    }

    #[test]
    fn services_and_bypasses_come_before_people_and_the_first_of_these_counts() {
        let everyone = || json!([{"everyone": {}}]);
        let none = || json!([]);
        let deny = policy("deny", json!([{"email": {"email": "a@a.test"}}]), none(), none());
        let allow = policy("allow", everyone(), none(), none());
        let service = policy("non_identity", json!([{"service_token": {"token_id": "t"}}]), none(), none());
        let bypass = policy("bypass", json!([{"ip": {"ip": "10.0.0.0/8"}}]), none(), none());
        let all = [&deny, &allow, &service, &bypass];
        let ask = |ip, email, token| decide(all.into_iter(), &facts(ip, email, &[], token));
        assert_eq!(ask("10.0.0.1", Some("a@a.test"), None), Outcome::Bypass);
        assert_eq!(ask("11.0.0.1", Some("a@a.test"), Some("t")), Outcome::Service);
        assert_eq!(ask("11.0.0.1", Some("a@a.test"), None), Outcome::Deny);
        assert_eq!(ask("11.0.0.1", Some("b@a.test"), None), Outcome::Allow);
        assert_eq!(ask("11.0.0.1", None, Some("u")), Outcome::SignIn);
        assert_eq!(decide([&service].into_iter(), &facts("11.0.0.1", None, &[], None)), Outcome::Deny);
        assert_eq!(decide([].into_iter(), &facts("11.0.0.1", Some("a@a.test"), &[], None)), Outcome::Deny);
        let other = [&allow, &deny];
        assert_eq!(
            decide(other.into_iter(), &facts("11.0.0.1", Some("a@a.test"), &[], None)),
            Outcome::Allow,
            "in their order"
        );
    }

    #[test]
    fn what_could_never_hold_is_refused() {
        let read = |decision: &str, include: Value| {
            Policy::read(&json!({"decision": decision, "include": include}), &NONE).map(drop)
        };
        for (decision, include) in [
            ("permit", json!([{"everyone": {}}])),
            ("allow", json!([])),
            ("allow", json!([{"everyone": {}, "ip": {"ip": "1.1.1.1"}}])),
            ("allow", json!([{"geo": {"country_code": "DEU"}}])),
            ("allow", json!([{"geo": {}}])),
            ("allow", json!([{"group": {"id": "g"}}])),
            ("allow", json!([{"certificate": {}}])),
            ("allow", json!([{"email": {}}])),
            ("allow", json!([{"any_valid_service_token": {}}])),
            (
                "allow",
                json!([{"oidc": {"claim_name": "groups", "claim_value": "a", "identity_provider_id": "x"}}]),
            ),
            ("bypass", json!([{"email": {"email": "a@a.test"}}])),
            ("non_identity", json!([{"everyone": {}}])),
            ("allow", json!([{"ip": {"ip": "10.0.0.0/33"}}])),
            ("allow", json!("everyone")),
        ] {
            assert!(read(decision, include.clone()).is_err(), "{decision} {include}");
        }
    }

    #[test]
    fn a_group_is_its_rules_together() {
        let read = |sent: &Value| Rules::read(sent, &NONE).map(Arc::new);
        let staff = json!({
            "include": [{"email_domain": {"domain": "a.test"}}], "exclude": [{"email": {"email": "out@a.test"}}],
            "require": [{"geo": {"country_code": "DE"}}],
        });
        let staff = read(&staff).unwrap();
        let office = read(&json!({"include": [{"ip": {"ip": "10.0.0.0/8"}}]})).unwrap();
        let group = |id: &str| match id {
            "staff" => Some(Arc::clone(&staff)),
            "office" => Some(Arc::clone(&office)),
            _ => None,
        };
        let known = Known { group: &group, countries: true };
        let named = |id: &str| json!([{"group": {"id": id}}]);
        let policy = |decision: &str, include: Value, exclude: Value| {
            Policy::read(&json!({"decision": decision, "include": include, "exclude": exclude}), &known)
        };
        let allow = policy("allow", named("staff"), named("office")).unwrap();
        for (email, ip, country, expected) in [
            ("me@a.test", "11.0.0.1", "DE", Outcome::Allow),
            ("me@a.test", "11.0.0.1", "XX", Outcome::Deny),
            ("out@a.test", "11.0.0.1", "DE", Outcome::Deny),
            ("me@a.test", "10.0.0.1", "DE", Outcome::Deny),
        ] {
            let facts = Facts { country, ..facts(ip, Some(email), &[], None) };
            assert_eq!(decide([&allow].into_iter(), &facts), expected, "{email} {ip} {country}");
        }
        assert!(policy("allow", named("gone"), json!([])).is_err());
        // What a policy may not ask, it may not ask by a group either.
        assert!(policy("bypass", named("staff"), json!([])).is_err());
        assert!(policy("bypass", named("office"), named("staff")).is_err());
        assert!(policy("bypass", named("office"), json!([])).is_ok());
        assert!(Rules::read(&json!({"include": named("staff")}), &NONE).is_err(), "groups do not nest");
    }

    #[test]
    fn where_no_country_is_known_none_is_asked_for() {
        let known = Known { countries: false, ..NONE };
        let sent = json!({"include": [{"everyone": {}}], "exclude": [{"geo": {"country_code": "DE"}}]});
        assert!(Rules::read(&sent, &known).unwrap_err().contains("mmdb"));
    }
}
