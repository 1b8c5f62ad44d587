//! Versions, gradual deployments, rollback, and the hosts on which one version is reached.

use hearth_testing::{Hearth, Project};
use serde_json::json;

const SCRIPT: &str = "/accounts/:a/workers/scripts/plain";

/// The ids of the worker's versions, newest first.
async fn versions(hearth: &Hearth) -> Vec<String> {
    let list = hearth.api("GET", &format!("{SCRIPT}/versions"), None).await;
    let items = list.result()["items"].as_array().expect("a list").clone();
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

async fn word_with(hearth: &Hearth, host: &str, headers: &[(&str, &str)]) -> String {
    let answer = hearth.get_with(host, "/", headers).await;
    assert_eq!(answer.status, 200, "{host}: {}", answer.text());
    answer.json()["word"].as_str().expect("a word").to_owned()
}

async fn word(hearth: &Hearth, host: &str) -> String {
    word_with(hearth, host, &[]).await
}

async fn wrangler(project: &Project, args: &[&str]) -> String {
    project.wrangler(&[args, &["--env", ""]].concat()).await.expect_ok()
}

/// A worker whose first version says "first" and is deployed, and whose second says "second" and is only uploaded.
async fn two_versions(hearth: &Hearth) -> (Project, String, String) {
    let project = hearth.app("plain");
    wrangler(&project, &["deploy"]).await;
    let upload = ["versions", "upload", "--var", "WORD:second", "--preview-alias", "next", "--tag", "t2"];
    wrangler(&project, &upload).await;
    let [second, first] = versions(hearth).await.try_into().expect("two versions");
    (project, first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_view_split_and_roll_back() {
    let hearth = Hearth::start().await;
    let (project, first, second) = two_versions(&hearth).await;
    let host = hearth.host("plain");
    assert_eq!(word(&hearth, &host).await, "first", "an upload deploys nothing");

    let list = wrangler(&project, &["versions", "list"]).await;
    assert!(list.contains(&first) && list.contains(&second) && list.contains("t2"), "{list}");
    let view = wrangler(&project, &["versions", "view", &second]).await;
    assert!(view.contains("second"), "{view}");

    let (thirty, seventy) = (format!("{first}@30%"), format!("{second}@70%"));
    wrangler(&project, &["versions", "deploy", &thirty, &seventy, "-y"]).await;
    let status = wrangler(&project, &["deployments", "status"]).await;
    assert!(status.contains("30%") && status.contains("70%"), "{status}");
    let mut seconds = 0;
    for _ in 0..1000 {
        seconds += usize::from(word(&hearth, &host).await == "second");
    }
    // 70 % of 1,000 is 700 with a deviation of 14.5; five of those are met by chance twice in a million runs.
    assert!((628..=772).contains(&seconds), "{seconds} of 1000 went to the version with 70 %");

    // One key, one version, as long as the split stays.
    for key in 0..20 {
        let key = format!("user-{key}");
        let headers = [("Cloudflare-Workers-Version-Key", key.as_str())];
        let chosen = word_with(&hearth, &host, &headers).await;
        for _ in 0..5 {
            assert_eq!(word_with(&hearth, &host, &headers).await, chosen, "{key}");
        }
    }
    // An override beats key and chance.
    for (id, expected) in [(&first, "first"), (&second, "second")] {
        let wanted = format!("plain=\"{id}\"");
        let headers = [("Cloudflare-Workers-Version-Overrides", wanted.as_str())];
        for _ in 0..5 {
            assert_eq!(word_with(&hearth, &host, &headers).await, expected);
        }
    }

    wrangler(&project, &["versions", "deploy", &format!("{second}@100%"), "-y"]).await;
    assert_eq!(word(&hearth, &host).await, "second");
    wrangler(&project, &["rollback", &first, "-y", "--message", "back"]).await;
    assert_eq!(word(&hearth, &host).await, "first");
    let list = wrangler(&project, &["deployments", "list"]).await;
    assert!(list.contains(&first) && list.contains("back"), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_and_an_alias_have_hosts_of_their_own() {
    let hearth = Hearth::start().await;
    let (_project, _, second) = two_versions(&hearth).await;
    let short = &second[..8];
    for name in [format!("{short}-plain"), format!("{short}.plain"), "next-plain".into(), "next.plain".into()]
    {
        assert_eq!(word(&hearth, &hearth.host(&name)).await, "second", "{name}");
    }
    for name in ["00000000-plain", "00000000.plain", "other-plain", "other.plain"] {
        let answer = hearth.get(&hearth.host(name), "/").await;
        assert_eq!(answer.status, 404, "{name}");
        assert!(answer.text().contains(name), "the page names the host: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_can_wait_for_its_version() {
    let hearth = Hearth::start().await;
    let project = hearth.app("plain");
    wrangler(&project, &["deploy"]).await;
    let put = ["versions", "secret", "put", "KEY", "--env", ""];
    project.wrangler_with_input(&put, "later").await.expect_ok();
    let host = hearth.host("plain");
    assert_eq!(hearth.get(&host, "/").await.json()["key"], json!(null));
    let newest = versions(&hearth).await.remove(0);
    wrangler(&project, &["versions", "deploy", &format!("{newest}@100%"), "-y"]).await;
    assert_eq!(hearth.get(&host, "/").await.json()["key"], "later");
}

#[tokio::test(flavor = "multi_thread")]
async fn percentages_have_to_add_up() {
    let hearth = Hearth::start().await;
    for word in ["first", "second"] {
        let source = format!("export default {{ fetch: () => Response.json({{ word: '{word}' }}) }}");
        hearth.deploy("plain", &source).await;
    }
    let ids = versions(&hearth).await;
    let (new, old) = (&ids[0], &ids[1]);
    let nobody = "00000000-0000-4000-8000-000000000000";
    for versions in [
        json!([]),
        json!([{ "version_id": new, "percentage": 50 }]),
        json!([{ "version_id": new, "percentage": 60 }, { "version_id": old, "percentage": 60 }]),
        json!([{ "version_id": new, "percentage": 130 }, { "version_id": old, "percentage": -30 }]),
        json!([{ "version_id": new, "percentage": 50 }, { "version_id": new, "percentage": 50 }]),
        json!([{ "version_id": nobody, "percentage": 100 }]),
        json!("all of them"),
    ] {
        let body = json!({ "strategy": "percentage", "versions": versions });
        let (status, _, message) =
            hearth.api("POST", &format!("{SCRIPT}/deployments"), Some(body)).await.error();
        assert!((400..500).contains(&status), "{versions}: {status} {message}");
    }
    assert_eq!(word(&hearth, &hearth.host("plain")).await, "second", "nothing of it was deployed");
}
