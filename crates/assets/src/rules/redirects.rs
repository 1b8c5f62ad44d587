//! `_redirects`: `<from> <to> [<status>]`, one a line.

use std::collections::{HashMap, HashSet};

use hearth_model::HtmlHandling;
use http::StatusCode;
use regex::Regex;
use url::Url;

use super::address::{Kind, normalize, split_host};
use super::pattern::{Groups, Pattern, fill, is_dynamic};
use super::{Invalid, lines};

/// Most rules without `*` and names.
const MAX_STATIC: usize = 2000;

/// Most rules with them, and after one of them.
const MAX_DYNAMIC: usize = 100;

const LOOP: &str = "Infinite loop detected in this rule. This would cause a redirect to strip `.html` or `/index` and end \
                    up triggering this rule again.";

/// Where a rule leads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// 200: there is no redirect, the other path is served.
    status: u16,
    to: String,
}

/// The rules of a version.
#[derive(Debug, Default)]
pub(crate) struct Redirects {
    fixed: HashMap<String, Rule>,
    dynamic: Vec<(Pattern, Rule)>,
}

/// What the rules say of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Redirected {
    /// Nothing.
    No,
    /// It is for this path, as it stands in a URL.
    Rewritten(String),
    /// It is answered with this `Location`.
    To(StatusCode, String),
}

impl Redirects {
    pub(super) fn read(text: &str, html: HtmlHandling) -> Result<Self, Vec<Invalid>> {
        let (this, invalid) = Self::parse(text, html);
        if invalid.is_empty() { Ok(this) } else { Err(invalid) }
    }

    /// The lines that hold, and those that do not.
    pub(super) fn parse(text: &str, html: HtmlHandling) -> (Self, Vec<Invalid>) {
        let mut invalid = Vec::new();
        let mut this = Self::default();
        let mut seen = HashSet::new();
        let mut fixed = true;
        for (number, line) in lines(text, &mut invalid) {
            let (from, rule) = match read_line(line, html) {
                Ok(read) => read,
                Err(message) => {
                    invalid.push(Invalid::new(number, message));
                    continue;
                }
            };
            fixed &= !is_dynamic(&from);
            let full = match fixed {
                true => this.fixed.len() >= MAX_STATIC,
                false => this.dynamic.len() >= MAX_DYNAMIC,
            };
            if full {
                let (kind, most) = if fixed { ("static", MAX_STATIC) } else { ("dynamic", MAX_DYNAMIC) };
                let message = format!("Maximum number of {kind} rules supported is {most}.");
                invalid.push(Invalid::new(number, message));
                break;
            }
            if !seen.insert(from.clone()) {
                invalid.push(Invalid::new(number, format!("Ignoring duplicate rule for path {from}.")));
            } else if fixed {
                this.fixed.insert(from, rule);
            } else if let Some(pattern) = Pattern::read(&from) {
                this.dynamic.push((pattern, rule));
            } else {
                let message = format!("{from} has a placeholder or `*` twice, and can match nothing.");
                invalid.push(Invalid::new(number, message));
            }
        }
        (this, invalid)
    }

    /// What becomes of a request to `url`.
    pub(crate) fn apply(&self, url: &Url) -> Redirected {
        let path = url.path();
        let (status, to) = match self.fixed.get(path) {
            Some(Rule { status, to }) => (*status, target(to, &Vec::new())),
            None => {
                let found =
                    self.dynamic.iter().find_map(|(pattern, rule)| Some((pattern.matches(path)?, rule)));
                let Some((groups, rule)) = found else { return Redirected::No };
                (rule.status, target(&rule.to, &groups))
            }
        };
        // What cannot be read as an address leads nowhere.
        let Ok(destination) = url.join(&to) else { return Redirected::No };
        match StatusCode::from_u16(status) {
            Ok(StatusCode::OK) => Redirected::Rewritten(destination.path().to_owned()),
            Ok(status) => Redirected::To(status, location(url, destination)),
            Err(_) => Redirected::No,
        }
    }
}

/// The target of a rule: several slashes are one, but where another host is meant.
fn target(to: &str, groups: &Groups<'_>) -> String {
    let filled = fill(to, groups);
    let filled = filled.trim();
    if is_external(to) {
        return filled.to_owned();
    }
    let suffix = filled.find(['?', '#']).unwrap_or(filled.len());
    let mut path = String::with_capacity(filled.len());
    for letter in filled[..suffix].chars().map(|letter| if letter == '\\' { '/' } else { letter }) {
        if letter != '/' || !path.ends_with('/') {
            path.push(letter);
        }
    }
    path + &filled[suffix..]
}

