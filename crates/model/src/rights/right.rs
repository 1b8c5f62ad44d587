//! Areas, and whether they are read or written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{IdError, Role};

/// What a right is about. Names are those of Cloudflare's permission groups where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// The account itself: to make somebody its owner, and to end it.
    Ownership,
    /// Its name and what is set for all of it.
    AccountSettings,
    /// Who belongs to it.
    Members,
    /// Its own API tokens.
    AccountTokens,
    /// Who changed what.
    AuditLogs,
    /// Who reaches its hosts.
    Access,
    /// Workers of every dialect, with their versions, settings, secrets, hosts, objects and workflows.
    Workers,
    /// What workers log, live.
    WorkersTail,
    /// What they logged.
    Observability,
    /// Numbers.
    Analytics,
    /// KV.
    Kv,
    /// R2's buckets and their settings.
    R2Storage,
    /// What is in them.
    R2Items,
    /// D1.
    D1,
    /// Queues.
    Queues,
    /// Projects of Pages.
    Pages,
    /// Zones.
    Zones,
    /// A zone's routes.
    WorkersRoutes,
    /// A zone's cache.
    CachePurge,
    /// A person's own name.
    UserDetails,
    /// A person's own API tokens.
    UserTokens,
    /// A person's own memberships.
    Memberships,
}

/// What areas are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AreaScope {
    /// An account.
    Account,
    /// A zone.
    Zone,
    /// A person.
    User,
}

/// Whether something is looked at or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Looked at.
    Read,
    /// Changed.
    Write,
}

/// What a call takes, or somebody was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Right {
    /// In which area.
    pub area: Area,
    /// To do what.
    pub level: Level,
}

impl Area {
    /// All areas.
    pub const ALL: [Self; 22] = [
        Self::Ownership,
        Self::AccountSettings,
        Self::Members,
        Self::AccountTokens,
        Self::AuditLogs,
        Self::Access,
        Self::Workers,
        Self::WorkersTail,
        Self::Observability,
        Self::Analytics,
        Self::Kv,
        Self::R2Storage,
        Self::R2Items,
        Self::D1,
        Self::Queues,
        Self::Pages,
        Self::Zones,
        Self::WorkersRoutes,
        Self::CachePurge,
        Self::UserDetails,
        Self::UserTokens,
        Self::Memberships,
    ];

    /// To look at it.
    pub const fn read(self) -> Right {
        Right { area: self, level: Level::Read }
    }

    /// To change it.
    pub const fn write(self) -> Right {
        Right { area: self, level: Level::Write }
    }

    /// What it is of.
    pub fn scope(self) -> AreaScope {
        match self {
            Self::Zones | Self::WorkersRoutes | Self::CachePurge => AreaScope::Zone,
            Self::UserDetails | Self::UserTokens | Self::Memberships => AreaScope::User,
            _ => AreaScope::Account,
        }
    }

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ownership => "ownership",
            Self::AccountSettings => "account_settings",
            Self::Members => "members",
            Self::AccountTokens => "account_tokens",
            Self::AuditLogs => "audit_logs",
            Self::Access => "access",
            Self::Workers => "workers",
            Self::WorkersTail => "workers_tail",
            Self::Observability => "observability",
            Self::Analytics => "analytics",
            Self::Kv => "kv",
            Self::R2Storage => "r2_storage",
            Self::R2Items => "r2_items",
            Self::D1 => "d1",
            Self::Queues => "queues",
            Self::Pages => "pages",
            Self::Zones => "zones",
            Self::WorkersRoutes => "workers_routes",
            Self::CachePurge => "cache_purge",
            Self::UserDetails => "user_details",
            Self::UserTokens => "user_tokens",
            Self::Memberships => "memberships",
        }
    }
}

impl Level {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl Right {
    /// All rights.
    pub fn all() -> impl Iterator<Item = Self> {
        Area::ALL.into_iter().flat_map(|area| [area.read(), area.write()])
    }

    /// Whether who has it has the other too. As with Cloudflare: what may be written may be read, storage brings along
    /// its items, who writes workers may watch them, and an account's settings are also its members and its audit log.
    pub fn includes(self, other: Self) -> bool {
        let area = self.area == other.area
            || matches!(
                (self.area, other.area),
                (Area::R2Storage, Area::R2Items) | (Area::AccountSettings, Area::Members)
            );
        let beside = other == Area::WorkersTail.read() && self == Area::Workers.write()
            || other == Area::AuditLogs.read() && self.area == Area::AccountSettings;
        area && self.level >= other.level || beside
    }
}

impl Role {
    /// Whether it has a right in its account and the account's zones.
    pub fn has(self, right: Right) -> bool {
        let Right { area, level } = right;
        let manages = matches!(self, Self::Owner | Self::Admin);
        match area {
            Area::Ownership => self == Self::Owner,
            Area::AccountTokens | Area::AuditLogs => manages,
            Area::AccountSettings | Area::Members | Area::Access => manages || level == Level::Read,
            Area::Workers
            | Area::WorkersTail
            | Area::Observability
            | Area::Analytics
            | Area::Kv
            | Area::R2Storage
            | Area::R2Items
            | Area::D1
            | Area::Queues
            | Area::Pages
            | Area::Zones
            | Area::WorkersRoutes
            | Area::CachePurge => self != Self::Viewer || level == Level::Read,
            Area::UserDetails | Area::UserTokens | Area::Memberships => false,
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.area.as_str(), self.level.as_str())
    }
}

impl FromStr for Right {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let found = Self::all().find(|right| right.to_string() == text);
        found.ok_or_else(|| IdError(format!("`{text}` is not a right")))
    }
}

impl TryFrom<String> for Right {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Right> for String {
    fn from(right: Right) -> Self {
        right.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_the_ones_below_may() {
        for pair in Role::ALL.windows(2) {
            let [above, below] = pair else { panic!("{pair:?}") };
            assert!(Right::all().all(|right| above.has(right) || !below.has(right)), "{above} {below}");
            assert!(Right::all().any(|right| above.has(right) && !below.has(right)), "{above} {below}");
        }
        // A viewer changes nothing, and sees no tokens and nobody's doings.
        for right in Right::all().filter(|right| Role::Viewer.has(*right)) {
            assert_eq!(right.level, Level::Read);
        }
        assert!(!Role::Developer.has(Area::AccountTokens.read()));
        assert!(!Role::Developer.has(Area::Members.write()));
        assert!(!Role::Admin.has(Area::Ownership.write()));
    }

    #[test]
    fn rights_bring_along_what_cloudflare_says() {
        let with = |right: Right| -> Vec<String> {
            Right::all().filter(|other| right.includes(*other)).map(|other| other.to_string()).collect()
        };
        assert_eq!(with(Area::Kv.read()), ["kv.read"]);
        assert_eq!(with(Area::Kv.write()), ["kv.read", "kv.write"]);
        assert_eq!(with(Area::R2Items.write()), ["r2_items.read", "r2_items.write"]);
        assert_eq!(with(Area::R2Storage.read()), ["r2_storage.read", "r2_items.read"]);
        assert_eq!(with(Area::Workers.read()), ["workers.read"]);
        assert_eq!(with(Area::Workers.write()), ["workers.read", "workers.write", "workers_tail.read"]);
        assert_eq!(
            with(Area::AccountSettings.read()),
            ["account_settings.read", "members.read", "audit_logs.read"]
        );
    }

    #[test]
    fn rights_are_read_as_they_are_written() {
        for right in Right::all() {
            assert_eq!(right.to_string().parse(), Ok(right));
        }
        assert!("kv".parse::<Right>().is_err());
    }
}
