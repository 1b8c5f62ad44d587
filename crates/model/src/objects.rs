//! Durable Object namespaces: which class of which worker has stored objects, and how migrations change that.
//!
//! Codes and words are Cloudflare's as far as they are known from what its users report.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::{EntrypointKind, Exports, NamespaceId, WorkerId};

/// A class of Durable Objects with everything stored by its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its id.
    pub id: NamespaceId,
    /// The exported class.
    pub class: String,
    /// Whether its objects have SQL beside keys and values. Both are kept in SQLite.
    pub sqlite: bool,
}

/// A change to the namespaces of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceChange {
    /// A new one.
    Create(Namespace),
    /// Its class has another name.
    Rename {
        /// Which.
        id: NamespaceId,
        /// The class from now on.
        to: String,
    },
    /// It goes, and its objects with it.
    Delete(NamespaceId),
    /// It comes from another worker.
    Take {
        /// Which.
        id: NamespaceId,
        /// That worker.
        from: WorkerId,
        /// The class here.
        class: String,
    },
    /// It goes to another worker, which expects it.
    Give {
        /// Which.
        id: NamespaceId,
        /// That worker.
        to: WorkerId,
        /// The class there.
        class: String,
    },
    /// Another worker is to give its namespace of this class.
    Expect {
        /// The class.
        class: String,
        /// The other worker's name in lower case.
        from: String,
        /// Whether the objects have SQL.
        sqlite: bool,
    },
}

/// A namespace of another worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// The worker that has it.
    pub worker: WorkerId,
    /// The namespace.
    pub namespace: Namespace,
}

/// `migrations` of an upload (wrangler-api.md 4.1): all steps since `old_tag`, or a single one in place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Migrations {
    /// The migration that was last applied, as the client believes; absent when it believes that none was.
    #[serde(default)]
    pub old_tag: Option<String>,
    /// The migration that these steps lead to.
    #[serde(default)]
    pub new_tag: Option<String>,
    #[serde(default)]
    steps: Vec<Step>,
    #[serde(flatten)]
    single: Step,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Step {
    #[serde(default)]
    new_classes: Vec<String>,
    #[serde(default)]
    new_sqlite_classes: Vec<String>,
    #[serde(default)]
    deleted_classes: Vec<String>,
    #[serde(default)]
    renamed_classes: Vec<Renamed>,
    #[serde(default)]
    transferred_classes: Vec<Transferred>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Renamed {
    from: String,
    to: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Transferred {
    from: String,
    from_script: String,
    to: String,
}

impl Migrations {
    fn all(&self) -> impl Iterator<Item = &Step> {
        std::iter::once(&self.single).chain(&self.steps)
    }

    /// The workers, and their classes, that namespaces are taken from.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        let moved = self.all().flat_map(|step| &step.transferred_classes);
        moved.map(|moved| (moved.from_script.as_str(), moved.from.as_str()))
    }
}

/// When running objects get new code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum CodeUpdate {
    /// At once: requests in them have the time of a swap to finish.
    #[default]
    Immediate,
    /// When nothing is in them any more, or after `max_delay`.
    Deferred {
        /// Seconds; Cloudflare's default is five minutes, its longest a day.
        #[serde(default = "default_delay")]
        max_delay: f64,
    },
}

fn default_delay() -> f64 {
    300.0
}

/// Why objects cannot be as an upload wants them. The text is for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectsError {
    /// The worker is not where the client believes it to be.
    #[error("Actor migration tag precondition failed, got tag '{got}' when expected tag is '{expected}'.")]
    Tag {
        /// What the client sent.
        got: String,
        /// What the worker has.
        expected: String,
    },
    /// A class that is to be made is there.
    #[error(
        "Cannot apply new-class migration to class '{0}' that is already depended on by existing Durable Objects."
    )]
    Exists(String),
    /// A class that is to be changed is not there.
    #[error(
        "Cannot apply {step} migration to class '{class}' because it is not currently configured to implement Durable Objects."
    )]
    Unknown {
        /// `delete-class`, `rename-class` or `transfer-class`.
        step: &'static str,
        /// The class.
        class: String,
    },
    /// A class that is to be transferred is not the other worker's.
    #[error(
        "Cannot apply transfer-class migration: Worker '{script}' has no class '{class}' that is configured to implement Durable Objects."
    )]
    UnknownSource {
        /// The worker.
        script: String,
        /// The class.
        class: String,
    },
    /// Two steps lead to one class.
    #[error("class '{0}' cannot be the target of more than one migration")]
    Twice(String),
    /// A class that is to be made is not in the code.
    #[error("Cannot apply new-class migration to class '{0}' that is not exported by script.")]
    NewNotExported(String),
    /// A class with objects is not in the code.
    #[error(
        "New version of script does not export class '{0}' which is depended on by existing Durable Objects. If you want to delete the Durable Objects, use a delete-class migration; if the class was renamed, use a rename-class migration."
    )]
    NotExported(String),
    /// A binding to a class without a namespace.
    #[error(
        "Cannot create binding for class '{0}' because it is not currently configured to implement Durable Objects. Ensure a --new-class migration has been applied to it."
    )]
    NotConfigured(String),
    /// A binding to a class that goes.
    #[error(
        "Cannot apply --delete-class migration to class '{0}' without also removing the binding that references it."
    )]
    StillBound(String),
}

