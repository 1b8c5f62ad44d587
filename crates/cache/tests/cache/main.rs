//! The cache as workerd and egress meet it.

mod fetch;
mod store;
mod support;
mod wire;
