//! Runs each test in a process of its own, since a jailer is forked before any thread exists. Speaks as much of the
//! usual test arguments as cargo and nextest need.

use std::process::{Command, ExitCode};

/// One test.
pub type Test = (&'static str, fn());

/// The `main` of a test program. Helpers run only when they are named in full.
pub fn run(tests: &[Test], helpers: &[Test]) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let ignored = has("--ignored");
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-') && *arg != "terse").collect();
    let wanted = |name: &str| {
        !ignored
            && (filters.is_empty()
                || filters
                    .iter()
                    .any(|f| if has("--exact") { **f == name } else { name.contains(f.as_str()) }))
    };
    let named = if has("--exact") { helpers } else { &[] };
    let chosen: Vec<&Test> = tests.iter().chain(named).filter(|(name, _)| wanted(name)).collect();
    if has("--list") {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if let ([(_, test)], true) = (chosen.as_slice(), has("--exact")) {
        // A panic ends the process with a failure.
        test();
        return ExitCode::SUCCESS;
    }
    let Ok(program) = std::env::current_exe() else { return ExitCode::FAILURE };
    let mut failed = 0;
    for (name, _) in chosen {
        let passed =
            Command::new(&program).args(["--exact", name]).status().is_ok_and(|status| status.success());
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += u32::from(!passed);
    }
    println!("\ntest result: {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
