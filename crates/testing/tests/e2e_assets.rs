//! Static assets, `tests/apps/assets`: what wrangler uploads, what is served without the worker, what a version keeps, and
//! what is refused.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_testing::{Answer, BOUNDARY, Form, Hearth, Options, Project, Wrangler};
use http::{Request, header};
use serde_json::{Value, json};

const SESSION: &str = "/accounts/:a/workers/scripts/raw/assets-upload-session";

async fn deploy(project: &Project) -> String {
    project.wrangler(&["deploy"]).await.expect_ok()
}

fn write(project: &Project, file: &str, text: impl AsRef<[u8]>) {
    let path = project.path().join("public").join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
    fs::write(path, text).expect("the project can be written");
}

async fn text(hearth: &Hearth, host: &str, path: &str) -> (u16, String) {
    let answer = hearth.get(host, path).await;
    (answer.status, answer.text())
}

fn said(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

// ---- wrangler ----------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_uploads_what_is_new_and_serves_what_is_there() {
    let mut hearth = Hearth::start().await;
    let project = hearth.app("assets");
    let host = hearth.host("assets");
    let first = deploy(&project).await;
    assert!(first.contains("Found 4 new or modified static assets"), "{first}");
    let page = hearth.get(&host, "/").await;
    assert_eq!((page.status, page.text().as_str()), (200, "<h1>home</h1>\n"));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "public, max-age=0, must-revalidate");
    assert!(page.header("etag").starts_with('"'), "{:?}", page.headers);
    let known = hearth.get_with(&host, "/", &[("if-none-match", page.header("etag"))]).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(text(&hearth, &host, "/nothing").await, said(200, "worker GET /nothing"));
    let moved = hearth.get(&host, "/blog?a=b").await;
    assert_eq!((moved.status, moved.header("location")), (307, "/blog/?a=b"));

    // What the binding gives, and by which URL.
    assert_eq!(text(&hearth, &host, "/made").await, said(200, "<H1>BLOG</H1>\n"));
    let through = hearth.get(&host, "/through/style.css").await;
    assert_eq!((through.text().as_str(), through.header("x-through")), ("body { color: red }\n", "1"));
    assert_eq!(text(&hearth, &host, "/through/none.css").await, said(404, ""));

    write(&project, "style.css", "body { color: blue }\n");
    fs::remove_file(project.path().join("public/blog/index.html")).expect("it is there");
    let second = deploy(&project).await;
    assert!(second.contains("Found 1 new or modified static asset"), "{second}");
    assert_eq!(text(&hearth, &host, "/style.css").await, said(200, "body { color: blue }\n"));
    assert_eq!(text(&hearth, &host, "/blog/").await, said(200, "worker GET /blog/"));
    let third = deploy(&project).await;
    assert!(third.contains("No updated asset files to upload"), "{third}");

    hearth.kill().await;
    hearth.start_again().await;
    assert_eq!(text(&hearth, &host, "/style.css").await, said(200, "body { color: blue }\n"));
    assert_eq!(text(&hearth, &host, "/through/kept.txt").await, said(200, "unchanged\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_has_its_own_files() {
    let hearth = Hearth::start().await;
    let project = hearth.app("assets");
    let host = hearth.host("assets");
    deploy(&project).await;
    write(&project, "style.css", "second");
    let upload = project.wrangler(&["versions", "upload", "--preview-alias", "next"]).await.expect_ok();
    assert!(upload.contains("Found 1 new"), "{upload}");
    let next = hearth.host("next-assets");
    let first = "body { color: red }\n";
    assert_eq!(text(&hearth, &next, "/style.css").await, said(200, "second"));
    assert_eq!(text(&hearth, &next, "/through/style.css").await, said(200, "second"));
    assert_eq!(text(&hearth, &host, "/style.css").await, said(200, first));

    let list = hearth.api("GET", "/accounts/:a/workers/scripts/assets/versions", None).await;
    let id = |index: usize| list.result()["items"][index]["id"].as_str().expect("an id").to_owned();
    let (new, old) = (id(0), id(1));
    let halves = [format!("{old}@50%"), format!("{new}@50%")];
    project.wrangler(&["versions", "deploy", &halves[0], &halves[1], "-y"]).await.expect_ok();
    for (version, expected) in [(&old, first), (&new, "second")] {
        let wanted = format!("assets=\"{version}\"");
        let header = [("cloudflare-workers-version-overrides", wanted.as_str())];
        assert_eq!(hearth.get_with(&host, "/style.css", &header).await.text(), expected);
    }
    project.wrangler(&["versions", "deploy", &format!("{new}@100%"), "-y"]).await.expect_ok();
    assert_eq!(text(&hearth, &host, "/style.css").await, said(200, "second"));
    project.wrangler(&["rollback", &old, "-y"]).await.expect_ok();
    assert_eq!(text(&hearth, &host, "/style.css").await, said(200, first));

    // A secret makes a version of the newest one, with its files and its binding.
    project.wrangler(&["versions", "deploy", &format!("{new}@100%"), "-y"]).await.expect_ok();
    project.wrangler_with_input(&["secret", "put", "S"], "s3cret").await.expect_ok();
    assert_eq!(text(&hearth, &host, "/style.css").await, said(200, "second"));
    assert_eq!(text(&hearth, &host, "/through/style.css").await, said(200, "second"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_runs_first_where_it_is_said_so() {
    let hearth = Hearth::start().await;
    let project = hearth.app("assets");
    let host = hearth.host("assets");
    let binding = "\"binding\": \"ASSETS\"";
    project.edit("wrangler.jsonc", binding, &format!("{binding}, \"run_worker_first\": true"));
    deploy(&project).await;
    assert_eq!(text(&hearth, &host, "/style.css").await, said(200, "worker GET /style.css"));
    assert_eq!(text(&hearth, &host, "/through/style.css").await, said(200, "body { color: red }\n"));
    project.edit(
        "wrangler.jsonc",
        "\"run_worker_first\": true",
        "\"run_worker_first\": [\"/*\", \"!/blog/*\"]",
    );
    deploy(&project).await;
    assert_eq!(text(&hearth, &host, "/style.css").await, said(200, "worker GET /style.css"));
    assert_eq!(text(&hearth, &host, "/blog/").await, said(200, "<h1>blog</h1>\n"));
    assert_eq!(text(&hearth, &host, "/blog/none").await, said(404, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_alone_are_a_worker_too_under_every_wrangler() {
    let hearth = Hearth::start().await;
    for (wrangler, name) in
        [(Wrangler::Current, "alone"), (Wrangler::V4Old, "alone-old"), (Wrangler::V3, "alone-three")]
    {
        let project = hearth.app("assets").with(wrangler);
        project.edit("wrangler.jsonc", "  \"main\": \"src/index.js\",\n", "");
        project.edit("wrangler.jsonc", "\"name\": \"assets\"", &format!("\"name\": \"{name}\""));
        project.edit("wrangler.jsonc", ", \"binding\": \"ASSETS\"", ", \"not_found_handling\": \"404-page\"");
        write(&project, "404.html", "<h1>none</h1>\n");
        deploy(&project).await;
        let host = hearth.host(name);
        assert_eq!(text(&hearth, &host, "/").await, said(200, "<h1>home</h1>\n"), "{name}");
        assert_eq!(text(&hearth, &host, "/a/b").await, said(404, "<h1>none</h1>\n"), "{name}");
        let post = Request::post("/").header(header::HOST, &host).body(Bytes::from("x")).expect("a request");
        assert_eq!(hearth.send(post).await.expect("an answer").status, 405, "{name}");
    }
    let runs = hearth.log().matches("cold=true").count();
    assert_eq!(runs, 0, "nothing was started for files");

    // Another worker reaches it by a service binding.
    let source = "export default { fetch(request, env) { return env.FILES.fetch(new URL('/style.css', request.url)); } };";
    let metadata = json!({
        "main_module": "index.js", "compatibility_date": "2026-01-01",
        "bindings": [{ "name": "FILES", "type": "service", "service": "alone" }]
    });
    let form = Form::default().metadata(&metadata.to_string());
    let form = form.part("index.js", "application/javascript+module", source);
    hearth.upload("caller", form.finish()).await.result();
    let subdomain = "/accounts/:a/workers/scripts/caller/subdomain";
    hearth.api("POST", subdomain, Some(json!({ "enabled": true }))).await.result();
    assert_eq!(text(&hearth, &hearth.host("caller"), "/").await, said(200, "body { color: red }\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_do_not_hold_refuse_the_deploy() {
    let hearth = Hearth::start().await;
    let project = hearth.app("assets");
    write(&project, "_redirects", "/* /index.html 200\n");
    let failed = project.wrangler(&["deploy"]).await.expect_failure();
    assert!(failed.contains("Invalid _redirects configuration") && failed.contains("100324"), "{failed}");
    write(&project, "_redirects", "/old /blog/ 301\n");
    write(&project, "_headers", "/style.css\n  X-Made: here\n");
    deploy(&project).await;
    let host = hearth.host("assets");
    let moved = hearth.get(&host, "/old").await;
    assert_eq!((moved.status, moved.header("location")), (301, "/blog/"));
    assert_eq!(hearth.get(&host, "/style.css").await.header("x-made"), "here");
}

// ---- how files are sent ------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn files_are_compressed_once_cut_to_size_and_guarded() {
    let hearth = Hearth::start().await;
    let project = hearth.app("assets");
    let large: String = (0..60_000).map(|n| format!("line {n}\n")).collect();
    let blob: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    write(&project, "large.txt", &large);
    write(&project, "blob.bin", &blob);
    deploy(&project).await;
    let host = hearth.host("assets");

    let folder = hearth.data().join("assets");
    for (coding, extension) in [("br", "br"), ("gzip", "gz"), ("zstd", "zst")] {
        let ask = async || hearth.get_with(&host, "/large.txt", &[("accept-encoding", coding)]).await;
        let mut seen = Vec::new();
        // The first one is compressed as it goes; then there is a file.
        loop {
            let answer = ask().await;
            assert_eq!(
                (answer.header("content-encoding"), answer.header("vary")),
                (coding, "Accept-Encoding")
            );
            assert!(answer.header("etag").starts_with("W/"), "other bytes have a weak tag");
            seen.push(answer.header("content-length").to_owned());
            if !answer.header("content-length").is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(files(&folder, extension), 1, "{coding} {seen:?}");
    }
    assert_eq!(hearth.get(&host, "/large.txt").await.text(), large);
    let head = Request::head("/large.txt").header(header::HOST, &host).body(Bytes::new()).expect("a request");
    let head = hearth.send(head).await.expect("an answer");
    assert_eq!((head.header("content-length"), head.body.len()), (large.len().to_string().as_str(), 0));

    let whole = hearth.get(&host, "/blob.bin").await;
    assert!(whole.body[..] == blob[..]);
    let ranged = async |range: &str| hearth.get_with(&host, "/blob.bin", &[("range", range)]).await;
    for (range, begin, end) in [
        ("bytes=0-9", 0, 10),
        ("bytes=2999990-", 2_999_990, 3_000_000),
        ("bytes=1000000-2000000", 1_000_000, 2_000_001),
    ] {
        let part = ranged(range).await;
        assert_eq!(part.status, 206, "{range}");
        assert!(part.body[..] == blob[begin..end], "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {begin}-{}/3000000", end - 1));
    }
    assert_eq!(ranged("bytes=3000000-").await.status, 416);

    // An access rule holds for files as for the worker.
    let access = "/accounts/:a/workers/scripts/assets/hearth/access";
    hearth.api("PUT", access, Some(json!({ "rule": "token" }))).await.result();
    assert_eq!(hearth.get(&host, "/style.css").await.status, 401);
    assert_eq!(hearth.get(&hearth.host("none"), "/style.css").await.status, 404);
}

/// Files below a folder whose names end so.
fn files(folder: &Path, extension: &str) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.path() {
            path if path.is_dir() => files(&path, extension),
            path => usize::from(path.extension().is_some_and(|found| found == extension)),
        })
        .sum()
}

// ---- uploads without wrangler ------------------------------------------------------------------------------

/// As wrangler makes it.
fn hash(content: &[u8], extension: &str) -> String {
    blake3::hash((STANDARD.encode(content) + extension).as_bytes()).to_hex()[..32].to_owned()
}

async fn session(hearth: &Hearth, files: &[(&str, &[u8])]) -> Value {
    let entry = |(path, content): &(&str, &[u8])| {
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        ((*path).to_owned(), json!({ "hash": hash(content, extension), "size": content.len() }))
    };
    let manifest: serde_json::Map<String, Value> = files.iter().map(entry).collect();
    hearth.api("POST", SESSION, Some(json!({ "manifest": manifest }))).await.result().clone()
}

async fn upload(hearth: &Hearth, token: &str, parts: &[(&str, String)]) -> Answer {
    let mut form = Form::default();
    for (name, content) in parts {
        form = form.part(name, "text/plain", content.clone());
    }
    let body = form.finish();
    let content_type = format!("multipart/form-data; boundary={}", BOUNDARY);
    let path = format!("/client/v4/accounts/{}/workers/assets/upload?base64=true", hearth.account());
    let request = Request::post(path)
        .header(header::HOST, format!("localhost:{}", hearth.address().port()))
        .header(header::CONTENT_TYPE, content_type)
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    hearth.send(request.body(body).expect("a request")).await.expect("an answer")
}

async fn single(hearth: &Hearth, token: &str, name: &str, content: &[u8]) -> Answer {
    let path = format!("/client/v4/accounts/{}/workers/assets/upload/{name}", hearth.account());
    let request = Request::post(path)
        .header(header::HOST, format!("localhost:{}", hearth.address().port()))
        .header(header::CONTENT_TYPE, "application/null")
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    let body = Bytes::copy_from_slice(content);
    hearth.send(request.body(body).expect("a request")).await.expect("an answer")
}

fn code(answer: &Answer) -> (u16, i64) {
    (answer.status, answer.json()["errors"][0]["code"].as_i64().unwrap_or_default())
}

async fn script(hearth: &Hearth, assets: Value) -> hearth_testing::Envelope {
    let metadata = json!({ "assets": assets, "compatibility_date": "2026-01-01" });
    hearth.upload("raw", Form::default().metadata(&metadata.to_string()).finish()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_uploads_are_refused_and_good_ones_go_on() {
    let hearth = Hearth::start().await;
    let (one, two): (&[u8], &[u8]) = (b"one", b"two, without a type");
    let begun = session(&hearth, &[("/one.txt", one), ("/two", two)]).await;
    let token = begun["jwt"].as_str().expect("a token").to_owned();
    let (first, second) = (hash(one, "txt"), hash(two, ""));
    assert_eq!(begun["buckets"], json!([[first, second]]));

    let nobody = hearth.api_raw("POST", SESSION, "application/json", Bytes::from("{}"), None).await;
    assert_eq!(nobody.error().0, 401);
    // Nothing but the session's own token opens it, and its token opens nothing else.
    for bad in ["", "a.b.c", hearth.token(), &format!("{token}x")] {
        assert_eq!(upload(&hearth, bad, &[]).await.status, 401, "{bad}");
    }
    let list = hearth
        .api_raw("GET", "/accounts/:a/workers/scripts", "application/json", Bytes::new(), Some(&token))
        .await;
    assert_eq!(list.error().0, 401);
    let elsewhere = format!("/client/v4/accounts/{}/workers/assets/upload/{first}", "0".repeat(32));
    let request =
        Request::post(elsewhere).header(header::HOST, format!("localhost:{}", hearth.address().port()));
    let request = request.header(header::AUTHORIZATION, format!("Bearer {token}")).body(Bytes::from("one"));
    assert_eq!(hearth.send(request.expect("a request")).await.expect("an answer").status, 401);

    // What is not what its hash says, was not announced, or is too large.
    for (name, content) in [
        (first.as_str(), "other".to_owned()),
        (&hash(b"x", ""), STANDARD.encode("x")),
        (&first, "no base64!".to_owned()),
        ("../../../etc/passwd", STANDARD.encode("x")),
    ] {
        assert_eq!(
            code(&upload(&hearth, &token, &[(name, content.clone())]).await),
            (400, 10021),
            "{name} {content}"
        );
    }
    assert_eq!(code(&single(&hearth, &token, &first, &vec![0; (25 << 20) + 1]).await), (413, 10027));
    assert_eq!(code(&single(&hearth, &token, &first, b"wrong").await), (400, 10021));
    for (path, size) in [("/../a", 1), ("a", 1), ("/a", (25 << 20) + 1)] {
        let manifest = json!({ "manifest": { path: { "hash": first, "size": size } } });
        let (status, code, message) = hearth.api("POST", SESSION, Some(manifest)).await.error();
        assert_eq!((status, code), (400, 10021), "{message}");
    }

    // A bucket that is missing: there is no token that makes a version, and the session's own does not.
    let part = upload(&hearth, &token, &[(&first, STANDARD.encode(one))]).await;
    assert_eq!((part.status, part.json()["result"]["jwt"].is_null()), (202, true));
    let (status, _, message) = script(&hearth, json!({ "jwt": token })).await.error();
    assert!(status == 400 && message.contains("assets.jwt"), "{message}");
    // Both forms complete it.
    let last = single(&hearth, &token, &second, two).await;
    assert_eq!(last.status, 201);
    let complete = last.json()["result"]["jwt"].as_str().expect("a token").to_owned();
    assert_eq!(upload(&hearth, &complete, &[]).await.status, 401, "it uploads nothing");

    for (config, says) in [
        (json!({ "base_path": "https://x" }), "base_path"),
        (json!({ "run_worker_first": true }), "no Worker script"),
        (json!({ "html_handling": "other" }), "assets"),
        (json!({ "_redirects": "/a /b\n/a /c" }), "Line 2"),
        (json!({ "_redirects": format!("/a /{}", "b".repeat(2000)) }), "2000"),
        (json!({ "_headers": "/a\n  Content-Length: 1" }), "content-length"),
    ] {
        let (status, _, message) =
            script(&hearth, json!({ "jwt": complete, "config": config })).await.error();
        assert!(status == 400 && message.contains(says), "{says}: {message}");
    }
    script(&hearth, json!({ "jwt": complete, "config": { "base_path": "/sub" } })).await.result();
    let subdomain = "/accounts/:a/workers/scripts/raw/subdomain";
    hearth.api("POST", subdomain, Some(json!({ "enabled": true }))).await.result();
    let host = hearth.host("raw");
    let answer = hearth.get(&host, "/sub/two").await;
    assert_eq!(
        (answer.status, answer.body.as_ref(), answer.headers.contains_key("content-type")),
        (200, two, false)
    );
    assert_eq!(hearth.get(&host, "/two").await.status, 404);
    for path in
        ["/sub/../../etc/passwd", "/sub/%2e%2e/%2e%2e/etc/passwd", "/sub/..%2f..%2fhearth.db", "/sub/%00"]
    {
        assert_eq!(hearth.get(&host, path).await.status, 404, "{path}");
    }

    // The token is for this worker alone, and what is there need not come again.
    let metadata = json!({ "assets": { "jwt": complete } }).to_string();
    let other = hearth.upload("other", Form::default().metadata(&metadata).finish()).await;
    assert!(other.error().2.contains("assets.jwt"));
    let again = session(&hearth, &[("/renamed.txt", one)]).await;
    assert_eq!(again["buckets"], json!([]));
    let kept = json!({ "keep_assets": true, "compatibility_date": "2026-01-01" }).to_string();
    hearth.upload("raw", Form::default().metadata(&kept).finish()).await.result();
    assert_eq!(hearth.get(&host, "/sub/one.txt").await.text(), "one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_counts_files_and_a_backup_has_them() {
    let config = "[storage]\naccount-quota-mb = 1\n".to_owned();
    let mut hearth = Hearth::start_with(Options { config, ..Options::default() }).await;
    let (small, large) = (vec![1; 600 << 10], vec![2; 600 << 10]);
    let put = async |hearth: &Hearth, path: &str, content: &[u8]| {
        let begun = session(hearth, &[(path, content)]).await;
        let token = begun["jwt"].as_str().expect("a token").to_owned();
        single(hearth, &token, &hash(content, "bin"), content).await
    };
    let done = put(&hearth, "/small.bin", &small).await;
    assert_eq!(done.status, 201);
    let jwt = done.json()["result"]["jwt"].clone();
    script(&hearth, json!({ "jwt": jwt })).await.result();
    let subdomain = "/accounts/:a/workers/scripts/raw/subdomain";
    hearth.api("POST", subdomain, Some(json!({ "enabled": true }))).await.result();
    assert_eq!(put(&hearth, "/large.bin", &large).await.status, 507);

    let archive = hearth.folder().join("assets.hearth");
    let archive = archive.to_str().expect("the path is UTF-8").to_owned();
    assert!(hearth.operator(&["backup", &archive]).contains("written"));
    hearth.kill().await;
    fs::rename(hearth.data(), hearth.folder().join("lost")).expect("the data folder can be moved");
    assert!(hearth.operator(&["restore", &archive]).contains("is as it was at 20"));
    hearth.start_again().await;
    assert!(hearth.get(&hearth.host("raw"), "/small.bin").await.body[..] == small[..]);
    assert_eq!(put(&hearth, "/large.bin", &large).await.status, 507, "what is there is counted again");
}
