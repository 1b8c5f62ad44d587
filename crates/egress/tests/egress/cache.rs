//! What a cache is asked, and told.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use hearth_egress::{Body, Filing, Looked, Origin, ResponseCache};
use http::header::HeaderValue;
use http::request::Parts;
use http::{Method, Response};
use parking_lot::Mutex;

use crate::support::{Rig, Setup, Upstream, full, policy};

/// Keeps the address and the answer `kept` of whatever it was brought, and answers only those who may reach it.
#[derive(Default)]
struct Kept(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    address: Option<SocketAddr>,
    cf: Vec<Option<HeaderValue>>,
}

struct Asked(Arc<Mutex<State>>);

#[async_trait]
impl ResponseCache for Kept {
    async fn look(
        &self,
        origin: &Origin,
        request: &mut Parts,
        cf: Option<HeaderValue>,
        permits: &(dyn Fn(SocketAddr) -> bool + Sync),
    ) -> Looked {
        let mut state = self.0.lock();
        state.cf.push(cf);
        if state.address.is_some_and(permits) {
            return Looked::Answer(Response::new(full(format!("kept for {}", origin.account))));
        }
        request.headers.insert("if-none-match", HeaderValue::from_static("\"e\""));
        Looked::Ask(Box::new(Asked(Arc::clone(&self.0))))
    }
}

#[async_trait]
impl Filing for Asked {
    async fn file(self: Box<Self>, mut response: Response<Body>, address: SocketAddr) -> Response<Body> {
        self.0.lock().address = Some(address);
        response.headers_mut().insert("x-filed", HeaderValue::from_static("1"));
        response
    }
}

fn rig() -> (Rig, Arc<Mutex<State>>) {
    let (rig, cache) = (Setup::default().start(), Kept::default());
    let state = Arc::clone(&cache.0);
    rig.egress.keep_in(Arc::new(cache));
    (rig, state)
}

#[tokio::test]
async fn a_cache_is_asked_first_and_told_of_the_answer() {
    let ((rig, state), upstream) = (rig(), Upstream::greeting().await);
    let cf = r#"{"cacheTtl":5}"#;
    let first = rig.socket.fetch(Method::GET, &upstream.url("/a"), &[("x-hearth-cf", cf)]).await;
    assert_eq!((&*first.text, first.headers.contains_key("x-filed")), ("hi", true));
    let seen = upstream.seen();
    assert_eq!(seen[0].headers["if-none-match"], "\"e\"");
    assert!(!seen[0].headers.contains_key("x-hearth-cf"), "no upstream learns of it");
    assert_eq!(state.lock().address, Some(upstream.address));
    let second = rig.socket.get(&upstream.url("/a")).await;
    assert_eq!((&*second.text, upstream.seen().len()), ("kept for a", 1));
    assert_eq!(state.lock().cf, [Some(HeaderValue::from_static(cf)), None]);
}

#[tokio::test]
async fn what_the_rules_refuse_today_is_not_answered_from_a_cache() {
    let ((rig, _), upstream) = (rig(), Upstream::greeting().await);
    rig.socket.get(&upstream.url("/")).await;
    assert_eq!(rig.socket.get(&upstream.url("/")).await.text, "kept for a");
    rig.egress.set_policy(policy("{}"));
    assert_eq!(rig.socket.get(&upstream.url("/")).await.status, 403);
    // A name that leads elsewhere today is another's.
    let other = Upstream::greeting().await;
    let elsewhere =
        format!(r#"{{"allow": [{{"net": "127.0.0.0/8"}}], "hosts": {{"a.test": "{}"}}}}"#, other.address);
    rig.egress.set_policy(policy(&elsewhere));
    assert_eq!(rig.socket.get("http://a.test/").await.text, "hi");
    assert_eq!(other.seen().len(), 1);
}

#[tokio::test]
async fn a_websocket_is_no_affair_of_a_cache() {
    let ((rig, state), upstream) = (rig(), Upstream::greeting().await);
    let head = format!("GET {} HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade", upstream.url("/"));
    rig.socket.status(&head).await;
    assert_eq!((state.lock().cf.len(), upstream.seen().len()), (0, 1));
}
