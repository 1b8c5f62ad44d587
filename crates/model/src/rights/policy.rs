//! What a token may do: rights on accounts, zones, people, or one thing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AreaScope, On, Right};
use crate::{AccountId, Area, IdError};

/// Kinds of things that a right can be limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ThingKind {
    /// A worker, by its id (Cloudflare's *script tag*): one that is made again under the same name is another one.
    Worker,
    /// A KV namespace, by its id.
    Namespace,
    /// A bucket, by its name: one that is made under that name later is meant too.
    Bucket,
    /// A D1 database, by its id.
    Database,
    /// A queue, by its id.
    Queue,
    /// A project of Pages, by its name.
    Project,
}

impl ThingKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Worker, Self::Namespace, Self::Bucket, Self::Database, Self::Queue, Self::Project];

    /// The name of its resource: Cloudflare's for workers and buckets, ours for the others.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "com.cloudflare.edge.worker.script",
            Self::Bucket => "com.cloudflare.edge.r2.bucket",
            Self::Namespace => "hearth.kv.namespace",
            Self::Database => "hearth.d1.database",
            Self::Queue => "hearth.queue",
            Self::Project => "hearth.pages.project",
        }
    }

    fn has(self, area: Area) -> bool {
        match self {
            Self::Worker => matches!(area, Area::Workers | Area::WorkersTail),
            Self::Namespace => area == Area::Kv,
            Self::Bucket => matches!(area, Area::R2Storage | Area::R2Items),
            Self::Database => area == Area::D1,
            Self::Queue => area == Area::Queues,
            Self::Project => area == Area::Pages,
        }
    }
}

/// One thing in an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Thing {
    /// Whose.
    pub account: AccountId,
    /// Of which kind.
    pub kind: ThingKind,
    /// Its id or name, as the kind says.
    pub id: String,
}

/// What rights are given on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// Every account that the token's owner may touch.
    Accounts,
    /// An account, with all that it has now or later, but for its zones.
    Account(AccountId),
    /// One thing.
    Thing(Thing),
    /// Every zone that the token's owner may touch.
    Zones,
    /// An account's zones.
    ZonesOf(AccountId),
    /// One zone.
    Zone {
        /// Whose.
        account: AccountId,
        /// Its id.
        zone: String,
    },
    /// A person, by their id.
    User(String),
}

const ACCOUNT: &str = "com.cloudflare.api.account";
const USER: &str = "com.cloudflare.api.user";

impl Target {
    /// The account it is in, where it is in one.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Accounts | Self::Zones | Self::User(_) => None,
            Self::Account(account) | Self::ZonesOf(account) | Self::Zone { account, .. } => Some(account),
            Self::Thing(thing) => Some(&thing.account),
        }
    }

    /// Whether a right in that area can be given on it.
    pub fn has(&self, area: Area) -> bool {
        match self {
            Self::Accounts | Self::Account(_) => area.scope() == AreaScope::Account,
            Self::Thing(thing) => thing.kind.has(area),
            Self::Zones | Self::ZonesOf(_) | Self::Zone { .. } => area.scope() == AreaScope::Zone,
            Self::User(_) => area.scope() == AreaScope::User,
        }
    }

    /// Whether what a call touches lies within.
    pub(crate) fn covers(&self, on: On<'_>) -> bool {
        match (self, on) {
            (Self::Accounts, On::Account(_) | On::Thing(..)) => true,
            (Self::Account(own), On::Account(account) | On::Thing(account, ..)) => own == account,
            (Self::Thing(thing), On::Thing(account, kind, id)) => {
                thing.account == *account && thing.kind == kind && thing.id == id
            }
            (Self::Zones, On::Zones(_) | On::Zone(..)) => true,
            (Self::ZonesOf(own), On::Zones(account) | On::Zone(account, _)) => own == account,
            (Self::Zone { account: own, zone }, On::Zone(account, id)) => own == account && zone == id,
            (Self::User(own), On::User(id)) => own == id,
            _ => false,
        }
    }

    /// Whether all that lies within the other lies within this.
    pub(crate) fn encloses(&self, other: &Self) -> bool {
        match other {
            Self::Accounts | Self::Zones => self == other,
            Self::Account(account) => self.covers(On::Account(account)),
            Self::Thing(thing) => self.covers(On::Thing(&thing.account, thing.kind, &thing.id)),
            Self::ZonesOf(account) => self.covers(On::Zones(account)),
            Self::Zone { account, zone } => self.covers(On::Zone(account, zone)),
            Self::User(user) => self.covers(On::User(user)),
        }
    }
}

/// As it is stored: Cloudflare's names for resources, with the account in all that is in one.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accounts => write!(f, "{ACCOUNT}.*"),
            Self::Account(account) => write!(f, "{ACCOUNT}.{account}"),
            Self::Thing(Thing { account, kind, id }) => {
                write!(f, "{ACCOUNT}.{account}/{}.{id}", kind.as_str())
            }
            Self::Zones => write!(f, "{ACCOUNT}.zone.*"),
            Self::ZonesOf(account) => write!(f, "{ACCOUNT}.{account}/zone.*"),
            Self::Zone { account, zone } => write!(f, "{ACCOUNT}.{account}/zone.{zone}"),
            Self::User(user) => write!(f, "{USER}.{user}"),
        }
    }
}

