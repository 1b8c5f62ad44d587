//! Names of projects, and what branches are called in hosts.

use hearth_api::ApiError;
use hearth_model::WorkerName;

use crate::error::invalid;

/// Longest name of a project: what is left of a host's label beside what Cloudflare puts to it.
const MAX_NAME: usize = 58;

/// Longest alias: Cloudflare's.
const MAX_ALIAS: usize = 28;

/// Longest branch, in bytes: what git can keep as a file.
const MAX_BRANCH: usize = 255;

/// Reads a project's name.
///
/// # Errors
/// 400 saying what a name is.
pub(crate) fn read_name(text: &str) -> Result<WorkerName, ApiError> {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fits = (1..=MAX_NAME).contains(&text.len())
        && text.bytes().all(legal)
        && !text.starts_with('-')
        && !text.ends_with('-');
    text.parse().ok().filter(|_| fits).ok_or_else(|| {
        invalid(format!(
            "{text:?} is no name for a project: use 1 to {MAX_NAME} lower-case letters, digits and hyphens, with a letter or \
             digit at both ends."
        ))
    })
}

/// Checks a branch's name.
///
/// # Errors
/// 400.
pub(crate) fn check_branch(text: &str) -> Result<(), ApiError> {
    if text.is_empty() || text.len() > MAX_BRANCH || text.chars().any(char::is_control) {
        return Err(invalid(format!(
            "A branch has 1 to {MAX_BRANCH} bytes and no control characters; this one has {}.",
            text.len()
        )));
    }
    Ok(())
}

/// What a branch is called in hosts: in lower case, a hyphen for whatever cannot stand there, and not too long. None: there
/// is nothing in it that can.
pub(crate) fn alias(branch: &str) -> Option<String> {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let mapped: String = branch.chars().map(letter).collect();
    let short: String = mapped.trim_matches('-').chars().take(MAX_ALIAS).collect();
    let alias = short.trim_end_matches('-');
    (!alias.is_empty()).then(|| alias.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_hosts() {
        for good in ["a", "my-site", "0", &"a".repeat(58)] {
            assert!(read_name(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "ü", "a/b", &"a".repeat(59)] {
            assert!(read_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn branches_become_labels() {
        for (branch, expected) in [
            ("fix/api", Some("fix-api")),
            ("Feature_X", Some("feature-x")),
            ("dependabot/npm_and_yarn/esbuild-0.28.1", Some("dependabot-npm-and-yarn-esbu")),
            ("a-cut-behind-a-hyphen-is-at--the-end", Some("a-cut-behind-a-hyphen-is-at")),
            ("-x-", Some("x")),
            ("日本", None),
        ] {
            assert_eq!(alias(branch).as_deref(), expected, "{branch}");
        }
        for bad in ["", "a\nb", &"a".repeat(256)] {
            assert!(check_branch(bad).is_err(), "{bad}");
        }
        assert!(check_branch(&"a".repeat(255)).is_ok());
    }
}
