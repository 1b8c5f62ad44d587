//! Static assets as the assets service of workerd's tools has them: the same requests to `wrangler dev` and to Hearth, over
//! the same folder, `tests/apps/assets-like`, in each mode of `html_handling`.

use std::net::SocketAddr;

use hearth_testing::{Answer, Dev, Findings, Hearth, Project, Question};

/// What is asked in every mode.
const PATHS: [&str; 79] = [
    "/",
    "/index",
    "/index.html",
    "/index/",
    "/index/index.html",
    "/index/page",
    "/index/page.html",
    "/about",
    "/about/",
    "/about.html",
    "/about/index",
    "/about/index.html",
    "/about.html/",
    "/about//",
    "/blog",
    "/blog/",
    "/blog/index",
    "/blog/index.html",
    "/blog.html",
    "/blog/index/",
    "/blog/post",
    "/blog/post/",
    "/blog/post.html",
    "/blog/post/index",
    "/blog/none",
    "/blog/none/",
    "/blog/a/b/c",
    "/blog/404",
    "/blog/404.html",
    "/both",
    "/both/",
    "/both.html",
    "/both/index",
    "/both/index.html",
    "/deep",
    "/deep/",
    "/deep/er",
    "/deep/er/",
    "/deep/er/page",
    "/deep/er/page.html",
    "/deep/er/none",
    "/app",
    "/data.json",
    "/data.json/",
    "/data",
    "/style.css?v=1",
    "/noextension",
    "/noextension/",
    "/empty.txt",
    "/image.svg",
    "/with%20space/a%20file.txt",
    "/with+space/a+file.txt",
    "/with space",
    "/%C3%BC.txt",
    "/%c3%bc.txt",
    "/%E6%97%A5%E6%9C%AC",
    "/%E6%97%A5%E6%9C%AC.html",
    "/dir.with.dots/file.tar.gz",
    "/.well-known/thing",
    "/100%25.txt",
    "/100%.txt",
    "/a%2Bb%26c.txt",
    "/a+b&c.txt",
    "/(p)'!.txt",
    "/%28p%29'!.txt",
    "/404",
    "/404.html",
    "/nowhere",
    "/nowhere/",
    "/nowhere.html?x=1",
    "/ABOUT",
    "/a%62out",
    "/blog%2Fpost",
    "/blog/../about",
    "/blog/%2e%2e/about",
    "/..%2f..%2fetc/passwd",
    "//about",
    "/blog//post",
    "/%zz",
];

/// What rules are about, asked in the first mode.
const RULES: [&str; 30] = [
    "/old",
    "/old?a=b",
    "/old/",
    "/old-permanent",
    "/old-307",
    "/old-308",
    "/old-303",
    "/with-query",
    "/with-query?a=b",
    "/with-fragment",
    "/with-fragment?a=b",
    "/outside",
    "/outside?a=b",
    "/outside-query",
    "/outside-query?a=b",
    "/rewritten",
    "/rewritten-nowhere",
    "/rewritten-html",
    "/slashes",
    "/app.js",
    "/%C3%BCber",
    "/news/post",
    "/news/",
    "/news",
    "/moved/2026/post",
    "/moved/2026/post/x",
    "/proxy/post",
    "/users/7?a=b",
    "/late",
    "/news//other.test",
];

type Headers = &'static [(&'static str, &'static str)];

/// Headers and methods, on some paths, asked in every mode.
const VARIED: [(&str, &str, Headers); 28] = [
    ("HEAD", "/about", &[]),
    ("HEAD", "/", &[]),
    ("HEAD", "/nowhere", &[]),
    ("POST", "/about", &[]),
    ("PUT", "/", &[]),
    ("OPTIONS", "/image.svg", &[]),
    ("DELETE", "/nowhere", &[]),
    ("POST", "/old", &[]),
    ("GET", "/image.svg", &[("if-none-match", "ETAG")]),
    ("GET", "/image.svg", &[("if-none-match", "W/ETAG")]),
    ("GET", "/image.svg", &[("if-none-match", "\"other\"")]),
    ("GET", "/image.svg", &[("if-modified-since", "Thu, 01 Jan 2099 00:00:00 GMT")]),
    ("GET", "/image.svg", &[("authorization", "Bearer x")]),
    ("GET", "/image.svg", &[("if-none-match", "\"other\", ETAG")]),
    ("GET", "/image.svg", &[("range", "bytes=0-3")]),
    ("GET", "/nowhere", &[("sec-fetch-mode", "navigate")]),
    ("GET", "/blog/none", &[("sec-fetch-mode", "navigate")]),
    ("GET", "/nowhere", &[("sec-fetch-mode", "cors")]),
    ("GET", "/through/about.html", &[]),
    ("GET", "/through/blog/none", &[]),
    ("GET", "/_image?href=//other.test/page", &[]),
    ("GET", "/_image?href=//other.test/page", &[("sec-fetch-dest", "image")]),
    ("GET", "/_image?href=/own.png", &[]),
    ("GET", "/_next/image?url=https://other.test/page&as=text/html", &[]),
    ("GET", "/_next/image?url=https://other.test/page&as=text/html", &[("sec-fetch-dest", "image")]),
    ("GET", "/_next/image?url=https://other.test/page&as=image/png", &[]),
    ("GET", "/_next/image?url=/own.png&as=text/html", &[]),
    ("POST", "/deep/_next/image?url=x&as=text/html", &[("sec-fetch-dest", "image")]),
];

