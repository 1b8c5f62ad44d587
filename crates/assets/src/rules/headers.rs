//! `_headers`: a path, and below it the headers that its responses get.

use std::collections::HashSet;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::Url;

use super::address::{Kind, normalize};
use super::pattern::{Pattern, fill};
use super::{Invalid, lines};

/// Most rules.
const MAX_RULES: usize = 100;

/// What frames a response is ours to say.
const OURS: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TRAILER,
    header::TE,
];

#[derive(Debug)]
struct Rule {
    path: String,
    /// None: it can match nothing.
    pattern: Option<Pattern>,
    set: Vec<(HeaderName, String)>,
    unset: Vec<HeaderName>,
}

/// The rules of a version.
#[derive(Debug, Default)]
pub(crate) struct HeaderRules {
    rules: Vec<Rule>,
    /// Whether one of them names a host.
    by_host: bool,
}

impl HeaderRules {
    pub(super) fn read(text: &str) -> Result<Self, Vec<Invalid>> {
        let (this, invalid) = Self::parse(text);
        if invalid.is_empty() { Ok(this) } else { Err(invalid) }
    }

    /// The lines that hold, and those that do not.
    pub(super) fn parse(text: &str) -> (Self, Vec<Invalid>) {
        let mut invalid = Vec::new();
        let mut rules: Vec<(usize, Rule)> = Vec::new();
        // Below a path that does not hold, no line is looked at.
        let mut skip = false;
        for (number, line) in lines(text, &mut invalid) {
            if is_address(line) {
                if rules.len() >= MAX_RULES {
                    let message = format!("Maximum number of rules supported is {MAX_RULES}.");
                    invalid.push(Invalid::new(number, message));
                    break;
                }
                match read_path(line) {
                    Ok(path) => {
                        let pattern = Pattern::read(&path);
                        rules.push((number, Rule { path, pattern, set: Vec::new(), unset: Vec::new() }));
                        skip = false;
                    }
                    Err(message) => {
                        invalid.push(Invalid::new(number, message));
                        skip = true;
                    }
                }
                continue;
            }
            if skip {
                continue;
            }
            let rule = rules.last_mut().map(|(_, rule)| rule);
            if let Err(message) = read_header(line, rule) {
                invalid.push(Invalid::new(number, message));
            }
        }
        // A file whose lines do not hold may have such rules for that.
        let empty = rules.iter().filter(|(_, rule)| rule.set.is_empty() && rule.unset.is_empty());
        if invalid.is_empty() {
            for (number, _) in empty {
                invalid.push(Invalid::new(*number, "No headers specified"));
            }
        }
        let by_host = rules.iter().any(|(_, rule)| rule.path.starts_with("https://"));
        let rules = last_of_each(rules.into_iter().map(|(_, rule)| rule).collect());
        (Self { rules, by_host }, invalid)
    }

    /// Changes a response's headers as the rules say that match the request.
    pub(crate) fn apply(&self, url: &Url, headers: &mut HeaderMap) {
        let path = url.path();
        let whole = match url.host_str() {
            Some(host) if self.by_host => format!("https://{host}{path}"),
            _ => String::new(),
        };
        let mut set_before = HashSet::new();
        for Rule { path: rule, pattern, set, unset } in &self.rules {
            let asked = if rule.starts_with("https://") { &whole } else { path };
            let Some(groups) = pattern.as_ref().and_then(|pattern| pattern.matches(asked)) else { continue };
            for name in unset {
                headers.remove(name);
            }
            for (name, value) in set {
                let filled = if groups.is_empty() { None } else { Some(fill(value, &groups)) };
                let Ok(value) = HeaderValue::from_str(filled.as_deref().unwrap_or(value)) else { continue };
                if set_before.insert(name) {
                    headers.insert(name, value);
                } else {
                    headers.append(name, value);
                }
            }
        }
    }
}

/// A later rule of the same path takes an earlier one's place.
fn last_of_each(rules: Vec<Rule>) -> Vec<Rule> {
    let mut kept: Vec<Rule> = Vec::with_capacity(rules.len());
    for rule in rules {
        match kept.iter_mut().find(|other| other.path == rule.path) {
            Some(place) => *place = rule,
            None => kept.push(rule),
        }
    }
    kept
}

/// A path, or something with a scheme.
fn is_address(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    line.starts_with('/') || word.find("://").is_some_and(|at| at > 0)
}

