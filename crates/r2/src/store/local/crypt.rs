//! Contents encrypted with a customer's key (SSE-C): AES-256-GCM, in chunks, so that ranges can be read.
//!
//! Each file has a key of its own, derived from the customer's and the file's name, so a chunk's position is nonce
//! enough. The last chunk is marked in its nonce: a file cut short at a chunk's end does not decrypt.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

use super::super::error::{R2Error, Result};
use super::super::types::CustomerKey;

/// Bytes of content of each chunk but the last.
pub(super) const CHUNK: usize = 64 << 10;
/// Bytes that a chunk is longer than its content.
pub(super) const TAG: usize = 16;

impl CustomerKey {
    /// Base64 of the key's MD5, by which R2 and S3 name a key.
    pub fn md5(&self) -> String {
        BASE64_STANDARD.encode(Md5::digest(self.0))
    }
}

/// Refuses a key that is not the one with which something was encrypted.
pub(super) fn check_key(encrypted_with: Option<&str>, given: Option<&CustomerKey>) -> Result<()> {
    if encrypted_with == given.map(CustomerKey::md5).as_deref() {
        Ok(())
    } else {
        Err(R2Error::WrongCustomerKey)
    }
}

/// Encrypts and decrypts the chunks of one file.
pub(super) struct FileKey(LessSafeKey);

impl FileKey {
    /// The key of a file.
    pub(super) fn new(key: &CustomerKey, file: &str) -> Result<Self> {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key.0), file.as_bytes());
        let key = UnboundKey::new(&AES_256_GCM, derived.as_ref()).map_err(R2Error::internal)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Encrypts a chunk in place and appends its tag.
    pub(super) fn seal(&self, index: u64, last: bool, chunk: &mut Vec<u8>) -> Result<()> {
        self.0.seal_in_place_append_tag(nonce(index, last), Aad::empty(), chunk).map_err(R2Error::internal)
    }

    /// Decrypts a chunk with its tag in place; its content comes first in it.
    pub(super) fn open<'a>(&self, index: u64, last: bool, chunk: &'a mut [u8]) -> Result<&'a mut [u8]> {
        let opened = self.0.open_in_place(nonce(index, last), Aad::empty(), chunk);
        opened.map_err(|_| R2Error::internal("an encrypted content was changed on the disk"))
    }
}

