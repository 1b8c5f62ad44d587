//! What a person's groups make of them. Pure.

use std::collections::BTreeMap;

use hearth_model::{AccountId, Role};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Refusal;

/// The group that everybody is in whom the provider knows.
const EVERYBODY: &str = "*";

/// What a group gives: a role in an account, or the installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The group, as the claim names it; `*` is everybody.
    pub group: String,
    /// In which account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// As what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Whether they answer for the installation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub operator: bool,
}

impl Rule {
    /// Whether it gives one thing.
    ///
    /// # Errors
    /// 400.
    pub fn check(&self) -> Result<(), Refusal> {
        match (self.operator, &self.account, self.role) {
            (true, None, None) | (false, Some(_), Some(_)) => Ok(()),
            _ => Err(Refusal::invalid(format!(
                "The rule of the group {:?} gives either `operator`, or a `role` in an `account`.",
                self.group
            ))),
        }
    }
}

/// What becomes of a person.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether any rule is about them: nobody else is let in.
    pub admitted: bool,
    /// Whether they answer for the installation; None where no rule speaks of that.
    pub operator: Option<bool>,
    /// What they are in each account that a rule speaks of; None is no member.
    pub roles: BTreeMap<AccountId, Option<Role>>,
}

/// Decides. Where several groups give something in an account, the mightiest role counts.
pub fn decide(rules: &[Rule], groups: &[String]) -> Decision {
    let mut decision = Decision::default();
    for rule in rules {
        let applies = rule.group == EVERYBODY || groups.contains(&rule.group);
        decision.admitted |= applies;
        if rule.operator {
            decision.operator = Some(decision.operator == Some(true) || applies);
        }
        if let (Some(account), Some(role)) = (&rule.account, rule.role) {
            let given = decision.roles.entry(account.clone()).or_default();
            let might = |role: Role| Role::ALL.iter().position(|other| *other == role);
            if applies && given.is_none_or(|given| might(role) < might(given)) {
                *given = Some(role);
            }
        }
    }
    decision
}

/// The groups of a claim: a list of texts, or one text.
pub fn groups(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => all.iter().filter_map(|group| group.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn account(letter: char) -> AccountId {
        letter.to_string().repeat(32).parse().unwrap()
    }

    fn rule(group: &str, letter: char, role: Role) -> Rule {
        Rule { group: group.to_owned(), account: Some(account(letter)), role: Some(role), operator: false }
    }

    #[test]
    fn groups_make_members_and_operators() {
        let ops = Rule { group: "ops".to_owned(), account: None, role: None, operator: true };
        let rules = [
            rule("dev", 'a', Role::Developer),
            rule("lead", 'a', Role::Admin),
            rule("*", 'b', Role::Viewer),
            rule("lead", 'c', Role::Owner),
            ops.clone(),
        ];
        let of = |groups: &[&str]| {
            decide(&rules, &groups.iter().map(|group| (*group).to_owned()).collect::<Vec<_>>())
        };
        let lead = of(&["dev", "lead"]);
        assert!(lead.admitted && lead.operator == Some(false));
        assert_eq!(lead.roles[&account('a')], Some(Role::Admin), "the mightiest");
        assert_eq!(lead.roles[&account('c')], Some(Role::Owner));
        let dev = of(&["dev"]);
        assert_eq!((dev.roles[&account('a')], dev.roles[&account('c')]), (Some(Role::Developer), None));
        assert_eq!(of(&["ops"]).operator, Some(true));
        assert_eq!(of(&[]).roles[&account('b')], Some(Role::Viewer), "everybody");

        let nobody = decide(&rules[..2], &["sales".to_owned()]);
        assert!(!nobody.admitted);
        assert_eq!(nobody.operator, None, "no rule speaks of it");
        assert!(!decide(&[], &["dev".to_owned()]).admitted, "without rules nobody is let in");
        assert_eq!(decide(&[ops], &["dev".to_owned()]).operator, Some(false));
    }

    #[test]
    fn a_rule_gives_one_thing() {
        assert!(rule("a", 'a', Role::Viewer).check().is_ok());
        let of = |text: Value| serde_json::from_value::<Rule>(text).unwrap();
        assert!(of(json!({"group": "a", "operator": true})).check().is_ok());
        for bad in [
            json!({"group": "a"}),
            json!({"group": "a", "role": "viewer"}),
            json!({"group": "a", "account": account('a')}),
        ] {
            assert!(of(bad.clone()).check().is_err(), "{bad}");
        }
        assert_eq!(groups(Some(&json!("one"))), ["one"]);
        assert_eq!(groups(Some(&json!(["one", 2, "two"]))), ["one", "two"]);
        assert!(groups(None).is_empty() && groups(Some(&json!({"a": 1}))).is_empty());
    }
}
