//! Permission groups: what a token's policies name rights by. Ids and names are Cloudflare's, the same in every account of
//! theirs; groups that it has not are ours, with ids that begin with `hearth` in ASCII.

use hearth_model::{Area, Level, Right};
use serde_json::{Value, json};

const ACCOUNT: &str = "com.cloudflare.api.account";
const ZONE: &str = "com.cloudflare.api.account.zone";
const USER: &str = "com.cloudflare.api.user";
const BUCKET: &str = "com.cloudflare.edge.r2.bucket";

/// A permission group.
pub(super) struct Group {
    pub id: &'static str,
    pub name: &'static str,
    scope: &'static str,
    pub right: Right,
}

const fn group(id: &'static str, name: &'static str, scope: &'static str, right: Right) -> Group {
    Group { id, name, scope, right }
}

const GROUPS: [Group; 38] = [
    group("c1fde68c7bcc44588cbb6ddbc16d6480", "Account Settings Read", ACCOUNT, Area::AccountSettings.read()),
    group(
        "1af1fa2adc104452b74a9a3364202f20",
        "Account Settings Write",
        ACCOUNT,
        Area::AccountSettings.write(),
    ),
    group("68656172746800000000000000000001", "Account Members Read", ACCOUNT, Area::Members.read()),
    group("68656172746800000000000000000002", "Account Members Write", ACCOUNT, Area::Members.write()),
    group("eb56a6953c034b9d97dd838155666f06", "Account API Tokens Read", ACCOUNT, Area::AccountTokens.read()),
    group(
        "5bc3f8b21c554832afc660159ab75fa4",
        "Account API Tokens Write",
        ACCOUNT,
        Area::AccountTokens.write(),
    ),
    group("68656172746800000000000000000003", "Account Audit Logs Read", ACCOUNT, Area::AuditLogs.read()),
    group("b89a480218d04ceb98b4fe57ca29dc1f", "Account Analytics Read", ACCOUNT, Area::Analytics.read()),
    group("7ea222f6d5064cfa89ea366d7c1fee89", "Access: Apps and Policies Read", ACCOUNT, Area::Access.read()),
    group(
        "1e13c5124ca64b72b1969a67e8829049",
        "Access: Apps and Policies Write",
        ACCOUNT,
        Area::Access.write(),
    ),
    group("192192df92ee43ac90f2aeeffce67e35", "D1 Read", ACCOUNT, Area::D1.read()),
    group("09b2857d1c31407795e75e3fed8617a1", "D1 Write", ACCOUNT, Area::D1.write()),
    group("e247aedd66bd41cc9193af0213416666", "Pages Read", ACCOUNT, Area::Pages.read()),
    group("8d28297797f24fb8a0c332fe0866ec89", "Pages Write", ACCOUNT, Area::Pages.write()),
    group("84a7755d54c646ca87cd50682a34bf7c", "Queues Read", ACCOUNT, Area::Queues.read()),
    group("366f57075ffc42689627bcf8242a1b6d", "Queues Write", ACCOUNT, Area::Queues.write()),
    group("8b47d2786a534c08a1f94ee8f9f599ef", "Workers KV Storage Read", ACCOUNT, Area::Kv.read()),
    group("f7f0eda5697f475c90846e879bab8666", "Workers KV Storage Write", ACCOUNT, Area::Kv.write()),
    group(
        "66c1ed49f4ed46098b75696a6d4ee3c9",
        "Workers Observability Read",
        ACCOUNT,
        Area::Observability.read(),
    ),
    group(
        "82c075da3f4647a2a03becd0fe240f8a",
        "Workers Observability Write",
        ACCOUNT,
        Area::Observability.write(),
    ),
    group("b4992e1108244f5d8bfbd5744320c2e1", "Workers R2 Storage Read", ACCOUNT, Area::R2Storage.read()),
    group("bf7481a1826f439697cb59a20b22293e", "Workers R2 Storage Write", ACCOUNT, Area::R2Storage.write()),
    group(
        "6a018a9f2fc74eb6b293b0c548f38b39",
        "Workers R2 Storage Bucket Item Read",
        BUCKET,
        Area::R2Items.read(),
    ),
    group(
        "2efd5506f9c8494dacb1fa10a3e7d5b6",
        "Workers R2 Storage Bucket Item Write",
        BUCKET,
        Area::R2Items.write(),
    ),
    group("1a71c399035b4950a1bd1466bbe4f420", "Workers Scripts Read", ACCOUNT, Area::Workers.read()),
    group("e086da7e2179491d91ee5f35b3ca210a", "Workers Scripts Write", ACCOUNT, Area::Workers.write()),
    group("05880cd1bdc24d8bae0be2136972816b", "Workers Tail Read", ACCOUNT, Area::WorkersTail.read()),
    group("2072033d694d415a936eaeb94e6405b8", "Workers Routes Read", ZONE, Area::WorkersRoutes.read()),
    group("28f4b596e7d643029c524985477ae49a", "Workers Routes Write", ZONE, Area::WorkersRoutes.write()),
    group("c8fed203ed3043cba015a93ad1616f1f", "Zone Read", ZONE, Area::Zones.read()),
    group("e6d2666161e84845a636613608cee8d5", "Zone Write", ZONE, Area::Zones.write()),
    group("e17beae8b8cb423a99b1730f21238bed", "Cache Purge", ZONE, Area::CachePurge.write()),
    group("8acbe5bb0d54464ab867149d7f7cf8ac", "User Details Read", USER, Area::UserDetails.read()),
    group("55a5e17cc99e4a3fa1f3432d262f2e55", "User Details Write", USER, Area::UserDetails.write()),
    group("3518d0f75557482e952c6762d3e64903", "Memberships Read", USER, Area::Memberships.read()),
    group("9201bc6f42d440968aaab0c6f17ebb1d", "Memberships Write", USER, Area::Memberships.write()),
    group("0cc3a61731504c89b99ec1be78b77aa0", "API Tokens Read", USER, Area::UserTokens.read()),
    group("686d18d5ac6c441c867cbf6771e58a0a", "API Tokens Write", USER, Area::UserTokens.write()),
];

