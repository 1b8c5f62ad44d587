//! The console in a real browser, as far as every run has time for it: each of its pages opens in both languages, and what
//! keeps foreign scripts and pages off is in force. `make test-console` has the rest.

use std::path::Path;
use std::process::Command;

#[test]
fn every_page_opens_in_a_browser() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../console");
    let output = Command::new("node")
        .args(["--test", "tests/smoke.spec.mjs"])
        .current_dir(folder)
        .env("HEARTH_BIN", hearth_testing::command().get_program())
        .output()
        .expect("node is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
