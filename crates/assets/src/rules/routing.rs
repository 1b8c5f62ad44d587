//! `run_worker_first`.

use hearth_model::RunWorkerFirst;
use regex::{RegexSet, escape};

/// Most rules.
const MAX_RULES: usize = 100;

/// Longest rule, in bytes.
const MAX_RULE: usize = 100;

/// Who sees a request first.
#[derive(Debug)]
pub(crate) enum WorkerFirst {
    /// The worker sees all of them first, or none.
    Always(bool),
    /// By the path, as it was sent.
    Paths {
        /// These go to the assets, whatever else matches.
        assets: RegexSet,
        /// These go to the worker.
        worker: RegexSet,
    },
}

impl WorkerFirst {
    pub(super) fn read(config: Option<&RunWorkerFirst>) -> Result<Self, String> {
        let rules = match config {
            None => return Ok(Self::Always(false)),
            Some(RunWorkerFirst::Always(always)) => return Ok(Self::Always(*always)),
            Some(RunWorkerFirst::Paths(rules)) => rules,
        };
        if rules.is_empty() {
            return Err("No `run_worker_first` rules were provided; must provide at least 1 rule.".to_owned());
        }
        if rules.len() > MAX_RULES {
            return Err(format!(
                "Too many `run_worker_first` rules were provided; {} rules provided exceeds max of {MAX_RULES}.",
                rules.len()
            ));
        }
        let (mut assets, mut worker, mut invalid) = (Vec::new(), Vec::new(), Vec::new());
        for rule in rules {
            match rule.strip_prefix('!') {
                Some(path) if path.starts_with('/') => assets.push(path),
                Some(_) => invalid.push(format!("'{rule}': negative rules must start with '!/'")),
                None if rule.starts_with('/') => worker.push(rule.as_str()),
                None => invalid.push(format!("'{rule}': rules must start with '/' or '!/'")),
            }
        }
        if worker.is_empty() && invalid.is_empty() {
            return Err(
                "Only negative `run_worker_first` rules were provided; must provide at least 1 non-negative rule"
                    .to_owned(),
            );
        }
        invalid.extend(faults(&worker).into_iter().chain(faults(&assets)));
        if !invalid.is_empty() {
            return Err(format!("Invalid routes in `run_worker_first`:\n{}", invalid.join("\n")));
        }
        let set = |rules: &[&str]| {
            let sources = rules.iter().map(|rule| {
                let parts: Vec<String> = rule.split('*').map(escape).collect();
                format!("^{}$", parts.join(".*"))
            });
            RegexSet::new(sources).map_err(|_| "The `run_worker_first` rules are too large.".to_owned())
        };
        Ok(Self::Paths { assets: set(&assets)?, worker: set(&worker)? })
    }

    /// Whether it tells paths apart.
    pub(crate) fn is_by_path(&self) -> bool {
        matches!(self, Self::Paths { .. })
    }
}

fn faults(rules: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        if rule.len() > MAX_RULE {
            faults.push(format!("'{rule}': all rules must be less than {MAX_RULE} characters in length"));
        }
        if rules[..index].contains(rule) {
            faults.push(format!("'{rule}': rule is a duplicate; rules must be unique"));
        }
        let Some(prefix) = rule.strip_suffix('*') else { continue };
        for other in rules.iter().filter(|other| *other != rule && other.starts_with(prefix)) {
            faults.push(format!("'{other}': rule '{rule}' makes it redundant"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rules: &[&str]) -> Result<WorkerFirst, String> {
        let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
        WorkerFirst::read(Some(&RunWorkerFirst::Paths(rules)))
    }

    #[test]
    fn rules_that_cannot_be_are_named() {
        for (rules, says) in [
            (vec![], "at least 1 rule"),
            (vec!["api/*"], "'api/*'"),
            (vec!["!api"], "negative rules"),
            (vec!["!/a"], "Only negative"),
            (vec!["/a", "/a"], "duplicate"),
            (vec!["/a/*", "/a/b"], "redundant"),
            (vec!["/a"; 101], "Too many"),
        ] {
            assert!(read(&rules).unwrap_err().contains(says), "{rules:?}");
        }
        assert!(read(&[&format!("/{}", "a".repeat(100))]).is_err());
        assert!(read(&["/api/*", "!/api/docs/*"]).unwrap().is_by_path());
    }
}