impl Group {
    /// All groups that have one of these names and scopes; None: any. Without `people`: none of a person's own.
    pub fn listing(name: Option<&str>, scope: Option<&str>, people: bool) -> Vec<Value> {
        let wanted = |group: &&Self| {
            name.is_none_or(|name| group.name == name)
                && scope.is_none_or(|scope| group.scope == scope)
                && (people || group.scope != USER)
        };
        let view = |group: &Self| json!({"id": group.id, "name": group.name, "scopes": [group.scope]});
        GROUPS.iter().filter(wanted).map(view).collect()
    }

    /// A group by its id, which counts where there is one, as with Cloudflare, or its name.
    pub fn find(id: Option<&str>, name: Option<&str>) -> Option<&'static Self> {
        GROUPS.iter().find(|group| match (id, name) {
            (Some(id), _) => group.id == id,
            (None, Some(name)) => group.name == name,
            (None, None) => false,
        })
    }

    /// The group that gives a right, or as much of it as there is a group for.
    pub fn of(right: Right) -> Option<&'static Self> {
        let find = |right| GROUPS.iter().find(|group| group.right == right);
        find(right).or_else(|| find(Right { level: Level::Read, ..right }))
    }

    /// The names of all groups.
    pub fn names() -> String {
        GROUPS.iter().map(|group| group.name).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_group_is_another_right_and_every_area_has_one() {
        let ids: HashSet<&str> = GROUPS.iter().map(|group| group.id).collect();
        let names: HashSet<&str> = GROUPS.iter().map(|group| group.name).collect();
        let rights: HashSet<Right> = GROUPS.iter().map(|group| group.right).collect();
        assert_eq!((ids.len(), names.len(), rights.len()), (GROUPS.len(), GROUPS.len(), GROUPS.len()));
        for group in &GROUPS {
            assert!(
                group.id.len() == 32 && group.id.bytes().all(|b| b.is_ascii_hexdigit()),
                "{}",
                group.name
            );
            assert_eq!(Group::of(group.right).unwrap().id, group.id);
        }
        for area in Area::ALL.into_iter().filter(|area| *area != Area::Ownership) {
            assert!(GROUPS.iter().any(|group| group.right.area == area), "{}", area.as_str());
        }
        assert_eq!(Group::of(Area::WorkersTail.write()).unwrap().name, "Workers Tail Read");
    }
}
