//! `hearth egress` opens and closes what running workers reach, and never Hearth's own listener.

use hearth_testing::{Form, Hearth, Options};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const SOURCE: &str = "export default {
  async fetch(request) {
    const answer = await fetch(new URL(request.url).searchParams.get('of'));
    return new Response(`${answer.status} ${await answer.text()}`);
  },
};";

/// An intranet's server.
async fn intranet() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nintranet";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    port
}

/// Runs `hearth egress …` against the server, as its operator.
fn egress(hearth: &Hearth, args: &[&str]) -> String {
    hearth.operator(&[&["egress"], args].concat())
}

async fn fetched(hearth: &Hearth, url: &str) -> String {
    hearth.get(&hearth.host("out"), &format!("/?of={url}")).await.text()
}

/// Under `--dev` too, where the control host would let a local caller in without a token.
#[tokio::test(flavor = "multi_thread")]
async fn the_operator_opens_and_closes_the_intranet() {
    let options = Options { args: vec!["--dev".to_owned()], ..Options::default() };
    let hearth = Hearth::start_with(options).await;
    hearth.upload("out", Form::module(SOURCE).finish()).await.result();
    let subdomain = "/accounts/:a/workers/scripts/out/subdomain";
    hearth.api("POST", subdomain, Some(json!({ "enabled": true }))).await.result();
    let port = intranet().await;
    let (by_address, by_name) = (format!("http://127.0.0.1:{port}/"), "http://files.corp.test/");
    let refused = |text: &str| text.starts_with("403 ") && text.contains("hearth egress allow");

    assert!(egress(&hearth, &["list"]).contains("Only the public internet"));
    let before = fetched(&hearth, &by_address).await;
    assert!(refused(&before), "{before}");

    egress(&hearth, &["allow", "127.0.0.1", "--port", &port.to_string(), "--worker", "out"]);
    assert_eq!(fetched(&hearth, &by_address).await, "200 intranet");
    egress(&hearth, &["remove", "127.0.0.1", "--worker", "out"]);
    let after = fetched(&hearth, &by_address).await;
    assert!(refused(&after), "{after}");

    egress(&hearth, &["allow", &format!("files.corp.test=127.0.0.1:{port}")]);
    assert_eq!(fetched(&hearth, by_name).await, "200 intranet");

    egress(&hearth, &["allow", "0.0.0.0/0"]);
    for own in [
        format!("http://{}/client/v4/accounts", hearth.address()),
        format!("http://{}/health", hearth.address()),
    ] {
        let answer = fetched(&hearth, &own).await;
        assert!(answer.starts_with("403 "), "{own}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_fetch_each_other_in_a_circle_are_told_so() {
    let hearth = Hearth::start().await;
    for (worker, next) in [("ping", "pong"), ("pong", "ping")] {
        let code = format!(
            "export default {{ async fetch() {{
               const answer = await fetch('http://{next}.localhost/');
               return new Response(await answer.text(), answer);
             }} }}"
        );
        hearth.deploy(worker, &code).await;
    }
    let answer = hearth.get(&hearth.host("ping"), "/").await;
    assert_eq!(answer.status, 500);
    assert!(answer.text().starts_with("error code: 1019"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_bound_to_each_other_in_a_circle_are_told_so() {
    const CODE: &str = "export default { async fetch(request, env) {
      const answer = await env.NEXT.fetch(request);
      return new Response(await answer.text(), answer);
    } }";
    let hearth = Hearth::start().await;
    for worker in ["left", "right"] {
        hearth.deploy(worker, CODE).await;
    }
    for (worker, next) in [("left", "right"), ("right", "left")] {
        let metadata = json!({
            "main_module": "index.js",
            "compatibility_date": "2026-01-01",
            "bindings": [{ "type": "service", "name": "NEXT", "service": next }],
        });
        let form = Form::default().metadata(&metadata.to_string());
        let form = form.part("index.js", "application/javascript+module", CODE);
        hearth.upload(worker, form.finish()).await.result();
    }
    let answer = hearth.get(&hearth.host("left"), "/").await;
    assert_eq!(answer.status, 500);
    assert!(answer.text().starts_with("error code: 1019"), "{}", answer.text());
}
