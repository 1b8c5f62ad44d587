//! What a worker's `fetch` finds.

use std::net::SocketAddr;

use bytes::Bytes;
use hearth_cache::{BoxError, FetchBody, Looked};
use http::{HeaderMap, Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};

use crate::support::{Answer, Rig, read};

const URL: &str = "https://origin.test/a.js";

fn address() -> SocketAddr {
    "192.0.2.1:443".parse().unwrap()
}

/// An origin's answer.
#[derive(Clone, Default)]
struct Origin {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
}

fn origin(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Origin {
    Origin { status, headers: headers.to_vec(), body: body.to_owned() }
}

struct Fetched {
    answer: Answer,
    /// What the origin was asked, if it was.
    asked: Option<HeaderMap>,
}

impl Fetched {
    fn status(&self) -> &str {
        self.answer.header("cf-cache-status")
    }
}

struct Fetch<'a> {
    account: &'a str,
    method: Method,
    url: &'a str,
    headers: &'a [(&'a str, &'a str)],
    cf: &'a str,
    permitted: bool,
}

impl Default for Fetch<'_> {
    fn default() -> Self {
        Self { account: "a", method: Method::GET, url: URL, headers: &[], cf: "{}", permitted: true }
    }
}

impl Fetch<'_> {
    async fn look(&self, rig: &Rig) -> (Looked, HeaderMap) {
        let mut request = Request::builder().method(self.method.clone()).uri(self.url);
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let permits = |from| self.permitted && from == address();
        let looked = rig.cache.look(self.account, &mut parts, Some(self.cf.as_bytes()), &permits).await;
        (looked, parts.headers)
    }

    async fn send(&self, rig: &Rig, origin: &Origin) -> Fetched {
        let (looked, asked) = self.look(rig).await;
        let filing = match looked {
            Looked::Answer(response) => return Fetched { answer: read(response).await, asked: None },
            Looked::Ask(filing) => filing,
        };
        let mut response = Response::builder().status(origin.status);
        for (name, value) in &origin.headers {
            response = response.header(*name, *value);
        }
        let body: FetchBody =
            Full::new(Bytes::from(origin.body.clone())).map_err(|never| match never {}).boxed();
        let response = filing.file(response.body(body).unwrap(), address()).await;
        Fetched { answer: read(response).await, asked: Some(asked) }
    }
}

async fn get(rig: &Rig, cf: &str, origin: &Origin) -> Fetched {
    Fetch { cf, ..Fetch::default() }.send(rig, origin).await
}

#[tokio::test]
async fn a_static_file_is_stored_and_revalidated() {
    let rig = Rig::new();
    let one = origin(200, &[("cache-control", "max-age=60"), ("etag", "\"1\""), ("cache-tag", "t")], "one");
    let first = get(&rig, "{}", &one).await;
    assert_eq!((first.status(), first.answer.text()), ("MISS", "one"));
    assert!(!first.answer.headers.contains_key("cache-tag"));
    rig.pass(30);
    let hit = get(&rig, "{}", &Origin::default()).await;
    assert_eq!((hit.status(), hit.answer.text(), hit.answer.header("age")), ("HIT", "one", "30"));
    assert!(hit.asked.is_none());
    rig.pass(30);
    let unchanged = origin(304, &[("cache-control", "max-age=90"), ("etag", "\"1\""), ("x-new", "1")], "");
    let again = get(&rig, "{}", &unchanged).await;
    assert_eq!((again.status(), again.answer.status, again.answer.text()), ("REVALIDATED", 200, "one"));
    assert_eq!(again.asked.unwrap()["if-none-match"], "\"1\"");
    rig.pass(80);
    let hit = get(&rig, "{}", &Origin::default()).await;
    assert_eq!((hit.status(), hit.answer.header("age"), hit.answer.header("x-new")), ("HIT", "80", "1"));
    rig.pass(20);
    let two = origin(200, &[("cache-control", "max-age=60"), ("last-modified", "x")], "two");
    assert_eq!(get(&rig, "{}", &two).await.status(), "EXPIRED");
    assert_eq!(get(&rig, "{}", &Origin::default()).await.answer.text(), "two");
    assert_eq!(rig.cache.usage().entries, 1);
}

