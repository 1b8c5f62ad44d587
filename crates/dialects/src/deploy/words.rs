//! Names, and what kind of code a text is. Pure.

use std::sync::LazyLock;

use hearth_api::ApiError;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use regex::Regex;

use crate::fields::bad;

/// The code's file, as stacks show it.
pub(super) const FILE: &str = "index.js";

/// Checks what becomes a label of a host. `field` is what the caller calls it.
pub(super) fn check_label(field: &str, text: &str) -> Result<(), ApiError> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let ends = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    let bytes = text.as_bytes();
    let fits = bytes.len() <= 63
        && ends(bytes.first().copied())
        && ends(bytes.last().copied())
        && text.bytes().all(legal);
    if fits {
        return Ok(());
    }
    Err(bad(format!(
        "`{field}` {text:?} cannot stand in a host: use 1 to 63 letters, digits, '-' or '_', beginning and ending with \
         a letter or digit."
    )))
}

/// A version's name, of the time.
pub(super) fn version_of(now: Timestamp) -> String {
    now.to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M%S%3f").to_string()
}

/// Whether the code is a module: it has a default export. Everything else is a service worker.
pub(super) fn is_module(code: &str) -> bool {
    static EXPORT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?m)(^|[;}\s])export\s+(default\b|\{[^}]*\bas\s+default\b)").expect("a valid expression")
    });
    EXPORT.is_match(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_fit_into_hosts() {
        for good in ["v1", "V1", "7cc187", "a-b_c"] {
            assert!(check_label("version", good).is_ok(), "{good}");
        }
        for bad in ["", "1.0", "-a", "a-", "a b", "ü", &"a".repeat(64)] {
            let error = check_label("version", bad).unwrap_err();
            assert!(error.message().contains("`version`"), "{bad}");
        }
    }

    #[test]
    fn a_version_of_the_time_is_a_label_and_sorts() {
        let at = |text: &str| version_of(text.parse().unwrap());
        let (first, second) = (at("2026-11-30T09:00:00.999Z"), at("2026-11-30T10:00:01Z"));
        assert_eq!(first, "20261130090000999");
        assert!(first < second && check_label("version", &first).is_ok());
    }

    #[test]
    fn a_default_export_makes_a_module() {
        for module in [
            "export default { fetch() {} }",
            "const a = 1;export default a",
            "class A {}\nexport { A as default }",
            "// x\nexport  default\n{}",
        ] {
            assert!(is_module(module), "{module}");
        }
        for script in [
            "addEventListener(\"fetch\", event => { event.respondWith(new Response(\"v1\")) })",
            "const reexport = default_;",
            "",
        ] {
            assert!(!is_module(script), "{script}");
        }
    }
}
