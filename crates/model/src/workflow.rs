//! Workflows: names and what an account keeps of one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::WorkerId;

/// How names of folders with instances begin.
const FOLDER: &str = "workflows-";

/// What an account keeps of a workflow beside its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workflow {
    /// The worker that has the class; its process runs the instances, and their storage lies with it.
    pub worker: WorkerId,
    /// The class, a `WorkflowEntrypoint`.
    pub class_name: String,
    /// `{steps?}`, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Value>,
    /// `{success_retention?, error_retention?}`, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_retention: Option<Value>,
}

impl Workflow {
    /// A workflow of a class, set as Cloudflare sets one of which nothing is said.
    pub fn new(worker: WorkerId, class_name: impl Into<String>) -> Self {
        Self { worker, class_name: class_name.into(), limits: None, default_retention: None }
    }

    /// The name of the folder with the instances of all of a worker's workflows, beside those of namespaces.
    pub fn folder(worker: WorkerId) -> String {
        format!("{FOLDER}{worker}")
    }

    /// The worker that a folder of this name belongs to; None: it is another kind of folder.
    pub fn owner_of(folder: &str) -> Option<WorkerId> {
        folder.strip_prefix(FOLDER)?.parse().ok()
    }

    /// What a workflow's name must be, for the caller.
    pub const NAME_RULE: &str =
        "a name of up to 64 letters, digits, '-' and '_' that begins with a letter, a digit or '_'";

    /// Whether a workflow may have this name: it is a folder's name too.
    pub fn is_name(name: &str) -> bool {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=64).contains(&name.len()) && name.bytes().all(legal) && !name.starts_with('-')
    }
}

/// A workflow of a worker, as its process runs it.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedWorkflow {
    /// Its name; the class sees it as `event.workflowName`.
    pub name: String,
    /// The rest.
    pub workflow: Workflow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_folders() {
        for name in ["a", "_", "My-flow_2", &"x".repeat(64)] {
            assert!(Workflow::is_name(name), "{name}");
        }
        for name in ["", "-a", "a/b", "..", "a b", "ä", &"x".repeat(65)] {
            assert!(!Workflow::is_name(name), "{name}");
        }
        let worker = WorkerId::random();
        assert_eq!(Workflow::owner_of(&Workflow::folder(worker)), Some(worker));
        assert_eq!(Workflow::owner_of(&worker.to_string()), None);
    }
}
