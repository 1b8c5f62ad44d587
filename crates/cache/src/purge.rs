//! `POST zones/:zone/purge_cache`: what is meant by its body. Pure.

use hearth_model::Hostname;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::index::Seen;

/// Most entries of one list.
const MOST: usize = 500;

/// What is sent.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Body {
    #[serde(default)]
    purge_everything: Option<bool>,
    #[serde(default)]
    files: Option<Value>,
    #[serde(default)]
    tags: Option<Value>,
    #[serde(default)]
    hosts: Option<Value>,
    #[serde(default)]
    prefixes: Option<Value>,
}

/// What is forgotten. An entry that any of it names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Purge {
    everything: bool,
    /// URLs in the WHATWG's spelling, without fragment, and cache keys as they are.
    files: Vec<String>,
    tags: Vec<String>,
    hosts: Vec<String>,
    /// Host and the beginning of a path.
    prefixes: Vec<String>,
}

/// Why a purge is refused: Cloudflare's code, where it is known, and a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    pub code: u32,
    pub message: String,
}

/// Nothing is named (Cloudflare's code and words).
const NOTHING: (u32, &str) = (
    1012,
    "Request must contain one of \"purge_everything\", \"files\", \"tags\", \"hosts\" or \"prefixes\"",
);
/// A list is none (Cloudflare's code).
const NO_LIST: u32 = 1014;
/// A URL, host or prefix is none, or not of this zone.
const NOT_HERE: u32 = 1016;

impl Purge {
    /// Reads a body. `is_here`: whether a host's entries are this zone's.
    pub(crate) fn read(body: Body, is_here: impl Fn(&str) -> bool) -> Result<Self, Bad> {
        if body.purge_everything == Some(true) {
            return Ok(Self { everything: true, ..Self::default() });
        }
        let not_here = |text: &str| Bad {
            code: NOT_HERE,
            message: format!("Unable to purge '{text}', which is an invalid URL or not in this zone"),
        };
        let files = list("files", body.files)?.into_iter().map(|file| {
            let text = match &file {
                Value::Object(object) => object.get("url").and_then(Value::as_str),
                other => other.as_str(),
            };
            let mut url =
                text.and_then(|text| Url::parse(text).ok()).ok_or_else(|| not_here(&file.to_string()))?;
            url.set_fragment(None);
            let here = url.host_str().is_some_and(&is_here);
            if here { Ok(String::from(url)) } else { Err(not_here(text.unwrap_or_default())) }
        });
        let files = files.collect::<Result<_, _>>()?;
        let tags = texts("tags", body.tags)?.into_iter().map(|tag| tag.trim().to_lowercase()).collect();
        let hosts = texts("hosts", body.hosts)?.into_iter().map(|host| {
            let name = host.parse::<Hostname>().ok().map(|name| name.as_str().to_owned());
            name.filter(|name| is_here(name)).ok_or_else(|| not_here(&host))
        });
        let hosts = hosts.collect::<Result<_, _>>()?;
        let prefixes = texts("prefixes", body.prefixes)?.into_iter().map(|prefix| {
            let bare = prefix.strip_prefix("https://").or(prefix.strip_prefix("http://")).unwrap_or(&prefix);
            let (host, path) = bare.split_at(bare.find('/').unwrap_or(bare.len()));
            let name = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
            if name.is_empty() || !is_here(&name) || bare.contains(['?', '#']) {
                return Err(not_here(&prefix));
            }
            Ok(format!("{}{}", host.to_ascii_lowercase(), if path.is_empty() { "/" } else { path }))
        });
        let prefixes = prefixes.collect::<Result<_, _>>()?;
        let purge = Self { everything: false, files, tags, hosts, prefixes };
        if purge == Self::default() {
            return Err(Bad { code: NOTHING.0, message: NOTHING.1.to_owned() });
        }
        Ok(purge)
    }

    /// Whether an entry is named. `is_here` as before.
    pub(crate) fn takes(&self, seen: Seen<'_>, is_here: impl Fn(&str) -> bool) -> bool {
        let rest = seen.url.split_once("://").map_or("", |(_, rest)| rest);
        let host = host(rest);
        if !is_here(host) {
            return false;
        }
        self.everything
            || self.files.iter().any(|file| file == seen.url || Some(file.as_str()) == seen.custom)
            || self.tags.iter().any(|tag| seen.tags.contains(tag))
            || self.hosts.iter().any(|one| one == host)
            || self.prefixes.iter().any(|prefix| rest.starts_with(prefix))
    }
}

