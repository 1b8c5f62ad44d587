//! Cloudflare's Pages by wrangler's own `pages` commands: `tests/apps/pages-*`, branches and their hosts, functions, secrets,
//! what production serves, tails, custom domains, and what is refused.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use hearth_testing::{Answer, Envelope, Form, Hearth, Project, Wrangler};
use http::{Request, header};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

const PROJECTS: &str = "/accounts/:a/pages/projects";
const PATIENCE: Duration = Duration::from_secs(60);

async fn run(project: &Project, args: &[&str]) -> String {
    project.wrangler(args).await.expect_ok()
}

/// `wrangler pages deploy`, to a branch; what it printed, and the host that it named.
async fn deploy(project: &Project, name: &str, branch: &str) -> (String, String) {
    let args = ["pages", "deploy", "public", "--project-name", name, "--branch", branch];
    let said = run(project, &args).await;
    let at = said.split_once("Take a peek over at http://").unwrap_or_else(|| panic!("no URL in {said}")).1;
    let host = at.split_whitespace().next().unwrap_or_default().to_owned();
    (said, host)
}

async fn make(hearth: &Hearth, name: &str) {
    let body = json!({"name": name, "production_branch": "main"});
    hearth.api("POST", PROJECTS, Some(body)).await.result();
}

async fn patch(hearth: &Hearth, name: &str, configs: Value) -> Envelope {
    hearth.api("PATCH", &format!("{PROJECTS}/{name}"), Some(json!({"deployment_configs": configs}))).await
}

async fn text(hearth: &Hearth, host: &str, path: &str) -> (u16, String) {
    let answer = hearth.get(host, path).await;
    (answer.status, answer.text())
}

