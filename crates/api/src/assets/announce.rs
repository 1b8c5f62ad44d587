//! What a session announces, and in which portions the missing contents are to come.

use std::collections::{BTreeMap, HashMap, HashSet};

use hearth_assets::{ContentHash, MAX_FILE, MAX_FILES};
use serde::{Deserialize, Serialize};

use crate::error::{ApiError, code};

/// Longest path of a file, in bytes.
const MAX_PATH: usize = 1024;

/// Most contents of one portion.
const BUCKET_FILES: usize = 500;

/// Bytes of one portion, unless one content alone has more.
const BUCKET_BYTES: u64 = 16 << 20;

/// From this many bytes on, on average, contents come one by one and as they are: base64 costs more than a call.
const SINGLE: u64 = 1 << 20;

/// What a session announces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Announcement {
    /// Files by their paths.
    pub manifest: BTreeMap<String, AnnouncedFile>,
}

/// An announced file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AnnouncedFile {
    /// What its content is called.
    pub hash: String,
    /// Bytes.
    pub size: u64,
}

/// A content that was announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announced {
    /// Of its path, without the dot.
    pub extension: Box<str>,
    /// Bytes.
    pub size: u64,
}

impl Announcement {
    /// Reads a session's body.
    ///
    /// # Errors
    /// 400 naming the file that does not hold.
    pub(super) fn read(body: &[u8]) -> Result<Self, ApiError> {
        let this: Self = serde_json::from_slice(body).map_err(|error| {
            ApiError::bad_request(code::BAD_BODY, format!("Could not read the assets' manifest: {error}"))
        })?;
        if this.manifest.len() > MAX_FILES {
            return Err(ApiError::invalid_upload(format!(
                "The assets are {} files; a Worker may have {MAX_FILES}.",
                this.manifest.len()
            )));
        }
        let mut sizes = HashMap::new();
        for (path, file) in &this.manifest {
            let invalid = |reason: &str| ApiError::invalid_upload(format!("The asset {path:?} {reason}."));
            check_path(path).map_err(invalid)?;
            let hash: ContentHash = file
                .hash
                .parse()
                .map_err(|()| invalid("has a hash that is not 32 lower-case hexadecimal digits"))?;
            if file.size > MAX_FILE {
                return Err(invalid("is larger than 25 MiB"));
            }
            if *sizes.entry(hash).or_insert(file.size) != file.size {
                return Err(invalid("has the hash of another file, and another size"));
            }
        }
        Ok(this)
    }

    /// The contents by their names.
    pub(super) fn contents(&self) -> HashMap<ContentHash, Announced> {
        let content = |(path, file): (&String, &AnnouncedFile)| {
            let announced = Announced { extension: extension(path).into(), size: file.size };
            Some((file.hash.parse().ok()?, announced))
        };
        self.manifest.iter().filter_map(content).collect()
    }

    /// The names of all contents, each once.
    pub(super) fn hashes(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let hashes = self.manifest.values().map(|file| &file.hash);
        hashes.filter(|hash| seen.insert(*hash)).cloned().collect()
    }
}

/// The missing contents in portions.
pub(super) fn buckets(missing: &[(String, u64)]) -> Vec<Vec<&str>> {
    let mut buckets: Vec<Vec<&str>> = Vec::new();
    let mut bytes = 0;
    for (hash, size) in missing {
        match buckets.last_mut() {
            Some(bucket) if bucket.len() < BUCKET_FILES && bytes + size <= BUCKET_BYTES => bucket.push(hash),
            _ => {
                buckets.push(vec![hash]);
                bytes = 0;
            }
        }
        bytes += size;
    }
    buckets
}

/// Whether contents are large enough to come one by one.
pub(super) fn come_singly(missing: &[(String, u64)]) -> bool {
    let bytes: u64 = missing.iter().map(|(_, size)| size).sum();
    bytes >= SINGLE * missing.len() as u64
}

/// A file's path is looked up and never opened; one that would lead out of a folder is a mistake all the same.
fn check_path(path: &str) -> Result<(), &'static str> {
    if !path.starts_with('/') {
        return Err("has a path that does not begin with a slash");
    }
    if path.len() > MAX_PATH {
        return Err("has a path of more than 1,024 bytes");
    }
    if path.contains('\0') {
        return Err("has a path with a zero byte");
    }
    if path[1..].split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("has a path with an empty, `.` or `..` segment");
    }
    Ok(())
}

/// As Node's `path.extname` finds it, without the dot.
fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((before, extension)) if !before.is_empty() => extension,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HASH: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn what_cannot_be_a_file_is_named() {
        let one =
            |path: &str, hash: &str, size: u64| json!({"manifest": {path: {"hash": hash, "size": size}}});
        for (body, says) in [
            (one("a", HASH, 1), "begin with a slash"),
            (one("/../a", HASH, 1), "`..`"),
            (one("/a/..", HASH, 1), "`..`"),
            (one("/a//b", HASH, 1), "empty"),
            (one("/a\0", HASH, 1), "zero byte"),
            (one(&format!("/{}", "a".repeat(1024)), HASH, 1), "1,024"),
            (one("/a", "short", 1), "32"),
            (one("/a", &HASH.to_uppercase(), 1), "32"),
            (one("/a", HASH, MAX_FILE + 1), "25 MiB"),
            (
                json!({"manifest": {"/a": {"hash": HASH, "size": 1}, "/b": {"hash": HASH, "size": 2}}}),
                "another size",
            ),
            (json!({"manifest": []}), "manifest"),
            (json!({}), "manifest"),
        ] {
            let error = Announcement::read(body.to_string().as_bytes()).unwrap_err();
            assert!(error.message().contains(says), "{says}: {}", error.message());
        }
        assert!(Announcement::read(one("/a b/ü.txt", HASH, MAX_FILE).to_string().as_bytes()).is_ok());
        assert!(Announcement::read(b"{\"manifest\":{}}").is_ok());
    }

    #[test]
    fn more_files_than_a_worker_may_have_are_refused() {
        let file = || AnnouncedFile { hash: HASH.to_owned(), size: 1 };
        let manifest = (0..=MAX_FILES).map(|n| (format!("/{n}"), file())).collect();
        let body = serde_json::to_vec(&Announcement { manifest }).unwrap();
        assert!(Announcement::read(&body).unwrap_err().message().contains("100000"));
    }

    #[test]
    fn portions_are_small_and_hold_everything() {
        let missing: Vec<(String, u64)> =
            (0..1300).map(|n| (n.to_string(), if n < 3 { 10 << 20 } else { 10 })).collect();
        let buckets = buckets(&missing);
        assert_eq!(buckets.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 500, 500, 298]);
        assert_eq!(buckets.concat().len(), 1300);
        assert!(!come_singly(&missing) && come_singly(&missing[..3]));
    }

    #[test]
    fn extensions_are_nodes() {
        for (path, expected) in [
            ("/a.b/c.html", "html"),
            ("/.well-known", ""),
            ("/a.", ""),
            ("/a.tar.gz", "gz"),
            ("/a.b/c", ""),
            ("/.a.b", "b"),
        ] {
            assert_eq!(extension(path), expected, "{path}");
        }
    }
}
