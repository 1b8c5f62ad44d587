//! `sdk/`: built of the document of the binary under test, and run against it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use hearth_testing::{Hearth, checkout, clean, command};

/// The machine's Node, which may be the oldest one that the SDK is for, and not the one that the clients' tests pin.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

async fn node(hearth: &Hearth, folder: &Path, args: &[&str]) -> String {
    let mut node = clean("node".into(), folder);
    node.args(args).env("PATH", PATH);
    node.env("CLOUDFLARE_API_BASE_URL", hearth.api_base());
    node.env("CLOUDFLARE_API_TOKEN", hearth.token());
    node.env("CLOUDFLARE_ACCOUNT_ID", hearth.account());
    let output = node.output().await.expect("node is installed");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "node {args:?}:\n{text}");
    text
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("the copy can be made");
    for entry in fs::read_dir(from).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        fs::copy(&path, to.join(path.file_name().expect("it has a name"))).map(drop).unwrap_or_else(|_| {
            copy(&path, &to.join(path.file_name().expect("it has a name")));
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_is_built_and_does_what_its_readme_says() {
    let hearth = Hearth::start().await;
    let (sdk, folder) = (checkout().join("sdk"), hearth.folder().join("sdk"));
    assert!(sdk.join("node_modules").exists(), "run `make setup-tests`");
    fs::create_dir(&folder).expect("the folder can be written");
    for file in ["package.json", "tsconfig.json", "README.md"] {
        fs::copy(sdk.join(file), folder.join(file)).expect("the SDK has the file");
    }
    for below in ["src", "test"] {
        copy(&sdk.join(below), &folder.join(below));
    }
    symlink(sdk.join("node_modules"), folder.join("node_modules")).expect("the folder can be written");
    let document = command().arg("openapi").output().expect("the binary runs");
    fs::write(folder.join("openapi.json"), document.stdout).expect("the folder can be written");

    let generate = "node_modules/openapi-typescript/bin/cli.js";
    node(&hearth, &folder, &[generate, "openapi.json", "--output", "src/schema.ts"]).await;
    node(&hearth, &folder, &["node_modules/typescript/bin/tsc"]).await;
    node(&hearth, &folder, &["node_modules/typescript/bin/tsc", "--project", "test"]).await;
    // One after the other: they look at lists of all that there is.
    let mut tests = vec!["--test", "--test-concurrency=1"];
    tests.extend(["test/bindings.test.mjs", "test/manage.test.mjs", "test/readme.test.mjs"]);
    let tests = node(&hearth, &folder, &tests).await;
    assert!(tests.contains("# pass 16\n") || tests.contains("ℹ pass 16\n"), "{tests}");
}
