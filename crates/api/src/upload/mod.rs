//! Uploads: from a multipart body to the version that is to be made.
//!
//! [`form`] takes the body apart, [`bracket`] reads what SDKs flatten into field names, [`metadata`] gives the
//! settings their types, and [`plan`] decides, from them and the version before, what the new version is.

mod bracket;
mod form;
mod metadata;
mod plan;

pub use form::{Form, Part};
pub use metadata::{ScriptSettings, WantedObjects, read_annotations, read_code_update, read_limits};
pub(crate) use plan::too_large;
pub use plan::{Inherit, PlannedBindings, PlannedModule, PlannedSecret, plan, resolve_bindings};
