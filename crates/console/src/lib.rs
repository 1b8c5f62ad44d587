//! The console: the page at `/` of the control host, its files, and the headers that keep other people's scripts off its
//! origin.
//!
//! `console/` is built by Vite into `console/dist`. A release carries that; a debug build reads it from the checkout, so
//! that a page can be worked at without building Rust. Without it the page says how to get it.

#![forbid(unsafe_code)]

mod choose;
mod headers;
mod page;

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use rust_embed::RustEmbed;

pub use headers::seal;

#[derive(RustEmbed)]
#[folder = "../../console/dist"]
#[allow_missing = true]
struct Dist;

/// Where the console's own pages are, which its router in the browser tells apart. All have the one document.
/// `console/src/app/router.tsx` has the same.
const PAGES: [&str; 8] = [
    "/",
    "/a/{*page}",
    "/me",
    "/me/{*page}",
    "/installation",
    "/installation/{*page}",
    "/sign-in",
    "/invitation/{*page}",
];

/// The console's paths. Merging it with the API's router panics at the start where one would shadow the other.
pub fn router() -> Router {
    let pages = PAGES.into_iter().fold(Router::new(), |router, path| router.route(path, get(document)));
    pages.route("/assets/{*name}", get(asset)).route("/favicon.svg", get(icon))
}

async fn document() -> Response {
    let found = Dist::get("index.html");
    page::document(found.as_ref().map(|file| file.data.as_ref()))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    file(&format!("assets/{name}"), &headers)
}

async fn icon(headers: HeaderMap) -> Response {
    file("favicon.svg", &headers)
}

/// A file as small as the client takes it.
fn file(name: &str, headers: &HeaderMap) -> Response {
    for coding in choose::codings(headers) {
        if let Some(found) = Dist::get(&format!("{name}{}", coding.suffix())) {
            return page::file(name, coding, found.data, &found.metadata.sha256_hash(), headers);
        }
    }
    match Dist::get(name) {
        Some(found) => {
            page::file(name, choose::Coding::Identity, found.data, &found.metadata.sha256_hash(), headers)
        }
        None => page::text(StatusCode::NOT_FOUND, "The console has no such file; reload the page."),
    }
}
