//! Who may do what: rights, what they are given on, and how a call's right follows from what its caller was given.

mod grants;
mod policy;
mod right;

pub use grants::{Grant, Grants, On};
pub use policy::{Policy, Target, Thing, ThingKind};
pub use right::{Area, AreaScope, Level, Right};
