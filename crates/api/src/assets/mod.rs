//! Static assets: the calls that upload them, and what of it a version gets (wrangler-api.md 4.4).
//!
//! A session announces every file with its hash; the answer says which contents are missing, in buckets, and has a token
//! with which they are uploaded. Once none is missing there is another token, which a script's upload shows.

mod announce;
mod garbage;
mod list;
mod plan;
mod sessions;
mod token;
mod upload;

pub(crate) use plan::WantedAssets;
pub use sessions::Assets;
