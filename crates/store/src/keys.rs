//! The master key and what is encrypted with it.
//!
//! XChaCha20-Poly1305 with a random nonce for each secret, which its 192 bits allow. The owner, a worker or what else has
//! secrets, and the secret's name are authenticated with the text, so a row cannot be moved to where another would read it.

use std::fmt::Display;
use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::{Result, StoreError, folder};

/// The key file's name in the data folder.
pub(crate) const FILE: &str = "secrets.key";

const NONCE_BYTES: usize = 24;

/// A secret's text, encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub key_id: String,
    /// The nonce and the ciphertext with its tag.
    pub bytes: Vec<u8>,
}

#[derive(Clone)]
struct Key {
    id: String,
    bytes: [u8; 32],
}

impl Key {
    fn new(bytes: [u8; 32]) -> Self {
        let id = blake3::derive_key("hearth store 2026 master key id", &bytes);
        Self { id: hex::encode(&id[..8]), bytes }
    }

    fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        fill_random(&mut bytes)?;
        Ok(Self::new(bytes))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.bytes.into())
    }
}

/// The key that encrypts, and those of interrupted rotations, which only decrypt.
#[derive(Clone)]
pub(crate) struct Keyring {
    active: Key,
    retired: Vec<Key>,
}

impl Keyring {
    pub(crate) fn generate() -> Result<Self> {
        Ok(Self { active: Key::random()?, retired: Vec::new() })
    }

    /// The key file: one key a line in hex, the active one first.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>> {
        let Some(content) = folder::read(path)? else { return Ok(None) };
        let unreadable = || StoreError::Key(format!("{} does not hold a key", path.display()));
        let text = String::from_utf8(content).map_err(|_| unreadable())?;
        let mut keys = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut bytes = [0; 32];
            hex::decode_to_slice(line, &mut bytes).map_err(|_| unreadable())?;
            keys.push(Key::new(bytes));
        }
        if keys.is_empty() {
            return Err(unreadable());
        }
        Ok(Some(Self { active: keys.remove(0), retired: keys }))
    }

    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let lines: String = self.keys().map(|key| hex::encode(key.bytes) + "\n").collect();
        folder::replace(path, lines.as_bytes())
    }

    /// A new active key; the others still decrypt.
    pub(crate) fn rotated(&self) -> Result<Self> {
        Ok(Self { active: Key::random()?, retired: self.keys().cloned().collect() })
    }

    /// Without the keys that only decrypt.
    pub(crate) fn active_only(&self) -> Self {
        Self { active: self.active.clone(), retired: Vec::new() }
    }

    pub(crate) fn active_id(&self) -> &str {
        &self.active.id
    }

    pub(crate) fn ids(&self) -> Vec<&str> {
        self.keys().map(|key| key.id.as_str()).collect()
    }

    /// Another key, made of the active one for this purpose.
    pub(crate) fn derived(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, &self.active.bytes)
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.active).chain(&self.retired)
    }

    pub(crate) fn seal(&self, owner: impl Display, name: &str, text: &str) -> Result<Sealed> {
        let mut bytes = vec![0; NONCE_BYTES];
        fill_random(&mut bytes)?;
        let aad = associated_data(&owner, name);
        let payload = Payload { msg: text.as_bytes(), aad: &aad };
        let sealed =
            self.active.cipher().encrypt(XNonce::from_slice(&bytes), payload).map_err(|_| {
                StoreError::invalid(crate::Entity::Secret, format!("secret {name} is too long"))
            })?;
        bytes.extend_from_slice(&sealed);
        Ok(Sealed { key_id: self.active.id.clone(), bytes })
    }

    pub(crate) fn open(&self, owner: impl Display, name: &str, sealed: &Sealed) -> Result<String> {
        let corrupt = |why: &str| StoreError::Corrupt(format!("secret {name} of {owner} {why}"));
        let key = self
            .keys()
            .find(|key| key.id == sealed.key_id)
            .ok_or_else(|| corrupt("was encrypted with another master key"))?;
        let (nonce, ciphertext) =
            sealed.bytes.split_at_checked(NONCE_BYTES).ok_or_else(|| corrupt("is cut short"))?;
        let aad = associated_data(&owner, name);
        let text = key
            .cipher()
            .decrypt(XNonce::from_slice(nonce), Payload { msg: ciphertext, aad: &aad })
            .map_err(|_| corrupt("was changed or belongs elsewhere"))?;
        String::from_utf8(text).map_err(|_| corrupt("is not text"))
    }
}

/// An owner has no slash in it, so no two pairs of owner and name run together into one text.
fn associated_data(owner: &impl Display, name: &str) -> Vec<u8> {
    format!("{owner}/{name}").into_bytes()
}

fn fill_random(bytes: &mut [u8]) -> Result<()> {
    OsRng.try_fill_bytes(bytes).map_err(|error| StoreError::Key(format!("no randomness: {error}")))
}

#[cfg(test)]
mod tests {
    use hearth_model::WorkerId;

    use super::*;

    #[test]
    fn a_secret_opens_only_where_it_was_sealed() {
        let keys = Keyring::generate().unwrap();
        let (worker, other) = (WorkerId::random(), WorkerId::random());
        let sealed = keys.seal(worker, "TOKEN", "s3cret").unwrap();
        assert_eq!(keys.open(worker, "TOKEN", &sealed).unwrap(), "s3cret");
        assert!(keys.open(other, "TOKEN", &sealed).is_err());
        assert!(keys.open(worker, "OTHER", &sealed).is_err());
        let mut flipped = sealed.clone();
        *flipped.bytes.last_mut().unwrap() ^= 1;
        assert!(keys.open(worker, "TOKEN", &flipped).is_err());
        let short = Sealed { bytes: vec![0; 3], ..sealed };
        assert!(keys.open(worker, "TOKEN", &short).is_err());
    }

    #[test]
    fn equal_texts_are_sealed_differently() {
        let keys = Keyring::generate().unwrap();
        let worker = WorkerId::random();
        assert_ne!(keys.seal(worker, "A", "x").unwrap().bytes, keys.seal(worker, "A", "x").unwrap().bytes);
    }

    #[test]
    fn a_rotated_ring_still_opens_what_the_old_key_sealed_and_the_file_keeps_both() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let old = Keyring::generate().unwrap();
        let worker = WorkerId::random();
        let sealed = old.seal(worker, "A", "x").unwrap();
        old.rotated().unwrap().save(&path).unwrap();
        let both = Keyring::load(&path).unwrap().unwrap();
        assert_ne!(both.active_id(), old.active_id());
        assert_eq!(both.open(worker, "A", &sealed).unwrap(), "x");
        assert!(both.active_only().open(worker, "A", &sealed).is_err());
    }

    #[test]
    fn what_is_no_key_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert!(Keyring::load(&path).unwrap().is_none());
        for bad in ["", "abcd\n", "not hex at all"] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(Keyring::load(&path), Err(StoreError::Key(_))), "{bad:?}");
        }
    }
}
