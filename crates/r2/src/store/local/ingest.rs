//! Bodies on their way to the disk: hashed, encrypted where asked, and written in large pieces while the next one arrives.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IoSlice, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use hearth_space::Admitted;
use md5::{Digest, Md5};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512};

use super::super::body::Incoming;
use super::super::error::{R2Error, Result};
use super::super::types::{Checksums, CustomerKey, Digests, Expected, Finish, MAX_BODY_BYTES};
use super::crypt::{FileKey, Sealer};
use super::faults;
use super::index::{Draft, Index};
use super::pool::Pool;
use super::writes;

/// Bytes that are hashed and written at once; as many arrive meanwhile.
const PIECE: usize = 1 << 20;

/// A body that has arrived and is on the disk, if it is not kept in the index.
pub(super) struct Ingested {
    pub(super) content: Stored,
    pub(super) size: u64,
    pub(super) digests: Digests,
    pub(super) extra: BTreeMap<String, String>,
}

/// Where the content is now.
pub(super) enum Stored {
    /// Here, encrypted where it has to be.
    Bytes(Vec<u8>),
    /// In the file.
    File(Draft),
}

/// What is to be done with a body.
pub(super) struct Wanted<'a> {
    /// The name of the file, where it becomes one.
    pub(super) file: String,
    /// Bytes up to which it stays here; None where it has to become a file.
    pub(super) inline: Option<usize>,
    pub(super) expected: &'a Expected,
    pub(super) customer_key: Option<&'a CustomerKey>,
    pub(super) finish: Option<Finish>,
    /// What was admitted; what comes beyond that is asked for.
    pub(super) admitted: &'a mut Admitted,
}

/// Takes a body in.
pub(super) async fn ingest(
    index: &Arc<Index>,
    pool: &Pool,
    wanted: Wanted<'_>,
    mut body: Incoming,
) -> Result<Ingested> {
    let key = wanted.customer_key.map(|key| FileKey::new(key, &wanted.file)).transpose()?;
    let hashes = Hashes::new(wanted.expected);
    let mut taken = Taken::new(body.length);
    let mut piece = Vec::new();
    let inline = wanted.inline.filter(|most| body.length.is_none_or(|length| length <= *most as u64));
    let mut whole = taken.fill(&mut body, &mut piece, inline.map_or(PIECE, |most| most + 1)).await?;
    if whole && inline.is_some_and(|most| taken.size <= most as u64) {
        taken.check_end()?;
        wanted.admitted.up_to(taken.size)?;
        let mut hashes = hashes;
        piece.iter().for_each(|bytes| hashes.update(bytes));
        let digests = hashes.finish();
        let extra = accept(wanted.expected, &digests, wanted.finish)?;
        let content = Stored::Bytes(joined(&piece, key)?);
        return Ok(Ingested { content, size: taken.size, digests, extra });
    }
    let draft = index.draft(wanted.file.clone());
    // Written down while the content arrives; only the file's final name has to wait for it.
    let pending = {
        let (index, file) = (Arc::clone(index), wanted.file.clone());
        tokio::spawn(async move { index.write(move |connection, _| writes::pend(connection, &file)).await })
    };
    let begin = (Arc::clone(index), wanted.file.clone());
    let file = pool.run(move || begin.0.folder.begin(&begin.1)).await?;
    let mut sink = Sink { file, hashes, sealer: key.map(Sealer::new), index: Arc::clone(index) };
    loop {
        wanted.admitted.up_to(taken.size)?;
        let ready = std::mem::take(&mut piece);
        let at_work = pool.run(move || sink.take(&ready));
        if whole {
            sink = at_work.await?;
            break;
        }
        let (worked, filled) = tokio::join!(at_work, taken.fill(&mut body, &mut piece, PIECE));
        sink = worked?;
        whole = filled?;
    }
    taken.check_end()?;
    let (sink, digests) = pool.run(move || sink.end()).await?;
    let extra = accept(wanted.expected, &digests, wanted.finish)?;
    pending.await.map_err(R2Error::internal)??;
    let name = wanted.file;
    pool.run(move || sink.index.folder.settle(&name, &sink.file)).await?;
    Ok(Ingested { content: Stored::File(draft), size: taken.size, digests, extra })
}

/// How much of a body has come.
struct Taken {
    size: u64,
    announced: Option<u64>,
}

impl Taken {
    fn new(announced: Option<u64>) -> Self {
        Self { size: 0, announced }
    }

    /// Collects at least `wanted` bytes; returns whether the body is at its end.
    async fn fill(&mut self, body: &mut Incoming, piece: &mut Vec<Bytes>, wanted: usize) -> Result<bool> {
        let mut filled = 0;
        while filled < wanted {
            match body.stream.next().await {
                None => return Ok(true),
                Some(Err(error)) => {
                    // A protocol's own refusal comes through as it is.
                    return Err(match error.downcast::<R2Error>() {
                        Ok(refusal) => *refusal,
                        Err(_) => R2Error::IncompleteBody,
                    });
                }
                Some(Ok(bytes)) => {
                    filled += bytes.len();
                    self.size += bytes.len() as u64;
                    if self.size > self.announced.unwrap_or(MAX_BODY_BYTES) {
                        let announced = self.announced.is_some();
                        return Err(if announced {
                            R2Error::IncompleteBody
                        } else {
                            R2Error::EntityTooLarge
                        });
                    }
                    piece.push(bytes);
                }
            }
        }
        Ok(false)
    }

