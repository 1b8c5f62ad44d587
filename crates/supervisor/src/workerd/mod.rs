//! The workerd driver: what its processes are told, and how they are talked to.

pub(crate) mod config;
pub(crate) mod control;
pub(crate) mod probe;

#[cfg(test)]
mod contract_tests;

/// Structures of workerd's configuration, compiled from `schema/workerd.capnp`.
#[allow(missing_docs, clippy::all)]
pub(crate) mod workerd_capnp {
    include!(concat!(env!("OUT_DIR"), "/workerd_capnp.rs"));
}
