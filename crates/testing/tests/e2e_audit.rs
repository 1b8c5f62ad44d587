//! Who changed what: every kind of change is written down with what was there before and after, and no secret is.

mod second_account;

use bytes::Bytes;
use hearth_testing::{Browser, Hearth, Options, tests_folder};
use second_account::second_account;
use serde_json::{Value, json};

/// Texts that must not be found anywhere in the log's file.
const SECRETS: [&str; 12] = [
    "secret-of-wrangler",
    "secret-of-the-sdk",
    "secret-in-bulk",
    "secret-of-a-binding",
    "content-of-a-key",
    "content-of-an-object",
    "content-of-a-row",
    "content-of-a-message",
    "secret-of-a-project",
    "secret-of-a-function",
    "code-of-a-function",
    "no-token-of-anybody",
];

struct Audited {
    hearth: Hearth,
    /// Secrets that were given out.
    given: Vec<String>,
}

impl Audited {
    async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        self.hearth.api(method, path, Some(body)).await.result().clone()
    }

    /// The entries of the default account, the oldest first.
    async fn entries(&self, narrowed: &str) -> Vec<Value> {
        let path = format!("/accounts/:a/audit_logs?direction=asc&per_page=1000{narrowed}");
        self.hearth.api("GET", &path, None).await.result().as_array().expect("a list").clone()
    }

    /// What the newest entry of an operation says was there before and after.
    async fn change(&self, operation: &str) -> (Value, Value) {
        let found = self.entries(&format!("&action.type={operation}")).await;
        let entry = found.last().unwrap_or_else(|| panic!("{operation} is missing"));
        assert_eq!(entry["action"]["result"], true, "{entry}");
        (entry["oldValueJson"].clone(), entry["newValueJson"].clone())
    }

    fn holds_no_secret(&self) {
        assert!(holds(&self.hearth, "deployWorker"), "the file is another one");
        for secret in SECRETS.iter().copied().chain(self.given.iter().map(String::as_str)) {
            assert!(!holds(&self.hearth, secret), "{secret} is in the log");
        }
    }
}

