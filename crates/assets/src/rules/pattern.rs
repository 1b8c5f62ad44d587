//! `*` and `:names` in rules.

use regex::{Regex, escape};

/// What a rule is for.
#[derive(Debug)]
pub(super) enum Pattern {
    /// Exactly this.
    Literal(String),
    /// Whatever this matches.
    Regex(Regex),
}

/// What the pattern's names stand for, in their order.
pub(super) type Groups<'a> = Vec<(String, &'a str)>;

impl Pattern {
    /// Reads a rule's address. None: it can match nothing, since a name stands in it twice.
    pub(super) fn read(rule: &str) -> Option<Self> {
        if !is_dynamic(rule) {
            return Some(Self::Literal(rule.to_owned()));
        }
        let host_end = rule.strip_prefix("https://").map(|rest| 8 + rest.find('/').unwrap_or(rest.len()));
        let mut source = String::from("^");
        let mut at = 0;
        while let Some(next) = rule[at..].chars().next() {
            match name_at(&rule[at..]) {
                Some(name) => {
                    let end = at + 1 + name.len();
                    // In a host a name is one label; behind it must come something of the host or its end.
                    let of_host =
                        host_end.is_some_and(|host| end <= host) && rule[end..].starts_with(['.', '/', '-']);
                    let class = if of_host { "[^/.]+" } else { "[^/]+" };
                    source.push_str(&format!("(?P<{name}>{class})"));
                    at = end;
                }
                None if next == '*' => {
                    source.push_str("(?P<splat>.*)");
                    at += 1;
                }
                None => {
                    source.push_str(&escape(next.encode_utf8(&mut [0; 4])));
                    at += next.len_utf8();
                }
            }
        }
        source.push('$');
        Regex::new(&source).ok().map(Self::Regex)
    }

    pub(super) fn matches<'a>(&self, text: &'a str) -> Option<Groups<'a>> {
        match self {
            Self::Literal(literal) => (literal == text).then(Vec::new),
            Self::Regex(regex) => {
                let found = regex.captures(text)?;
                let names = regex.capture_names().flatten();
                Some(names.filter_map(|name| Some((name.to_owned(), found.name(name)?.as_str()))).collect())
            }
        }
    }
}

/// Whether there is a `*` or a name in it.
pub(super) fn is_dynamic(rule: &str) -> bool {
    rule.contains('*') || rule.match_indices(':').any(|(at, _)| name_at(&rule[at..]).is_some())
}

/// The name that a text begins with, behind its colon.
fn name_at(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(':')?;
    let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    rest.starts_with(|c: char| c.is_ascii_alphabetic()).then(|| &rest[..length])
}

/// A text with what the names stand for in their place.
pub(super) fn fill(text: &str, groups: &Groups<'_>) -> String {
    groups.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!(":{name}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_stars_take_what_they_stand_for() {
        for (rule, text, to, expected) in [
            ("/a/*", "/a/b/c", "/z/:splat", Some("/z/b/c")),
            ("/a/*", "/a", "/z", None),
            ("/b/:year/:name", "/b/26/x", "/:name/:year", Some("/x/26")),
            ("/b/:id", "/b/x/y", "/:id", None),
            ("/c.:ext", "/c.js", "/:ext", Some("/js")),
            ("/c.:ext", "/cxjs", "/:ext", None),
            ("https://:sub.test/*", "https://a.test/p", "/:sub/:splat", Some("/a/p")),
            ("https://:sub.test/*", "https://a.b.test/p", "/", None),
            ("/plain", "/plain", "/x:1", Some("/x:1")),
        ] {
            let groups = Pattern::read(rule).unwrap();
            let filled = groups.matches(text).map(|groups| fill(to, &groups));
            assert_eq!(filled.as_deref(), expected, "{rule} {text}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_matches_nothing() {
        assert!(Pattern::read("/:a/:a").is_none());
        assert!(Pattern::read("/*/b/*").is_none());
        assert!(!is_dynamic("/a:1/b:"));
    }
}
