//! What is sent of a token, and what is shown of it.
//!
//! Policies are what Cloudflare's SDKs, Terraform and dashboard send: each has an effect, permission groups by id or name,
//! and resources (<https://developers.cloudflare.com/fundamentals/api/reference/permissions/>, and for one bucket
//! <https://developers.cloudflare.com/r2/api/tokens/>). Anything that would be a limit which is not kept here, such as a
//! policy that denies, is refused: a token must not be good for more than it was made for.

use std::collections::BTreeMap;

use hearth_model::{AccountId, Policy, Target, Thing, ThingKind, WorkerId};
use hearth_store::{Condition, Entity, StoreError, Token, TokenTerms, Validity, ZoneId};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::groups::Group;
use crate::error::{ApiError, code};
use crate::state::Api;

const ACCOUNT: &str = "com.cloudflare.api.account";
const ZONE: &str = "com.cloudflare.api.account.zone";
const USER: &str = "com.cloudflare.api.user";

/// What is posted or put. Unknown keys are refused: they could be limits.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    name: String,
    policies: Vec<WantedPolicy>,
    #[serde(default)]
    not_before: Option<Timestamp>,
    #[serde(default)]
    expires_on: Option<Timestamp>,
    #[serde(default)]
    condition: Option<Condition>,
    #[serde(default)]
    status: Option<Status>,
    // Clients send back what they have read.
    #[serde(default, rename = "id")]
    _id: Option<String>,
    #[serde(default, rename = "issued_on")]
    _issued_on: Option<String>,
    #[serde(default, rename = "modified_on")]
    _modified_on: Option<String>,
    #[serde(default, rename = "last_used_on")]
    _last_used_on: Option<String>,
}

/// What a token's status can be made.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Active,
    Disabled,
    /// It follows from the time, and is sent back as it was read.
    Expired,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedPolicy {
    effect: String,
    permission_groups: Vec<NamedGroup>,
    resources: BTreeMap<String, Value>,
    #[serde(default, rename = "id")]
    _id: Option<String>,
}

#[derive(Deserialize)]
struct NamedGroup {
    id: Option<String>,
    name: Option<String>,
}

impl Wanted {
    /// As terms; `before`: those that the token has so far.
    ///
    /// # Errors
    /// 400 for what cannot be kept.
    pub async fn read(self, api: &Api, before: Option<&TokenTerms>) -> Result<TokenTerms, ApiError> {
        if self.policies.is_empty() {
            return Err(invalid("A token needs a policy."));
        }
        let mut policies = Vec::with_capacity(self.policies.len());
        for policy in self.policies {
            policies.push(policy.read(api).await?);
        }
        let disabled = match self.status {
            Some(status) => status == Status::Disabled,
            None => before.is_some_and(|before| before.disabled),
        };
        Ok(TokenTerms {
            name: self.name,
            policies,
            condition: self.condition.unwrap_or_default(),
            validity: Validity { not_before: self.not_before, expires_on: self.expires_on },
            disabled,
        })
    }
}

