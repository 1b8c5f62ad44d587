//! Who may still write how much: a quota for each account, and a reserve of the disk that only metadata may use.
//!
//! Engines that keep data ask [`Space::admit`] before they write and say with [`Space::holds`] what became of it. It
//! answers from memory, so that a write costs a lock and no system call.

#![forbid(unsafe_code)]

mod ledger;
mod watch;

pub use ledger::{Kind, Ledger, Refusal};
pub use watch::{Admitted, Config, Space};
