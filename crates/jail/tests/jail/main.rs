//! Each protection is attacked twice: with it, and without it to see the attack succeed.

mod bench;
mod full;
mod harness;
mod workerd;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run(&[full::TESTS, workerd::TESTS].concat())
}
