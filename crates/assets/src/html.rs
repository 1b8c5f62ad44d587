//! `html_handling` and `not_found_handling`: which file a path stands for, or which other path is the file's own.
//!
//! The order of what is tried is that of the assets service that workerd's tools ship; where it is odd, it is so there.

use hearth_model::{HtmlHandling, NotFoundHandling};

use crate::manifest::{File, Manifest};

/// What a path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Intent<'a> {
    /// This file.
    Serve(File<'a>),
    /// The nearest `404.html`.
    NotFound(File<'a>),
    /// Another path, which is the file's own.
    Redirect(String),
}

/// One thing to try.
enum Try {
    /// The path itself.
    Exact,
    /// This file.
    Serve(String),
    /// A redirect to `to`, if it is there that `file` is served.
    Redirect { file: String, to: String },
}

/// Files, and how they are looked for.
#[derive(Clone, Copy)]
pub(crate) struct Files<'a> {
    pub manifest: &'a Manifest,
    pub html: HtmlHandling,
    pub not_found: NotFoundHandling,
}

impl<'a> Files<'a> {
    /// What a path stands for; None: nothing. The path is decoded, and below the base.
    pub(crate) fn intent(self, path: &str) -> Option<Intent<'a>> {
        self.find(path, true)
    }

    fn find(self, path: &str, redirects: bool) -> Option<Intent<'a>> {
        let exact = self.manifest.get(path);
        // What is asked for most: a file that no page's rule is about.
        if let Some(file) = exact
            && !path.ends_with('/')
            && !path.ends_with("/index")
            && !path.ends_with(".html")
        {
            return Some(Intent::Serve(file));
        }
        for attempt in attempts(self.html, path) {
            let found = match attempt {
                Try::Exact => exact.map(Intent::Serve),
                Try::Serve(file) => self.manifest.get(&file).map(Intent::Serve),
                Try::Redirect { file, to } => {
                    (redirects && self.leads_to(&file, &to)).then_some(Intent::Redirect(to))
                }
            };
            if found.is_some() {
                return found;
            }
        }
        self.not_found(path)
    }

    /// Whether the other path, which is no file's name, has the file's content.
    fn leads_to(self, file: &str, to: &str) -> bool {
        if self.manifest.get(to).is_some() {
            return false;
        }
        let there = match self.find(to, false) {
            Some(Intent::Serve(file) | Intent::NotFound(file)) => file.content,
            Some(Intent::Redirect(_)) | None => return false,
        };
        self.manifest.get(file).is_some_and(|file| file.content == there)
    }

    fn not_found(self, path: &str) -> Option<Intent<'a>> {
        match self.not_found {
            NotFoundHandling::None => None,
            NotFoundHandling::SinglePageApplication => self.manifest.get("/index.html").map(Intent::Serve),
            NotFoundHandling::Page404 => nearest_404(self.manifest, path).map(Intent::NotFound),
        }
    }
}

/// The `404.html` of the path's folder, or of the nearest above it that has one.
pub(crate) fn nearest_404<'a>(manifest: &'a Manifest, path: &str) -> Option<File<'a>> {
    let mut folder = path;
    while !folder.is_empty() {
        folder = folder.rfind('/').map_or("", |at| &folder[..at]);
        if let Some(file) = manifest.get(&format!("{folder}/404.html")) {
            return Some(file);
        }
    }
    None
}