fn said(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

async fn send(hearth: &Hearth, method: &str, host: &str, path: &str, body: &str) -> Answer {
    let request = Request::builder().method(method).uri(path).header(header::HOST, host);
    hearth.send(request.body(Bytes::from(body.to_owned())).expect("a request")).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_has_functions_and_files_and_each_branch_a_host() {
    let mut hearth = Hearth::start().await;
    let project = hearth.app("pages-site");
    let created = run(&project, &["pages", "project", "create", "site", "--production-branch", "main"]).await;
    assert!(created.contains("Successfully created the 'site' project"), "{created}");
    assert!(created.contains("site.pages.localhost:"), "{created}");
    let taken =
        project.wrangler(&["pages", "project", "create", "site", "--production-branch", "main"]).await;
    assert!(taken.expect_failure().contains("[code: 8000002]"));
    let (first, named) = deploy(&project, "site", "main").await;
    assert!(first.contains("Uploaded 6 files") && first.contains("Uploading Functions bundle"), "{first}");
    let host = hearth.host("site.pages");
    for host in [&host, &named] {
        let page = hearth.get(host, "/").await;
        assert_eq!((page.status, page.text().as_str()), (200, "<h1>home</h1>\n"));
        assert_eq!((page.header("x-all"), page.header("x-middleware")), ("yes", "/"));
        assert_eq!(page.header("access-control-allow-origin"), "*");
    }
    let moved = hearth.get(&host, "/about.html?a=b").await;
    assert_eq!((moved.status, moved.header("location")), (308, "/about?a=b"));
    let moved = hearth.get(&host, "/news/post").await;
    assert_eq!((moved.status, moved.header("location")), (302, "/blog/post"));
    assert_eq!(text(&hearth, &host, "/rewritten").await, said(200, "<h1>about</h1>\n"));
    assert_eq!(text(&hearth, &host, "/a/b").await, said(404, "<h1>none</h1>\n"));
    let blog = hearth.get(&host, "/blog/").await;
    assert_eq!((blog.header("x-blog"), blog.headers.get("referrer-policy")), ("", None));

    let hello = hearth.get(&host, "/api/hello").await;
    assert_eq!(hello.header("x-middleware"), "/api/hello");
    let hello = hello.json();
    assert_eq!(hello["functionPath"], "/api/hello");
    assert_eq!((&hello["CF_PAGES"], &hello["CF_PAGES_BRANCH"]), (&json!("1"), &json!("main")));
    assert_eq!(hello["CF_PAGES_URL"], format!("http://{named}"));
    let loud = send(&hearth, "POST", &host, "/api/hello", "loud").await;
    assert_eq!((loud.status, loud.text().as_str()), (201, "LOUD"));
    assert_eq!(hearth.get(&host, "/api/users/7").await.json(), json!({"id": "7"}));
    assert_eq!(hearth.get(&host, "/api/x/y").await.json(), json!({"rest": ["x", "y"]}));
    assert_eq!(hearth.get(&host, "/throws").await.status, 500);
    let passed = hearth.get(&host, "/blog").await;
    assert_eq!(
        (passed.status, passed.header("location"), passed.header("x-middleware")),
        (308, "/blog/", "")
    );

    // Only what is new is uploaded, and the line that would loop was passed over and is told.
    fs::write(project.path().join("public/style.css"), "body { color: blue }\n").expect("it can be written");
    let (second, _) = deploy(&project, "site", "main").await;
    assert!(second.contains("Uploaded 1 files (5 already uploaded)"), "{second}");
    assert_eq!(text(&hearth, &host, "/style.css").await, said(200, "body { color: blue }\n"));
    assert_eq!(text(&hearth, &named, "/style.css").await, said(200, "body { color: red }\n"));
    let listed = hearth.api("GET", &format!("{PROJECTS}/site/deployments"), None).await;
    let id = listed.result()[0]["id"].as_str().expect("an id").to_owned();
    let log = hearth.api("GET", &format!("{PROJECTS}/site/deployments/{id}/history/logs"), None).await;
    assert!(log.result()["data"].to_string().contains("Infinite loop"), "{:?}", log.result());

    // A branch has a host of its own, and production is as it was.
    fs::write(project.path().join("public/about.html"), "<h1>draft</h1>\n").expect("it can be written");
    let (_, draft) = deploy(&project, "site", "fix/api").await;
    let branch = hearth.host("fix-api.site.pages");
    for host in [&branch, &draft] {
        assert_eq!(text(&hearth, host, "/about").await, said(200, "<h1>draft</h1>\n"), "{host}");
    }
    assert_eq!(hearth.get(&branch, "/api/hello").await.json()["CF_PAGES_BRANCH"], "fix/api");
    assert_eq!(text(&hearth, &host, "/about").await, said(200, "<h1>about</h1>\n"));
    // A worker of the same name is another one.
    hearth.deploy("site", "export default { fetch: () => new Response('worker') }").await;
    assert_eq!(text(&hearth, &hearth.host("site"), "/").await, said(200, "worker"));

    hearth.kill().await;
    hearth.start_again().await;
    assert_eq!(text(&hearth, &branch, "/about").await, said(200, "<h1>draft</h1>\n"));
    assert_eq!(hearth.get(&host, "/api/users/8").await.json(), json!({"id": "8"}));

    let table = run(&project, &["pages", "deployment", "list", "--project-name", "site"]).await;
    assert!(table.contains("Production") && table.contains("fix/api"), "{table}");
    let table = run(&project, &["pages", "project", "list"]).await;
    assert!(table.contains("site.pages.localhost"), "{table}");
    let gone = run(&project, &["pages", "project", "delete", "site", "--yes"]).await;
    assert!(gone.contains("Successfully deleted site"), "{gone}");
    for host in [&host, &branch, &draft] {
        assert_eq!(hearth.get(host, "/").await.status, 404, "{host}");
    }
    assert_eq!(text(&hearth, &hearth.host("site"), "/").await, said(200, "worker"));
    let none = project.wrangler(&["pages", "deployment", "list", "--project-name", "site"]).await;
    assert!(none.expect_failure().contains("[code: 8000007]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_variables_are_each_environment_s_and_come_with_the_next_deployment() {
    let hearth = Hearth::start().await;
    let project = hearth.app("pages-site");
    make(&hearth, "vars").await;
    let variable = |text: &str| json!({"env_vars": {"GREETING": {"type": "plain_text", "value": text}}});
    patch(&hearth, "vars", json!({"production": variable("good day"), "preview": variable("hi")}))
        .await
        .result();
    let on = ["--project-name", "vars"];
    let put = project
        .wrangler_with_input(&[&["pages", "secret", "put", "SECRET"], &on[..]].concat(), "s3cret")
        .await;
    assert!(put.expect_ok().contains("Uploaded secret SECRET"));
    let bulk = r#"{"SECRET":"of previews","OTHER":"x"}"#;
    fs::write(project.path().join("secrets.json"), bulk).expect("it can be written");
    let bulk =
        run(&project, &[&["pages", "secret", "bulk", "secrets.json", "--env", "preview"], &on[..]].concat())
            .await;
    assert!(bulk.contains("2 secrets successfully uploaded"), "{bulk}");
    let listed = run(&project, &[&["pages", "secret", "list", "--env", "preview"], &on[..]].concat()).await;
    assert!(listed.contains("OTHER") && !listed.contains("of previews"), "{listed}");
    let shown = hearth.api("GET", &format!("{PROJECTS}/vars"), None).await;
    assert!(!shown.result().to_string().contains("s3cret"), "a secret is shown");

    deploy(&project, "vars", "main").await;
    let (_, preview) = deploy(&project, "vars", "next").await;
    let host = hearth.host("vars.pages");
    let seen = async |host: &str| {
        let hello = hearth.get(host, "/api/hello").await.json();
        (hello["GREETING"].clone(), hello["SECRET"].clone())
    };
    assert_eq!(seen(&host).await, (json!("good day"), json!("s3cret")));
    assert_eq!(seen(&preview).await, (json!("hi"), json!("of previews")));

    project
        .wrangler_with_input(&[&["pages", "secret", "delete", "SECRET"], &on[..]].concat(), "y")
        .await
        .expect_ok();
    assert_eq!(seen(&host).await.1, json!("s3cret"), "a deployment keeps what it was made with");
    // The same files once more, with what the environment is now.
    let newest = hearth.api("GET", &format!("{PROJECTS}/vars/deployments?env=production"), None).await;
    let id = newest.result()[0]["id"].as_str().expect("an id").to_owned();
    hearth.api("POST", &format!("{PROJECTS}/vars/deployments/{id}/retry"), None).await.result();
    assert_eq!(seen(&host).await, (json!("good day"), Value::Null));

    // Without `--force` wrangler keeps the file; what it writes is what the project is.
    let config = run(&project, &["pages", "download", "config", "vars", "--force"]).await;
    assert!(config.contains("Success"), "{config}");
    let config = fs::read_to_string(project.path().join("wrangler.toml")).expect("it was written");
    assert!(config.contains("GREETING = \"hi\"") && config.contains("GREETING = \"good day\""), "{config}");
    assert!(!config.contains("s3cret"), "{config}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_its_own_has_the_bindings_of_its_configuration_and_excluded_paths_never_wake_it() {
    let hearth = Hearth::start().await;
    let project = hearth.app("pages-worker");
    let made = run(&project, &["kv", "namespace", "create", "NOTES"]).await;
    let id =
        made.split_once("\"id\": \"").and_then(|(_, rest)| rest.split_once('"')).expect("an id").0.to_owned();
    project.edit("wrangler.jsonc", "NAMESPACE\" }],\n  \"env", &format!("{id}\" }}],\n  \"env"));
    project.edit("wrangler.jsonc", "NAMESPACE", &id);
    make(&hearth, "pages-worker").await;
    let secret = json!({"SECRET": {"type": "secret_text", "value": "s3cret"}});
    // What stands in the project gives way to the configuration; a secret has no other place.
    let plain = json!({"MODE": {"value": "of the project"}});
    patch(&hearth, "pages-worker", json!({"production": {"env_vars": plain}})).await.result();
    patch(&hearth, "pages-worker", json!({"production": {"env_vars": secret}})).await.result();
    let said_so = run(&project, &["pages", "deploy", "--branch", "main"]).await;
    assert!(
        said_so.contains("Uploading _routes.json") && said_so.contains("Uploading Worker bundle"),
        "{said_so}"
    );
    let host = hearth.host("pages-worker.pages");
    assert_eq!(text(&hearth, &host, "/data.json").await, said(200, "{\"static\":true}\n"));
    // It is the files' to say that there is nothing: an application of one page.
    assert_eq!(text(&hearth, &host, "/static/none").await, said(200, "<h1>application</h1>\n"));
    let probes = hearth.log().matches("cold=true").count();
    assert_eq!(probes, 0, "nothing was started for what is excluded");
    assert_eq!(hearth.get(&host, "/mode").await.json(), json!({"mode": "production", "secret": "s3cret"}));
    let page = hearth.get(&host, "/any/where").await;
    assert_eq!((page.text().as_str(), page.header("x-worker")), ("<h1>application</h1>\n", "1"));
    assert_eq!(send(&hearth, "PUT", &host, "/note", "remember").await.text(), "kept");
    assert_eq!(text(&hearth, &host, "/note").await, said(200, "remember"));
    let preview = run(&project, &["pages", "deploy", "--branch", "next"]).await;
    assert!(preview.contains("Deployment complete"), "{preview}");
    let next = hearth.host("next.pages-worker.pages");
    let answer = hearth.get(&next, "/mode").await;
    assert_eq!(answer.json(), json!({"mode": "preview", "secret": null}));
    assert_eq!(answer.header("x-robots-tag"), "noindex");
    assert_eq!(hearth.get(&host, "/mode").await.header("x-robots-tag"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn production_goes_back_and_what_serves_is_not_deleted() {
    let hearth = Hearth::start().await;
    let project = hearth.app("pages-worker");
    fs::remove_file(project.path().join("wrangler.jsonc")).expect("it is there");
    fs::remove_dir_all(project.path().join("public/_worker.js")).expect("it is there");
    make(&hearth, "past").await;
    let page = project.path().join("public/index.html");
    let mut ids = Vec::new();
    for (text, branch) in [("one", "main"), ("two", "main"), ("draft", "next"), ("draft two", "next")] {
        fs::write(&page, text).expect("it can be written");
        deploy(&project, "past", branch).await;
        let listed = hearth.api("GET", &format!("{PROJECTS}/past/deployments"), None).await;
        ids.push(listed.result()[0]["id"].as_str().expect("an id").to_owned());
    }
    let host = hearth.host("past.pages");
    assert_eq!(text(&hearth, &host, "/").await, said(200, "two"));
    let at = |id: &str, rest: &str| format!("{PROJECTS}/past/deployments/{id}{rest}");
    let back = hearth.api("POST", &at(&ids[0], "/rollback"), None).await;
    assert_eq!(back.result()["id"], ids[0].as_str());
    assert!(back.result()["aliases"].to_string().contains("past.pages.localhost"));
    assert_eq!(text(&hearth, &host, "/").await, said(200, "one"));
    let canonical = hearth.api("GET", &format!("{PROJECTS}/past"), None).await;
    assert_eq!(canonical.result()["canonical_deployment"]["id"], ids[0].as_str());
    assert_eq!(canonical.result()["latest_deployment"]["id"], ids[3].as_str());
    let preview = hearth.api("POST", &at(&ids[2], "/rollback"), None).await.error();
    assert!(preview.2.contains("preview"), "{preview:?}");

    let on = ["--project-name", "past"];
    let delete = async |id: &str, force: &[&str]| {
        project.wrangler(&[&["pages", "deployment", "delete", id], &on[..], force].concat()).await
    };
    let refused = delete(&ids[0], &["--force"]).await.expect_failure();
    assert!(refused.contains("[code: 8000034]"), "{refused}");
    let refused = hearth.api("DELETE", &at(&ids[3], ""), None).await.error();
    assert_eq!((refused.0, refused.1), (400, 8_000_035), "an alias leads to it");
    hearth.api("DELETE", &at(&ids[2], ""), None).await.result();
    delete(&ids[3], &["--force"]).await.expect_ok();
    let next = hearth.host("next.past.pages");
    assert_eq!(hearth.get(&next, "/").await.status, 404);
    delete(&ids[1], &["--force"]).await.expect_ok();
    let gone = hearth.api("GET", &at(&ids[1], ""), None).await.error();
    assert_eq!((gone.0, gone.1), (404, 8_000_009));
    assert_eq!(text(&hearth, &host, "/").await, said(200, "one"));

    // A custom domain is the project's until it is removed.
    let domains = format!("{PROJECTS}/past/domains");
    let added = hearth.api("POST", &domains, Some(json!({"name": "www.site.test"}))).await;
    assert_eq!(added.result()["status"], "active");
    assert_eq!(text(&hearth, "www.site.test", "/").await, said(200, "one"));
    let domain = format!("{domains}/www.site.test");
    assert_eq!(hearth.api("GET", &domain, None).await.result()["name"], "www.site.test");
    let ours = hearth.api("POST", &domains, Some(json!({"name": "x.pages.localhost"}))).await.error();
    assert!(ours.2.contains("x.pages.localhost"), "{ours:?}");
    hearth.api("DELETE", &domain, None).await.result();
    assert_eq!(hearth.get("www.site.test", "/").await.status, 404);
    assert_eq!(hearth.api("GET", &domains, None).await.result(), &json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn older_wranglers_deploy_too() {
    let hearth = Hearth::start().await;
    make(&hearth, "older").await;
    for wrangler in [Wrangler::V4Old, Wrangler::V3] {
        let project = hearth.app("pages-site").with(wrangler);
        fs::write(project.path().join("public/about.html"), format!("{wrangler:?}"))
            .expect("it can be written");
        let (_, host) = deploy(&project, "older", "main").await;
        assert_eq!(text(&hearth, &host, "/about").await, said(200, &format!("{wrangler:?}")));
        assert_eq!(hearth.get(&host, "/api/users/7").await.json(), json!({"id": "7"}), "{wrangler:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_s_tail_shows_that_deployment_alone() {
    let hearth = Hearth::start().await;
    let project = hearth.app("pages-site");
    make(&hearth, "seen").await;
    let (_, old) = deploy(&project, "seen", "main").await;
    deploy(&project, "seen", "main").await;
    let listed = hearth.api("GET", &format!("{PROJECTS}/seen/deployments"), None).await;
    let (id, older) = (&listed.result()[0]["id"], &listed.result()[1]["id"]);
    let (id, older) = (id.as_str().expect("an id"), older.as_str().expect("an id"));
    let args = ["pages", "deployment", "tail", id, "--project-name", "seen", "--format", "pretty"];
    let mut tail = project.command(&args);
    let mut tail =
        tail.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("wrangler");
    let mut lines = BufReader::new(tail.stdout.take().expect("it was piped")).lines();
    let mut until = async |text: &str| {
        let found = timeout(PATIENCE, async {
            let mut seen = String::new();
            while let Ok(Some(line)) = lines.next_line().await {
                seen.push_str(&line);
                if line.contains(text) {
                    return seen;
                }
            }
            panic!("the tail ended: {seen}");
        });
        found.await.unwrap_or_else(|_| panic!("no {text:?}"))
    };
    until("Connected to deployment").await;
    assert_eq!(hearth.get(&old, "/logs").await.status, 200);
    assert_eq!(text(&hearth, &hearth.host("seen.pages"), "/logs").await, said(200, "logged"));
    let seen = until("from the function").await;
    assert!(!seen.contains(&old), "another deployment's request is seen: {seen}");
    let _ = tail.start_kill();

    // And logs and counts know the project as what it is.
    let none =
        hearth.api("POST", &format!("{PROJECTS}/seen/deployments/{}/tails", "x"), Some(json!({}))).await;
    assert_eq!(none.error().0, 404);
    let made =
        hearth.api("POST", &format!("{PROJECTS}/seen/deployments/{older}/tails"), Some(json!({}))).await;
    let made = made.result()["id"].as_str().expect("an id").to_owned();
    let path = format!("{PROJECTS}/seen/deployments/{older}/tails/{made}");
    hearth.api("DELETE", &path, None).await.result();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_s_function_and_its_middleware() {
    let hearth = Hearth::start().await;
    let project = hearth.app("pages-guide");
    make(&hearth, "guide").await;
    deploy(&project, "guide", "main").await;
    let host = hearth.host("guide.pages");
    assert_eq!(text(&hearth, &host, "/").await, said(401, "who are you?"));
    let known = [("authorization", "Bearer x")];
    let page = hearth.get_with(&host, "/", &known).await;
    assert_eq!((page.text().as_str(), page.header("x-logged")), ("<h1>guide</h1>\n", "GET 200"));
    let api = hearth.get_with(&host, "/api/users/7", &known).await;
    assert_eq!(api.json(), json!({"pathname": "/api/users/7", "method": "GET", "user": "ann"}));
    assert_eq!(api.header("x-logged"), "GET 200");
    // `functions build` makes the same Worker without a server.
    let built = run(&project, &["pages", "functions", "build", "--outdir", "built"]).await;
    assert!(built.contains("Compiled Worker successfully"), "{built}");
    assert!(project.path().join("built/index.js").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_of_workers_sites_still_works() {
    let hearth = Hearth::start().await;
    let project = hearth.app("sites");
    let modules = hearth_testing::tests_folder("node_modules");
    std::os::unix::fs::symlink(modules, project.path().join("node_modules"))
        .expect("the project can be written");
    let first = run(&project, &["deploy"]).await;
    assert!(first.contains("Uploading 2 new assets"), "{first}");
    let host = hearth.host("sites");
    let page = hearth.get(&host, "/").await;
    assert_eq!((page.status, page.text().as_str()), (200, "<h1>sites</h1>\n"));
    assert!(page.header("content-type").starts_with("text/html"), "{:?}", page.headers);
    assert_eq!(text(&hearth, &host, "/folder/page.txt").await, said(200, "in a folder\n"));
    assert_eq!(text(&hearth, &host, "/secret.txt").await, said(404, "nothing"));
    fs::write(project.path().join("public/index.html"), "<h1>again</h1>\n").expect("it can be written");
    fs::remove_file(project.path().join("public/folder/page.txt")).expect("it is there");
    let second = run(&project, &["deploy"]).await;
    assert!(second.contains("Uploading 1 new asset"), "{second}");
    assert_eq!(text(&hearth, &host, "/").await, said(200, "<h1>again</h1>\n"));
    assert_eq!(text(&hearth, &host, "/folder/page.txt").await, said(404, "nothing"));
}

// ---- bad input ---------------------------------------------------------------------------------------------

/// A call with the token of an upload.
async fn with_token(hearth: &Hearth, token: &str, call: &str, body: &Value) -> (u16, Value) {
    let request = Request::post(format!("/client/v4/pages/assets/{call}"))
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Bytes::from(body.to_string()))
        .expect("a request");
    let answer = hearth.send(request).await.expect("an answer");
    (answer.status, answer.json())
}

async fn token(hearth: &Hearth, project: &str) -> String {
    let token = hearth.api("GET", &format!("{PROJECTS}/{project}/upload-token"), None).await;
    token.result()["jwt"].as_str().expect("a token").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_by_name() {
    let hearth = Hearth::start().await;
    for (name, says) in
        [("Upper", "lower-case"), ("a.b", "lower-case"), ("", "lower-case"), (&"a".repeat(59), "58")]
    {
        let refused = hearth.api("POST", PROJECTS, Some(json!({"name": name}))).await.error();
        assert!(refused.0 == 400 && refused.2.contains(says), "{name}: {refused:?}");
    }
    for name in ["site", "other"] {
        make(&hearth, name).await;
    }
    for (config, says) in [
        (json!({"production": {"ai_bindings": {"AI": {}}}}), "Workers AI"),
        (json!({"production": {"kv_namespaces": {"A": {}}}}), "namespace_id"),
        (json!({"production": {"env_vars": {"A": {"type": "secret_text"}}}}), "A"),
    ] {
        let refused = patch(&hearth, "site", config.clone()).await.error();
        assert!(refused.2.contains(says), "{config}: {refused:?}");
    }
    let none = hearth.api("GET", &format!("{PROJECTS}/absent"), None).await.error();
    assert_eq!((none.0, none.1), (404, 8_000_007));

    // Tokens.
    let (site, other) = (token(&hearth, "site").await, token(&hearth, "other").await);
    let hashes = json!({"hashes": ["a1"]});
    let forged = format!("{}x", &site[..site.len() - 1]);
    for (bad, what) in [(hearth.token(), "an API token"), ("", "none"), (&forged, "a changed one")] {
        for call in ["check-missing", "upload", "upsert-hashes"] {
            let (status, answer) = with_token(&hearth, bad, call, &hashes).await;
            assert_eq!((status, &answer["errors"][0]["code"]), (401, &json!(8_000_013)), "{what}: {call}");
        }
    }
    let api = hearth.api_raw("GET", PROJECTS, "application/json", Bytes::new(), Some(&site)).await;
    assert_eq!(api.error().0, 401, "the token of an upload is good for nothing else");
    assert_eq!(with_token(&hearth, &site, "check-missing", &hashes).await.1["result"], json!(["a1"]));
    let content =
        json!([{"key": "a1", "value": "aGVsbG8=", "metadata": {"contentType": "text/html"}, "base64": true}]);
    assert_eq!(with_token(&hearth, &site, "upload", &content).await.0, 200);
    assert_eq!(with_token(&hearth, &site, "check-missing", &hashes).await.1["result"], json!([]));
    assert_eq!(
        with_token(&hearth, &other, "check-missing", &hashes).await.1["result"],
        json!(["a1"]),
        "a word is its project's own"
    );
    for (bad, says) in [
        (json!([{"key": "../../etc", "value": "", "base64": true}]), "hash"),
        (json!([{"key": "a2", "value": "no base64!", "base64": true}]), "base64"),
        (json!({"key": "a2"}), "list"),
    ] {
        let (status, answer) = with_token(&hearth, &site, "upload", &bad).await;
        let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(status == 400 && message.contains(says), "{bad}: {answer}");
    }

    // Deployments.
    let deploy = async |project: &str, fields: &[(&str, &str)]| {
        let form =
            fields.iter().fold(Form::default(), |form, (name, text)| form.part(name, "text/plain", text));
        hearth.api_form("POST", &format!("{PROJECTS}/{project}/deployments"), form.finish()).await
    };
    let page = r#"{"/index.html":"a1"}"#;
    let long = "b".repeat(300);
    for (fields, says) in [
        (vec![("branch", "main")], "manifest"),
        (vec![("manifest", "no JSON")], "manifest"),
        (vec![("manifest", r#"{"/index.html":"a1","/b.html":"b2","/c.html":"b2"}"#)], "/b.html, /c.html"),
        (vec![("manifest", r#"{"/../secrets.key":"a1"}"#)], "`..`"),
        (vec![("manifest", page), ("branch", &long)], "branch"),
        (
            vec![("manifest", page), ("_routes.json", r#"{"version":1,"include":["api"],"exclude":[]}"#)],
            "api",
        ),
        (vec![("manifest", page), ("_worker.bundle", "nothing of the kind")], "_worker.bundle"),
        (vec![("manifest", page), ("_worker.js", "export default {")], "SyntaxError"),
    ] {
        let refused = deploy("site", &fields).await.error();
        assert!(refused.0 == 400 && refused.2.contains(says), "{says}: {refused:?}");
    }
    let listed = hearth.api("GET", &format!("{PROJECTS}/site/deployments"), None).await;
    assert_eq!(listed.result(), &json!([]), "nothing came of all that");
    assert_eq!(deploy("absent", &[("manifest", page)]).await.error().1, 8_000_007);
    let foreign = deploy("other", &[("manifest", page)]).await.error();
    assert!(foreign.2.contains("/index.html"), "another project's word is none: {foreign:?}");

    deploy("site", &[("manifest", page), ("branch", "日本")]).await.result();
    let made = deploy("site", &[("manifest", page)]).await;
    assert_eq!(
        (&made.result()["environment"], &made.result()["uses_functions"]),
        (&json!("production"), &json!(false))
    );
    assert_eq!(text(&hearth, &hearth.host("site.pages"), "/any").await, said(200, "hello"));
    // What was there before is not wanted by any other page.
    hearth.api("DELETE", &format!("{PROJECTS}/site"), None).await.result();
    let (status, answer) = with_token(&hearth, &site, "check-missing", &hashes).await;
    assert_eq!((status, &answer["errors"][0]["code"]), (401, &json!(8_000_013)), "its project is gone");
}
