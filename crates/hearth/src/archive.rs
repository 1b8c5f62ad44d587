//! A data folder as one file: a tar of it, compressed with zstd, whose checksum tells a whole one from a broken one.

use std::fs::{self, DirBuilder};
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// The first entry; it says what follows.
const MANIFEST: &str = "hearth-backup.json";

/// The form of archives that are written, and the newest that is read.
const FORMAT: u32 = 1;

/// Fast, and most of what a data folder holds is compressed already or small.
const LEVEL: i32 = 3;

/// What an archive says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the archive.
    format: u32,
    /// The version of the Hearth that wrote it.
    hearth: String,
    /// When it was made, RFC 3339.
    pub created_on: String,
}

impl Manifest {
    /// For an archive that is made now.
    pub fn now() -> Self {
        Self {
            format: FORMAT,
            hearth: env!("CARGO_PKG_VERSION").to_owned(),
            created_on: jiff::Timestamp::now().to_string(),
        }
    }
}

/// Writes a folder, whole.
///
/// # Errors
/// What cannot be read or written; what was written until then is no archive.
pub fn pack(folder: &Path, manifest: &Manifest, to: impl Write) -> Result<()> {
    let mut compressor = zstd::Encoder::new(to, LEVEL)?;
    compressor.include_checksum(true)?;
    let mut tar = tar::Builder::new(compressor);
    tar.follow_symlinks(false);
    let text = serde_json::to_vec(manifest)?;
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o600);
    tar.append_data(&mut header, MANIFEST, text.as_slice())?;
    tar.append_dir_all("data", folder).with_context(|| format!("packing {}", folder.display()))?;
    tar.into_inner()?.finish()?.flush()?;
    Ok(())
}

/// Reads an archive into a folder that does not exist yet. It has that name only once everything is in it.
///
/// # Errors
/// When the archive is broken, of a newer form, or the folder is there.
pub fn unpack(from: impl Read, folder: &Path) -> Result<Manifest> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty: restore into a folder that does not exist yet", folder.display());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    let unfinished = tempfile::Builder::new().prefix(".restoring-").tempdir_in(parent)?;
    let manifest = unpack_into(from, unfinished.path()).context("the archive cannot be read to its end")?;
    let data = unfinished.path().join("data");
    if !data.is_dir() {
        bail!("the archive holds no data folder");
    }
    // An empty one may be there; a rename takes its place.
    fs::rename(&data, folder).with_context(|| format!("making {}", folder.display()))?;
    fs::File::open(parent)?.sync_all()?;
    Ok(manifest)
}

fn unpack_into(from: impl Read, to: &Path) -> Result<Manifest> {
    let mut decompressor = zstd::Decoder::new(from)?;
    let mut tar = tar::Archive::new(&mut decompressor);
    tar.set_preserve_permissions(true);
    let mut manifest = None;
    for entry in tar.entries()? {
        let mut entry = entry?;
        if manifest.is_none() {
            if entry.path()?.as_ref() != Path::new(MANIFEST) {
                bail!("this is not a backup of Hearth");
            }
            let read: Manifest = serde_json::from_reader(&mut entry)?;
            if read.format > FORMAT {
                bail!("it was written by Hearth {}, which is newer than this one", read.hearth);
            }
            manifest = Some(read);
            DirBuilder::new().mode(0o700).create(to.join("data"))?;
            continue;
        }
        let path = entry.path()?.into_owned();
        if !entry.unpack_in(to)? {
            bail!("{} leads out of the folder", path.display());
        }
        if entry.header().entry_type().is_file() {
            fs::File::open(to.join(&path))?.sync_all()?;
        }
    }
    // The tar ends before the compressed stream does: its checksum comes last.
    std::io::copy(&mut decompressor, &mut std::io::sink())?;
    manifest.context("it is empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("blobs/ab")).unwrap();
        fs::write(folder.path().join("hearth.db"), "metadata").unwrap();
        fs::write(folder.path().join("blobs/ab/abcd"), vec![7_u8; 100_000]).unwrap();
        let mut bytes = Vec::new();
        pack(folder.path(), &Manifest::now(), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_folder_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("deeper/data");
        unpack(packed().as_slice(), &target).unwrap();
        assert_eq!(fs::read_to_string(target.join("hearth.db")).unwrap(), "metadata");
        assert_eq!(fs::read(target.join("blobs/ab/abcd")).unwrap(), vec![7_u8; 100_000]);
        assert!(unpack(packed().as_slice(), &target).unwrap_err().to_string().contains("not empty"));
    }

    #[test]
    fn a_broken_archive_leaves_no_folder() {
        let whole = packed();
        let mut damaged = whole.clone();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        for broken in
            [&whole[..whole.len() - 1], &whole[..whole.len() / 2], &damaged, b"", b"no archive at all"]
        {
            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("data");
            assert!(unpack(broken, &target).is_err());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was left");
        }
    }

    #[test]
    fn a_newer_form_and_a_foreign_tar_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let newer = Manifest { format: FORMAT + 1, ..Manifest::now() };
        let mut bytes = Vec::new();
        pack(folder.path(), &newer, &mut bytes).unwrap();
        let error = unpack(bytes.as_slice(), &folder.path().join("data")).unwrap_err();
        assert!(format!("{error:#}").contains("newer"), "{error:#}");
    }
}
