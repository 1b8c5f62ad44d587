//! Declarative `exports` of an upload: which classes of Durable Objects there shall be, instead of which steps lead there
//! (the definitions of wrangler's configuration schema say what each state means).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Exports, Namespace, NamespaceChange, NamespaceId, Stranger};

/// One entry of `exports` of type `durable-object`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ObjectExport {
    /// The class has objects.
    Created {
        /// How they are stored.
        storage: Storage,
    },
    /// It had, and shall not any more.
    Deleted,
    /// It is called otherwise now.
    Renamed {
        /// The class from now on.
        renamed_to: String,
    },
    /// Its objects go to another worker.
    Transferred {
        /// That worker, which expects them.
        transferred_to: String,
    },
    /// Its objects come from another worker.
    ExpectingTransfer {
        /// How they are stored.
        storage: Storage,
        /// That worker.
        transfer_from: String,
    },
}

/// How objects are stored, in the words of `exports`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// With SQL.
    Sqlite,
    /// Keys and values only.
    LegacyKv,
}

/// What became of `exports`: wrangler's `exports_reconciliation`, all of whose lists it reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Classes that are new.
    pub created: Vec<String>,
    /// Classes whose settings changed.
    pub updated: Vec<String>,
    /// Classes whose objects are gone.
    pub deleted: Vec<String>,
    /// Classes with another name.
    pub renamed: Vec<RenamedClass>,
    /// Classes that another worker has now.
    pub transferred: Vec<TransferredClass>,
    /// Classes that another worker has still to give.
    pub transfer_pending: Vec<PendingClass>,
    /// What may be a mistake.
    pub warnings: Vec<Remark>,
    /// What is good to know.
    pub info: Vec<Remark>,
    /// Entries that have done their work.
    pub removable_entries: Vec<String>,
}

/// A class with another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RenamedClass {
    /// The name before.
    pub from: String,
    /// The name now.
    pub to: String,
}

/// A class that another worker has now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransferredClass {
    /// The class.
    pub class: String,
    /// The worker.
    pub to: String,
    /// How far it is.
    pub phase: &'static str,
}

/// A class that another worker has still to give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PendingClass {
    /// The class.
    pub class: String,
    /// The worker.
    pub from: String,
}

/// Something about a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The class.
    pub class: String,
    /// What kind of thing it is.
    pub scenario: &'static str,
    /// A sentence.
    pub message: String,
    /// What can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

/// Why `exports` cannot be: Cloudflare's code 100402, with these as `meta.details`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Durable Object exports reconciliation failed.")]
pub struct ReconcileError(pub Vec<Remark>);

/// What reconciling leads to.
pub type Reconciliation = (Vec<NamespaceChange>, Vec<Namespace>, Reconciled);

/// Brings the namespaces of a worker to what `entries` say. `expected` finds the namespace-to-be of another worker, by
/// its name, that expects a class of ours.
///
/// # Errors
/// Every entry that cannot be, with what to do about it.
pub fn reconcile(
    entries: &BTreeMap<String, ObjectExport>,
    current: &[Namespace],
    exports: &Exports,
    expected: impl Fn(&str, &str) -> Option<Stranger>,
) -> Result<Reconciliation, ReconcileError> {
    let mut work =
        Work { changes: Vec::new(), now: current.to_vec(), said: Reconciled::default(), errors: Vec::new() };
    // Those that make room for a name go first.
    for (class, entry) in entries {
        match entry {
            ObjectExport::Deleted => work.delete(class, exports),
            ObjectExport::Transferred { transferred_to } => {
                work.give(class, transferred_to, expected(transferred_to, class));
            }
            _ => {}
        }
    }
    for (class, entry) in entries {
        if let ObjectExport::Renamed { renamed_to } = entry {
            let lives = matches!(
                entries.get(renamed_to),
                Some(ObjectExport::Created { .. } | ObjectExport::ExpectingTransfer { .. })
            );
            work.rename(class, renamed_to, lives);
        }
    }
    for (class, entry) in entries {
        match entry {
            ObjectExport::Created { storage } => work.create(class, *storage, exports),
            ObjectExport::ExpectingTransfer { storage, transfer_from } => {
                work.expect(class, *storage, transfer_from);
            }
            _ => {}
        }
    }
    for namespace in current.iter().filter(|namespace| !entries.contains_key(&namespace.class)) {
        work.forgotten(&namespace.class, exports);
    }
    match work.errors.is_empty() {
        true => Ok((work.changes, work.now, work.said)),
        false => Err(ReconcileError(work.errors)),
    }
}

struct Work {
    changes: Vec<NamespaceChange>,
    now: Vec<Namespace>,
    said: Reconciled,
    errors: Vec<Remark>,
}