fn read_path(line: &str) -> Result<String, String> {
    let path = normalize(line, Kind::Headers)?;
    let stars = path.matches('*').count();
    let named_splat = path.match_indices(":splat").any(|(at, name)| {
        !path[at + name.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
    });
    if stars > 1 {
        return Err(format!(
            "Only one wildcard is allowed per rule. Use a named placeholder (e.g. :project) instead. Skipping {path}."
        ));
    }
    if stars > 0 && named_splat {
        return Err(format!(
            "Cannot combine a wildcard * with a :splat placeholder because wildcards are converted to :splat at runtime. Skipping {path}."
        ));
    }
    Ok(path)
}

/// A line below a path: `name: value`, or `! name`.
fn read_header(line: &str, rule: Option<&mut Rule>) -> Result<(), String> {
    let Some((name, value)) = line.split_once(':') else {
        let rule = rule.ok_or("Expected a path beginning with at least one forward-slash")?;
        let name =
            line.strip_prefix("! ").ok_or("Expected a colon-separated header pair (e.g. name: value)")?;
        rule.unset.push(read_name(name.trim())?);
        return Ok(());
    };
    let (name, value) = (name.trim(), value.trim());
    if name.contains(' ') {
        return Err("Header name cannot include spaces".to_owned());
    }
    if name.is_empty() {
        return Err("No header name specified".to_owned());
    }
    if value.is_empty() {
        return Err("No header value specified".to_owned());
    }
    let rule = rule.ok_or_else(|| format!("Path should come before header ({name}: {value})"))?;
    let name = read_name(name)?;
    if HeaderValue::from_str(value).is_err() {
        return Err(format!("The value of {name} is not valid in a header"));
    }
    match rule.set.iter_mut().find(|(other, _)| *other == name) {
        Some((_, values)) => *values = format!("{values}, {value}"),
        None => rule.set.push((name, value.to_owned())),
    }
    Ok(())
}

fn read_name(text: &str) -> Result<HeaderName, String> {
    let name: HeaderName =
        text.to_ascii_lowercase().parse().map_err(|_| format!("{text:?} is not the name of a header"))?;
    match OURS.contains(&name) {
        true => Err(format!("The header {name} cannot be set")),
        false => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(rules: &str, url: &str, before: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in before {
            headers.append(*name, value.parse().unwrap());
        }
        HeaderRules::read(rules).unwrap().apply(&Url::parse(url).unwrap(), &mut headers);
        let line =
            |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
        let mut lines: Vec<String> = headers.iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn rules_set_add_and_remove() {
        let site = "http://site.test:8787/a/b";
        for (rules, before, expected) in [
            ("/a/*\n  X-A: 1\n  X-A: 2", vec![], vec!["x-a: 1, 2"]),
            ("/a/*\n  X-A: :splat", vec![], vec!["x-a: b"]),
            ("/a/*\n  X-A: 1\n/*\n  X-A: 2", vec![], vec!["x-a: 1", "x-a: 2"]),
            ("/a/*\n  ETag: mine", vec![("etag", "theirs")], vec!["etag: mine"]),
            ("/a/*\n  ! ETag", vec![("etag", "theirs")], vec![]),
            ("/a/*\n  X-A: 1\n/a/b\n  ! X-A", vec![], vec![]),
            ("https://site.test/*\n  X-A: 1", vec![], vec!["x-a: 1"]),
            ("https://other.test/*\n  X-A: 1", vec![], vec![]),
            ("https://:host.test/*\n  X-A: :host", vec![], vec!["x-a: site"]),
            ("/a/*\n  X-A: 1\n/a/*\n  X-B: 2", vec![], vec!["x-b: 2"]),
            ("# c\n/a/b\n  X-Link: <https://x.test>; rel=x", vec![], vec!["x-link: <https://x.test>; rel=x"]),
        ] {
            assert_eq!(applied(rules, site, &before), expected, "{rules}");
        }
    }

    #[test]
    fn lines_that_do_not_hold_are_named() {
        let many: String = (0..101).map(|n| format!("/{n}\n  X: 1\n")).collect();
        for (text, line, says) in [
            ("X-A: 1", 1, "Path should come before"),
            ("/a", 1, "No headers"),
            ("/a\n  X A: 1", 2, "spaces"),
            ("/a\n  X-A:", 2, "No header value"),
            ("/a\n  : 1", 2, "No header name"),
            ("/a\n  nothing", 2, "colon-separated"),
            ("/*/*\n  X: 1", 1, "Only one wildcard"),
            ("/*/:splat\n  X: 1", 1, "Cannot combine"),
            ("http://x.test/\n  X: 1", 1, "HTTPS"),
            ("https://x.test:80/\n  X: 1", 1, "ports"),
            ("/a\n  Content-Length: 1", 2, "cannot be set"),
            ("/a\n  X(: 1", 2, "not the name"),
            (&*many, 201, "rules supported is 100"),
        ] {
            let invalid = HeaderRules::read(text).unwrap_err();
            assert!(invalid[0].message.contains(says), "{text}: {invalid:?}");
            assert_eq!(invalid[0].line, line, "{text}: {invalid:?}");
        }
    }
}
