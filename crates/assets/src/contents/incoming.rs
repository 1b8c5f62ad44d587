//! A content that comes in: written aside, checked against the name that its client gave it, then put in its place.

use std::fs;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_space::{Admitted, Refusal};
use sha2::{Digest as _, Sha256};
use tempfile::TempPath;
use tokio::io::AsyncWriteExt as _;

use super::{Folder, create};
use crate::MAX_FILE;
use crate::manifest::ContentHash;

/// Where they are written, among the accounts' folders.
pub(super) const FOLDER: &str = ".incoming";

/// Why a content is not taken.
#[derive(Debug, thiserror::Error)]
pub enum IncomingError {
    /// More than a file may have.
    #[error("The file is larger than 25 MiB.")]
    TooLarge,
    /// The name is not made of the content.
    #[error(
        "The content does not have the hash {0}. A hash is the first 32 hexadecimal digits of BLAKE3 over the file's base64 \
         text and its extension, as wrangler makes it, or of the file's SHA-256."
    )]
    WrongHash(ContentHash),
    /// There is no room.
    #[error(transparent)]
    NoRoom(#[from] Refusal),
    /// What the disk says; for the operator.
    #[error("the content cannot be stored: {0}")]
    Disk(#[from] io::Error),
}

/// A content that comes in. Dropped, nothing is left of it.
#[derive(Debug)]
pub struct Incoming {
    folder: Folder,
    file: tokio::fs::File,
    path: TempPath,
    admitted: Option<Admitted>,
    /// Over the base64 text of what was written.
    hasher: blake3::Hasher,
    /// Bytes that are not yet a whole group of that text.
    carry: Vec<u8>,
    size: u64,
}

impl Incoming {
    pub(super) fn new(folder: Folder) -> io::Result<Self> {
        let made = tempfile::NamedTempFile::new_in(folder.inner().root.join(FOLDER))?;
        let (file, path) = made.into_parts();
        Ok(Self {
            folder,
            file: tokio::fs::File::from_std(file),
            path,
            admitted: None,
            hasher: blake3::Hasher::new(),
            carry: Vec::with_capacity(3),
            size: 0,
        })
    }

    /// Takes more of the content.
    ///
    /// # Errors
    /// It is too large, there is no room, or the disk.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), IncomingError> {
        self.size += bytes.len() as u64;
        if self.size > MAX_FILE {
            return Err(IncomingError::TooLarge);
        }
        match &mut self.admitted {
            Some(admitted) => admitted.up_to(self.size)?,
            None => {
                let inner = &self.folder.0;
                self.admitted = Some(self.folder.inner().space.admit(&inner.resource, self.size)?);
            }
        }
        self.carry.extend_from_slice(bytes);
        let whole = self.carry.len() - self.carry.len() % 3;
        self.hasher.update(STANDARD.encode(&self.carry[..whole]).as_bytes());
        self.carry.drain(..whole);
        self.file.write_all(bytes).await?;
        Ok(())
    }

    /// Puts the content in its place, durably, and says how many bytes it has. `extension`: that of its path, without the
    /// dot, which is part of wrangler's hash.
    ///
    /// # Errors
    /// It is not what its hash says, or the disk.
    pub async fn finish(mut self, hash: ContentHash, extension: &str) -> Result<u64, IncomingError> {
        self.hasher.update(STANDARD.encode(&self.carry).as_bytes());
        self.hasher.update(extension.as_bytes());
        let wranglers = self.hasher.finalize().to_hex().as_str()[..32] == hash.to_string();
        self.file.flush().await?;
        let file = self.file.into_std().await;
        let (folder, path, size, admitted) = (self.folder, self.path, self.size, self.admitted);
        let place = tokio::task::spawn_blocking(move || {
            if !wranglers && !is_sha256(&path, hash)? {
                return Err(IncomingError::WrongHash(hash));
            }
            file.sync_all()?;
            let to = folder.path(hash, None);
            let parent = to.parent().unwrap_or(&folder.0.path).to_owned();
            let is_new = !parent.exists();
            create(&parent)?;
            let before = fs::metadata(&to).map_or(0, |metadata| metadata.len());
            path.persist(&to).map_err(|error| error.error)?;
            sync(&parent)?;
            if is_new {
                sync(&folder.0.path)?;
                sync(&folder.inner().root)?;
            }
            folder.grew(size.saturating_sub(before));
            drop(admitted);
            Ok(size)
        });
        place.await.map_err(|error| IncomingError::Disk(io::Error::other(error)))?
    }
}

/// Makes the entries of a folder durable.
fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// What Cloudflare's documentation of uploads without wrangler makes a hash of.
fn is_sha256(path: &Path, hash: ContentHash) -> io::Result<bool> {
    let mut digest = Sha256::new();
    io::copy(&mut fs::File::open(path)?, &mut digest)?;
    Ok(hex::encode(&digest.finalize()[..16]) == hash.to_string())
}
