//! The API's description, as an OpenAPI 3.1 document (<https://spec.openapis.org/oas/v3.1.0>).
//!
//! A capability describes what its table of operations serves, in a file beside it (`describe.rs`), in the words of this
//! crate; the binary joins the descriptions into one [`Document`]. What a reader of the document may rely on: an operation
//! stands in it if and only if it is served ([`Document::of`] walks what is served, [`Document::whole`] what is described,
//! and a test holds one against the other), and real answers fit their schemas (`tests/openapi/`).
//!
//! Schemas say what is there, not everything that is refused: a body that fits its schema may still get a 400 that names
//! what is wrong with it.

#![forbid(unsafe_code)]

mod call;
mod document;
mod schema;

pub use call::{Call, delete, get, patch, post, put};
pub use document::{Document, Family, Section};
pub use schema::{
    Schema, any, array, boolean, integer, literal, map, number, object, one_of, reference, string, time,
};
