//! Every kind of host that there is asks before anything is answered: Pages, functions of each dialect, static assets, previews,
//! custom domains, WebSockets.

use bytes::Bytes;
use hearth_testing::{Hearth, Project};
use http::{Request, header};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::{APPS, HTML, everyone, person, policy, protect, sign_in};

/// A host and a path, with what it answers to whom nobody stops.
type Way = (String, &'static str, u16);

async fn status(hearth: &Hearth, (host, path, _): &Way) -> u16 {
    hearth.get(host, path).await.status
}

/// Each way is open; with an application at each domain, none is; and afterwards each is again.
async fn guards(hearth: &Hearth, ways: &[Way], domains: &[&str]) {
    for way in ways {
        assert_eq!(status(hearth, way).await, way.2, "{way:?} before");
    }
    let mut made = Vec::new();
    for domain in domains {
        made.push(protect(hearth, domain, json!([policy("allow", everyone())])).await);
    }
    for way in ways {
        assert_eq!(status(hearth, way).await, 401, "{way:?} is answered past {domains:?}");
    }
    for app in made {
        let id = app["id"].as_str().expect("an id");
        hearth.api("DELETE", &format!("{APPS}/{id}"), None).await.result();
    }
    for way in ways {
        assert_eq!(status(hearth, way).await, way.2, "{way:?} afterwards");
    }
}

/// Calls the control host with the admin token.
async fn call(hearth: &Hearth, path: &str, body: Value) {
    let request = Request::post(path)
        .header(header::HOST, format!("localhost:{}", hearth.address().port()))
        .header(header::AUTHORIZATION, format!("Bearer {}", hearth.token()))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Bytes::from(body.to_string()))
        .expect("a request");
    let answer = hearth.send(request).await.expect("an answer");
    assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.text());
}

/// Whether a WebSocket opens, or the status that it gets.
async fn upgrade(hearth: &Hearth, host: &str) -> u16 {
    let request = format!("ws://{host}/").into_client_request().expect("a request");
    let stream = tokio::net::TcpStream::connect(hearth.address()).await.expect("the server listens");
    match tokio_tungstenite::client_async(request, stream).await {
        Ok(_) => 101,
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{host}: {error}"),
    }
}

