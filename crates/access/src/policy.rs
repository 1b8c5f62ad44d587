//! Whom an application lets in (Cloudflare's documentation, "Access policies"). Pure.
//!
//! A policy matches who is in one of `include`, in all of `require` and in none of `exclude`. Those that bypass Access and
//! those for services are asked first, in their order, then those that allow or deny; who matches none is not let in.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

/// Most rules of a policy.
const MOST_RULES: usize = 1000;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    Everyone,
    Email(String),
    EmailDomain(String),
    Ip(IpNet),
    /// A group of single sign-on.
    Group(String),
    AnyServiceToken,
    /// By its id.
    ServiceToken(String),
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
    pub include: Vec<Rule>,
    pub exclude: Vec<Rule>,
    pub require: Vec<Rule>,
}

/// What is known of somebody.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub ip: IpAddr,
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
            Decision::Bypass if policy.matches(facts) => return Outcome::Bypass,
            Decision::ServiceAuth if policy.matches(facts) => return Outcome::Service,
            _ => {}
        }
    }
    let mut of_people = policies.filter(|policy| matches!(policy.decision, Decision::Allow | Decision::Deny));
    if facts.person.is_none() {
        let lets_in = of_people.any(|policy| policy.decision == Decision::Allow);
        return if lets_in { Outcome::SignIn } else { Outcome::Deny };
    }
    match of_people.find(|policy| policy.matches(facts)).map(|policy| policy.decision) {
        Some(Decision::Allow) => Outcome::Allow,
        _ => Outcome::Deny,
    }
}

impl Policy {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        let applies = |rule: &Rule| rule.applies(facts);
        self.include.iter().any(applies)
            && self.require.iter().all(applies)
            && !self.exclude.iter().any(applies)
    }

    /// Reads `decision`, `include`, `exclude`, `require` of what a policy is sent as.
    ///
    /// # Errors
    /// What is wrong with it, for the caller.
    pub(crate) fn read(sent: &Value) -> Result<Self, String> {
        let decision = match sent["decision"].as_str() {
            Some("allow") => Decision::Allow,
            Some("deny") => Decision::Deny,
            Some("bypass") => Decision::Bypass,
            Some("non_identity") => Decision::ServiceAuth,
            _ => return Err("`decision` is one of allow, deny, bypass and non_identity".into()),
        };
        let rules = |name: &str| -> Result<Vec<Rule>, String> {
            match &sent[name] {
                Value::Null => Ok(Vec::new()),
                Value::Array(all) if all.len() <= MOST_RULES => all.iter().map(Rule::read).collect(),
                Value::Array(_) => Err(format!("`{name}` has more than {MOST_RULES} rules")),
                _ => Err(format!("`{name}` is a list of rules")),
            }
        };
        let policy = Self {
            decision,
            include: rules("include")?,
            exclude: rules("exclude")?,
            require: rules("require")?,
        };
        if policy.include.is_empty() {
            return Err("a policy needs a rule in `include`".into());
        }
        policy.check()?;
        Ok(policy)
    }

    /// Nobody is signed in where these are asked, so rules about people would never apply, and one in `exclude` would
    /// keep nobody out.
    fn check(&self) -> Result<(), String> {
        let all = || self.include.iter().chain(&self.exclude).chain(&self.require);
        let of_people = |rule: &Rule| matches!(rule, Rule::Email(_) | Rule::EmailDomain(_) | Rule::Group(_));
        let of_tokens = |rule: &Rule| matches!(rule, Rule::AnyServiceToken | Rule::ServiceToken(_));
        match self.decision {
            Decision::Bypass | Decision::ServiceAuth if all().any(of_people) => {
                Err("policies that bypass Access or are for services cannot ask who somebody is".into())
            }
            Decision::ServiceAuth if self.include.contains(&Rule::Everyone) => {
                Err("a policy for services includes tokens or addresses; to let everybody in use `bypass`"
                    .into())
            }
            Decision::Allow | Decision::Deny if all().any(of_tokens) => {
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
            Self::Group(group) => facts.person.is_some_and(|person| person.groups.contains(group)),
            Self::AnyServiceToken => facts.token.is_some(),
            Self::ServiceToken(id) => facts.token == Some(id),
        }
    }

    fn read(sent: &Value) -> Result<Self, String> {
        let unknown = || {
            format!(
                "the rule {sent} is none of everyone, email, email_domain, ip, oidc (claim_name `groups`), \
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
                Self::Group(text("claim_value")?)
            }
            "any_valid_service_token" => Self::AnyServiceToken,
            "service_token" => Self::ServiceToken(text("token_id")?),
            _ => return Err(unknown()),
        })
    }
}

/// An address alone is a network of one.
fn network(text: &str) -> Result<IpNet, String> {
    let read = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    read.map_err(|_| format!("{text:?} is no address and no network"))
}

/// What a policy says, as it is stored and shown: without what it has no meaning for.
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

    fn policy(decision: &str, include: Value, exclude: Value, require: Value) -> Policy {
        Policy::read(
            &json!({"decision": decision, "include": include, "exclude": exclude, "require": require}),
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
        Facts { ip: ip.parse().unwrap(), person, token }
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
            (json!({"oidc": {"claim_name": "groups", "claim_value": "admins"}}), true),
            (json!({"oidc": {"claim_name": "groups", "claim_value": "admin"}}), false),
            (json!({"any_valid_service_token": {}}), true),
            (json!({"service_token": {"token_id": "t1"}}), true),
            (json!({"service_token": {"token_id": "t2"}}), false),
        ] {
            let rule = Rule::read(&rule).unwrap();
            assert_eq!(rule.applies(&someone), applies, "{rule:?}");
            assert_eq!(rule.applies(&nobody), rule == Rule::Everyone, "{rule:?} to nobody");
        }
        assert!(
            Rule::read(&json!({"ip": {"ip": "192.0.2.0/24"}})).unwrap().applies(&nobody),
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
            Policy::read(&json!({"decision": decision, "include": include})).map(drop)
        };
        for (decision, include) in [
            ("permit", json!([{"everyone": {}}])),
            ("allow", json!([])),
            ("allow", json!([{"everyone": {}, "ip": {"ip": "1.1.1.1"}}])),
            ("allow", json!([{"geo": {"country_code": "DE"}}])),
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
}
