//! The API as its clients see it: the real router over the real store in a temporary folder, with a data plane that
//! only takes notes.

mod assets;
mod authorization;
mod deploy;
mod hosts;
mod identity;
mod lenient;
mod members;
mod quotas;
mod releases;
mod secrets;
mod settings;
mod support;
mod tokens;
mod unsupported;
