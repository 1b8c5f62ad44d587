//! `hearth init`, `deploy`, `env` and `vars`, as a person uses them.

use hearth_testing::Hearth;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_made_deployed_and_given_variables() {
    let hearth = Hearth::start().await;
    let folder = hearth.folder().join("person");
    std::fs::create_dir(&folder).expect("a folder");
    let run = |args: &[&str], input: &str| hearth.person(&folder, args, input);
    let good = |args: &[&str]| {
        let (success, text) = run(args, "");
        assert!(success, "{args:?}: {text}");
        text
    };
    let bad = |args: &[&str], says: &str| {
        let (success, text) = run(args, "");
        assert!(!success && text.contains(says), "{args:?}: {text}");
    };

    let templates: Value = serde_json::from_str(&good(&["init", "--list", "--json"])).expect("JSON");
    assert_eq!(templates.as_array().map(Vec::len), Some(6));
    good(&["init", "hello"]);
    bad(&["init", "hello"], "not empty");
    bad(&["init", "other", "--template", "none"], "`none`");
    bad(&["init", "a b"], "Invalid worker name");

    bad(&["env", "use", "test"], "`test`");
    let url = format!("http://localhost:{}", hearth.address().port());
    good(&["env", "add", "test", "--url", &url, "--token", hearth.token()]);
    good(&["env", "add", "nowhere", "--url", "http://localhost:1"]);
    let listed = good(&["env", "list", "--json"]);
    assert!(!listed.contains(hearth.token()), "no token is shown");
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!((&listed[1]["name"], &listed[1]["current"]), (&json!("test"), &json!(true)));

    assert!(good(&["deploy", "hello"]).contains(&format!("http://{}", hearth.host("hello"))));
    assert_eq!(hearth.get(&hearth.host("hello"), "/").await.text(), "Hello World from /\n");
    bad(&["deploy", "hello", "--env", "nowhere"], "no answer");
    good(&["init", "typed", "--template", "typescript"]);
    bad(&["deploy", "typed"], "wrangler");
    assert!(good(&["types", "typed", "--output", "-"]).contains("\"GREETING\": string;"));
    bad(&["deploy", "."], "wrangler.jsonc");

    let source = "export default { fetch: (request, env) => Response.json(env) }";
    std::fs::write(folder.join("hello/src/index.js"), source).expect("the file is there");
    good(&["deploy", "hello"]);
    good(&["vars", "set", "hello", "LEVEL=debug", "REGION=eu=1"]);
    let (success, text) = run(&["vars", "set", "hello", "KEY", "--secret"], "hidden\n");
    assert!(success, "{text}");
    let seen = hearth.get(&hearth.host("hello"), "/").await.json();
    assert_eq!(seen, json!({"KEY": "hidden", "LEVEL": "debug", "REGION": "eu=1"}));
    let listed = good(&["vars", "list", "hello", "--json"]);
    assert!(!listed.contains("hidden") && listed.contains("\"KEY\""), "{listed}");
    good(&["vars", "set", "hello", "LEVEL=info"]);
    good(&["vars", "delete", "hello", "REGION"]);
    let seen = hearth.get(&hearth.host("hello"), "/").await.json();
    assert_eq!(seen, json!({"KEY": "hidden", "LEVEL": "info"}));
    bad(&["vars", "delete", "hello", "REGION"], "REGION");
    bad(&["vars", "set", "hello", "KEY=open", "--secret"], "input");
    bad(&["vars", "list", "nobody"], "does not exist");

    good(&["env", "remove", "test"]);
    bad(&["deploy", "hello", "--env", "test"], "`test`");
}