    fn check_end(&self) -> Result<()> {
        if self.announced.is_some_and(|announced| announced != self.size) {
            return Err(R2Error::IncompleteBody);
        }
        Ok(())
    }
}

/// Digests and calls what the protocol wants to do at the end.
fn accept(
    expected: &Expected,
    digests: &Digests,
    finish: Option<Finish>,
) -> Result<BTreeMap<String, String>> {
    check("MD5", expected.md5.as_ref().map(<[u8; 16]>::as_slice), Some(digests.md5.as_slice()))?;
    check(
        "SHA-1",
        expected.sha1.as_ref().map(<[u8; 20]>::as_slice),
        digests.sha1.as_ref().map(<[u8; 20]>::as_slice),
    )?;
    check(
        "SHA-256",
        expected.sha256.as_ref().map(<[u8; 32]>::as_slice),
        digests.sha256.as_ref().map(<[u8; 32]>::as_slice),
    )?;
    check(
        "SHA-384",
        expected.sha384.as_ref().map(<[u8; 48]>::as_slice),
        digests.sha384.as_ref().map(<[u8; 48]>::as_slice),
    )?;
    check(
        "SHA-512",
        expected.sha512.as_ref().map(<[u8; 64]>::as_slice),
        digests.sha512.as_ref().map(<[u8; 64]>::as_slice),
    )?;
    finish.map_or_else(|| Ok(BTreeMap::new()), |finish| finish(digests))
}

fn check(algorithm: &'static str, given: Option<&[u8]>, actual: Option<&[u8]>) -> Result<()> {
    match given {
        Some(given) if Some(given) != actual => Err(R2Error::BadDigest {
            algorithm,
            given: hex::encode(given),
            actual: hex::encode(actual.unwrap_or_default()),
        }),
        _ => Ok(()),
    }
}

/// Digests as an object shows them.
pub(super) fn checksums(digests: &Digests) -> Checksums {
    Checksums {
        md5: Some(hex::encode(digests.md5)),
        sha1: digests.sha1.map(hex::encode),
        sha256: digests.sha256.map(hex::encode),
        sha384: digests.sha384.map(hex::encode),
        sha512: digests.sha512.map(hex::encode),
    }
}

/// A small content in one, encrypted where it has to be.
fn joined(piece: &[Bytes], key: Option<FileKey>) -> Result<Vec<u8>> {
    let Some(key) = key else { return Ok(piece.concat()) };
    let mut sealed = Vec::new();
    let mut sealer = Sealer::new(key);
    for bytes in piece {
        sealer.push(bytes, |chunk| {
            sealed.extend_from_slice(chunk);
            Ok(())
        })?;
    }
    sealer.finish(|chunk| {
        sealed.extend_from_slice(chunk);
        Ok(())
    })?;
    Ok(sealed)
}

/// MD5, and what else is asked for.
struct Hashes {
    md5: Md5,
    others: [Option<Context>; 4],
}

impl Hashes {
    fn new(expected: &Expected) -> Self {
        let others = [
            (expected.sha1.is_some(), &SHA1_FOR_LEGACY_USE_ONLY),
            (expected.sha256.is_some(), &SHA256),
            (expected.sha384.is_some(), &SHA384),
            (expected.sha512.is_some(), &SHA512),
        ];
        let others = others.map(|(wanted, algorithm)| wanted.then(|| Context::new(algorithm)));
        Self { md5: Md5::new(), others }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.others.iter_mut().flatten().for_each(|digest| digest.update(bytes));
    }

    fn finish(self) -> Digests {
        fn array<const N: usize>(digest: Option<Context>) -> Option<[u8; N]> {
            digest.and_then(|digest| digest.finish().as_ref().try_into().ok())
        }
        let [sha1, sha256, sha384, sha512] = self.others;
        Digests {
            md5: self.md5.finalize().into(),
            sha1: array(sha1),
            sha256: array(sha256),
            sha384: array(sha384),
            sha512: array(sha512),
        }
    }
}

/// Where pieces go.
struct Sink {
    file: File,
    hashes: Hashes,
    sealer: Option<Sealer>,
    index: Arc<Index>,
}

/// What is left of a [`Sink`] whose last piece is written.
struct Written {
    file: File,
    index: Arc<Index>,
}

impl Sink {
    fn take(mut self, piece: &[Bytes]) -> Result<Self> {
        faults::step("writing")?;
        for bytes in piece {
            self.hashes.update(bytes);
        }
        match &mut self.sealer {
            None => write_all(&mut self.file, piece)?,
            Some(sealer) => {
                for bytes in piece {
                    sealer.push(bytes, |chunk| Ok(self.file.write_all(chunk)?))?;
                }
            }
        }
        Ok(self)
    }

    fn end(mut self) -> Result<(Written, Digests)> {
        if let Some(sealer) = self.sealer.take() {
            sealer.finish(|chunk| Ok(self.file.write_all(chunk)?))?;
        }
        Ok((Written { file: self.file, index: self.index }, self.hashes.finish()))
    }
}

fn write_all(file: &mut File, piece: &[Bytes]) -> Result<()> {
    let mut slices: Vec<IoSlice<'_>> = piece.iter().map(|bytes| IoSlice::new(bytes)).collect();
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        let written = file.write_vectored(left)?;
        if written == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into());
        }
        IoSlice::advance_slices(&mut left, written);
    }
    Ok(())
}
