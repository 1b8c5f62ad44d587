//! The files of Pages as `wrangler pages dev` serves them: the same requests there and to Hearth, over one folder, that of
//! `tests/apps/assets-like`, with and without a `404.html` at its top.

use std::fs;
use std::net::SocketAddr;

use hearth_testing::{Answer, Dev, Findings, Hearth, Project, Question};
use serde_json::json;

/// What is asked of both sites.
#[rustfmt::skip]
const PATHS: [&str; 84] = [
    "/", "/index", "/index.html", "/index/", "/index/index.html", "/index/page", "/index/page.html",
    "/about", "/about/", "/about.html", "/about.html?a=b", "/about/index", "/about/index.html", "/about.html/",
    "/blog", "/blog?a=b", "/blog/", "/blog/index", "/blog/index.html", "/blog.html", "/blog/index/", "/blog/post",
    "/blog/post/", "/blog/post.html", "/blog/none", "/blog/none/", "/blog/a/b/c", "/blog/404", "/blog/404.html",
    "/both", "/both/", "/both.html", "/both/index", "/both/index.html", "/deep", "/deep/", "/deep/er", "/deep/er/",
    "/deep/er/page", "/deep/er/page.html", "/deep/er/none", "/app", "/app.js", "/data.json", "/data.json/", "/data",
    "/style.css?v=1", "/noextension", "/noextension/", "/empty.txt", "/image.svg", "/with%20space/a%20file.txt",
    "/%C3%BC.txt", "/%c3%bc.txt", "/%E6%97%A5%E6%9C%AC", "/%E6%97%A5%E6%9C%AC.html", "/dir.with.dots/file.tar.gz",
    "/100%25.txt", "/a+b&c.txt", "/(p)'!.txt", "/404", "/404.html", "/nowhere", "/nowhere/", "/nowhere.html?x=1", "/ABOUT",
    "/a%62out", "/blog/../about", "/blog/%2e%2e/about",
    "/old", "/old?a=b", "/old-permanent", "/old-307", "/old-308", "/old-303", "/with-query?a=b", "/with-fragment",
    "/outside?a=b", "/rewritten", "/rewritten-nowhere", "/news/post", "/moved/2026/post", "/proxy/post", "/users/7?a=b",
];

/// Headers of a request.
type Headers = &'static [(&'static str, &'static str)];

/// Methods and headers.
const VARIED: [(&str, &str, Headers); 12] = [
    ("HEAD", "/about", &[]),
    ("HEAD", "/nowhere", &[]),
    ("POST", "/about", &[]),
    ("PUT", "/nowhere", &[]),
    ("OPTIONS", "/image.svg", &[]),
    ("POST", "/old", &[]),
    ("GET", "/image.svg", &[("if-none-match", "ETAG")]),
    ("GET", "/image.svg", &[("if-none-match", "W/ETAG")]),
    ("GET", "/image.svg", &[("if-none-match", "\"other\"")]),
    ("GET", "/image.svg", &[("authorization", "Bearer x")]),
    ("GET", "/nowhere", &[("sec-fetch-mode", "navigate")]),
    ("GET", "/blog/none", &[("sec-fetch-mode", "cors")]),
];

/// Where Hearth answers something else, and why.
const DIFFERENCES: [(&str, &str); 5] = [
    ("GET /about.html/", "the simulator opens a file as a folder and fails: 502"),
    ("GET /data.json/", "as above"),
    ("GET /noextension/", "as above"),
    (
        "GET /image.svg if-none-match=ETAG",
        "a 304 says what the 200 says, as RFC 9110 wants it; the simulator's says nothing",
    ),
    ("GET /image.svg if-none-match=W/ETAG", "as above"),
];

fn asked() -> impl Iterator<Item = Question> {
    let varied =
        VARIED.iter().map(|(method, path, headers)| Question { method, path: (*path).to_owned(), headers });
    PATHS.iter().map(|path| Question::get(path)).chain(varied)
}

/// What both must have in common: not who they are, nor how bytes are framed.
fn essence(answer: &Answer, own: &str) -> Vec<String> {
    let mut lines = vec![format!("status {}", answer.status)];
    // A redirect's body is for people who read it; here there is none.
    let leads = (300..400).contains(&answer.status) && answer.status != 304;
    for name in [
        "location",
        "content-type",
        "cache-control",
        "access-control-allow-origin",
        "referrer-policy",
        "x-content-type-options",
        "x-all",
        "x-blog",
        "x-data",
        "x-name",
    ] {
        if leads && matches!(name, "content-type" | "x-content-type-options") {
            continue;
        }
        let values: Vec<&str> =
            answer.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        lines.push(format!("{name}: {}", values.join(", ").replace(own, "<own>")));
    }
    if !leads {
        lines.push(format!("body: {}", answer.text()));
    }
    lines
}

async fn compare(findings: &mut Findings, hearth: &Hearth, dev: &Dev, name: &str) {
    let (own, theirs) =
        (hearth.host(&format!("{name}.pages")), format!("localhost:{}", dev.address().port()));
    let (own_tag, their_tag) = (tag(hearth.address(), &own).await, tag(dev.address(), &theirs).await);
    for asked in asked() {
        let known = DIFFERENCES.iter().any(|(difference, _)| *difference == asked.name());
        let here = asked.ask(hearth.address(), &own, &own_tag).await.expect("a request");
        let there = asked.ask(dev.address(), &theirs, &their_tag).await.expect("a request");
        let named = format!("{name} {}", asked.name());
        findings.note(&named, known, &essence(&here, &own), &essence(&there, &theirs));
    }
}

async fn tag(address: SocketAddr, host: &str) -> String {
    Question::get("/image.svg").ask(address, host, "").await.expect("a request").header("etag").to_owned()
}

/// The folder without what makes it a Worker.
fn site(hearth: &Hearth) -> Project {
    let project = hearth.app("assets-like");
    fs::remove_file(project.path().join("wrangler.jsonc")).expect("it is there");
    fs::remove_dir_all(project.path().join("src")).expect("it is there");
    project
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_answered_as_by_wrangler_pages_dev() {
    let hearth = Hearth::start().await;
    let mut findings = Findings::default();
    for name in ["with-page", "application"] {
        let project = site(&hearth);
        if name == "application" {
            fs::remove_file(project.path().join("public/404.html")).expect("it is there");
        }
        let body = json!({"name": name, "production_branch": "main"});
        hearth.api("POST", "/accounts/:a/pages/projects", Some(body)).await.result();
        let args = ["pages", "deploy", "public", "--project-name", name, "--branch", "main"];
        project.wrangler(&args).await.expect_ok();
        let dev = project.pages_dev("public").await;
        compare(&mut findings, &hearth, &dev, name).await;
    }
    findings.expect(2 * (PATHS.len() + VARIED.len()));
}
