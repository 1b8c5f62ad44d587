//! The egress over its real socket: before a real workerd, and against upstreams that misbehave in one way each.

mod cache;
mod ends;
mod failures;
mod internal;
mod log;
mod names;
mod pool;
mod refusals;
mod support;
mod tls;
mod workerd;