/// The changes that migrations make, and what there is afterwards. `current` are the worker's namespaces, `tag` the
/// migration that was last applied to it; `stranger` finds another worker's namespace by the worker's name and class.
///
/// # Errors
/// [`ObjectsError`].
pub fn migrate(
    migrations: &Migrations,
    tag: Option<&str>,
    current: &[Namespace],
    stranger: impl Fn(&str, &str) -> Option<Stranger>,
) -> Result<(Vec<NamespaceChange>, Vec<Namespace>), ObjectsError> {
    let (got, expected) = (migrations.old_tag.as_deref().unwrap_or_default(), tag.unwrap_or_default());
    if got != expected {
        return Err(ObjectsError::Tag { got: got.to_owned(), expected: expected.to_owned() });
    }
    let mut planner = Planner { changes: Vec::new(), now: current.to_vec(), targets: BTreeSet::new() };
    for step in migrations.all() {
        planner.targets.clear();
        for moved in &step.transferred_classes {
            let found = stranger(&moved.from_script, &moved.from).ok_or_else(|| {
                ObjectsError::UnknownSource { script: moved.from_script.clone(), class: moved.from.clone() }
            })?;
            planner.free(&moved.to)?;
            let id = found.namespace.id;
            planner.now.push(Namespace { class: moved.to.clone(), ..found.namespace });
            planner.changes.push(NamespaceChange::Take { id, from: found.worker, class: moved.to.clone() });
        }
        for renamed in &step.renamed_classes {
            let at = planner.find("rename-class", &renamed.from)?;
            planner.free(&renamed.to)?;
            planner.now[at].class = renamed.to.clone();
            let id = planner.now[at].id;
            planner.changes.push(NamespaceChange::Rename { id, to: renamed.to.clone() });
        }
        for class in &step.deleted_classes {
            let at = planner.find("delete-class", class)?;
            let gone = planner.now.remove(at);
            planner.changes.push(NamespaceChange::Delete(gone.id));
        }
        let new = step.new_classes.iter().map(|class| (class, false));
        for (class, sqlite) in new.chain(step.new_sqlite_classes.iter().map(|class| (class, true))) {
            planner.free(class)?;
            let namespace = Namespace { id: NamespaceId::random(), class: class.clone(), sqlite };
            planner.now.push(namespace.clone());
            planner.changes.push(NamespaceChange::Create(namespace));
        }
    }
    Ok((planner.changes, planner.now))
}

struct Planner {
    changes: Vec<NamespaceChange>,
    now: Vec<Namespace>,
    /// Classes that the present step leads to.
    targets: BTreeSet<String>,
}

impl Planner {
    fn find(&self, step: &'static str, class: &str) -> Result<usize, ObjectsError> {
        let at = self.now.iter().position(|namespace| namespace.class == class);
        at.ok_or_else(|| ObjectsError::Unknown { step, class: class.to_owned() })
    }

    fn free(&mut self, class: &str) -> Result<(), ObjectsError> {
        if !self.targets.insert(class.to_owned()) {
            return Err(ObjectsError::Twice(class.to_owned()));
        }
        match self.now.iter().any(|namespace| namespace.class == class) {
            true => Err(ObjectsError::Exists(class.to_owned())),
            false => Ok(()),
        }
    }
}

/// Whether code can be the code of these namespaces: it exports the class of each.
///
/// # Errors
/// [`ObjectsError::NewNotExported`] for one that `changes` make, else [`ObjectsError::NotExported`].
pub fn check_classes(
    exports: &Exports,
    namespaces: &[Namespace],
    changes: &[NamespaceChange],
) -> Result<(), ObjectsError> {
    let is_new =
        |id| changes.iter().any(|change| matches!(change, NamespaceChange::Create(new) if new.id == id));
    for namespace in namespaces {
        let class = namespace.class.clone();
        match exports.has_class(&class) {
            true => {}
            false if is_new(namespace.id) => return Err(ObjectsError::NewNotExported(class)),
            false => return Err(ObjectsError::NotExported(class)),
        }
    }
    Ok(())
}