/// Where Hearth answers something else, and why.
const DIFFERENCES: [(&str, &str); 2] = [
    (
        "GET /image.svg if-none-match=\"other\", ETAG",
        "a list of tags is read as a list (RFC 9110); the service knows one alone",
    ),
    ("GET /image.svg range=bytes=0-3", "a range is answered with the part; the service gives everything"),
];

fn asked(first: bool) -> Vec<Question> {
    let mut all: Vec<Question> = PATHS.iter().map(|path| Question::get(path)).collect();
    if first {
        all.extend(RULES.iter().map(|path| Question::get(path)));
    }
    all.extend(VARIED.iter().map(|(method, path, headers)| Question {
        method,
        path: (*path).to_owned(),
        headers,
    }));
    all
}

/// What both must have in common: not who they are, nor how bytes are framed.
fn essence(answer: &Answer, own: &str) -> Vec<String> {
    let mut lines = vec![format!("status {}", answer.status)];
    for name in ["location", "content-type", "cache-control", "link"] {
        let value = answer.header(name).replace(own, "<own>");
        lines.push(format!("{name}: {value}"));
    }
    for name in ["x-all", "x-blog", "x-data", "x-name", "x-elsewhere", "x-worker"] {
        let values: Vec<&str> =
            answer.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        lines.push(format!("{name}: {}", values.join(", ")));
    }
    lines.push(format!("etag: {}", answer.headers.contains_key("etag")));
    lines.push(format!("body: {}", answer.text()));
    lines
}

async fn tag(address: SocketAddr, host: &str, base: &str) -> String {
    let image = Question::get(&format!("{base}/image.svg"));
    image.ask(address, host, "").await.expect("a plain request").header("etag").to_owned()
}

/// Holds one against the other.
async fn compare(findings: &mut Findings, hearth: &Hearth, dev: &Dev, name: &str, first: bool, base: &str) {
    let (own, theirs) = (hearth.host(name), format!("localhost:{}", dev.address().port()));
    let (own_tag, their_tag) =
        (tag(hearth.address(), &own, base).await, tag(dev.address(), &theirs, base).await);
    for mut asked in asked(first) {
        let known = DIFFERENCES.iter().any(|(difference, _)| *difference == asked.name());
        asked.path = match asked.path.strip_prefix("/through/") {
            Some(rest) => format!("/through{base}/{rest}"),
            None => format!("{base}{}", asked.path),
        };
        let Some(here) = asked.ask(hearth.address(), &own, &own_tag).await else { continue };
        let there = asked.ask(dev.address(), &theirs, &their_tag).await.expect("the same request");
        let named = format!("{name} {}", asked.name());
        findings.note(&named, known, &essence(&here, &own), &essence(&there, &theirs));
    }
}

/// The app in one mode.
async fn mode(hearth: &Hearth, name: &str, html: &str, more: &str) -> (Project, Dev) {
    let project = hearth.app("assets-like");
    project.edit("wrangler.jsonc", "\"name\": \"assets-like\"", &format!("\"name\": \"{name}\""));
    project.edit("wrangler.jsonc", "\"auto-trailing-slash\"", &format!("\"{html}\""));
    project.edit("wrangler.jsonc", "\"not_found_handling\": \"none\"", more);
    project.wrangler(&["deploy"]).await.expect_ok();
    let dev = project.dev().await;
    (project, dev)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_as_by_workerds_assets_service() {
    let hearth = Hearth::start().await;
    let mut findings = Findings::default();
    for (name, html, more, base) in [
        ("like-auto", "auto-trailing-slash", "\"not_found_handling\": \"none\"", ""),
        ("like-force", "force-trailing-slash", "\"not_found_handling\": \"404-page\"", ""),
        (
            "like-drop",
            "drop-trailing-slash",
            "\"not_found_handling\": \"single-page-application\", \"run_worker_first\": [\"/through/*\", \"/blog/*\", \"!/blog/post*\"]",
            "",
        ),
        ("like-none", "none", "\"not_found_handling\": \"404-page\", \"base_path\": \"/base\"", "/base"),
    ] {
        let (_project, dev) = mode(&hearth, name, html, more).await;
        compare(&mut findings, &hearth, &dev, name, name == "like-auto", base).await;
    }
    findings.expect(300);
}