/// `wrangler pages deploy`; the host that it names.
async fn pages(project: &Project, branch: &str) -> String {
    let args = ["pages", "deploy", "public", "--project-name", "site", "--branch", branch];
    let said = project.wrangler(&args).await.expect_ok();
    let at = said.split_once("Take a peek over at http://").unwrap_or_else(|| panic!("no URL in {said}")).1;
    at.split_whitespace().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_projects_ask_at_each_of_their_hosts() {
    let hearth = Hearth::start().await;
    let body = json!({ "name": "site", "production_branch": "main" });
    hearth.api("POST", "/accounts/:a/pages/projects", Some(body)).await.result();
    let project = hearth.app("pages-site");
    let (live, draft) = (pages(&project, "main").await, pages(&project, "fix/api").await);
    let production = hearth.host("site.pages");
    let (branch, hyphen) = (hearth.host("fix-api.site.pages"), hearth.host("fix-api-site.pages"));
    let all = |hosts: &[&String]| -> Vec<Way> {
        let paths =
            [("/", 200), ("/style.css", 200), ("/api/hello", 200), ("/a/b", 404), ("/about.html", 308)];
        let ways = |host: &&String| paths.map(|(path, status)| ((*host).clone(), path, status));
        hosts.iter().flat_map(ways).collect()
    };
    guards(&hearth, &all(&[&production, &live, &branch, &draft, &hyphen]), &["site.pages.localhost"]).await;
    // Previews alone, as it is done on Cloudflare.
    guards(&hearth, &all(&[&live, &branch, &draft, &hyphen]), &["*.site.pages.localhost"]).await;
    protect(&hearth, "*.site.pages.localhost", json!([policy("allow", everyone())])).await;
    for way in all(&[&production]) {
        assert_eq!(status(&hearth, &way).await, way.2, "{way:?} is no preview");
    }
    // What holds for production does not open previews.
    protect(&hearth, "site.pages.localhost", json!([policy("bypass", everyone())])).await;
    assert_eq!(hearth.get(&branch, "/style.css").await.status, 401);
    assert_eq!(hearth.get(&production, "/style.css").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_previews_and_custom_domains_ask() {
    let hearth = Hearth::start().await;
    let project = hearth.app("assets");
    project.edit(
        "wrangler.jsonc",
        "\"workers_dev\": true,",
        r#""workers_dev": true, "routes": [{ "pattern": "files.example.com", "custom_domain": true },
           { "pattern": "example.com/files/*", "zone_name": "example.com" }],"#,
    );
    project.wrangler(&["deploy"]).await.expect_ok();
    let versions = hearth.api("GET", "/accounts/:a/workers/scripts/assets/versions", None).await;
    let version = versions.result()["items"][0]["id"].as_str().expect("a version")[..8].to_owned();
    let all = |host: String| -> Vec<Way> {
        vec![(host.clone(), "/style.css", 200), (host.clone(), "/", 200), (host, "/blog", 307)]
    };
    let previews: Vec<Way> =
        ["-", "."].into_iter().flat_map(|by| all(hearth.host(&format!("{version}{by}assets")))).collect();
    let own = [all(hearth.host("assets")), previews.clone()].concat();
    guards(&hearth, &own, &["assets.localhost"]).await;
    guards(&hearth, &previews, &["*-assets.localhost"]).await;
    guards(&hearth, &all("files.example.com".into()), &["files.example.com"]).await;
    guards(&hearth, &[("example.com".into(), "/files/x", 200)], &["example.com/files"]).await;
    guards(&hearth, &[("files.example.com".into(), "/x", 200)], &["*.example.com"]).await;

    // A WebSocket, by the worker's own host and one that was given to it.
    let socket = "export default { fetch() { const [client, server] = Object.values(new WebSocketPair());
        server.accept(); return new Response(null, { status: 101, webSocket: client }); } }";
    hearth.deploy("socket", socket).await;
    let zones = hearth.api("GET", "/zones?name=example.com", None).await;
    let zone = zones.result()[0]["id"].as_str().expect("a zone").to_owned();
    let domain = json!({ "hostname": "ws.example.com", "service": "socket", "zone_id": zone, "environment": "production" });
    hearth.api("PUT", "/accounts/:a/workers/domains", Some(domain)).await.result();
    for (host, domain) in
        [(hearth.host("socket"), "socket.localhost"), ("ws.example.com".to_owned(), "ws.example.com")]
    {
        assert_eq!(upgrade(&hearth, &host).await, 101);
        protect(&hearth, domain, json!([policy("allow", everyone())])).await;
        assert_eq!(upgrade(&hearth, &host).await, 401, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_every_dialect_ask() {
    let hearth = Hearth::start().await;
    let code = "addEventListener('fetch', (event) => event.respondWith(new Response('deployed')));";
    let version = json!({ "runtime": "js", "code": code, "version": "v1", "alias": "beta" });
    call(&hearth, "/api/deploy/deployed", version).await;
    let hosts = ["deployed", "v1.deployed", "v1-deployed", "beta.deployed"].map(|name| hearth.host(name));
    let deployed: Vec<Way> = hosts.into_iter().map(|host| (host, "/", 200)).collect();
    guards(&hearth, &deployed, &["deployed.localhost"]).await;

    let handler = "exports.handler = async () => ({ statusCode: 200, body: 'node' });";
    let function = json!({ "name": "node", "runtime": "nodejs", "handler": "handler", "code": handler,
        "host": "node.functions.test", "route": "routes.test/node/*" });
    call(&hearth, "/api/v1/functions", function).await;
    guards(&hearth, &[("node.functions.test".into(), "/x", 200)], &["node.functions.test"]).await;
    guards(&hearth, &[("routes.test".into(), "/node/x", 200)], &["routes.test/node"]).await;

    // One with a path of the control host, which has many names.
    let echo = "function handler(request) { return { cookie: request.headers.get('cookie') ?? null,
        email: request.headers.get('cf-access-authenticated-user-email') ?? null }; }";
    for (name, route) in [("guarded", "/Api/guarded"), ("open", "/open")] {
        let function = json!({ "name": name, "route": route, "methods": ["GET"], "code": echo });
        call(&hearth, "/api/functions", function).await;
    }
    let address = hearth.address();
    let control = format!("localhost:{}", address.port());
    let names =
        [control.clone(), "localhost".to_owned(), address.to_string(), format!("[::1]:{}", address.port())];
    let ways: Vec<Way> = names.iter().map(|name| (name.clone(), "/fn/Api/guarded", 200)).collect();
    guards(&hearth, &ways, &["localhost/fn/api"]).await;
    guards(&hearth, &ways, &["localhost/fn"]).await;
    for domain in ["localhost", "localhost/api", "localhost/fnx", "localhost/f*"] {
        let app = crate::app(domain, json!([]));
        assert_eq!(hearth.api("POST", APPS, Some(app)).await.error().0, 400, "{domain}");
    }
    protect(&hearth, "localhost/fn/api/guarded", json!([policy("allow", everyone())])).await;
    let post = Request::post("/fn/Api/guarded").header(header::HOST, &control).body(Bytes::new());
    let refused = hearth.send(post.expect("a request")).await.expect("an answer");
    assert_eq!(refused.status, 401, "nobody is told which methods it takes");
    assert_eq!(hearth.get(&control, "/fn/open").await.status, 200);
    assert_eq!(hearth.get(&control, "/health").await.status, 200);
    let mut ann = person(&hearth, "ann@corp.test").await;
    let token = sign_in(&hearth, &mut ann, &control, "/fn/Api/guarded").await;
    let shown = format!("own=1; {token}");
    let seen = hearth.get_with(&control, "/fn/Api/guarded", &[("cookie", &shown)]).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert_eq!(seen.json(), json!({ "cookie": "own=1", "email": "ann@corp.test" }));
    let other = hearth.get_with(&control, "/fn/open", &[("cookie", &shown)]).await;
    assert_eq!(other.json()["cookie"], "own=1", "what opens one is no affair of another");
    let out = hearth.get_with(&control, "/cdn-cgi/access/logout", &[HTML, ("cookie", &token)]).await;
    assert_eq!(out.status, 200, "{}", out.text());
}
