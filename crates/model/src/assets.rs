//! Static assets of a version: what is kept of them, and how they are to be served (wrangler-api.md 4.4).

use serde::{Deserialize, Serialize};

/// The static assets of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionAssets {
    /// The blob that lists the files: `hearth_assets::Manifest`.
    pub manifest: String,
    /// How many files there are.
    pub files: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// How they are served.
    pub config: AssetsConfig,
    /// Of a deployment of Pages, whose rules differ: which paths are its code's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<PagesRoutes>,
}

/// `_routes.json`: which paths are the code's of a deployment of Pages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagesRoutes {
    /// These are, with `*` for anything.
    pub include: Vec<String>,
    /// These are not, whatever else matches.
    pub exclude: Vec<String>,
}

impl PagesRoutes {
    /// All paths: what code has that does not say.
    pub fn all() -> Self {
        Self { include: vec!["/*".to_owned()], exclude: Vec::new() }
    }
}

/// How assets are served: `metadata.assets.config` of an upload, by its names there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetsConfig {
    /// Which of a page's addresses is its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html_handling: Option<HtmlHandling>,
    /// What is answered where there is no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_found_handling: Option<NotFoundHandling>,
    /// The path below which the assets lie; `/` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_path: Option<String>,
    /// Which requests the worker sees before there is looked for a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_worker_first: Option<RunWorkerFirst>,
    /// The text of the file `_redirects`.
    #[serde(default, rename = "_redirects", skip_serializing_if = "Option::is_none")]
    pub redirects: Option<String>,
    /// The text of the file `_headers`.
    #[serde(default, rename = "_headers", skip_serializing_if = "Option::is_none")]
    pub headers: Option<String>,
}

/// Which of a page's addresses is its own; from the others there is a redirect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HtmlHandling {
    /// `/a/` for `a/index.html`, `/a` for `a.html`.
    #[default]
    AutoTrailingSlash,
    /// `/a/` for both.
    ForceTrailingSlash,
    /// `/a` for both.
    DropTrailingSlash,
    /// The file's own name, and nothing else.
    None,
}

/// What is answered where there is no file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotFoundHandling {
    /// The worker, or an empty 404.
    #[default]
    #[serde(rename = "none")]
    None,
    /// The nearest `404.html`, with 404.
    #[serde(rename = "404-page")]
    Page404,
    /// `index.html`, with 200.
    #[serde(rename = "single-page-application")]
    SinglePageApplication,
}

/// Which requests the worker sees before there is looked for a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RunWorkerFirst {
    /// All of them, or none.
    Always(bool),
    /// Those that a pattern matches, and none that one with `!` before it does.
    Paths(Vec<String>),
}
