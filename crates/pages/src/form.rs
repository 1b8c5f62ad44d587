//! What a deployment is sent as: a form (wrangler-api.md 11).

use std::collections::BTreeMap;

use bytes::Bytes;
use hearth_api::{ApiError, Form, Part};
use hearth_assets::MAX_FILES;
use hearth_model::PagesRoutes;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{invalid, no_manifest};
use crate::names::check_branch;

/// Longest path of a file, in bytes.
const MAX_PATH: usize = 1024;

/// Longest text that says what a deployment is, in bytes. wrangler cuts messages at 384.
const MAX_TEXT: usize = 1024;

/// The name of code that comes as one file.
const SCRIPT: &str = "_worker.js";

/// What a client sends.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Deploying {
    /// Files by their paths: what the client calls their contents.
    pub manifest: BTreeMap<String, String>,
    pub branch: Option<String>,
    pub commit_hash: String,
    pub commit_message: String,
    pub commit_dirty: bool,
    pub headers: Option<String>,
    pub redirects: Option<String>,
    /// Which paths are the code's; None: all of them.
    pub routes: Option<PagesRoutes>,
    /// The code, as the upload of a worker.
    pub code: Code,
    /// Where the files lay on the client's disk.
    pub output_dir: Option<String>,
}

/// The code of a deployment.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum Code {
    /// There are files alone.
    #[default]
    None,
    /// One file.
    Script(Bytes),
    /// An upload, serialized.
    Bundle(Bytes),
}

impl Code {
    /// The code as an upload.
    ///
    /// # Errors
    /// 400 when the bundle is none.
    pub(crate) async fn into_form(self) -> Result<Option<Form>, ApiError> {
        match self {
            Self::None => Ok(None),
            Self::Bundle(bundle) => Form::read(None, bundle, "metadata").await.map(Some).map_err(|error| {
                invalid(format!("`_worker.bundle` is not the upload of a Worker: {}", error.message()))
            }),
            Self::Script(content) => {
                let document = Map::from_iter([("main_module".to_owned(), Value::from(SCRIPT))]);
                let media_type = Some("application/javascript+module".to_owned());
                let parts = vec![Part { name: SCRIPT.to_owned(), media_type, content }];
                Ok(Some(Form { document, parts }))
            }
        }
    }
}

impl Deploying {
    /// Reads a deployment's form.
    ///
    /// # Errors
    /// 400 naming the field that does not hold.
    pub(crate) fn read(form: Form) -> Result<Self, ApiError> {
        let mut this = Self::default();
        let mut manifest = None;
        for Part { name, content, .. } in form.parts {
            match name.as_str() {
                "manifest" => manifest = Some(read_manifest(&content)?),
                "branch" => this.branch = Some(text(&name, &content)?).filter(|branch| !branch.is_empty()),
                "commit_hash" => this.commit_hash = short(&name, &content)?,
                "commit_message" => this.commit_message = short(&name, &content)?,
                "commit_dirty" => this.commit_dirty = &content[..] == b"true",
                "_headers" => this.headers = Some(text(&name, &content)?),
                "_redirects" => this.redirects = Some(text(&name, &content)?),
                "_routes.json" => this.routes = Some(read_routes(&content)?),
                "_worker.bundle" if this.code == Code::None => this.code = Code::Bundle(content),
                "_worker.js" if this.code == Code::None => this.code = Code::Script(content),
                "_worker.bundle" | "_worker.js" => {
                    return Err(invalid("Only one of `_worker.js` and `_worker.bundle` may be given."));
                }
                "pages_build_output_dir" => this.output_dir = Some(short(&name, &content)?),
                // What a client made the functions of, for people to look at; and what is not known.
                _ => {}
            }
        }
        if let Some(branch) = &this.branch {
            check_branch(branch)?;
        }
        this.manifest = manifest.ok_or_else(no_manifest)?;
        Ok(this)
    }
}

fn text(field: &str, content: &[u8]) -> Result<String, ApiError> {
    match std::str::from_utf8(content) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(invalid(format!("`{field}` is not UTF-8."))),
    }
}

fn short(field: &str, content: &[u8]) -> Result<String, ApiError> {
    if content.len() > MAX_TEXT {
        return Err(invalid(format!("`{field}` has more than {MAX_TEXT} bytes.")));
    }
    text(field, content)
}

fn read_manifest(content: &[u8]) -> Result<BTreeMap<String, String>, ApiError> {
    let manifest: BTreeMap<String, String> = serde_json::from_slice(content)
        .map_err(|error| invalid(format!("`manifest` is not a JSON object of paths and hashes: {error}")))?;
    if manifest.len() > MAX_FILES {
        return Err(invalid(format!(
            "`manifest` has {} files; a deployment may have {MAX_FILES}.",
            manifest.len()
        )));
    }
    for path in manifest.keys() {
        check_path(path).map_err(|reason| invalid(format!("The path {path:?} in `manifest` {reason}.")))?;
    }
    Ok(manifest)
}