/// What is tried, in its order.
fn attempts(html: HtmlHandling, path: &str) -> Vec<Try> {
    // The path without so many of its last letters, and with this instead.
    let with = |cut: usize, end: &str| format!("{}{end}", &path[..path.len() - cut]);
    let redirect = |file: String, to: String| Try::Redirect { file, to };
    let mut tries = Vec::with_capacity(5);
    match html {
        HtmlHandling::None => tries.push(Try::Exact),
        HtmlHandling::AutoTrailingSlash => {
            if path.ends_with("/index") {
                tries.push(Try::Exact);
                tries.push(redirect(with(0, ".html"), with(5, "")));
                tries.push(redirect(with(6, ".html"), with(6, "")));
            } else if path.ends_with("/index.html") {
                tries.push(redirect(with(0, ""), with(10, "")));
                tries.push(redirect(with(11, ".html"), with(11, "")));
            } else if path.ends_with('/') {
                tries.push(Try::Serve(with(0, "index.html")));
                tries.push(redirect(with(1, ".html"), with(1, "")));
            } else if path.ends_with(".html") {
                tries.push(redirect(with(0, ""), with(5, "")));
                tries.push(redirect(with(5, "/index.html"), with(5, "/")));
            }
            tries.push(Try::Exact);
            tries.push(Try::Serve(with(0, ".html")));
            tries.push(redirect(with(0, "/index.html"), with(0, "/")));
        }
        HtmlHandling::ForceTrailingSlash => {
            if path.ends_with("/index") {
                tries.push(Try::Exact);
                tries.push(redirect(with(0, ".html"), with(5, "")));
                tries.push(redirect(with(6, ".html"), with(5, "")));
            } else if path.ends_with("/index.html") {
                tries.push(redirect(with(0, ""), with(10, "")));
                tries.push(redirect(with(11, ".html"), with(10, "")));
            } else if path.ends_with('/') {
                tries.push(Try::Serve(with(0, "index.html")));
                tries.push(Try::Serve(with(1, ".html")));
            } else if path.ends_with(".html") {
                tries.push(redirect(with(0, ""), with(5, "/")));
                tries.push(Try::Exact);
                tries.push(redirect(with(5, "/index.html"), with(5, "/")));
            }
            tries.push(Try::Exact);
            tries.push(redirect(with(0, ".html"), with(0, "/")));
            tries.push(redirect(with(0, "/index.html"), with(0, "/")));
        }
        HtmlHandling::DropTrailingSlash => {
            match path {
                "/index" => {
                    tries.push(Try::Exact);
                    tries.push(redirect("/index.html".to_owned(), "/".to_owned()));
                }
                "/index.html" => tries.push(redirect("/index.html".to_owned(), "/".to_owned())),
                "/" => tries.push(Try::Serve("/index.html".to_owned())),
                _ if path.ends_with("/index") => {
                    tries.push(Try::Exact);
                    tries.push(redirect(with(6, ".html"), with(6, "")));
                    tries.push(redirect(with(0, ".html"), with(6, "")));
                }
                _ if path.ends_with("/index.html") => {
                    tries.push(redirect(with(0, ""), with(11, "")));
                    tries.push(Try::Exact);
                    tries.push(redirect(with(11, ".html"), with(11, "")));
                }
                _ if path.ends_with('/') => {
                    tries.push(redirect(with(1, ".html"), with(1, "")));
                    tries.push(redirect(with(1, "/index.html"), with(1, "")));
                }
                _ if path.ends_with(".html") => {
                    tries.push(redirect(with(0, ""), with(5, "")));
                    tries.push(redirect(with(5, "/index.html"), with(5, "")));
                }
                _ => {}
            }
            tries.push(Try::Exact);
            tries.push(Try::Serve(with(0, ".html")));
            tries.push(Try::Serve(with(0, "/index.html")));
        }
    }
    tries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::NewFile;

    fn manifest(paths: &[&str]) -> Manifest {
        let file = |(index, path): (usize, &&str)| NewFile {
            path: (*path).to_owned(),
            content: format!("{index:032x}").parse().unwrap(),
            size: index as u32,
            media_type: None,
        };
        let files: Vec<NewFile> = paths.iter().enumerate().map(file).collect();
        Manifest::read(Manifest::write(&files).into()).unwrap()
    }

    const PATHS: [&str; 7] = [
        "/index.html",
        "/file.html",
        "/folder/index.html",
        "/bin%2F",
        "/404.html",
        "/folder/404.html",
        "/app.js",
    ];

    /// As in the table of Cloudflare's documentation of `html_handling`.
    #[test]
    fn pages_have_one_address_each() {
        use HtmlHandling::{
            AutoTrailingSlash as Auto, DropTrailingSlash as Drop, ForceTrailingSlash as Force,
        };
        let manifest = manifest(&PATHS);
        let serves = |path: &str| format!("= {path}");
        let leads = |path: &str| format!("> {path}");
        for (html, path, expected) in [
            (Auto, "/file", serves("/file.html")),
            (Auto, "/file.html", leads("/file")),
            (Auto, "/file/", leads("/file")),
            (Auto, "/file/index", leads("/file")),
            (Auto, "/file/index.html", leads("/file")),
            (Auto, "/folder", leads("/folder/")),
            (Auto, "/folder.html", leads("/folder/")),
            (Auto, "/folder/", serves("/folder/index.html")),
            (Auto, "/folder/index", leads("/folder/")),
            (Auto, "/folder/index.html", leads("/folder/")),
            (Force, "/file", leads("/file/")),
            (Force, "/file.html", leads("/file/")),
            (Force, "/file/", serves("/file.html")),
            (Force, "/folder", leads("/folder/")),
            (Force, "/folder/", serves("/folder/index.html")),
            (Drop, "/file", serves("/file.html")),
            (Drop, "/file/", leads("/file")),
            (Drop, "/folder", serves("/folder/index.html")),
            (Drop, "/folder/", leads("/folder")),
            (Drop, "/folder/index.html", leads("/folder")),
            (Drop, "/index.html", leads("/")),
            (HtmlHandling::None, "/file", "nothing".to_owned()),
            (HtmlHandling::None, "/file.html", serves("/file.html")),
            (HtmlHandling::None, "/folder/", "nothing".to_owned()),
            (Auto, "/app.js", serves("/app.js")),
            (Auto, "/", serves("/index.html")),
            (Auto, "/index", leads("/")),
        ] {
            let files = Files { manifest: &manifest, html, not_found: NotFoundHandling::None };
            let found = match files.intent(path) {
                Some(Intent::Serve(file)) => serves(PATHS[file.size as usize]),
                Some(Intent::Redirect(to)) => leads(&to),
                Some(Intent::NotFound(_)) => "404".to_owned(),
                None => "nothing".to_owned(),
            };
            assert_eq!(found, expected, "{html:?} {path}");
        }
    }

    #[test]
    fn what_is_not_there_is_answered_as_configured() {
        let manifest = manifest(&PATHS);
        let files = |not_found| Files { manifest: &manifest, html: HtmlHandling::default(), not_found };
        for (path, page) in
            [("/folder/x", "/folder/404.html"), ("/folder/a/b/", "/folder/404.html"), ("/x", "/404.html")]
        {
            let Some(Intent::NotFound(file)) = files(NotFoundHandling::Page404).intent(path) else {
                panic!("{path}")
            };
            assert_eq!(PATHS[file.size as usize], page, "{path}");
        }
        let spa = files(NotFoundHandling::SinglePageApplication).intent("/any/where");
        assert!(matches!(spa, Some(Intent::Serve(file)) if file.size == 0));
        assert_eq!(files(NotFoundHandling::None).intent("/x"), None);
    }
}