fn remark(scenario: &'static str, class: &str, message: &str, suggestion: &str) -> Remark {
    Remark {
        class: class.to_owned(),
        scenario,
        message: message.to_owned(),
        suggestion: (!suggestion.is_empty()).then(|| suggestion.to_owned()),
    }
}

impl Work {
    fn find(&self, class: &str) -> Option<usize> {
        self.now.iter().position(|namespace| namespace.class == class)
    }

    fn done(&mut self, class: &str) {
        self.said.removable_entries.push(class.to_owned());
    }

    fn delete(&mut self, class: &str, exports: &Exports) {
        let Some(at) = self.find(class) else { return self.done(class) };
        if exports.has_class(class) {
            let advice = "Remove the class from the code, or its entry's state.";
            return self.errors.push(remark(
                "deleted-class-exported",
                class,
                "The entry says that it is deleted, and the code still exports it.",
                advice,
            ));
        }
        let gone = self.now.remove(at);
        self.changes.push(NamespaceChange::Delete(gone.id));
        self.said.deleted.push(class.to_owned());
        self.done(class);
    }

    fn give(&mut self, class: &str, to: &str, expected: Option<Stranger>) {
        let Some(at) = self.find(class) else { return self.done(class) };
        let Some(target) = expected else {
            let advice = format!(
                "Deploy '{to}' first, with an entry of state 'expecting-transfer' that names this Worker in 'transfer_from'."
            );
            let message = format!("Worker '{to}' does not expect it.");
            return self.errors.push(remark("transfer-not-expected", class, &message, &advice));
        };
        let gone = self.now.remove(at);
        if gone.sqlite != target.namespace.sqlite {
            let message = format!("Worker '{to}' expects another kind of storage.");
            return self.errors.push(remark("storage-mismatch", class, &message, ""));
        }
        let there = target.namespace.class;
        self.changes.push(NamespaceChange::Give { id: gone.id, to: target.worker, class: there });
        let moved = TransferredClass { class: class.to_owned(), to: to.to_owned(), phase: "committed" };
        self.said.transferred.push(moved);
        self.done(class);
    }

    fn rename(&mut self, class: &str, to: &str, lives: bool) {
        let Some(at) = self.find(class) else { return self.done(class) };
        if !lives {
            let message = format!("It is renamed to '{to}', which has no live entry.");
            let advice = format!("Add an entry for '{to}' with its storage.");
            return self.errors.push(remark("rename-target-missing", class, &message, &advice));
        }
        if self.find(to).is_some() {
            let message = format!("It is renamed to '{to}', which has objects of its own.");
            return self.errors.push(remark("rename-target-exists", class, &message, ""));
        }
        self.now[at].class = to.to_owned();
        self.changes.push(NamespaceChange::Rename { id: self.now[at].id, to: to.to_owned() });
        self.said.renamed.push(RenamedClass { from: class.to_owned(), to: to.to_owned() });
        self.done(class);
    }

    fn create(&mut self, class: &str, storage: Storage, exports: &Exports) {
        if !exports.has_class(class) {
            let advice = "Export the class, or retire it with an entry of state 'deleted'.";
            return self.errors.push(remark(
                "class-not-exported",
                class,
                "The code exports no such class.",
                advice,
            ));
        }
        let sqlite = storage == Storage::Sqlite;
        match self.find(class) {
            Some(at) if self.now[at].sqlite == sqlite => {}
            Some(_) => self.errors.push(remark(
                "storage-mismatch",
                class,
                "The storage of a class with objects cannot change.",
                "Give a new class the other storage.",
            )),
            None => {
                let namespace = Namespace { id: NamespaceId::random(), class: class.to_owned(), sqlite };
                self.now.push(namespace.clone());
                self.changes.push(NamespaceChange::Create(namespace));
                self.said.created.push(class.to_owned());
            }
        }
    }

    fn expect(&mut self, class: &str, storage: Storage, from: &str) {
        if self.find(class).is_some() {
            let message =
                format!("The objects of Worker '{from}' have come: its state can be 'created' now.");
            return self.said.info.push(remark("transfer-complete", class, &message, ""));
        }
        let sqlite = storage == Storage::Sqlite;
        let change =
            NamespaceChange::Expect { class: class.to_owned(), from: from.to_ascii_lowercase(), sqlite };
        self.changes.push(change);
        self.said.transfer_pending.push(PendingClass { class: class.to_owned(), from: from.to_owned() });
    }

