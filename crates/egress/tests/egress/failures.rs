//! Upstreams that are not there, or are there and no use; the worker sees Cloudflare's codes.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use hearth_egress::{Config, Resolver};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Channel};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{ALL_OPEN, Answers, Rig, Setup, Upstream, full, listen, next, soon};

const SHORT: Duration = Duration::from_millis(200);

async fn assert_fails(rig: &Rig, host: &str, status: u16, text: &str) {
    let answer = rig.socket.get(&format!("http://{host}/")).await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (status, text));
    assert_eq!(rig.socket.status(&format!("CONNECT {host} HTTP/1.1")).await, status);
}

#[tokio::test]
async fn a_name_without_an_address_is_1016() {
    let rig = Setup { resolver: Some(Answers::new(&[&[]])), ..Setup::default() }.start();
    assert_fails(&rig, "nowhere.test:80", 530, "error code: 1016").await;
}

/// A name server that never answers.
struct Silent;

#[async_trait]
impl Resolver for Silent {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_name_server_that_is_silent_is_1016() {
    let config = Config { connect_timeout: SHORT, ..Config::default() };
    let rig = Setup { config, resolver: Some(Arc::new(Silent)), ..Setup::default() }.start();
    assert_fails(&rig, "nowhere.test:80", 530, "error code: 1016").await;
}

#[tokio::test]
async fn a_closed_port_is_521() {
    let (listener, address) = listen().await;
    drop(listener);
    let rig = Setup { resolver: Some(Answers::new(&[&["127.0.0.1"]])), ..Setup::default() }.start();
    assert_fails(&rig, &format!("closed.test:{}", address.port()), 521, "error code: 521").await;
}

#[tokio::test]
async fn a_host_that_does_not_pick_up_is_522() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // The kernel takes one more than the backlog; what comes after that gets no answer.
    let _first = soon("a connection", TcpStream::connect(address)).await.unwrap();
    let _second = soon("a connection", TcpStream::connect(address)).await.unwrap();
    let config = Config { connect_timeout: SHORT, ..Config::default() };
    let resolver = Answers::new(&[&["127.0.0.1"]]);
    let rig = Setup { config, resolver: Some(resolver), ..Setup::default() }.start();
    assert_fails(&rig, &format!("busy.test:{}", address.port()), 522, "error code: 522").await;
}

#[tokio::test]
async fn an_address_without_a_route_is_523() {
    // Linux never connects TCP to a multicast address, whatever its routes are.
    let resolver = Answers::new(&[&["224.0.0.1"]]);
    let rig = Setup { policy: ALL_OPEN, resolver: Some(resolver), ..Setup::default() }.start();
    assert_fails(&rig, "nowhere.test:80", 523, "error code: 523").await;
}

#[tokio::test]
async fn an_instance_that_floods_is_cut_to_its_rate() {
    let upstream = Upstream::new(|_| async { Response::new(full("")) }).await;
    let config = Config { max_requests_per_second_per_instance: 1, ..Config::default() };
    let rig = Setup { config, ..Setup::default() }.start();
    let (began, url) = (Instant::now(), upstream.url("/"));
    let mut passed = 0;
    loop {
        match rig.socket.get(&url).await.status.as_u16() {
            200 => passed += 1,
            status => break assert_eq!(status, 429),
        }
        assert!(passed <= 2 + began.elapsed().as_secs(), "{passed}");
    }
    assert!(passed >= 2, "a burst passes");
    let neighbour = crate::support::serve(&rig.egress, "neighbour");
    assert_eq!(neighbour.get(&url).await.status, 200);
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_524() {
    let (listener, address) = listen().await;
    let config = Config { response_timeout: SHORT, ..Config::default() };
    let rig = Setup { config, ..Setup::default() }.start();
    let url = format!("http://{address}/");
    let (answer, _upstream) = tokio::join!(rig.socket.get(&url), next(&listener));
    assert_eq!((answer.status.as_u16(), &*answer.text), (524, "error code: 524"));
}

#[tokio::test]
async fn an_upload_that_moves_is_waited_for() {
    let upstream = Upstream::new(|request| async {
        let all = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(full(all))
    })
    .await;
    let patience = Duration::from_secs(1);
    let config = Config { response_timeout: patience, ..Config::default() };
    let rig = Setup { config, ..Setup::default() }.start();
    let (mut sender, body) = Channel::<Bytes, io::Error>::new(1);
    let slowly = tokio::spawn(async move {
        for _ in 0..25 {
            sender.send_data("x".into()).await.unwrap();
            tokio::time::sleep(patience / 10).await;
        }
    });
    let response = rig.socket.send(Request::post(upstream.url("/")).body(body).unwrap()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), 25);
    slowly.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_520() {
    for answer in ["", "SSH-2.0-OpenSSH_9.9\r\n", "HTTP/1.1 200 OK\r\nContent-"] {
        let (listener, address) = listen().await;
        let rig = Setup::default().start();
        let url = format!("http://{address}/");
        let (got, ()) = tokio::join!(rig.socket.get(&url), async {
            let (mut stream, _) = next(&listener).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        assert_eq!((got.status.as_u16(), &*got.text), (520, "error code: 520"), "{answer:?}");
    }
}

#[tokio::test]
async fn what_names_no_destination_is_400() {
    let rig = Setup::default().start();
    for target in ["GET /", "GET ftp://a.test/", "CONNECT a.test", "OPTIONS *", "GET http://a%00.test/"] {
        assert_eq!(rig.socket.status(&format!("{target} HTTP/1.1\r\nHost: a.test")).await, 400, "{target}");
    }
}
