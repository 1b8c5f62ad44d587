//! What a caller may do, of all that it was given.

use super::{AreaScope, Policy, Right, Target, ThingKind};
use crate::{AccountId, Role};

/// What a call touches.
#[derive(Debug, Clone, Copy)]
pub enum On<'a> {
    /// An account as a whole.
    Account(&'a AccountId),
    /// One thing in it, by its kind and its id or name.
    Thing(&'a AccountId, ThingKind, &'a str),
    /// All zones of an account.
    Zones(&'a AccountId),
    /// One of an account's zones, by its id.
    Zone(&'a AccountId, &'a str),
    /// A person, by their id.
    User(&'a str),
}

impl<'a> On<'a> {
    /// The account that is touched.
    pub fn account(self) -> Option<&'a AccountId> {
        match self {
            Self::Account(account)
            | Self::Thing(account, ..)
            | Self::Zones(account)
            | Self::Zone(account, _) => Some(account),
            Self::User(_) => None,
        }
    }
}

/// One limit of what a caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// Everything: who answers for the installation.
    Everything,
    /// Everything in an account: what a token of an account may have at most.
    Within(AccountId),
    /// What a person may do by their memberships.
    Person {
        /// Their id.
        user: String,
        /// Where they are what.
        roles: Vec<(AccountId, Role)>,
    },
    /// What a token's policies allow.
    Policies(Vec<Policy>),
}

impl Grant {
    fn allows(&self, right: Right, on: On<'_>) -> bool {
        match self {
            Self::Everything => true,
            Self::Within(own) => on.account() == Some(own),
            Self::Person { user, roles } => match on {
                On::User(id) => right.area.scope() == AreaScope::User && user == id,
                _ => on.account().is_some_and(|account| has(roles, account, right)),
            },
            Self::Policies(policies) => policies.iter().any(|policy| policy.allows(right, on)),
        }
    }

    /// Whether it gives something in an account.
    fn knows(&self, account: &AccountId) -> bool {
        match self {
            Self::Everything => true,
            Self::Within(own) => own == account,
            Self::Person { roles, .. } => roles.iter().any(|(own, _)| own == account),
            Self::Policies(policies) => policies.iter().flat_map(|policy| &policy.resources).any(|target| {
                matches!(target, Target::Accounts | Target::Zones) || target.account() == Some(account)
            }),
        }
    }

    /// The accounts in which it gives something; None: any.
    fn accounts(&self) -> Option<Vec<&AccountId>> {
        match self {
            Self::Everything => None,
            Self::Within(own) => Some(vec![own]),
            Self::Person { roles, .. } => Some(roles.iter().map(|(account, _)| account).collect()),
            Self::Policies(policies) => {
                let targets = || policies.iter().flat_map(|policy| &policy.resources);
                let any = targets().any(|target| matches!(target, Target::Accounts | Target::Zones));
                (!any).then(|| targets().filter_map(Target::account).collect())
            }
        }
    }

    /// Whether a right on a target may be handed on. What stands for all that the new token's owner may touch is no more
    /// than that, whoever gives it by what he is; who gives it by a token has to have it in that.
    fn covers(&self, right: Right, target: &Target) -> bool {
        match (self, target) {
            (Self::Everything, _) => true,
            (Self::Within(_), Target::Accounts | Target::Zones) => true,
            (Self::Within(own), _) => target.account() == Some(own),
            (Self::Person { .. }, Target::Accounts | Target::Zones) => true,
            (Self::Person { user, .. }, Target::User(own)) => user == own,
            (Self::Person { roles, .. }, _) => {
                target.account().is_some_and(|account| has(roles, account, right))
            }
            (Self::Policies(policies), _) => {
                policies.iter().any(|policy| policy.gives(right, |own| own.encloses(target)))
            }
        }
    }
}

fn has(roles: &[(AccountId, Role)], account: &AccountId, right: Right) -> bool {
    roles.iter().any(|(own, role)| own == account && role.has(right))
}

/// All that a caller may do: what each of its limits allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants(Vec<Grant>);

impl Grants {
    /// What all of these allow.
    pub fn all_of(limits: Vec<Grant>) -> Self {
        Self(limits)
    }

    /// Everything.
    pub fn everything() -> Self {
        Self(vec![Grant::Everything])
    }