    /// A namespace that no entry speaks of keeps what it has.
    fn forgotten(&mut self, class: &str, exports: &Exports) {
        if exports.has_class(class) {
            let message = "It has objects and no entry in `exports`.";
            return self.said.warnings.push(remark("entry-missing", class, message, ""));
        }
        self.errors.push(remark(
            "class-removed",
            class,
            "The code does not export it any more, and it has objects.",
            "Add an entry of state 'deleted', 'renamed' or 'transferred'.",
        ));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::WorkerId;

    fn entries(value: Value) -> BTreeMap<String, ObjectExport> {
        serde_json::from_value(value).unwrap()
    }

    fn code(classes: &[&str]) -> Exports {
        let entry = |name: &&str| json!({"name": name, "kind": "durable_object", "handlers": []});
        let entrypoints: Vec<Value> = classes.iter().map(entry).collect();
        serde_json::from_value(json!({"handlers": [], "entrypoints": entrypoints})).unwrap()
    }

    fn namespace(class: &str) -> Namespace {
        Namespace { id: NamespaceId::random(), class: class.to_owned(), sqlite: true }
    }

    fn nobody(_: &str, _: &str) -> Option<Stranger> {
        None
    }

    #[test]
    fn entries_make_rename_and_delete() {
        let before = [namespace("Old"), namespace("Gone")];
        let wanted = entries(json!({
            "New": {"state": "created", "storage": "sqlite"},
            "Kv": {"state": "created", "storage": "legacy-kv"},
            "Old": {"state": "renamed", "renamed_to": "New"},
            "Gone": {"state": "deleted"},
            "Long": {"state": "deleted"},
        }));
        let (changes, after, said) = reconcile(&wanted, &before, &code(&["New", "Kv"]), nobody).unwrap();
        assert_eq!(after.iter().map(|n| n.class.as_str()).collect::<Vec<_>>(), ["New", "Kv"]);
        assert_eq!(after[0].id, before[0].id);
        assert!(!after[1].sqlite);
        assert_eq!(changes.len(), 3);
        assert_eq!((said.created, said.deleted), (vec!["Kv".into()], vec!["Gone".into()]));
        assert_eq!(said.removable_entries, ["Gone", "Long", "Old"]);
        // The same again changes nothing.
        let (changes, _, _) = reconcile(&wanted, &after, &code(&["New", "Kv"]), nobody).unwrap();
        assert_eq!(changes, []);
    }

    #[test]
    fn a_transfer_has_two_phases() {
        let expecting = entries(
            json!({"Room": {"state": "expecting-transfer", "storage": "sqlite", "transfer_from": "Chat"}}),
        );
        let (changes, after, said) = reconcile(&expecting, &[], &code(&["Room"]), nobody).unwrap();
        assert_eq!(after, []);
        assert_eq!(
            changes,
            [NamespaceChange::Expect { class: "Room".into(), from: "chat".into(), sqlite: true }]
        );
        assert_eq!(said.transfer_pending[0].from, "Chat");

        let giving = entries(json!({"Room": {"state": "transferred", "transferred_to": "lobby"}}));
        let ours = [namespace("Room")];
        let refused = reconcile(&giving, &ours, &code(&[]), nobody).unwrap_err();
        assert_eq!(refused.0[0].scenario, "transfer-not-expected");
        let to = WorkerId::random();
        let expected = |script: &str, _: &str| {
            (script == "lobby").then(|| Stranger { worker: to, namespace: namespace("Room") })
        };
        let (changes, after, _) = reconcile(&giving, &ours, &code(&[]), expected).unwrap();
        assert_eq!(after, []);
        assert_eq!(changes, [NamespaceChange::Give { id: ours[0].id, to, class: "Room".into() }]);
    }

    #[test]
    fn what_cannot_be_says_why() {
        let before = [namespace("A")];
        let scenario = |wanted: Value, code: &Exports| {
            reconcile(&entries(wanted), &before, code, nobody).unwrap_err().0[0].scenario
        };
        let kv = json!({"A": {"state": "created", "storage": "legacy-kv"}});
        assert_eq!(scenario(kv, &code(&["A"])), "storage-mismatch");
        assert_eq!(scenario(json!({}), &code(&[])), "class-removed");
        assert_eq!(scenario(json!({"A": {"state": "deleted"}}), &code(&["A"])), "deleted-class-exported");
        let renamed = json!({"A": {"state": "renamed", "renamed_to": "B"}});
        assert_eq!(scenario(renamed, &code(&[])), "rename-target-missing");
        let missing = json!({"A": {"state": "created", "storage": "sqlite"}});
        assert_eq!(scenario(missing, &code(&[])), "class-not-exported");
        let (_, _, said) = reconcile(&BTreeMap::new(), &before, &code(&["A"]), nobody).unwrap();
        assert_eq!(said.warnings[0].scenario, "entry-missing");
    }
}
