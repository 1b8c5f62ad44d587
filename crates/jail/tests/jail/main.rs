//! Each protection is attacked twice: with it, and without it to see the attack succeed.

mod bench;
mod full;
mod function;
mod harness;
mod helper;
mod inspected;
mod life;
mod lower;
mod workerd;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run(
        &[
            full::TESTS,
            function::TESTS,
            helper::TESTS,
            inspected::TESTS,
            life::TESTS,
            lower::TESTS,
            workerd::TESTS,
        ]
        .concat(),
        &[life::HELPERS, lower::HELPERS, helper::HELPERS].concat(),
    )
}