    /// Whether nothing limits it: it answers for the installation.
    pub fn is_everything(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|limit| *limit == Grant::Everything)
    }

    /// Whether a call that takes a right may be made.
    pub fn allows(&self, right: Right, on: On<'_>) -> bool {
        !self.0.is_empty() && self.0.iter().all(|limit| limit.allows(right, on))
    }

    /// Whether anything is given in an account. What that is, others say.
    pub fn knows(&self, account: &AccountId) -> bool {
        !self.0.is_empty() && self.0.iter().all(|limit| limit.knows(account))
    }

    /// The accounts in which something may be given, in their order; None: any.
    pub fn accounts(&self) -> Option<Vec<&AccountId>> {
        if self.0.is_empty() {
            return Some(Vec::new());
        }
        let mut named: Vec<&AccountId> = self.0.iter().find_map(Grant::accounts)?;
        named.retain(|account| self.knows(account));
        let mut seen = std::collections::HashSet::new();
        named.retain(|account| seen.insert(*account));
        Some(named)
    }

    /// Whether the caller may give a token a right on a target, with all that it includes: nobody gives away what he does
    /// not have. `own`: to a token of the caller's own, which never does more than the caller as a person, so that what the
    /// right includes beyond that does no harm.
    pub fn may_give(&self, right: Right, target: &Target, own: bool) -> bool {
        let included = || Right::all().filter(|other| right.includes(*other) && target.has(other.area));
        !self.0.is_empty()
            && self.0.iter().all(|limit| match limit {
                Grant::Person { .. } if own => limit.covers(right, target),
                _ => included().all(|right| limit.covers(right, target)),
            })
    }

    /// Whether the caller may make somebody that in an account.
    pub fn may_give_role(&self, role: Role, account: &AccountId) -> bool {
        let zones = Target::ZonesOf(account.clone());
        let account = Target::Account(account.clone());
        let has = |right: &Right| role.has(*right);
        !self.0.is_empty()
            && Right::all().filter(has).all(|right| match right.area.scope() {
                AreaScope::Account => self.0.iter().all(|limit| limit.covers(right, &account)),
                AreaScope::Zone => self.0.iter().all(|limit| limit.covers(right, &zones)),
                AreaScope::User => true,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Area, Thing};

    fn person(roles: &[(&AccountId, Role)]) -> Grant {
        let roles = roles.iter().map(|(account, role)| ((*account).clone(), *role)).collect();
        Grant::Person { user: "u".to_owned(), roles }
    }

    fn policies(resources: Vec<Target>, permissions: Vec<Right>) -> Grant {
        Grant::Policies(vec![Policy { id: String::new(), resources, permissions }])
    }

    #[test]
    fn a_persons_token_is_never_more_than_the_person() {
        let (ours, theirs) = (AccountId::random(), AccountId::random());
        let token =
            policies(vec![Target::Accounts, Target::Zones], vec![Area::Kv.write(), Area::Zones.read()]);
        let grants = Grants::all_of(vec![person(&[(&ours, Role::Viewer)]), token]);
        assert!(grants.allows(Area::Kv.read(), On::Account(&ours)));
        assert!(grants.allows(Area::Zones.read(), On::Zone(&ours, "z")));
        assert!(!grants.allows(Area::Kv.write(), On::Account(&ours)), "a viewer's token writes nothing");
        assert!(!grants.allows(Area::D1.read(), On::Account(&ours)), "nor is it more than its policies");
        assert!(!grants.allows(Area::Kv.read(), On::Account(&theirs)));
        assert_eq!(grants.accounts(), Some(vec![&ours]));
        assert!(!grants.knows(&theirs));
    }

    #[test]
    fn an_accounts_token_stays_in_it() {
        let (ours, theirs) = (AccountId::random(), AccountId::random());
        let grants = Grants::all_of(vec![
            Grant::Within(ours.clone()),
            policies(vec![Target::Accounts, Target::Zones], vec![Area::Kv.write(), Area::Zones.write()]),
        ]);
        assert!(grants.allows(Area::Kv.write(), On::Account(&ours)));
        assert!(!grants.allows(Area::Kv.read(), On::Account(&theirs)));
        assert!(!grants.allows(Area::Zones.read(), On::Zone(&theirs, "z")));
        assert!(!grants.is_everything());
    }

    #[test]
    fn nobody_gives_away_what_he_has_not() {
        let (ours, theirs) = (AccountId::random(), AccountId::random());
        let on = |account: &AccountId| Target::Account(account.clone());
        let admin = Grants::all_of(vec![person(&[(&ours, Role::Admin), (&theirs, Role::Viewer)])]);
        assert!(admin.may_give(Area::Kv.write(), &on(&ours), false));
        assert!(admin.may_give(Area::AccountSettings.write(), &on(&ours), false));
        assert!(!admin.may_give(Area::Ownership.write(), &on(&ours), false));
        assert!(!admin.may_give(Area::Kv.write(), &on(&theirs), false));
        assert!(admin.may_give_role(Role::Admin, &ours));
        assert!(!admin.may_give_role(Role::Owner, &ours));
        assert!(!admin.may_give_role(Role::Developer, &theirs));
        assert!(admin.may_give(Area::UserTokens.write(), &Target::User("u".to_owned()), false));
        assert!(!admin.may_give(Area::UserTokens.write(), &Target::User("v".to_owned()), false));
        let developer = Grants::all_of(vec![person(&[(&ours, Role::Developer)])]);
        assert!(developer.may_give(Area::AccountSettings.read(), &on(&ours), true));
        assert!(
            !developer.may_give(Area::AccountSettings.read(), &on(&ours), false),
            "the audit log comes with it"
        );
        assert!(!developer.may_give(Area::AccountTokens.read(), &on(&ours), true));
        // By a token: what that has, on no more than it has it on.
        let thing = |id: &str| {
            Target::Thing(Thing { account: ours.clone(), kind: ThingKind::Namespace, id: id.to_owned() })
        };
        let limited = policies(vec![thing("a")], vec![Area::Kv.write()]);
        let token = Grants::all_of(vec![person(&[(&ours, Role::Owner)]), limited]);
        assert!(token.may_give(Area::Kv.read(), &thing("a"), false));
        assert!(!token.may_give(Area::Kv.read(), &thing("b"), false));
        assert!(!token.may_give(Area::Kv.read(), &on(&ours), false));
        assert!(!token.may_give(Area::Kv.read(), &Target::Accounts, false));
        assert!(!token.may_give_role(Role::Viewer, &ours));
        // A right that includes another one is not made of its own part alone.
        let settings = policies(vec![on(&ours)], vec![Area::Members.write()]);
        let token = Grants::all_of(vec![settings]);
        assert!(!token.may_give(Area::AccountSettings.read(), &on(&ours), false));
    }

    #[test]
    fn no_limits_are_no_rights() {
        let none = Grants::all_of(Vec::new());
        let account = AccountId::random();
        assert!(!none.is_everything() && !none.knows(&account));
        assert!(!none.allows(Area::Kv.read(), On::Account(&account)));
        assert!(!none.may_give(Area::Kv.read(), &Target::Account(account), false));
    }
}
