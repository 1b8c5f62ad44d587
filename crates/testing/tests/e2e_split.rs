//! Gradual deployments of a worker with Durable Objects: both versions serve, one has the objects.

use std::collections::BTreeMap;

use futures::{SinkExt as _, StreamExt as _};
use hearth_testing::{Hearth, Project};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

struct Split {
    hearth: Hearth,
    project: Project,
    one: String,
    two: String,
    counted: u64,
}

impl Split {
    async fn start() -> Self {
        let hearth = Hearth::start().await;
        let project = hearth.app("split");
        project.wrangler(&["deploy"]).await.expect_ok();
        project.edit("wrangler.jsonc", "\"VERSION\": \"one\"", "\"VERSION\": \"two\"");
        project.wrangler(&["versions", "upload"]).await.expect_ok();
        let listed = hearth.api("GET", "/accounts/:a/workers/scripts/split/versions", None).await;
        let id = |n: usize| listed.result()["items"][n]["id"].as_str().expect("an id").to_owned();
        let (two, one) = (id(0), id(1));
        Self { hearth, project, one, two, counted: 0 }
    }

    async fn deploy(&self, one: u32, two: u32) {
        let shares = [(one, &self.one), (two, &self.two)];
        let shares: Vec<String> = shares
            .iter()
            .filter(|(share, _)| *share > 0)
            .map(|(share, id)| format!("{id}@{share}%"))
            .collect();
        let mut args = vec!["versions", "deploy", "--yes"];
        args.extend(shares.iter().map(String::as_str));
        self.project.wrangler(&args).await.expect_ok();
    }

    async fn ask(&mut self) -> Value {
        let answer = self.hearth.get(&self.hearth.host("split"), "/").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = answer.json();
        self.counted += 1;
        assert_eq!(seen["n"], self.counted, "{seen}");
        assert_eq!(seen["name"], "bob", "{seen}");
        seen
    }

    /// Which fronts and which objects answered, how often.
    async fn survey(&mut self) -> BTreeMap<(String, String), usize> {
        let mut seen = BTreeMap::new();
        for _ in 0..60 {
            let answer = self.ask().await;
            let of = |key: &str| answer[key].as_str().expect("a version").to_owned();
            *seen.entry((of("front"), of("object"))).or_default() += 1;
        }
        seen
    }
}

fn keys(seen: &BTreeMap<(String, String), usize>) -> Vec<(&str, &str)> {
    seen.keys().map(|(front, object)| (&**front, &**object)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_serve_and_the_larger_share_has_the_objects() {
    let mut split = Split::start().await;
    assert_eq!(split.ask().await["object"], "one");
    split.deploy(70, 30).await;
    assert_eq!(keys(&split.survey().await), [("one", "one"), ("two", "one")]);
    split.deploy(30, 70).await;
    assert_eq!(keys(&split.survey().await), [("one", "two"), ("two", "two")]);
    split.deploy(50, 50).await;
    assert_eq!(keys(&split.survey().await), [("one", "two"), ("two", "two")]);
    split.deploy(0, 100).await;
    assert_eq!(keys(&split.survey().await), [("two", "two")]);
    split.deploy(100, 0).await;
    assert_eq!(keys(&split.survey().await), [("one", "one")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_of_a_front_lives_until_its_object_moves() {
    let mut split = Split::start().await;
    split.deploy(60, 40).await;
    split.ask().await;
    let host = split.hearth.host("split");
    let mut sockets = Vec::new();
    for _ in 0..12 {
        let mut socket = split.hearth.websocket(&host, "/").await;
        socket.send(Message::text("hi")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("one hi"));
        sockets.push(socket);
    }
    // wrangler asks for a change that waits until nobody is in the objects, for five minutes at most.
    let share = |id: &str, share: u32| json!({"version_id": id, "percentage": share});
    let now = json!({
        "strategy": "percentage",
        "versions": [share(&split.one, 40), share(&split.two, 60)],
        "code_update_strategy": {"mode": "immediate"},
    });
    let path = "/accounts/:a/workers/scripts/split/deployments";
    split.hearth.api("POST", path, Some(now)).await.result();
    for mut socket in sockets {
        match socket.next().await.unwrap().unwrap() {
            Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1012),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(split.ask().await["object"], "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_survives_a_restart() {
    let mut split = Split::start().await;
    split.deploy(70, 30).await;
    split.ask().await;
    split.hearth.kill().await;
    split.hearth.start_again().await;
    assert_eq!(keys(&split.survey().await), [("one", "one"), ("two", "one")]);
}
