//! Files named by the BLAKE3 of their content: `blobs/ab/cd/abcd…`. Everything here blocks.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use crate::{Entity, Result, StoreError, folder};

pub(crate) struct Blobs {
    root: PathBuf,
    /// Held shared while a blob is stored and exclusively while one is removed: what was just found to exist is not
    /// removed before its time of storing is renewed.
    removal: RwLock<()>,
}

impl Blobs {
    pub(crate) fn open(root: PathBuf) -> Result<Self> {
        folder::create(&root)?;
        let incoming = root.join("incoming");
        if incoming.exists() {
            // What a crash left half written.
            fs::remove_dir_all(&incoming).map_err(StoreError::io("clearing unfinished blobs"))?;
        }
        folder::create(&incoming)?;
        folder::sync(&root)?;
        Ok(Self { root, removal: RwLock::new(()) })
    }

    fn path(&self, hash: &str) -> Result<PathBuf> {
        let legal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if hash.len() != 64 || !hash.bytes().all(legal) {
            return Err(StoreError::not_found(Entity::Blob, hash));
        }
        Ok(self.root.join(&hash[..2]).join(&hash[2..4]).join(hash))
    }

    /// Stores a blob durably and returns its name. Content that is there already counts as stored now; a file that
    /// is there but holds something else is written anew.
    pub(crate) fn put(&self, content: &[u8]) -> Result<String> {
        let hash = blake3::hash(content).to_hex().to_string();
        let path = self.path(&hash)?;
        let context = || format!("storing blob {hash}");
        let _shared = self.removal.read().unwrap_or_else(PoisonError::into_inner);
        let parent = self.make_parents(&path)?;
        if fs::read(&path).is_ok_and(|present| present == content) {
            File::options()
                .write(true)
                .open(&path)
                .and_then(|file| file.set_modified(SystemTime::now()))
                .map_err(StoreError::io(context()))?;
        } else {
            let mut temporary = tempfile::NamedTempFile::new_in(self.root.join("incoming"))
                .map_err(StoreError::io(context()))?;
            temporary
                .write_all(content)
                .and_then(|()| temporary.as_file().sync_all())
                .map_err(StoreError::io(context()))?;
            temporary.persist(&path).map_err(|error| StoreError::io(context())(error.error))?;
        }
        // Also for what was there: another call may have renamed it a moment ago and not yet come to this line.
        folder::sync(&parent)?;
        Ok(hash)
    }

    fn make_parents(&self, path: &Path) -> Result<PathBuf> {
        let parent = path.parent().unwrap_or(&self.root).to_owned();
        if !parent.exists() {
            folder::create(&parent)?;
            folder::sync(parent.parent().unwrap_or(&self.root))?;
            folder::sync(&self.root)?;
        }
        Ok(parent)
    }

    /// The content of a blob, checked against its name.
    pub(crate) fn get(&self, hash: &str) -> Result<Vec<u8>> {
        let content =
            folder::read(&self.path(hash)?)?.ok_or_else(|| StoreError::not_found(Entity::Blob, hash))?;
        if blake3::hash(&content).to_hex().as_str() != hash {
            return Err(StoreError::Corrupt(format!("blob {hash} does not hold what its name says")));
        }
        Ok(content)
    }

    pub(crate) fn exists(&self, hash: &str) -> Result<bool> {
        Ok(self.path(hash)?.exists())
    }

    /// Every blob: its path, and its path below the folder of all.
    pub(crate) fn all(&self) -> Result<Vec<(PathBuf, PathBuf)>> {
        let mut found = Vec::new();
        for outer in self.subfolders(&self.root)? {
            for inner in self.subfolders(&outer)? {
                for entry in fs::read_dir(&inner).map_err(StoreError::io("listing blobs"))? {
                    let path = entry.map_err(StoreError::io("listing blobs"))?.path();
                    let below = path.strip_prefix(&self.root).unwrap_or(&path).to_owned();
                    found.push((path, below));
                }
            }
        }
        Ok(found)
    }

