//! The code generated from `schema/*.capnp`.
#![allow(dead_code, missing_docs, clippy::all, clippy::unimplemented, unreachable_pub)]

macro_rules! generated {
    ($($name:ident),*) => {
        $(pub mod $name {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));
        })*
    };
}

generated!(
    worker_interface_capnp,
    frankenvalue_capnp,
    byte_stream_capnp,
    http_over_capnp_capnp,
    rpc_exception_capnp,
    trace_capnp
);