fn nonce(index: u64, last: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[0] = u8::from(last);
    nonce[NONCE_LEN - 8..].copy_from_slice(&index.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// Encrypts a content that comes in pieces of any size.
pub(super) struct Sealer {
    key: FileKey,
    index: u64,
    chunk: Vec<u8>,
}

impl Sealer {
    pub(super) fn new(key: FileKey) -> Self {
        Self { key, index: 0, chunk: Vec::with_capacity(CHUNK + TAG) }
    }

    /// Takes a piece and passes on the chunks that are full and not the last.
    pub(super) fn push(
        &mut self,
        mut piece: &[u8],
        mut write: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        while !piece.is_empty() {
            if self.chunk.len() == CHUNK {
                self.flush(false, &mut write)?;
            }
            let (now, later) = piece.split_at(piece.len().min(CHUNK - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            piece = later;
        }
        Ok(())
    }

    /// Passes on the last chunk; of an empty content that is an empty one.
    pub(super) fn finish(mut self, mut write: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.flush(true, &mut write)
    }

    fn flush(&mut self, last: bool, write: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.key.seal(self.index, last, &mut self.chunk)?;
        write(&self.chunk)?;
        self.index += 1;
        self.chunk.clear();
        Ok(())
    }
}

/// Decrypts a range of a content of `size` bytes. `read` gives `length` bytes of the encrypted file from `offset`.
pub(super) fn open_range(
    key: &FileKey,
    size: u64,
    offset: u64,
    length: usize,
    read: impl FnOnce(u64, usize) -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let chunk = CHUNK as u64;
    let sealed = (CHUNK + TAG) as u64;
    let first = offset / chunk;
    let last = size.saturating_sub(1) / chunk;
    let end = (offset + length as u64).min(size);
    let until = (end.saturating_sub(1) / chunk).max(first);
    let file_size = last * sealed + (size - last * chunk) + TAG as u64;
    let from = first * sealed;
    let to = ((until + 1) * sealed).min(file_size);
    let too_large = |_| R2Error::internal("a range does not fit into memory");
    let mut encrypted = read(from, usize::try_from(to - from).map_err(too_large)?)?;
    let mut content = Vec::with_capacity(encrypted.len());
    for (index, chunk) in (first..).zip(encrypted.chunks_mut(CHUNK + TAG)) {
        content.extend_from_slice(key.open(index, index == last, chunk)?);
    }
    let skip = usize::try_from(offset - first * chunk).map_err(too_large)?;
    content.drain(..skip);
    content.truncate(usize::try_from(end - offset).map_err(too_large)?);
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seal(content: &[u8], pieces: usize) -> Vec<u8> {
        let key = FileKey::new(&CustomerKey([7; 32]), "file").unwrap();
        let mut sealed = Vec::new();
        let mut sealer = Sealer::new(key);
        for piece in content.chunks(pieces.max(1)) {
            sealer
                .push(piece, |bytes| {
                    sealed.extend_from_slice(bytes);
                    Ok(())
                })
                .unwrap();
        }
        sealer
            .finish(|bytes| {
                sealed.extend_from_slice(bytes);
                Ok(())
            })
            .unwrap();
        sealed
    }

    fn open(sealed: &[u8], size: usize, offset: usize, length: usize, key: u8) -> Result<Vec<u8>> {
        let key = FileKey::new(&CustomerKey([key; 32]), "file").unwrap();
        open_range(&key, size as u64, offset as u64, length, |from, length| {
            let from = usize::try_from(from).unwrap();
            let cut = sealed.get(from..from + length);
            cut.map(<[u8]>::to_vec).ok_or_else(|| R2Error::internal("short"))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn any_range_of_any_content_comes_back(
            size in prop_oneof![0usize..200, CHUNK - 2..CHUNK + 3, 2 * CHUNK - 1..2 * CHUNK + 2],
            piece in 1usize..100_000,
            from in 0.0..1.0f64,
            part in 0.0..1.0f64,
        ) {
            let content: Vec<u8> = (0..size).map(|n| (n * 31 % 251) as u8).collect();
            let sealed = seal(&content, piece);
            let offset = (size as f64 * from) as usize;
            let length = ((size - offset) as f64 * part) as usize;
            prop_assert_eq!(open(&sealed, size, offset, length, 7).unwrap(), &content[offset..offset + length]);
            prop_assert_eq!(open(&sealed, size, 0, size, 7).unwrap(), content);
        }
    }

    #[test]
    fn what_was_changed_cut_or_is_another_keys_does_not_open() {
        let content = vec![1; 2 * CHUNK];
        let sealed = seal(&content, 1000);
        assert!(!sealed.windows(64).any(|window| window == [1; 64]));
        assert!(open(&sealed, content.len(), 0, content.len(), 8).is_err());
        let mut changed = sealed.clone();
        changed[10] ^= 1;
        assert!(open(&changed, content.len(), 0, 1, 7).is_err());
        // One whole chunk of two: the size says so, and its nonce says that it is not the last.
        assert!(open(&sealed[..CHUNK + TAG], CHUNK, 0, CHUNK, 7).is_err());
    }

    #[test]
    fn a_key_is_told_by_its_md5() {
        let key = CustomerKey([7; 32]);
        assert!(check_key(Some(&key.md5()), Some(&key)).is_ok());
        assert!(check_key(None, None).is_ok());
        for (kept, given) in
            [(Some(key.md5()), None), (None, Some(&key)), (Some(key.md5()), Some(&CustomerKey([8; 32])))]
        {
            assert!(matches!(check_key(kept.as_deref(), given), Err(R2Error::WrongCustomerKey)));
        }
    }
}
