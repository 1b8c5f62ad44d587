//! The whole stops in order: what is in flight ends well, nothing new is taken, no process is left.

use std::time::Duration;

use hearth_testing::{Form, Hearth};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SLOW: &str = "export default {
  async fetch() {
    await new Promise((done) => setTimeout(done, 1500));
    return new Response('finished');
  },
};";

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_outlives_the_order_to_stop() {
    let mut hearth = Hearth::start().await;
    hearth.upload("slow", Form::module(SLOW).finish()).await.result();
    let subdomain = "/accounts/:a/workers/scripts/slow/subdomain";
    hearth.api("POST", subdomain, Some(json!({ "enabled": true }))).await.result();
    let run = hearth.data().join("run");

    let mut client = TcpStream::connect(hearth.address()).await.expect("the server listens");
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", hearth.host("slow"));
    client.write_all(request.as_bytes()).await.expect("the server reads");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(instances(&run) > 0, "the worker's process has a folder");
    let answer = tokio::spawn(async move {
        let mut text = String::new();
        client.read_to_string(&mut text).await.map(|_| text)
    });
    hearth.stop().await;
    let answer = answer.await.expect("no panic").expect("the answer is whole");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("finished"), "{answer}");
    assert_eq!(instances(&run), 0, "folders of processes are left");
}

/// Folders of live processes.
fn instances(run: &std::path::Path) -> usize {
    std::fs::read_dir(run.join("i")).map_or(0, Iterator::count)
}