/// The host of a URL in the WHATWG's spelling, without its scheme. Every entry is asked, so it is not parsed again.
fn host(rest: &str) -> &str {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    match host.find(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn list(name: &str, value: Option<Value>) -> Result<Vec<Value>, Bad> {
    let bad = |message| Bad { code: NO_LIST, message };
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() <= MOST => Ok(items),
        Some(Value::Array(_)) => Err(bad(format!("\"{name}\" may have at most {MOST} entries"))),
        Some(_) => Err(bad(format!("\"{name}\" must be an array"))),
    }
}

fn texts(name: &str, value: Option<Value>) -> Result<Vec<String>, Bad> {
    let text = |value: Value| match value {
        Value::String(text) => Ok(text),
        _ => Err(Bad { code: NO_LIST, message: format!("\"{name}\" must be an array of strings") }),
    };
    list(name, value)?.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: Value) -> Result<Purge, Bad> {
        Purge::read(serde_json::from_value(body).unwrap(), |host| host != "other.test")
    }

    fn takes(body: Value, url: &str, custom: Option<&str>, tags: &[&str]) -> bool {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        read(body).unwrap().takes(Seen { url, custom, tags: &tags }, |host| host != "other.test")
    }

    #[test]
    fn each_way_names_its_entries() {
        let url = "https://x.test/a/b?c=1";
        for (body, expected) in [
            (json!({"purge_everything": true}), true),
            (json!({"files": ["https://x.test/a/b?c=1#d"]}), true),
            (
                json!({"files": [{"url": "https://X.test:443/a/b?c=1", "headers": {"cf-device-type": "mobile"}}]}),
                true,
            ),
            (json!({"files": ["https://x.test/a/b"]}), false),
            (json!({"files": ["http://x.test/a/b?c=1"]}), false),
            (json!({"files": [], "tags": ["T1"]}), true),
            (json!({"tags": ["t2"]}), false),
            (json!({"hosts": ["X.test"]}), true),
            (json!({"hosts": ["www.x.test"]}), false),
            (json!({"prefixes": ["x.test"]}), true),
            (json!({"prefixes": ["x.test/a"]}), true),
            (json!({"prefixes": ["x.test/A"]}), false),
            (json!({"prefixes": ["x.tes"]}), false),
            (json!({"prefixes": ["y.test/", "https://x.test/a/b"]}), true),
        ] {
            assert_eq!(takes(body.clone(), url, None, &["t1"]), expected, "{body}");
        }
        assert!(takes(json!({"files": ["https://key.test/k"]}), url, Some("https://key.test/k"), &[]));
    }

    #[test]
    fn a_host_is_what_url_says_it_is() {
        for text in [
            "https://x.test/a@b:c",
            "http://x.test:81/",
            "https://u:p@x.test?q",
            "http://[::1]:8/a",
            "http://1.2.3.4/",
        ] {
            let url = Url::parse(text).unwrap();
            let rest = url.as_str().split_once("://").unwrap().1;
            assert_eq!(Some(host(rest)), url.host_str(), "{text}");
        }
    }

    #[test]
    fn another_zones_entries_are_not_touched() {
        assert!(!takes(json!({"purge_everything": true}), "https://other.test/", None, &[]));
        assert!(!takes(json!({"tags": ["t"]}), "https://other.test/", None, &["t"]));
        for body in [
            json!({"files": ["https://other.test/a"]}),
            json!({"hosts": ["other.test"]}),
            json!({"prefixes": ["other.test/a"]}),
        ] {
            assert_eq!(read(body.clone()).unwrap_err().code, NOT_HERE, "{body}");
        }
    }

    #[test]
    fn what_says_nothing_is_refused() {
        for (body, code) in [
            (json!({}), 1012),
            (json!({"purge_everything": false}), 1012),
            (json!({"files": []}), 1012),
            (json!({"files": "https://x.test/"}), 1014),
            (json!({"tags": [1]}), 1014),
            (json!({"files": vec!["https://x.test/"; MOST + 1]}), 1014),
            (json!({"files": ["/a"]}), 1016),
            (json!({"hosts": [""]}), 1016),
            (json!({"prefixes": ["/a"]}), 1016),
            (json!({"prefixes": ["x.test/a?b"]}), 1016),
        ] {
            assert_eq!(read(body.clone()).unwrap_err().code, code, "{body}");
        }
    }
}
