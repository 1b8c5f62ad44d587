//! Cron triggers: which worker is due at which minute, its run, and the record of how that ended.
//!
//! [`Calendar`] knows what is due; it is pure. [`Cron`] looks at it each minute and has a [`Runner`] run what is. What
//! was due while the server was down is not run later, as on Cloudflare. [`api`] lists runs and starts one by hand.

#![forbid(unsafe_code)]

pub mod api;
mod calendar;
mod describe;
mod scheduler;

pub use calendar::Calendar;
pub use describe::describe;
pub use scheduler::{Cron, Runner};