#[tokio::test]
async fn what_was_revalidated_stays_so_after_a_restart() {
    let mut rig = Rig::new();
    let large = "x".repeat(500_000);
    for (url, body) in [(URL, "one"), ("https://origin.test/large.js", large.as_str())] {
        let fetch = Fetch { url, ..Fetch::default() };
        fetch.send(&rig, &origin(200, &[("cache-control", "max-age=60"), ("etag", "\"1\"")], body)).await;
        rig.pass(60);
        let unchanged = origin(304, &[("cache-control", "max-age=900")], "");
        assert_eq!(fetch.send(&rig, &unchanged).await.status(), "REVALIDATED");
        rig.pass(60);
        rig.reopen().await;
        let found = fetch.send(&rig, &Origin::default()).await;
        assert_eq!((found.status(), found.answer.text() == body), ("HIT", true));
    }
}

#[tokio::test]
async fn what_is_not_cached_says_so() {
    let rig = Rig::new();
    let plain = origin(200, &[], "x");
    let dynamic = Fetch { url: "https://origin.test/", ..Fetch::default() };
    for expected in ["DYNAMIC", "DYNAMIC"] {
        assert_eq!(dynamic.send(&rig, &plain).await.status(), expected);
    }
    for expected in ["MISS", "HIT"] {
        let everything = Fetch { cf: r#"{"cacheEverything":true}"#, url: dynamic.url, ..Fetch::default() };
        assert_eq!(everything.send(&rig, &plain).await.status(), expected);
    }
    assert_eq!(get(&rig, r#"{"cacheTtl":-1}"#, &plain).await.status(), "BYPASS");
    for (headers, expected) in [
        (("cache-control", "no-store"), "BYPASS"),
        (("cache-control", "private"), "BYPASS"),
        (("set-cookie", "a=b"), "BYPASS"),
        (("vary", "*"), "BYPASS"),
    ] {
        for _ in 0..2 {
            assert_eq!(
                get(&rig, "{}", &origin(200, &[headers], "x")).await.status(),
                expected,
                "{headers:?}"
            );
        }
    }
    for (status, headers) in
        [(500, ("x", "x")), (206, ("content-range", "bytes 0-0/9")), (304, ("etag", "\"1\""))]
    {
        for _ in 0..2 {
            assert_eq!(get(&rig, "{}", &origin(status, &[headers], "")).await.status(), "MISS", "{status}");
        }
    }
    let post = Fetch { method: Method::POST, ..Fetch::default() };
    assert_eq!(post.send(&rig, &plain).await.status(), "DYNAMIC");
    let head = Fetch { method: Method::HEAD, ..Fetch::default() };
    for _ in 0..2 {
        assert_eq!(head.send(&rig, &plain).await.status(), "MISS");
    }
    get(&rig, "{}", &plain).await;
    let answer = head.send(&rig, &Origin::default()).await;
    assert_eq!(
        (answer.status(), answer.answer.text(), answer.answer.header("content-length")),
        ("HIT", "", "1")
    );
}

#[tokio::test]
async fn a_worker_says_for_how_long_and_under_which_name() {
    let rig = Rig::new();
    let forbidding = origin(200, &[("cache-control", "no-store"), ("set-cookie", "a=b")], "x");
    let ttl = r#"{"cacheTtl":5,"cacheControl":"max-age=5","cacheEverything":true}"#;
    for expected in ["MISS", "HIT"] {
        assert_eq!(get(&rig, ttl, &forbidding).await.status(), expected);
    }
    assert!(!get(&rig, ttl, &forbidding).await.answer.headers.contains_key("set-cookie"));
    rig.pass(5);
    assert_eq!(get(&rig, ttl, &forbidding).await.status(), "EXPIRED");
    let by_status = r#"{"cacheTtlByStatus":{"404":60,"200-299":-1},"cacheKey":"by"}"#;
    for (status, expected) in [(200, "MISS"), (200, "MISS"), (404, "MISS"), (0, "HIT")] {
        assert_eq!(get(&rig, by_status, &origin(status, &[], "x")).await.status(), expected, "{status}");
    }
    let keyed = Fetch {
        url: "https://else.test/b",
        cf: r#"{"cacheKey":"by","cacheEverything":true}"#,
        ..Fetch::default()
    };
    assert_eq!(keyed.send(&rig, &Origin::default()).await.answer.status, 404);
    let control = r#"{"cacheControl":"max-age=9","cacheKey":"control"}"#;
    for expected in ["MISS", "HIT"] {
        assert_eq!(get(&rig, control, &forbidding.without_cookie()).await.status(), expected);
    }
    let again = r#"{"cacheForceRevalidate":true,"cacheControl":"no-cache","cacheKey":"control"}"#;
    assert_eq!(get(&rig, again, &forbidding).await.status(), "BYPASS");
}

impl Origin {
    fn without_cookie(&self) -> Self {
        let headers = self.headers.iter().copied().filter(|(name, _)| *name != "set-cookie").collect();
        Self { headers, ..self.clone() }
    }
}

#[tokio::test]
async fn nobody_reads_here_what_he_may_not_reach() {
    let rig = Rig::new();
    let secret = origin(200, &[("cache-control", "max-age=60")], "secret");
    get(&rig, "{}", &secret).await;
    assert_eq!(get(&rig, "{}", &Origin::default()).await.status(), "HIT");
    let refused = Fetch { permitted: false, ..Fetch::default() };
    assert!(matches!(refused.look(&rig).await.0, Looked::Ask(_)), "egress refuses it");
    let stranger = Fetch { account: "b", ..Fetch::default() };
    assert!(matches!(stranger.look(&rig).await.0, Looked::Ask(_)), "another account finds nothing");
    assert!(!rig.has(URL).await, "the Cache API does not show what only fetch was judged for");
    assert_eq!(rig.send("a", "PURGE", URL, &[], "").await.status, 200, "but deletes it");
    assert!(matches!(Fetch::default().look(&rig).await.0, Looked::Ask(_)));
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_not_wanted_is_not_stored() {
    let rig = Rig::new();
    let filing = async || match Fetch::default().look(&rig).await.0 {
        Looked::Ask(filing) => filing,
        Looked::Answer(_) => panic!("it is stored"),
    };
    let frames = |end: Option<BoxError>| -> FetchBody {
        let frames = std::iter::once(Ok(Frame::data(Bytes::from("half")))).chain(end.map(Err));
        StreamBody::new(tokio_stream::iter(frames.collect::<Vec<_>>())).boxed()
    };
    let broken = Response::new(frames(Some("gone".into())));
    let response = filing().await.file(broken, address()).await;
    assert!(response.into_body().collect().await.is_err());
    let mut short = Response::new(frames(None));
    short.headers_mut().insert("content-length", 9.into());
    let response = filing().await.file(short, address()).await;
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "half");
    let endless = tokio_stream::iter(std::iter::repeat_with(|| Ok(Frame::data(Bytes::from("x")))));
    let response = filing().await.file(Response::new(StreamBody::new(endless).boxed()), address()).await;
    drop(response);
    tokio::task::yield_now().await;
    assert!(matches!(Fetch::default().look(&rig).await.0, Looked::Ask(_)));
    assert_eq!(rig.cache.usage().entries, 0);
}

#[tokio::test]
async fn a_client_gets_the_part_it_asks_for() {
    let rig = Rig::new();
    get(&rig, "{}", &origin(200, &[("etag", "\"1\"")], "0123456789")).await;
    let part = Fetch { headers: &[("range", "bytes=2-4")], ..Fetch::default() };
    let part = part.send(&rig, &Origin::default()).await;
    assert_eq!((part.answer.status, part.answer.text(), part.status()), (206, "234", "HIT"));
    rig.pass(7200);
    let conditional =
        Fetch { headers: &[("if-none-match", "\"1\""), ("range", "bytes=0-1")], ..Fetch::default() };
    let answer = conditional.send(&rig, &origin(304, &[], "")).await;
    assert_eq!((answer.answer.status, answer.status()), (304, "REVALIDATED"));
    assert!(!answer.asked.unwrap().contains_key("range"), "the origin is asked for all of it");
}
