//! What a name leads to, when the name server is not a friend.

use hearth_egress::Policy;
use http::header::CONNECTION;
use http::{HeaderValue, Method, Response};
use tokio::net::TcpListener;

use crate::support::{Answers, Setup, Upstream, full, policy};

/// Stands for the public internet; everything else of loopback stays refused.
const PUBLIC: &str = "127.0.0.2";
const PRIVATE: &str = "127.0.0.1";
const PUBLIC_OPEN: &str = r#"{"allow": [{"net": "127.0.0.2/32"}]}"#;

/// Two upstreams on one port, one at a permitted address, one at a refused one.
async fn public_and_private() -> (Upstream, Upstream) {
    let bind = |address: String| TcpListener::bind(address);
    let (public, private) = loop {
        let public = bind(format!("{PUBLIC}:0")).await.unwrap();
        let port = public.local_addr().unwrap().port();
        if let Ok(private) = bind(format!("{PRIVATE}:{port}")).await {
            break (public, private);
        }
    };
    let upstream = |listener: TcpListener| {
        let address = listener.local_addr().unwrap();
        Upstream::over(
            listener,
            address,
            |stream| async { Some(stream) },
            // Every request has to find its own way: the pool would hide a second lookup.
            |_| async {
                let mut response = Response::new(full("hi"));
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                response
            },
        )
    };
    (upstream(public), upstream(private))
}

#[tokio::test]
async fn a_name_that_leads_to_loopback_is_refused() {
    let upstream = Upstream::greeting().await;
    let port = upstream.address.port();
    for answer in [&["127.0.0.1"][..], &["::1"], &["::ffff:127.0.0.1"], &["10.0.0.1", "127.0.0.1"]] {
        let resolver = Answers::new(&[answer]);
        let rig = Setup { policy: "{}", resolver: Some(resolver.clone()), ..Setup::default() }.start();
        let refused = rig.socket.get(&format!("http://Innocent.Test.:{port}/")).await;
        assert_eq!(refused.status, 403, "{answer:?}");
        assert!(refused.text.contains(&format!("innocent.test:{port}")), "{}", refused.text);
        for ip in answer {
            assert!(!refused.text.contains(ip), "the worker learns what the name leads to: {}", refused.text);
        }
        let target = format!("CONNECT innocent.test:{port} HTTP/1.1");
        assert_eq!(rig.socket.status(&target).await, 403, "{answer:?}");
        assert_eq!(resolver.asked(), ["innocent.test", "innocent.test"]);
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_second_answer_of_the_name_server_never_counts() {
    let (public, private) = public_and_private().await;
    let port = public.address.port();
    for target in
        [format!("GET http://rebind.test:{port}/ HTTP/1.1"), format!("CONNECT rebind.test:{port} HTTP/1.1")]
    {
        let resolver = Answers::new(&[&[PUBLIC], &[PRIVATE]]);
        let rig = Setup { policy: PUBLIC_OPEN, resolver: Some(resolver.clone()), ..Setup::default() }.start();
        assert_eq!(rig.socket.status(&target).await, 200, "{target}");
        assert_eq!(resolver.asked().len(), 1, "{target}");
        assert_eq!(rig.socket.status(&target).await, 403, "the next request is judged by its own answer");
        assert_eq!(resolver.asked().len(), 2, "{target}");
    }
    assert_eq!((public.connections(), private.connections()), (2, 0));
}

#[tokio::test]
async fn of_several_addresses_only_the_permitted_are_tried() {
    let (public, private) = public_and_private().await;
    let port = public.address.port();
    let resolver = Answers::new(&[&[PRIVATE, "10.0.0.1", PUBLIC]]);
    let rig = Setup { policy: PUBLIC_OPEN, resolver: Some(resolver), ..Setup::default() }.start();
    assert_eq!(rig.socket.get(&format!("http://mixed.test:{port}/")).await.text, "hi");
    assert_eq!((public.connections(), private.connections()), (1, 0));
}

#[tokio::test]
async fn a_dead_address_does_not_hide_the_one_that_answers() {
    let upstream = Upstream::greeting().await;
    let resolver = Answers::new(&[&["127.0.0.9", "127.0.0.1"]]);
    let rig = Setup { resolver: Some(resolver), ..Setup::default() }.start();
    let url = format!("http://two.test:{}/", upstream.address.port());
    assert_eq!(rig.socket.get(&url).await.text, "hi");
}

#[tokio::test]
async fn an_internal_name_takes_the_place_of_dns() {
    let upstream = Upstream::greeting().await;
    let resolver = Answers::new(&[&["127.0.0.1"]]);
    let rig = Setup { policy: "{}", resolver: Some(resolver.clone()), ..Setup::default() }.start();
    rig.egress.set_policy(policy(&format!(r#"{{"hosts": {{"db.corp": "{}"}}}}"#, upstream.address)));
    assert_eq!(rig.socket.get("http://db.corp/").await.text, "hi");
    assert_eq!(upstream.seen()[0].headers["host"], "db.corp");
    assert!(resolver.asked().is_empty());
    assert_eq!(rig.socket.get(&upstream.url("/")).await.status, 403, "the address is open for the name only");
    rig.egress.set_policy(Policy::default());
    assert_eq!(rig.socket.get("http://db.corp/").await.status, 403, "now it is DNS again");
}

#[tokio::test]
async fn the_host_that_was_judged_is_the_one_that_is_asked_for() {
    let upstream = Upstream::greeting().await;
    let rig = Setup { resolver: Some(Answers::new(&[&["127.0.0.1"]])), ..Setup::default() }.start();
    let url = format!("http://judged.test:{}/", upstream.address.port());
    let answer = rig.socket.fetch(Method::GET, &url, &[("host", "another.test")]).await;
    assert_eq!(answer.status, 200);
    let hosts: Vec<_> = upstream.seen()[0].headers.get_all("host").iter().cloned().collect();
    assert_eq!(hosts, [format!("judged.test:{}", upstream.address.port())]);
}
