//! The rules that come with a version's assets: `_headers`, `_redirects`, `run_worker_first`, `base_path`.
//!
//! They are read once, when a version is accepted, where whatever does not hold is an error, and again when a version is
//! first asked for. What a line means is what it means to the parser that wrangler brings along for `wrangler dev`.

mod address;
pub(crate) mod base;
mod headers;
mod pattern;
mod redirects;
mod routing;

use hearth_model::{AssetsConfig, HtmlHandling, NotFoundHandling};

pub(crate) use base::BasePath;
pub(crate) use headers::HeaderRules;
pub(crate) use redirects::{Redirected, Redirects};
pub(crate) use routing::WorkerFirst;

/// Longest line of `_headers` and `_redirects`, in characters.
const MAX_LINE: usize = 2000;

/// Lines that an error lists.
const MAX_REPORTED: usize = 10;

/// Why a configuration is refused; the text is for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// `_redirects`.
    #[error("Invalid _redirects configuration:\n{0}")]
    Redirects(String),
    /// `_headers`.
    #[error("Invalid _headers configuration:\n{0}")]
    Headers(String),
    /// `run_worker_first`.
    #[error("{0}")]
    WorkerFirst(String),
    /// `base_path`.
    #[error("Invalid assets base_path: {0}")]
    BasePath(String),
    /// `_routes.json`.
    #[error("Invalid _routes.json: {0}")]
    Routes(String),
}

/// How a version's assets are served, ready for use.
#[derive(Debug)]
pub struct Rules {
    pub(crate) html: HtmlHandling,
    pub(crate) not_found: NotFoundHandling,
    pub(crate) base: BasePath,
    pub(crate) worker_first: WorkerFirst,
    pub(crate) redirects: Redirects,
    pub(crate) headers: HeaderRules,
}

impl Rules {
    /// Reads what Pages has of a configuration, passing over the lines that do not hold; which they are is told.
    pub fn lenient(config: &AssetsConfig) -> (Self, Vec<String>) {
        let html = HtmlHandling::default();
        let (redirects, of_redirects) =
            Redirects::parse(config.redirects.as_deref().unwrap_or_default(), html);
        let (headers, of_headers) = HeaderRules::parse(config.headers.as_deref().unwrap_or_default());
        let errors = [
            (!of_redirects.is_empty()).then(|| ConfigError::Redirects(report(&of_redirects))),
            (!of_headers.is_empty()).then(|| ConfigError::Headers(report(&of_headers))),
        ];
        let rules = Self {
            html,
            not_found: NotFoundHandling::default(),
            base: BasePath::root(),
            worker_first: WorkerFirst::Always(false),
            redirects,
            headers,
        };
        (rules, errors.into_iter().flatten().map(|error| error.to_string()).collect())
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// [`ConfigError`], which names the lines that do not hold.
    pub fn read(config: &AssetsConfig) -> Result<Self, ConfigError> {
        let html = config.html_handling.unwrap_or_default();
        Ok(Self {
            html,
            not_found: config.not_found_handling.unwrap_or_default(),
            base: BasePath::read(config.base_path.as_deref().unwrap_or("/"))
                .map_err(ConfigError::BasePath)?,
            worker_first: WorkerFirst::read(config.run_worker_first.as_ref())
                .map_err(ConfigError::WorkerFirst)?,
            redirects: Redirects::read(config.redirects.as_deref().unwrap_or_default(), html)
                .map_err(|invalid| ConfigError::Redirects(report(&invalid)))?,
            headers: HeaderRules::read(config.headers.as_deref().unwrap_or_default())
                .map_err(|invalid| ConfigError::Headers(report(&invalid)))?,
        })
    }
}

/// A line that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invalid {
    /// 1 for the first.
    line: usize,
    message: String,
}

impl Invalid {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

fn report(invalid: &[Invalid]) -> String {
    let line = |invalid: &Invalid| format!("Line {}: {}", invalid.line, invalid.message);
    let mut lines: Vec<String> = invalid.iter().take(MAX_REPORTED).map(line).collect();
    if invalid.len() > MAX_REPORTED {
        lines.push(format!("… and {} more.", invalid.len() - MAX_REPORTED));
    }
    lines.join("\n")
}

/// The lines of a file that say something, with their numbers; those that are too long are invalid.
fn lines<'a>(text: &'a str, invalid: &mut Vec<Invalid>) -> Vec<(usize, &'a str)> {
    let numbered = text.split('\n').map(str::trim).enumerate().map(|(index, line)| (index + 1, line));
    let said = numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let mut kept = Vec::new();
    for (number, line) in said {
        if line.chars().count() > MAX_LINE {
            let message = format!("the line exceeds the maximum allowed length of {MAX_LINE}.");
            invalid.push(Invalid::new(number, message));
        } else {
            kept.push((number, line));
        }
    }
    kept
}