impl FromStr for Target {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let unknown = || IdError(format!("`{text}` is no resource"));
        if let Some(user) = below(text, USER) {
            return Ok(Self::User(user.to_owned()));
        }
        let rest = below(text, ACCOUNT).ok_or_else(unknown)?;
        let Some((account, rest)) = rest.split_once('/') else {
            return match rest {
                "*" => Ok(Self::Accounts),
                "zone.*" => Ok(Self::Zones),
                account => Ok(Self::Account(account.parse()?)),
            };
        };
        let account = account.parse()?;
        match below(rest, "zone") {
            Some("*") => return Ok(Self::ZonesOf(account)),
            Some(zone) => return Ok(Self::Zone { account, zone: zone.to_owned() }),
            None => {}
        }
        let thing = ThingKind::ALL.into_iter().find_map(|kind| Some((kind, below(rest, kind.as_str())?)));
        let (kind, id) = thing.ok_or_else(unknown)?;
        Ok(Self::Thing(Thing { account, kind, id: id.to_owned() }))
    }
}

fn below<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.strip_prefix(prefix)?.strip_prefix('.').filter(|rest| !rest.is_empty())
}

impl TryFrom<String> for Target {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

/// Rights on targets: each of the ones on each of the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its id, 32 hex digits.
    pub id: String,
    /// On what.
    pub resources: Vec<Target>,
    /// What is allowed there.
    pub permissions: Vec<Right>,
}

impl Policy {
    /// All rights on an account, but for its ownership, and on its zones.
    pub fn whole_account(account: &AccountId) -> Vec<Self> {
        let all = |scope, target| {
            let given = |area: &Area| *area != Area::Ownership && area.scope() == scope;
            let permissions = Area::ALL.into_iter().filter(given).map(Area::write).collect();
            Self { id: Uuid::new_v4().simple().to_string(), resources: vec![target], permissions }
        };
        vec![
            all(AreaScope::Account, Target::Account(account.clone())),
            all(AreaScope::Zone, Target::ZonesOf(account.clone())),
        ]
    }

    pub(crate) fn allows(&self, right: Right, on: On<'_>) -> bool {
        self.gives(right, |target| target.covers(on))
    }

    pub(crate) fn gives(&self, right: Right, on: impl Fn(&Target) -> bool) -> bool {
        let given =
            |target: &Target| self.permissions.iter().any(|own| own.includes(right) && target.has(own.area));
        self.resources.iter().any(|target| on(target) && given(target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_they_are_written() {
        let account = AccountId::random();
        let mut all = vec![
            Target::Accounts,
            Target::Account(account.clone()),
            Target::Zones,
            Target::ZonesOf(account.clone()),
            Target::Zone { account: account.clone(), zone: "z".to_owned() },
            Target::User("u".to_owned()),
        ];
        for kind in ThingKind::ALL {
            let id = "a_default_b.c/d".to_owned();
            all.push(Target::Thing(Thing { account: account.clone(), kind, id }));
        }
        for target in all {
            assert_eq!(target.to_string().parse(), Ok(target.clone()), "{target}");
        }
        for bad in ["", ACCOUNT, "com.cloudflare.api.account.", "com.cloudflare.api.account.x/zone.", "x.y"] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bucket_is_one_name_in_one_account() {
        let (ours, theirs) = (AccountId::random(), AccountId::random());
        let bucket = Thing { account: ours.clone(), kind: ThingKind::Bucket, id: "a".to_owned() };
        let policy = Policy {
            id: String::new(),
            resources: vec![Target::Thing(bucket)],
            permissions: vec![Area::R2Storage.write()],
        };
        let may = |on| policy.allows(Area::R2Items.write(), on);
        assert!(may(On::Thing(&ours, ThingKind::Bucket, "a")));
        assert!(!may(On::Thing(&ours, ThingKind::Bucket, "b")));
        assert!(!may(On::Thing(&ours, ThingKind::Queue, "a")));
        assert!(!may(On::Thing(&theirs, ThingKind::Bucket, "a")));
        assert!(!may(On::Account(&ours)), "a bucket's right is none on the account");
        let account = Policy { resources: vec![Target::Account(ours.clone())], ..policy.clone() };
        assert!(account.allows(Area::R2Storage.read(), On::Account(&ours)));
        assert!(account.allows(Area::R2Items.write(), On::Thing(&ours, ThingKind::Bucket, "b")));
        assert!(!account.allows(Area::R2Storage.read(), On::Account(&theirs)));
        // An account's zones are given by themselves, and what does not fit is not given at all.
        let routes = Policy { permissions: vec![Area::WorkersRoutes.write()], ..account };
        assert!(!routes.allows(Area::WorkersRoutes.read(), On::Zone(&ours, "z")));
        assert!(!routes.allows(Area::WorkersRoutes.read(), On::Account(&ours)));
    }
}