    /// Blobs that are not among `live` and were last stored longer than `grace` ago.
    pub(crate) fn stale(&self, live: &HashSet<String>, grace: Duration) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for (path, _) in self.all()? {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if !live.contains(&name) && is_older(&path, grace)? {
                found.push(name);
            }
        }
        Ok(found)
    }

    fn subfolders(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let is_fan_out = |path: &PathBuf| path.file_name().is_some_and(|name| name.len() == 2);
        let entries = fs::read_dir(folder).map_err(StoreError::io("listing blobs"))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let paths: Vec<PathBuf> = paths.collect::<Result<_, _>>().map_err(StoreError::io("listing blobs"))?;
        Ok(paths.into_iter().filter(is_fan_out).collect())
    }

    /// Removes a blob unless it was stored again meanwhile. Returns its size in bytes when it is gone.
    pub(crate) fn remove_stale(&self, hash: &str, grace: Duration) -> Result<Option<u64>> {
        let path = self.path(hash)?;
        let _exclusive = self.removal.write().unwrap_or_else(PoisonError::into_inner);
        let Ok(metadata) = fs::metadata(&path) else { return Ok(None) };
        if !is_older(&path, grace)? {
            return Ok(None);
        }
        fs::remove_file(&path).map_err(StoreError::io(format!("removing blob {hash}")))?;
        Ok(Some(metadata.len()))
    }
}

/// False for what is not there any more: a deploy gives its blobs their names while this looks, another collection
/// removes some.
fn is_older(path: &Path, grace: Duration) -> Result<bool> {
    let modified = match fs::metadata(path).and_then(|metadata| metadata.modified()) {
        Ok(modified) => modified,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => {
            return Err(StoreError::io(format!("reading the time of {}", path.display()))(error));
        }
    };
    // A time in the future, after the clock was set back, counts as now.
    Ok(SystemTime::now().duration_since(modified).unwrap_or_default() >= grace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().join("blobs")).unwrap();
        (folder, blobs)
    }

    #[test]
    fn content_comes_back_under_its_digest() {
        let (_folder, blobs) = blobs();
        let hash = blobs.put(b"hello").unwrap();
        assert_eq!(hash, blake3::hash(b"hello").to_hex().as_str());
        assert_eq!(blobs.put(b"hello").unwrap(), hash);
        assert_eq!(blobs.get(&hash).unwrap(), b"hello");
        let absent = blake3::hash(b"absent").to_hex().to_string();
        for name in [absent.as_str(), "../../secrets.key", "", "ABCD"] {
            assert!(
                matches!(blobs.get(name), Err(StoreError::NotFound { what: Entity::Blob, .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn a_changed_blob_is_reported_and_healed_by_storing_it_again() {
        let (_folder, blobs) = blobs();
        let hash = blobs.put(b"hello").unwrap();
        fs::write(blobs.path(&hash).unwrap(), b"hellO").unwrap();
        assert!(matches!(blobs.get(&hash), Err(StoreError::Corrupt(_))));
        blobs.put(b"hello").unwrap();
        assert_eq!(blobs.get(&hash).unwrap(), b"hello");
    }

    #[test]
    fn storing_again_renews_the_grace_time() {
        let (_folder, blobs) = blobs();
        let hash = blobs.put(b"hello").unwrap();
        let path = blobs.path(&hash).unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(7200);
        let age = || File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        let hour = Duration::from_secs(3600);
        age();
        assert_eq!(blobs.stale(&HashSet::new(), hour).unwrap(), std::slice::from_ref(&hash));
        assert!(blobs.stale(&HashSet::from([hash.clone()]), hour).unwrap().is_empty());
        blobs.put(b"hello").unwrap();
        assert!(blobs.stale(&HashSet::new(), hour).unwrap().is_empty());
        assert_eq!(blobs.remove_stale(&hash, hour).unwrap(), None);
        age();
        assert_eq!(blobs.remove_stale(&hash, hour).unwrap(), Some(5));
        assert!(!blobs.exists(&hash).unwrap());
    }

    #[test]
    fn what_a_crash_left_is_cleared() {
        let (folder, blobs) = blobs();
        let left = folder.path().join("blobs/incoming/half");
        fs::write(&left, b"x").unwrap();
        drop(blobs);
        Blobs::open(folder.path().join("blobs")).unwrap();
        assert!(!left.exists());
    }
}
