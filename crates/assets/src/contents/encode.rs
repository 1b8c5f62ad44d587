//! Compressing a content once and for all.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::sync::Arc;

use tempfile::NamedTempFile;

use super::{Folder, incoming};
use crate::manifest::ContentHash;

/// Larger contents are compressed less hard: the hardest way takes seconds a megabyte.
const HARD: u64 = 1 << 20;

/// How a content is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `br`.
    Brotli,
    /// `zstd`.
    Zstd,
    /// `gzip`.
    Gzip,
}

impl Coding {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zst",
            Self::Gzip => "gz",
        }
    }
}

impl Folder {
    /// Begins to compress a content, unless that is being done.
    pub(super) fn encode(&self, hash: ContentHash, coding: Coding) {
        let key = (self.0.number, hash, Some(coding));
        {
            let mut encoding = self.inner().encoding.lock();
            if encoding.contains(&key) {
                return;
            }
            encoding.push(key);
        }
        let folder = self.clone();
        let encoder = Arc::clone(&self.inner().encoder);
        tokio::spawn(async move {
            let Ok(place) = encoder.acquire_owned().await else { return };
            let (working, done) = (folder.clone(), folder);
            let work = tokio::task::spawn_blocking(move || working.write_encoded(hash, coding)).await;
            if let Ok(Err(error)) = work {
                tracing::warn!(%error, "an asset cannot be compressed");
            }
            drop(place);
            done.inner().encoding.lock().retain(|other| *other != key);
        });
    }

    /// An empty file says that it does not pay.
    pub(super) fn write_encoded(&self, hash: ContentHash, coding: Coding) -> io::Result<()> {
        let mut source = File::open(self.path(hash, None))?;
        let size = source.metadata()?.len();
        let _admitted = self.inner().space.admit(&self.0.resource, size).map_err(io::Error::other)?;
        let mut target = NamedTempFile::new_in(self.inner().root.join(incoming::FOLDER))?;
        compress(&mut source, target.as_file_mut(), coding, size)?;
        let mut encoded = target.as_file().metadata()?.len();
        if encoded >= size {
            target.as_file().set_len(0)?;
            encoded = 0;
        }
        target.persist(self.path(hash, Some(coding))).map_err(|error| error.error)?;
        // The content was removed meanwhile: what it is compressed goes too.
        if !self.path(hash, None).exists() {
            return fs::remove_file(self.path(hash, Some(coding)));
        }
        self.grew(encoded);
        Ok(())
    }
}

fn compress(source: &mut File, target: &mut File, coding: Coding, size: u64) -> io::Result<()> {
    let hard = size <= HARD;
    let mut source = BufReader::with_capacity(64 << 10, source);
    let mut target = BufWriter::with_capacity(64 << 10, target);
    match coding {
        Coding::Brotli => {
            let quality = if hard { 11 } else { 9 };
            let mut encoder = brotli::CompressorWriter::new(&mut target, 64 << 10, quality, 22);
            io::copy(&mut source, &mut encoder)?;
        }
        Coding::Zstd => {
            let mut encoder = zstd::Encoder::new(&mut target, if hard { 19 } else { 12 })?;
            // Browsers take no larger window.
            encoder.window_log(23)?;
            io::copy(&mut source, &mut encoder)?;
            encoder.finish()?;
        }
        Coding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(&mut target, flate2::Compression::best());
            io::copy(&mut source, &mut encoder)?;
            encoder.finish()?;
        }
    }
    target.flush()
}