impl Exports {
    /// Whether a named export can be a class of Durable Objects.
    pub fn has_class(&self, name: &str) -> bool {
        let fits = |kind| matches!(kind, EntrypointKind::DurableObject | EntrypointKind::Class);
        self.entrypoints.iter().any(|export| export.name == name && fits(export.kind))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Migrations {
        serde_json::from_value(value).unwrap()
    }

    fn namespace(class: &str, sqlite: bool) -> Namespace {
        Namespace { id: NamespaceId::random(), class: class.to_owned(), sqlite }
    }

    fn nobody(_: &str, _: &str) -> Option<Stranger> {
        None
    }

    #[test]
    fn steps_follow_each_other_and_ids_stay() {
        let before = [namespace("Old", true), namespace("Gone", false)];
        let migrations = read(json!({"old_tag": "v1", "new_tag": "v3", "steps": [
            {"renamed_classes": [{"from": "Old", "to": "New"}]},
            {"deleted_classes": ["Gone"], "new_classes": ["Kv"], "new_sqlite_classes": ["Old"]},
        ]}));
        let (changes, after) = migrate(&migrations, Some("v1"), &before, nobody).unwrap();
        let classes: Vec<_> = after.iter().map(|n| (n.class.as_str(), n.sqlite)).collect();
        assert_eq!(classes, [("New", true), ("Kv", false), ("Old", true)]);
        assert_eq!(after[0].id, before[0].id);
        assert_eq!(changes.len(), 4);
        assert!(changes.contains(&NamespaceChange::Delete(before[1].id)));
    }

    #[test]
    fn a_single_step_in_place_is_a_step() {
        let migrations = read(json!({"new_tag": "v1", "new_sqlite_classes": ["A"]}));
        let (_, after) = migrate(&migrations, None, &[], nobody).unwrap();
        assert!(after[0].sqlite && after[0].class == "A");
    }

    #[test]
    fn a_transferred_namespace_keeps_id_and_storage() {
        let theirs = Stranger { worker: WorkerId::random(), namespace: namespace("Room", true) };
        let migrations = read(json!({"new_tag": "v1", "steps": [
            {"transferred_classes": [{"from": "Room", "from_script": "chat", "to": "ChatRoom"}]},
        ]}));
        assert_eq!(migrations.sources().collect::<Vec<_>>(), [("chat", "Room")]);
        let find = |script: &str, class: &str| (script == "chat" && class == "Room").then(|| theirs.clone());
        let (changes, after) = migrate(&migrations, None, &[], find).unwrap();
        assert_eq!(
            (after[0].id, after[0].class.as_str(), after[0].sqlite),
            (theirs.namespace.id, "ChatRoom", true)
        );
        let take = NamespaceChange::Take { id: after[0].id, from: theirs.worker, class: "ChatRoom".into() };
        assert_eq!(changes, [take]);
        assert!(matches!(migrate(&migrations, None, &[], nobody), Err(ObjectsError::UnknownSource { .. })));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let before = [namespace("A", true)];
        let refuse = |tag, steps: Value| {
            let migrations = read(json!({"old_tag": "v1", "new_tag": "v2", "steps": steps}));
            migrate(&migrations, tag, &before, nobody).unwrap_err()
        };
        let tag = ObjectsError::Tag { got: "v1".into(), expected: String::new() };
        assert_eq!(refuse(None, json!([])), tag);
        assert_eq!(refuse(Some("v1"), json!([{"new_classes": ["A"]}])), ObjectsError::Exists("A".into()));
        let unknown = |step| ObjectsError::Unknown { step, class: "B".into() };
        assert_eq!(refuse(Some("v1"), json!([{"deleted_classes": ["B"]}])), unknown("delete-class"));
        let rename = json!([{"renamed_classes": [{"from": "B", "to": "C"}]}]);
        assert_eq!(refuse(Some("v1"), rename), unknown("rename-class"));
        let twice = json!([{"renamed_classes": [{"from": "A", "to": "C"}], "new_classes": ["C"]}]);
        assert_eq!(refuse(Some("v1"), twice), ObjectsError::Twice("C".into()));
    }

    #[test]
    fn code_has_the_classes_of_its_objects() {
        let exports: Exports = serde_json::from_value(json!({"handlers": [], "entrypoints": [
            {"name": "A", "kind": "durable_object", "handlers": []},
            {"name": "Old", "kind": "class", "handlers": []},
            {"name": "W", "kind": "worker_entrypoint", "handlers": []},
        ]}))
        .unwrap();
        let [a, old, w] = ["A", "Old", "W"].map(|class| namespace(class, true));
        assert_eq!(check_classes(&exports, &[a, old], &[]), Ok(()));
        assert_eq!(
            check_classes(&exports, std::slice::from_ref(&w), &[]),
            Err(ObjectsError::NotExported("W".into()))
        );
        let new = [NamespaceChange::Create(w.clone())];
        assert_eq!(check_classes(&exports, &[w], &new), Err(ObjectsError::NewNotExported("W".into())));
    }

    #[test]
    fn a_code_update_reads_as_wrangler_writes_it() {
        let read = |value| serde_json::from_value::<CodeUpdate>(value).unwrap();
        assert_eq!(read(json!({"mode": "immediate"})), CodeUpdate::Immediate);
        assert_eq!(read(json!({"mode": "deferred"})), CodeUpdate::Deferred { max_delay: 300.0 });
        let deferred = CodeUpdate::Deferred { max_delay: 1.5 };
        assert_eq!(read(json!({"mode": "deferred", "max_delay": 1.5})), deferred);
    }
}
