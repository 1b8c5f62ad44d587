//! Which file a path is: what a version keeps of its assets, in one piece of bytes that is searched as it lies.
//!
//! `HAM2`, the number of types (u16), each with its length (u16), the number of files (u32), the files by the digest
//! of their path: that digest (16 bytes), the content's name (16), its size (u32), its type's position (u16, the last one
//! for none); then the paths in their order, each with its length (u32). Numbers are little-endian. 100,000 files are
//! 3.8 MB without their paths, which nothing needs that serves. `HAM1` had no paths.

use bytes::Bytes;

const MAGIC: &[u8; 4] = b"HAM2";
const WITHOUT_PATHS: &[u8; 4] = b"HAM1";
const DIGEST: usize = 16;
const ENTRY: usize = DIGEST + DIGEST + 4 + 2;
const NO_TYPE: u16 = u16::MAX;

/// Names a content among an account's: 32 hexadecimal digits on the wire, which clients make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash([u8; DIGEST]);

impl std::str::FromStr for ContentHash {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut bytes = [0; DIGEST];
        let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
        hex::decode_to_slice(text, &mut bytes).ok().filter(|()| lower).map(|()| Self(bytes)).ok_or(())
    }
}

impl std::fmt::Display for ContentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A file of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File<'a> {
    /// Its content.
    pub content: ContentHash,
    /// Bytes.
    pub size: u32,
    /// What `Content-Type` says of it.
    pub media_type: Option<&'a str>,
}

/// A file that is to be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Its path, which begins with `/`.
    pub path: String,
    /// Its content.
    pub content: ContentHash,
    /// Bytes.
    pub size: u32,
    /// What `Content-Type` says of it.
    pub media_type: Option<String>,
}

/// The files of a version.
#[derive(Debug, Clone)]
pub struct Manifest {
    types: Vec<Box<str>>,
    /// The files, as they lie.
    entries: Bytes,
}

/// Bytes that are no manifest.
#[derive(Debug, thiserror::Error)]
#[error("the list of a version's assets cannot be read")]
pub struct Unreadable;

impl Manifest {
    /// Writes a list of files. Of two with the same path the last counts.
    pub fn write(files: &[NewFile]) -> Vec<u8> {
        let mut types: Vec<&str> = files.iter().filter_map(|file| file.media_type.as_deref()).collect();
        types.sort_unstable();
        types.dedup();
        types.truncate(usize::from(NO_TYPE));
        let mut rows: Vec<([u8; DIGEST], &NewFile)> =
            files.iter().rev().map(|file| (digest(&file.path), file)).collect();
        // A stable sort: what was last of a path comes first.
        rows.sort_by_key(|(digest, _)| *digest);
        rows.dedup_by_key(|(digest, _)| *digest);
        let mut paths: Vec<&str> = rows.iter().map(|(_, file)| file.path.as_str()).collect();
        paths.sort_unstable();
        let names: usize = paths.iter().map(|path| 4 + path.len()).sum();
        let mut bytes = Vec::with_capacity(64 + rows.len() * ENTRY + names);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(types.len() as u16).to_le_bytes());
        for name in &types {
            bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes.extend_from_slice(&(rows.len() as u32).to_le_bytes());
        for (digest, file) in rows {
            let name = file.media_type.as_deref();
            let position = name.and_then(|name| types.binary_search(&name).ok());
            bytes.extend_from_slice(&digest);
            bytes.extend_from_slice(&file.content.0);
            bytes.extend_from_slice(&file.size.to_le_bytes());
            bytes.extend_from_slice(&position.map_or(NO_TYPE, |at| at as u16).to_le_bytes());
        }
        for path in paths {
            bytes.extend_from_slice(&(path.len() as u32).to_le_bytes());
            bytes.extend_from_slice(path.as_bytes());
        }
        bytes
    }