/// A path is looked up and never opened; one that would lead out of a folder is a mistake all the same.
fn check_path(path: &str) -> Result<(), &'static str> {
    if !path.starts_with('/') {
        return Err("does not begin with a slash");
    }
    if path.len() > MAX_PATH {
        return Err("has more than 1,024 bytes");
    }
    if path.contains('\0') {
        return Err("has a zero byte");
    }
    if path[1..].split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("has an empty, `.` or `..` segment");
    }
    Ok(())
}

/// `_routes.json`.
#[derive(Deserialize)]
struct Routes {
    version: u64,
    include: Vec<String>,
    exclude: Vec<String>,
}

fn read_routes(content: &[u8]) -> Result<PagesRoutes, ApiError> {
    let routes: Routes =
        serde_json::from_slice(content).map_err(|error| invalid(format!("`_routes.json`: {error}")))?;
    if routes.version != 1 {
        return Err(invalid(format!("`_routes.json` has the version {}; this is 1.", routes.version)));
    }
    Ok(PagesRoutes { include: routes.include, exclude: routes.exclude })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn form(fields: &[(&str, &str)]) -> Form {
        let part = |(name, content): &(&str, &str)| Part {
            name: (*name).to_owned(),
            media_type: None,
            content: Bytes::from((*content).to_owned()),
        };
        Form { document: Map::new(), parts: fields.iter().map(part).collect() }
    }

    #[test]
    fn a_form_is_a_deployment() {
        let read = Deploying::read(form(&[
            ("manifest", r#"{"/index.html":"abc"}"#),
            ("branch", "fix/api"),
            ("commit_hash", "c0ffee"),
            ("commit_dirty", "true"),
            ("_routes.json", r#"{"version":1,"include":["/api/*"],"exclude":[],"description":"x"}"#),
            ("_worker.js", "export default {}"),
            ("functions-filepath-routing-config.json", "{}"),
        ]))
        .unwrap();
        assert_eq!(read.manifest["/index.html"], "abc");
        assert_eq!((read.branch.as_deref(), read.commit_dirty), (Some("fix/api"), true));
        assert_eq!(read.routes.unwrap().include, ["/api/*"]);
        assert!(matches!(read.code, Code::Script(_)));
        let bare = Deploying::read(form(&[("manifest", "{}"), ("branch", "")])).unwrap();
        assert_eq!(bare, Deploying::default());
    }

    #[test]
    fn what_does_not_hold_is_named() {
        let long = "a".repeat(300);
        let path = |path: &str| json!({path: "h"}).to_string();
        for (fields, says) in [
            (vec![("branch", "x")], "manifest"),
            (vec![("manifest", "[]")], "JSON object"),
            (vec![("manifest", r#"{"/a":7}"#)], "JSON object"),
            (vec![("manifest", &path("/../etc/passwd") as &str)], "`..`"),
            (vec![("manifest", &path("a"))], "slash"),
            (vec![("manifest", &path("/a//b"))], "empty"),
            (vec![("manifest", &path("/a\0"))], "zero byte"),
            (vec![("manifest", "{}"), ("branch", &long)], "branch"),
            (vec![("manifest", "{}"), ("_routes.json", "{")], "_routes.json"),
            (
                vec![("manifest", "{}"), ("_routes.json", r#"{"version":2,"include":[],"exclude":[]}"#)],
                "version",
            ),
            (vec![("manifest", "{}"), ("_worker.js", "a"), ("_worker.bundle", "b")], "Only one"),
            (vec![("manifest", "{}"), ("commit_message", &"a".repeat(2000))], "commit_message"),
        ] {
            let error = Deploying::read(form(&fields)).unwrap_err();
            assert!(error.message().contains(says), "{fields:?}: {}", error.message());
        }
    }

    #[tokio::test]
    async fn a_bundle_is_an_upload_whatever_its_boundary() {
        let bundle = "------x1\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{\"main_module\":\"a.js\"}\r\n\
                      ------x1\r\nContent-Disposition: form-data; name=\"a.js\"; filename=\"a.js\"\r\n\
                      Content-Type: application/javascript+module\r\n\r\nexport default {}\r\n------x1--\r\n";
        let form = Code::Bundle(bundle.into()).into_form().await.unwrap().unwrap();
        assert_eq!((form.document["main_module"].as_str(), form.parts.len()), (Some("a.js"), 1));
        for bad in ["", "hello", "------x1\r\n"] {
            let error = Code::Bundle(bad.into()).into_form().await.unwrap_err();
            assert!(error.message().contains("_worker.bundle"), "{bad}: {}", error.message());
        }
        assert!(Code::None.into_form().await.unwrap().is_none());
    }
}