/// Whether the rule itself, and not what a client put into it, names another host.
fn is_external(to: &str) -> bool {
    if let Some(rest) = to.strip_prefix("//") {
        return rest.starts_with(|c: char| !matches!(c, '/' | '\\' | '?' | '#') && !c.is_whitespace());
    }
    to.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// A path on the same origin, else the whole address; the request's query goes along unless the rule has one.
fn location(url: &Url, mut destination: Url) -> String {
    if destination.query().is_none_or(str::is_empty) {
        destination.set_query(url.query().filter(|query| !query.is_empty()));
    }
    if destination.origin() != url.origin() {
        return destination.into();
    }
    destination[url::Position::BeforePath..].to_owned()
}

fn read_line(line: &str, html: HtmlHandling) -> Result<(String, Rule), String> {
    let comment = line.char_indices().find(|(at, letter)| {
        letter.is_whitespace() && line[at + letter.len_utf8()..].trim_start().starts_with('#')
    });
    let line = comment.map_or(line, |(at, _)| &line[..at]);
    let tokens: Vec<&str> = line.split_whitespace().collect();
    let (from, to, status) = match tokens[..] {
        [from, to] => (from, to, "302"),
        [from, to, status] => (from, to, status),
        _ => {
            return Err(format!(
                "Expected exactly 2 or 3 whitespace-separated tokens. Got {}.",
                tokens.len()
            ));
        }
    };
    let from = normalize(from, Kind::From)?;
    let to = normalize(to, Kind::To)?;
    let status = match status.parse() {
        Ok(status @ (200 | 301 | 302 | 303 | 307 | 308)) => status,
        _ => {
            return Err(format!(
                "Valid status codes are 200, 301, 302 (default), 303, 307, or 308. Got {status}."
            ));
        }
    };
    let has_host = split_host(&to).is_some();
    let to_index = index_page().is_match(&to);
    let loops = from.ends_with("/*") || from.ends_with('/') && html != HtmlHandling::None;
    if !has_host && to_index && loops {
        return Err(LOOP.to_owned());
    }
    if status == 200 && has_host {
        return Err(format!("Proxy (200) redirects can only point to relative paths. Got {to}"));
    }
    Ok((from, Rule { status, to }))
}

fn index_page() -> &'static Regex {
    static INDEX: std::sync::LazyLock<Regex> =
        std::sync::LazyLock::new(|| Regex::new("/index(.html)?$").expect("the pattern is fixed"));
    &INDEX
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Redirects, Vec<Invalid>> {
        Redirects::read(text, HtmlHandling::AutoTrailingSlash)
    }

    fn to(rules: &str, path: &str) -> Redirected {
        let url = Url::parse("http://site.test:8787").unwrap().join(path).unwrap();
        read(rules).unwrap().apply(&url)
    }

    #[test]
    fn rules_lead_where_they_say() {
        let found = |location: &str| Redirected::To(StatusCode::FOUND, location.to_owned());
        for (rules, path, expected) in [
            ("/a /b", "/a", found("/b")),
            ("/a /b", "/a?x=1", found("/b?x=1")),
            ("/a /b?y=2", "/a?x=1", found("/b?y=2")),
            ("/a /b#f", "/a?x=1", found("/b?x=1#f")),
            ("/a https://o.test/b", "/a?x=1", found("https://o.test/b?x=1")),
            ("/a //o.test/b", "/a", found("http://o.test/b")),
            ("/a/* /b/:splat", "/a/c/d", found("/b/c/d")),
            ("/a/* /:splat", "/a//o.test/x", found("/o.test/x")),
            ("/a/* /:splat", "/a/%5Co.test", found("/%5Co.test")),
            ("/u/:id /p?id=:id", "/u/7", found("/p?id=7")),
            ("/a /b # why\n/c /d", "/c", found("/d")),
            ("/a /b 301", "/a", Redirected::To(StatusCode::MOVED_PERMANENTLY, "/b".to_owned())),
            ("/a /b 200", "/a", Redirected::Rewritten("/b".to_owned())),
            ("/a /b", "/A", Redirected::No),
            ("/* /first\n/a /second", "/a", found("/first")),
            ("/a /first\n/* /second", "/a", found("/first")),
        ] {
            assert_eq!(to(rules, path), expected, "{rules} {path}");
        }
    }

    #[test]
    fn lines_that_do_not_hold_are_named() {
        let long = format!("/a /{}", "b".repeat(2000));
        let many: String = (0..2001).map(|n| format!("/{n} /x\n")).collect();
        let dynamic: String = (0..101).map(|n| format!("/{n}/* /x\n")).collect();
        for (text, line, says) in [
            ("/a", 1, "2 or 3"),
            ("\n# c\n/a /b 404", 3, "Valid status codes"),
            ("https://x.test/a /b", 1, "Only relative"),
            ("/a http://x.test/b", 1, "HTTPS"),
            ("/* /index.html 200", 1, "Infinite loop"),
            ("/ /index", 1, "Infinite loop"),
            ("/a /b\n/a /c", 2, "duplicate"),
            ("/a https://x.test/ 200", 1, "Proxy (200)"),
            ("/:a/:a /b", 1, "twice"),
            (&*long, 1, "length of 2000"),
            (&*many, 2001, "static rules supported is 2000"),
            (&*dynamic, 101, "dynamic rules supported is 100"),
        ] {
            let invalid = read(text).unwrap_err();
            assert_eq!((invalid.len(), invalid[0].line), (1, line), "{says}: {invalid:?}");
            assert!(invalid[0].message.contains(says), "{invalid:?}");
        }
        assert!(Redirects::read("/ /index.html", HtmlHandling::None).is_ok());
    }

    proptest! {
        /// What a client writes into a path cannot lead it to another host.
        #[test]
        fn no_path_leads_to_another_host(rest in "[a-z/\\\\%.:@?#]{0,24}") {
            let Ok(url) = Url::parse(&format!("http://site.test/a/{rest}")) else { return Ok(()) };
            for rules in ["/a/* /:splat 302", "/a/* /b/:splat 302", "/* /c:splat 302"] {
                if let Redirected::To(_, location) = read(rules).unwrap().apply(&url) {
                    prop_assert!(location.starts_with('/') && !location.starts_with("//"), "{}", location);
                    prop_assert!(!location.starts_with("/\\"), "{}", location);
                }
            }
        }
    }
}