    /// Reads what [`Manifest::write`] wrote, and lets go of the paths.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(bytes: Bytes) -> Result<Self, Unreadable> {
        let (mut this, paths) = Self::parse(&bytes)?;
        if paths.is_some() {
            // A part would keep the whole in memory.
            this.entries = Bytes::copy_from_slice(&this.entries);
        }
        Ok(this)
    }

    /// The files, and what follows them where that is paths.
    fn parse(bytes: &Bytes) -> Result<(Self, Option<Bytes>), Unreadable> {
        let mut rest = &bytes[..];
        let mut take = |count: usize| {
            let (taken, left) = rest.split_at_checked(count).ok_or(Unreadable)?;
            rest = left;
            Ok::<_, Unreadable>(taken)
        };
        let magic = take(4)?;
        let has_paths = magic == MAGIC;
        if !has_paths && magic != WITHOUT_PATHS {
            return Err(Unreadable);
        }
        let count = u16_of(take(2)?);
        let mut types = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let length = usize::from(u16_of(take(2)?));
            types.push(std::str::from_utf8(take(length)?).map_err(|_| Unreadable)?.into());
        }
        let files = u32_of(take(4)?) as usize;
        let entries = take(files.checked_mul(ENTRY).ok_or(Unreadable)?)?;
        if !has_paths && !rest.is_empty() {
            return Err(Unreadable);
        }
        let this = Self { types, entries: bytes.slice_ref(entries) };
        Ok((this, has_paths.then(|| bytes.slice_ref(rest))))
    }

    /// The file of a path.
    pub fn get(&self, path: &str) -> Option<File<'_>> {
        let wanted = digest(path);
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let row = &self.entries[middle * ENTRY..(middle + 1) * ENTRY];
            match row[..DIGEST].cmp(&wanted) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(self.file(row)),
            }
        }
        None
    }

    /// The contents of all files.
    pub fn contents(&self) -> impl Iterator<Item = ContentHash> + '_ {
        self.entries.chunks_exact(ENTRY).map(|row| self.file(row).content)
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.entries.len() / ENTRY
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of memory that it takes.
    pub fn footprint(&self) -> usize {
        self.entries.len() + self.types.iter().map(|name| name.len() + 16).sum::<usize>()
    }

    fn file(&self, row: &[u8]) -> File<'_> {
        let mut content = [0; DIGEST];
        content.copy_from_slice(&row[DIGEST..2 * DIGEST]);
        let position = usize::from(u16_of(&row[2 * DIGEST + 4..]));
        File {
            content: ContentHash(content),
            size: u32_of(&row[2 * DIGEST..]),
            media_type: self.types.get(position).map(|name| &**name),
        }
    }
}

/// The files of a version with their paths, to be shown.
#[derive(Debug, Clone)]
pub struct Listing {
    manifest: Manifest,
    paths: Bytes,
}

impl Listing {
    /// Reads what [`Manifest::write`] wrote. None: it was written when paths were not kept.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(bytes: &Bytes) -> Result<Option<Self>, Unreadable> {
        let (manifest, paths) = Manifest::parse(bytes)?;
        let Some(paths) = paths else { return Ok(None) };
        let mut known = 0;
        for path in each_path(&paths) {
            manifest.get(path?).ok_or(Unreadable)?;
            known += 1;
        }
        if known == manifest.len() { Ok(Some(Self { manifest, paths })) } else { Err(Unreadable) }
    }

    /// The files in the order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, File<'_>)> {
        let of = |path| Some((path, self.manifest.get(path)?));
        each_path(&self.paths).filter_map(Result::ok).filter_map(of)
    }
}

/// Paths as they lie; the last item is an error where they are none.
fn each_path(mut rest: &[u8]) -> impl Iterator<Item = Result<&str, Unreadable>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let next = rest.split_at_checked(4).and_then(|(length, left)| {
            let (path, left) = left.split_at_checked(u32_of(length) as usize)?;
            Some((std::str::from_utf8(path).ok()?, left))
        });
        rest = next.map_or(&[], |(_, left)| left);
        Some(next.map(|(path, _)| path).ok_or(Unreadable))
    })
}

fn digest(path: &str) -> [u8; DIGEST] {
    let mut digest = [0; DIGEST];
    digest.copy_from_slice(&blake3::hash(path.as_bytes()).as_bytes()[..DIGEST]);
    digest
}

fn u16_of(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[0], bytes[1]])
}