impl WantedPolicy {
    async fn read(self, api: &Api) -> Result<Policy, ApiError> {
        if self.effect != "allow" {
            return Err(invalid("Only policies with the effect `allow` are supported."));
        }
        let permissions = self
            .permission_groups
            .iter()
            .map(|named| {
                let found = Group::find(named.id.as_deref(), named.name.as_deref());
                found.map(|group| group.right).ok_or_else(|| {
                    let named = named.id.as_deref().or(named.name.as_deref()).unwrap_or_default();
                    let known = Group::names();
                    invalid(format!("The permission group `{named}` is not supported. There are: {known}."))
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut resources = Vec::new();
        for resource in &self.resources {
            for named in names(resource)? {
                resources.push(find(api, named).await?);
            }
        }
        if permissions.is_empty() || resources.is_empty() {
            return Err(invalid("A policy needs a permission group and a resource."));
        }
        // What fits nothing would be given to nobody, and whoever made the token would not know.
        for right in &permissions {
            if !resources.iter().any(|target: &Target| target.has(right.area)) {
                let name = Group::of(*right).map_or("", |group| group.name);
                let text = format!(
                    "The permission group `{name}` cannot be given on any resource of its policy. Groups of accounts, of zones and of people stand in policies of their own, each with such resources."
                );
                return Err(invalid(text));
            }
        }
        Ok(Policy { id: Uuid::new_v4().simple().to_string(), resources, permissions })
    }
}

/// A resource as it is named, before it is looked for.
#[derive(Debug, PartialEq, Eq)]
enum Named<'a> {
    Known(Target),
    /// A zone, which is in an account.
    Zone(&'a str),
    Worker(AccountId, &'a str),
}

/// The resources that one entry names: `"<name>": "*"`, or in an account `"<account>": {"<name>": "*"}`.
fn names<'a>((name, value): (&'a String, &'a Value)) -> Result<Vec<Named<'a>>, ApiError> {
    if value == "*" {
        return Ok(vec![outer(name).ok_or_else(|| unsupported(name))?]);
    }
    let account = below(name, ACCOUNT).ok_or_else(|| unsupported(name))?;
    let inside = value.as_object().filter(|inside| !inside.is_empty()).ok_or_else(|| unsupported(name))?;
    let one = |(name, value): (&'a String, &'a Value)| {
        (value == "*").then(|| inner(account, name)).flatten().ok_or_else(|| unsupported(name))
    };
    inside.iter().map(one).collect()
}

fn outer(name: &str) -> Option<Named<'_>> {
    if let Some(user) = below(name, USER).filter(|user| *user != "*") {
        return Some(Named::Known(Target::User(user.to_owned())));
    }
    if let Some(zone) = below(name, ZONE) {
        return Some(if zone == "*" { Named::Known(Target::Zones) } else { Named::Zone(zone) });
    }
    if let Some(account) = below(name, ACCOUNT) {
        let target = if account == "*" { Target::Accounts } else { Target::Account(account.parse().ok()?) };
        return Some(Named::Known(target));
    }
    let bucket = below(name, ThingKind::Bucket.as_str())?;
    let (account, bucket) = bucket.split_once("_default_")?;
    thing(account, ThingKind::Bucket, bucket)
}

fn inner<'a>(account: &str, name: &'a str) -> Option<Named<'a>> {
    if let Some(zone) = below(name, ZONE) {
        return Some(match (account, zone) {
            ("*", "*") => Named::Known(Target::Zones),
            (account, "*") => Named::Known(Target::ZonesOf(account.parse().ok()?)),
            (_, zone) => Named::Zone(zone),
        });
    }
    if let Some(worker) = below(name, ThingKind::Worker.as_str()) {
        return Some(Named::Worker(account.parse().ok()?, worker));
    }
    let found = ThingKind::ALL.into_iter().find_map(|kind| Some((kind, below(name, kind.as_str())?)));
    let (kind, id) = found?;
    // A bucket is named as it is elsewhere, with its account.
    let id = match kind {
        ThingKind::Bucket => id.strip_prefix(account).and_then(|rest| rest.strip_prefix("_default_"))?,
        _ => id,
    };
    thing(account, kind, id)
}

fn thing(account: &str, kind: ThingKind, id: &str) -> Option<Named<'static>> {
    if id.is_empty() || id.contains('*') {
        return None;
    }
    let thing = Thing { account: account.parse().ok()?, kind, id: id.to_owned() };
    Some(Named::Known(Target::Thing(thing)))
}

fn below<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    name.strip_prefix(prefix)?.strip_prefix('.').filter(|rest| !rest.is_empty())
}

/// Looks for what is named by an id that says not where it is.
async fn find(api: &Api, named: Named<'_>) -> Result<Target, ApiError> {
    match named {
        Named::Known(target) => Ok(target),
        Named::Zone(text) => {
            let zone = api.store().zone(&text.parse::<ZoneId>()?).await?;
            Ok(Target::Zone { account: zone.account, zone: zone.id.as_str().to_owned() })
        }
        Named::Worker(account, text) => {
            let unknown = || {
                ApiError::not_found(
                    code::WORKER_NOT_FOUND,
                    format!("There is no Worker with the id `{text}` in that account."),
                )
            };
            let id: WorkerId = text.parse().map_err(|_| unknown())?;
            match api.store().worker(id).await {
                Ok(worker) if worker.account == account => {}
                Ok(_) | Err(StoreError::NotFound { what: Entity::Worker, .. }) => return Err(unknown()),
                Err(error) => return Err(error.into()),
            }
            Ok(Target::Thing(Thing { account, kind: ThingKind::Worker, id: id.to_string() }))
        }
    }
}

fn unsupported(name: &str) -> ApiError {
    invalid(format!(
        "The resource `{name}` is not supported. There are, each with the value \"*\": {ACCOUNT}.<account>, {ZONE}.<zone>, {USER}.<user>, com.cloudflare.edge.r2.bucket.<account>_default_<bucket>, `*` for all accounts or zones, and below an account {ZONE}.*, com.cloudflare.edge.worker.script.<id>, hearth.kv.namespace.<id>, hearth.d1.database.<id>, hearth.queue.<id>, hearth.pages.project.<name>."
    ))
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::bad_request(code::BAD_BODY, message)
}

/// A token as it is shown.
pub(super) fn view(token: &Token) -> Value {
    let TokenTerms { name, policies, condition, validity, disabled } = &token.terms;
    let now = Timestamp::now();
    let expired = validity.expires_on.is_some_and(|end| end <= now);
    let status = match (disabled, expired) {
        (true, _) => "disabled",
        (false, true) => "expired",
        (false, false) => "active",
    };
    let mut result = json!({
        "id": token.id.as_str(),
        "name": name,
        "status": status,
        "issued_on": token.created_on.to_string(),
        "modified_on": token.modified_on.to_string(),
        "policies": policies.iter().map(policy_view).collect::<Vec<_>>(),
    });
    let times = [
        ("not_before", validity.not_before),
        ("expires_on", validity.expires_on),
        ("last_used_on", token.last_used_on),
    ];
    for (key, time) in times {
        if let Some(time) = time {
            result[key] = json!(time.to_string());
        }
    }
    if *condition != Condition::default() {
        result["condition"] = json!(condition);
    }
    result
}

