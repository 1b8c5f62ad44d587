//! Static assets: the files that come with a version, and how requests for them are answered without its worker.
//!
//! [`Site`] decides, in pure code: is a request the worker's, and if not, which file, redirect or refusal answers it.
//! [`Contents`] has the files, by account and by what their clients call them; [`Sites`] has what was asked for in memory.
//! What is kept of a version (its list of files, how they are to be served) and of an upload under way lies in the
//! metadata, `hearth-store`; the calls that upload are in `hearth-api`.
//!
//! What is decided is what the assets service decides that workerd's tools ship (`wrangler dev` runs it); the end-to-end
//! test `e2e_assets_like` holds one against the other, request by request.

#![forbid(unsafe_code)]

mod contents;
mod guard;
mod html;
mod manifest;
mod range;
mod rules;
mod site;
mod sites;

pub use contents::{Coding, Content, Contents, Folder, Incoming, IncomingError, Piece};
pub use guard::{Guard, guard, is_harmless};
pub use manifest::{ContentHash, File, Listing, Manifest, NewFile, Unreadable};
pub use range::Part;
pub use rules::{ConfigError, Rules};
pub use site::{Answer, Asked, Routes, Site};
pub use sites::{Library, Loaded, SiteError, SiteSource, Sites};

/// Largest file, in bytes.
pub const MAX_FILE: u64 = 25 << 20;

/// Most files of a version: what Cloudflare's paid plans have.
pub const MAX_FILES: usize = 100_000;