fn u32_of(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(path: &str, content: u8, media_type: Option<&str>) -> NewFile {
        let media_type = media_type.map(str::to_owned);
        NewFile {
            path: path.to_owned(),
            content: ContentHash([content; DIGEST]),
            size: u32::from(content),
            media_type,
        }
    }

    #[test]
    fn every_file_is_found_and_nothing_else() {
        let mut files: Vec<NewFile> =
            (0..=255).map(|n| file(&format!("/{n}"), n, Some("text/html"))).collect();
        files.push(file("/none", 7, None));
        files.push(file("/0", 9, Some("image/png")));
        let manifest = Manifest::read(Manifest::write(&files).into()).unwrap();
        assert_eq!((manifest.len(), manifest.contents().count()), (257, 257));
        let found = manifest.get("/200").unwrap();
        assert_eq!(
            (found.content, found.size, found.media_type),
            (ContentHash([200; DIGEST]), 200, Some("text/html"))
        );
        assert_eq!(manifest.get("/none").unwrap().media_type, None);
        assert_eq!(manifest.get("/0").unwrap().media_type, Some("image/png"), "the last of a path");
        assert!(manifest.get("/256").is_none() && manifest.get("").is_none());
        assert!(Manifest::read(Manifest::write(&[]).into()).unwrap().is_empty());
    }

    #[test]
    fn paths_are_kept_in_their_order_and_not_in_memory() {
        let files = [file("/b", 2, Some("text/html")), file("/a/ü", 1, None), file("/b", 3, None)];
        let bytes: Bytes = Manifest::write(&files).into();
        let listing = Listing::read(&bytes).unwrap().unwrap();
        let listed: Vec<(&str, u32)> = listing.files().map(|(path, file)| (path, file.size)).collect();
        assert_eq!(listed, [("/a/ü", 1), ("/b", 3)]);
        let manifest = Manifest::read(bytes.clone()).unwrap();
        assert_eq!(manifest.footprint(), 2 * ENTRY + "text/html".len() + 16);
        assert!(
            !bytes.as_ptr_range().contains(&manifest.entries.as_ptr()),
            "the paths would be kept with it"
        );
        assert!(Listing::read(&Manifest::write(&[]).into()).unwrap().unwrap().files().next().is_none());
    }

    #[test]
    fn a_list_from_before_paths_were_kept_still_serves() {
        let bytes = Manifest::write(&[file("/a", 1, None)]);
        let paths = 4 + "/a".len();
        let mut before = bytes[..bytes.len() - paths].to_vec();
        before[..4].copy_from_slice(WITHOUT_PATHS);
        let before = Bytes::from(before);
        assert!(Manifest::read(before.clone()).unwrap().get("/a").is_some());
        assert!(Listing::read(&before).unwrap().is_none());
    }

    #[test]
    fn paths_that_are_not_the_files_are_refused() {
        let bytes = Manifest::write(&[file("/a", 1, None), file("/b", 2, None)]);
        let end = bytes.len();
        for (at, what) in [(end - 1, b'x'), (end - 1, 0xff), (end - 6, 9)] {
            let mut broken = bytes.clone();
            broken[at] = what;
            assert!(Listing::read(&broken.into()).is_err(), "{at} {what}");
        }
        assert!(Listing::read(&Bytes::copy_from_slice(&bytes[..end - 6])).is_err(), "one is missing");
    }

    #[test]
    fn a_hash_is_32_digits() {
        assert!("0123456789abcdef0123456789abcdef".parse::<ContentHash>().is_ok());
        for bad in ["", "0", "../../../../../../../etc/passwd.", "0123456789ABCDEF0123456789ABCDEF"] {
            assert!(bad.parse::<ContentHash>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn bytes_that_are_none_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200), begin in any::<bool>()) {
            if begin {
                bytes.splice(..0, *MAGIC);
            }
            let bytes = Bytes::from(bytes);
            if let Ok(manifest) = Manifest::read(bytes.clone()) {
                prop_assert!(manifest.get("/").is_none() || !manifest.is_empty());
            }
            if let Ok(Some(listing)) = Listing::read(&bytes) {
                prop_assert!(listing.files().count() <= bytes.len());
            }
        }
    }
}