fn policy_view(policy: &Policy) -> Value {
    let groups = policy.permissions.iter().filter_map(|right| Group::of(*right));
    let groups: Vec<Value> = groups.map(|group| json!({"id": group.id, "name": group.name})).collect();
    let mut resources = Map::new();
    for target in &policy.resources {
        let (outer, inner) = shown(target);
        match inner {
            None => drop(resources.insert(outer, json!("*"))),
            Some(inner) => {
                // Else the whole account is there, which has what is in it.
                if let Value::Object(inside) = resources.entry(outer).or_insert_with(|| json!({})) {
                    inside.insert(inner, json!("*"));
                }
            }
        }
    }
    json!({"id": policy.id, "effect": "allow", "permission_groups": groups, "resources": resources})
}

/// The name of a resource; of one in an account, the account's and its own.
fn shown(target: &Target) -> (String, Option<String>) {
    match target {
        Target::Accounts => (format!("{ACCOUNT}.*"), None),
        Target::Account(account) => (format!("{ACCOUNT}.{account}"), None),
        Target::Zones => (format!("{ZONE}.*"), None),
        Target::Zone { zone, .. } => (format!("{ZONE}.{zone}"), None),
        Target::ZonesOf(account) => (format!("{ACCOUNT}.{account}"), Some(format!("{ZONE}.*"))),
        Target::User(user) => (format!("{USER}.{user}"), None),
        Target::Thing(Thing { account, kind: ThingKind::Bucket, id }) => {
            (format!("{}.{account}_default_{id}", ThingKind::Bucket.as_str()), None)
        }
        Target::Thing(Thing { account, kind, id }) => {
            (format!("{ACCOUNT}.{account}"), Some(format!("{}.{id}", kind.as_str())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &Value) -> Option<Vec<Target>> {
        let name = name.to_owned();
        let known = |named| match named {
            Named::Known(target) => Some(target),
            _ => None,
        };
        names((&name, value)).ok()?.into_iter().map(known).collect()
    }

    #[test]
    fn resources_are_read_as_they_are_written() {
        let account: AccountId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let thing =
            |kind, id: &str| Target::Thing(Thing { account: account.clone(), kind, id: id.to_owned() });
        for target in [
            Target::Accounts,
            Target::Account(account.clone()),
            Target::Zones,
            Target::ZonesOf(account.clone()),
            Target::User("u".to_owned()),
            thing(ThingKind::Bucket, "a_default_b"),
            thing(ThingKind::Namespace, "a"),
            thing(ThingKind::Database, "a-b"),
            thing(ThingKind::Queue, "q"),
            thing(ThingKind::Project, "p"),
        ] {
            let policy = Policy { id: String::new(), resources: vec![target.clone()], permissions: vec![] };
            let view = policy_view(&policy);
            let (name, value) = view["resources"].as_object().unwrap().iter().next().unwrap();
            assert_eq!(read(name, value), Some(vec![target]), "{view}");
        }
        let nested = json!({format!("{}.{account}_default_b", ThingKind::Bucket.as_str()): "*"});
        assert_eq!(read(&format!("{ACCOUNT}.{account}"), &nested), Some(vec![thing(ThingKind::Bucket, "b")]));
        let worker = json!({format!("{}.tag", ThingKind::Worker.as_str()): "*"});
        let name = format!("{ACCOUNT}.{account}");
        assert_eq!(names((&name, &worker)).unwrap(), [Named::Worker(account.clone(), "tag")]);
        assert_eq!(names((&format!("{ZONE}.z"), &json!("*"))).unwrap(), [Named::Zone("z")]);
    }

    #[test]
    fn what_is_no_resource_is_refused() {
        let account = "0123456789abcdef0123456789abcdef";
        let bucket = ThingKind::Bucket.as_str();
        for name in [
            format!("{bucket}.*"),
            format!("{bucket}.{account}_eu_b"),
            format!("{bucket}.{account}_default_*"),
            format!("{bucket}.{account}_default_"),
            format!("{USER}.*"),
            format!("{ACCOUNT}.a.b"),
            "hearth.kv.namespace.x".to_owned(),
            ACCOUNT.to_owned(),
        ] {
            assert_eq!(read(&name, &json!("*")), None, "{name}");
        }
        let outer = format!("{ACCOUNT}.{account}");
        for inside in [
            json!({}),
            json!("all"),
            json!(["*"]),
            json!({"hearth.kv.namespace.*": "*"}),
            json!({"hearth.kv.namespace.x": {}}),
            json!({format!("{bucket}.other_default_b"): "*"}),
            json!({"x.y": "*"}),
        ] {
            assert_eq!(read(&outer, &inside), None, "{inside}");
        }
    }
}