/// Whether a text stands anywhere in the log's file as it lies on the disk, or in its write-ahead log.
fn holds(hearth: &Hearth, text: &str) -> bool {
    let read = |name: &str| std::fs::read(hearth.data().join(name)).unwrap_or_default();
    let raw = [read("audit.db"), read("audit.db-wal")].concat();
    raw.windows(text.len()).any(|window| window == text.as_bytes())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_change_is_written_down_without_secrets() {
    let mut audited = Audited { hearth: Hearth::start().await, given: Vec::new() };
    // A worker, by wrangler.
    let project = audited.hearth.app("plain");
    project.wrangler(&["deploy"]).await.expect_ok();
    let first = audited.change("deployWorker").await;
    assert!(first.0.is_null() && first.1[0]["percentage"] == 100, "{first:?}");
    project.wrangler(&["deploy"]).await.expect_ok();
    // Of a worker that is there, it uploads a version and deploys that.
    let (before, after) = audited.change("deployVersions").await;
    assert_eq!(before, first.1, "a deploy is a change of versions");
    assert_eq!(after[0]["version_id"], audited.change("uploadVersion").await.1);
    project.wrangler_with_input(&["secret", "put", "KEY"], "secret-of-wrangler").await.expect_ok();
    let (before, after) = audited.change("putSecret").await;
    assert_eq!((before, text(&after[0], "name")), (json!([]), "KEY"));
    let entry = audited.entries("&action.type=putSecret").await.remove(0);
    assert!(text(&entry["metadata"], "user_agent").starts_with("wrangler/"), "{entry}");
    assert_eq!(text(&entry["actor"], "ip"), "127.0.0.1");
    assert!(text(&entry["metadata"], "token_id").len() > 8 && text(&entry["actor"], "email").contains('@'));

    let script = "/accounts/:a/workers/scripts/plain";
    let bulk = json!({"BULK": {"type": "secret_text", "name": "BULK", "text": "secret-in-bulk"}});
    audited.call("PATCH", &format!("{script}/secrets-bulk"), json!({"secrets": bulk})).await;
    audited.change("changeSecrets").await;
    audited.call("PUT", &format!("{script}/schedules"), json!([{"cron": "0 3 * * *"}])).await;
    let (before, after) = audited.change("replaceSchedules").await;
    assert_eq!((&before["schedules"], text(&after["schedules"][0], "cron")), (&json!([]), "0 3 * * *"));
    let binding = json!({"type": "secret_text", "name": "BOUND", "text": "secret-of-a-binding"});
    let settings = json!({"bindings": [binding, {"type": "inherit", "name": "KEY"}]});
    let form = hearth_testing::Form::default();
    let form = form.part("settings", "application/json", settings.to_string()).finish();
    audited.hearth.api_form("PATCH", &format!("{script}/settings"), form).await.result();
    audited.change("changeSettings").await;

    // Tokens: what is given out once is not kept.
    let access = audited.call("POST", &format!("{script}/hearth/tokens"), json!({"name": "ci"})).await;
    audited.given.push(text(&access, "token").to_owned());
    assert_eq!(text(&audited.change("createAccessToken").await.1, "name"), "ci");
    let groups = audited.hearth.api("GET", "/user/tokens/permission_groups", None).await;
    let named = |group: &&Value| group["name"] == "Workers R2 Storage Write";
    let group = groups.result().as_array().expect("groups").iter().find(named).expect("it is there").clone();
    let resource = format!("com.cloudflare.api.account.{}", audited.hearth.account());
    let policy =
        json!({"effect": "allow", "permission_groups": [{"id": group["id"]}], "resources": {resource: "*"}});
    let token = audited.call("POST", "/accounts/:a/tokens", json!({"name": "t", "policies": [policy]})).await;
    audited.given.push(text(&token, "value").to_owned());
    assert_eq!(audited.change("createAccountToken").await.1["id"], token["id"]);
    let path = format!("/accounts/:a/tokens/{}", text(&token, "id"));
    audited.hearth.api("DELETE", &path, None).await.result();
    let (before, after) = audited.change("deleteAccountToken").await;
    assert_eq!((text(&before, "name"), after), ("t", Value::Null));

    // Data: the calls, not what was in them.
    let namespace = audited.call("POST", "/accounts/:a/storage/kv/namespaces", json!({"title": "one"})).await;
    let namespace = format!("/accounts/:a/storage/kv/namespaces/{}", text(&namespace, "id"));
    audited.call("PUT", &namespace, json!({"title": "two"})).await;
    let (before, after) = audited.change("renameKVNamespace").await;
    assert_eq!((text(&before, "title"), text(&after, "title")), ("one", "two"));
    let put = async |path: String, content: &'static str| {
        let token = Some(audited.hearth.token());
        audited
            .hearth
            .api_raw("PUT", &path, "application/octet-stream", Bytes::from(content), token)
            .await
            .result();
    };
    put(format!("{namespace}/values/k"), "content-of-a-key").await;
    audited.call("POST", "/accounts/:a/r2/buckets", json!({"name": "kept"})).await;
    put("/accounts/:a/r2/buckets/kept/objects/o".to_owned(), "content-of-an-object").await;
    let database = audited.call("POST", "/accounts/:a/d1/database", json!({"name": "kept"})).await;
    let query = format!("/accounts/:a/d1/database/{}/query", text(&database, "uuid"));
    audited.call("POST", &query, json!({"sql": "SELECT 'content-of-a-row'"})).await;
    let queue = audited.call("POST", "/accounts/:a/queues", json!({"queue_name": "kept"})).await;
    let messages = format!("/accounts/:a/queues/{}/messages", text(&queue, "queue_id"));
    audited.call("POST", &messages, json!({"body": "content-of-a-message"})).await;
    for operation in ["writeKVValue", "writeObject", "queryD1", "sendMessage"] {
        let mut found = audited.entries(&format!("&action.type={operation}")).await;
        // They may be written a moment later.
        for _ in 0..50 {
            if !found.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            found = audited.entries(&format!("&action.type={operation}")).await;
        }
        assert!(found[0]["oldValue"].is_null() && found[0]["newValue"].is_null(), "{operation}: {found:?}");
    }

    // Settings of other kinds, and of the installation.
    let variables = json!({"SECRET": {"type": "secret_text", "value": "secret-of-a-project"}});
    let environment = json!({"production": {"env_vars": variables}});
    let project = json!({"name": "site", "production_branch": "main", "deployment_configs": environment});
    audited.call("POST", "/accounts/:a/pages/projects", project).await;
    assert_eq!(text(&audited.change("createPagesProject").await.1, "name"), "site");
    let function = json!({
        "name": "routed", "code": "export const handler = () => 'code-of-a-function'",
        "env": {"SECRET": "secret-of-a-function"},
    });
    let made = reqwest(&audited.hearth, "POST", "/api/functions", &function).await;
    assert_eq!(made, 201);
    let (_, after) = audited.change("createRoutedFunction").await;
    assert_eq!((text(&after, "name"), text(&after["env"], "SECRET")), ("routed", "(redacted)"));
    let account = json!({"id": audited.hearth.account()});
    let zone = audited.call("POST", "/zones", json!({"name": "audited.test", "account": account})).await;
    let routes = format!("/zones/{}/workers/routes", text(&zone, "id"));
    audited.call("POST", &routes, json!({"pattern": "audited.test/*", "script": "plain"})).await;
    assert_eq!(text(&audited.change("createRoute").await.1, "pattern"), "audited.test/*");
    audited.call("PUT", "/accounts/:a/hearth/quotas", json!({"workers": 40})).await;
    let (before, after) = audited.change("replaceQuotas").await;
    assert_eq!((&before["workers"]["limit"], &after["workers"]["limit"]), (&Value::Null, &json!(40)));
    audited.call("PUT", "/installation/egress", json!({"allow": [{"net": "10.9.0.0/16"}]})).await;
    assert!(audited.entries("&action.type=replaceInstallationEgress").await.is_empty(), "it is no account's");
    let whole = audited.hearth.api("GET", "/installation/audit_logs", None).await;
    assert_eq!(text(&whole.result()[0]["action"], "type"), "replaceInstallationEgress");
    assert_eq!(whole.result()[0]["newValueJson"]["allow"][0]["net"], "10.9.0.0/16");

    // What failed, and what was refused.
    audited
        .hearth
        .api("POST", &routes, Some(json!({"pattern": "http://?", "script": "plain"})))
        .await
        .error();
    let failed = audited.entries("&action.type=createRoute").await.pop().expect("it is there");
    assert_eq!(
        (&failed["action"]["result"], text(&failed["metadata"], "outcome")),
        (&json!(false), "failure")
    );
    let (path, body) = (format!("{script}/schedules"), Bytes::from_static(b"[]"));
    let refused = audited.hearth.api_raw("PUT", &path, "", body, Some("no-token-of-anybody")).await;
    assert_eq!(refused.error().0, 401);
    let mut last = Value::Null;
    for _ in 0..50 {
        last = audited.entries("&action.type=replaceSchedules").await.pop().expect("it is there");
        if last["metadata"]["outcome"] == "refused" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!((text(&last["metadata"], "outcome"), &last["actor"]["email"]), ("refused", &Value::Null));

    let printed = audited.hearth.operator(&["audit", "--action", "deployWorker"]);
    assert!(printed.lines().count() == 1 && printed.contains("scripts plain"), "{printed}");
    let sdk = tests_folder("package.json").display().to_string();
    let seen =
        audited.hearth.app("clients").env("SDK_FROM", Some(&sdk)).node(&["audit.mjs"]).await.expect_ok();
    let seen: Value = serde_json::from_str(&seen).expect("the script prints JSON");
    assert_eq!(seen["first"], seen["second"], "both see every entry once");
    assert!(seen["first"].as_array().is_some_and(|all| all.len() > 15), "{seen}");
    assert_eq!(seen["deploys"].as_array().map(Vec::len), Some(1));
    audited.holds_no_secret();

    // What was answered is there after a crash, and in a backup.
    audited.call("PUT", &format!("{script}/schedules"), json!([{"cron": "0 4 * * *"}])).await;
    audited.hearth.kill().await;
    audited.hearth.start_again().await;
    let (before, after) = audited.change("replaceSchedules").await;
    assert_eq!(text(&before["schedules"][0], "cron"), "0 3 * * *");
    assert_eq!(text(&after["schedules"][0], "cron"), "0 4 * * *");
    let archive = audited.hearth.folder().join("all.hearth");
    let archive = archive.to_str().expect("the path is UTF-8");
    assert!(audited.hearth.operator(&["backup", archive]).contains("written"));
    audited.hearth.stop().await;
    std::fs::remove_dir_all(audited.hearth.data()).expect("the data folder can be removed");
    let _ = audited.hearth.operator(&["restore", archive]);
    audited.hearth.start_again().await;
    assert_eq!(audited.change("replaceSchedules").await, (before, after));
    audited.holds_no_secret();
}

async fn reqwest(hearth: &Hearth, method: &str, path: &str, body: &Value) -> u16 {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", format!("localhost:{}", hearth.address().port()))
        .header("authorization", format!("Bearer {}", hearth.token()))
        .body(Bytes::from(body.to_string()))
        .expect("a request");
    hearth.send(request).await.expect("an answer").status
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_sees_its_own_entries_and_nobody_elses() {
    let config = "[audit]\nretention-days = 30\nmax-mb = 1\n".to_owned();
    let mut hearth = Hearth::start_with(Options { config, ..Options::default() }).await;
    let second = second_account(&mut hearth).await;
    let own = format!("/accounts/{}", second.id);
    let as_second = async |method: &str, path: &str, body: &str| {
        let body = Bytes::from(body.to_owned());
        hearth.api_raw(method, path, "", body, Some(&second.token)).await
    };
    as_second("POST", &format!("{own}/queues"), "{\"queue_name\": \"theirs\"}").await.result();
    hearth.api("POST", "/accounts/:a/queues", Some(json!({"queue_name": "mine"}))).await.result();
    // A stranger's attempt is the business of whom it was aimed at.
    assert_eq!(as_second("POST", "/accounts/:a/queues", "{\"queue_name\": \"x\"}").await.error().0, 403);
    let theirs = as_second("GET", &format!("{own}/audit_logs"), "").await;
    let kinds = |envelope: &hearth_testing::Envelope| -> Vec<(String, bool)> {
        let entries = envelope.result().as_array().expect("a list").clone();
        let of = |entry: &Value| {
            let action = &entry["action"];
            (action["type"].as_str().expect("an operation").to_owned(), action["result"] == true)
        };
        entries.iter().map(of).collect()
    };
    let created = |done: bool| ("createQueue".to_owned(), done);
    assert_eq!(kinds(&theirs), [created(true)]);
    assert!(!theirs.result().to_string().contains("mine"));
    let mine = hearth.api("GET", "/accounts/:a/audit_logs", None).await;
    assert_eq!(kinds(&mine), [created(false), created(true)]);
    assert_eq!(mine.result()[0]["actor"]["email"], "t@x.test");
    for path in ["/accounts/:a/audit_logs", "/accounts/:a/logs/audit", "/installation/audit_logs"] {
        assert_eq!(as_second("GET", path, "").await.error().0, 403, "{path}");
        let nobody = hearth.api_raw("GET", path, "", Bytes::new(), None).await;
        assert_eq!(nobody.error().0, 401, "{path}");
    }
    let path = format!("{own}/audit_logs?since=yesterday");
    assert_eq!(as_second("GET", &path, "").await.error().0, 400);
}

const PASSWORD: &str = "correct horse battery";

/// Somebody who was invited, in a browser that is signed in, and what the invitation was.
async fn person<'a>(hearth: &'a Hearth, email: &str, more: &[&str]) -> (Browser<'a>, String) {
    let link = hearth.operator(&[&["users", "add", email], more].concat());
    let invitation = link.trim().rsplit('/').next().expect("it is a URL").to_owned();
    let mut browser = Browser::new(hearth);
    let accepted = json!({"secret": invitation, "password": PASSWORD});
    assert_eq!(browser.call("POST", "/api/invitation/accept", Some(accepted)).await.status, 200);
    (browser, invitation)
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_and_administrators_read_it_and_what_a_person_did_bears_their_name() {
    let hearth = Hearth::start().await;
    let paths =
        ["audit_logs", "logs/audit"].map(|below| format!("/client/v4/accounts/{}/{below}", hearth.account()));
    for (role, status) in [("viewer", 403), ("developer", 403), ("admin", 200)] {
        let email = format!("{role}@corp.test");
        let (mut browser, _) = person(&hearth, &email, &["--role", role]).await;
        for path in &paths {
            assert_eq!(browser.call("GET", path, None).await.status, status, "{role} {path}");
        }
        let queues = format!("/client/v4/accounts/{}/queues", hearth.account());
        let made = browser.call("POST", &queues, Some(json!({"queue_name": role}))).await;
        assert_eq!(made.status == 200, role != "viewer", "{role}: {}", made.text());
    }
    let log = hearth.api("GET", "/accounts/:a/audit_logs?direction=asc&action.type=createQueue", None).await;
    let seen = |entry: &Value| {
        assert!(entry["actor"]["id"].is_string(), "{entry}");
        let (actor, outcome) = (&entry["actor"], &entry["metadata"]["outcome"]);
        (text(actor, "email").to_owned(), text(actor, "type").to_owned(), outcome.clone())
    };
    let seen: Vec<_> = log.result().as_array().expect("a list").iter().map(seen).collect();
    let by = |role: &str, outcome: &str| (format!("{role}@corp.test"), "user".to_owned(), json!(outcome));
    assert_eq!(seen, [by("viewer", "refused"), by("developer", "success"), by("admin", "success")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_is_written_down_by_who_it_was_or_who_was_tried() {
    let hearth = Hearth::start().await;
    let (mut browser, invitation) = person(&hearth, "ann@corp.test", &[]).await;
    assert_eq!(browser.call("GET", "/client/v4/installation/audit_logs", None).await.status, 403);
    let sign_in = |password: &str| json!({"email": "ann@corp.test", "password": password});
    let wrong = Browser::new(&hearth).call("POST", "/api/session", Some(sign_in("a wrong one"))).await;
    assert_eq!(wrong.status, 401);
    let mut phone = Browser::new(&hearth);
    assert_eq!(phone.call("POST", "/api/session", Some(sign_in(PASSWORD))).await.status, 200);
    let cookie = phone.cookie().expect("it is signed in").to_owned();
    assert_eq!(phone.call("DELETE", "/api/session", None).await.status, 200);
    let mut seen = Vec::new();
    for _ in 0..50 {
        let all = hearth.api("GET", "/installation/audit_logs?direction=asc", None).await;
        let of = |entry: &Value| {
            let (actor, action) = (&entry["actor"], &entry["action"]);
            (
                text(action, "type").to_owned(),
                action["result"] == true,
                actor["type"].clone(),
                actor["email"].clone(),
            )
        };
        seen = all.result().as_array().expect("a list").iter().map(of).collect();
        if seen.len() == 6 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let ann = json!("ann@corp.test");
    let by_ann =
        |operation: &str, done: bool, kind: &str| (operation.to_owned(), done, json!(kind), ann.clone());
    assert_eq!((seen[0].0.as_str(), seen[1].0.as_str()), ("addPerson", "invitePerson"), "{seen:?}");
    assert_eq!(seen[2], by_ann("acceptInvitation", true, "user"));
    assert_eq!(seen[3], by_ann("signInByPassword", false, "unknown"));
    assert_eq!(seen[4], by_ann("signInByPassword", true, "user"));
    assert_eq!((seen[5].0.as_str(), &seen[5].3), ("signOut", &ann));
    for secret in [PASSWORD, "a wrong one", invitation.as_str(), cookie.as_str()] {
        assert!(!holds(&hearth, secret), "{secret} is in the log");
    }
}
