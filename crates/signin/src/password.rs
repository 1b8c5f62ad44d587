//! Passwords: argon2id, on threads that may block.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

use crate::error::Refusal;

/// Memory that one hash takes, in KiB; with the next two what OWASP's Password Storage Cheat Sheet asks for at least.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
const PASSES: u32 = 2;
/// Threads of one hash.
const LANES: u32 = 1;

/// Hashes at a time: they fill a core each.
const AT_ONCE: usize = 2;

/// Characters of a new password.
const SHORTEST: usize = 10;
/// Bytes of a password: what is longer is no password, but somebody who has us hash much.
const LONGEST: usize = 1024;

/// Makes and checks hashes of passwords.
pub struct Passwords {
    argon2: Argon2<'static>,
    /// Of a password that nobody has: what is checked where there is none takes as long as where there is one.
    nobody: String,
    places: Arc<Semaphore>,
}

impl Passwords {
    /// # Errors
    /// When there is no randomness.
    pub fn new() -> Result<Self, Refusal> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(Params::DEFAULT_OUTPUT_LEN))
            .map_err(Refusal::internal)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = hash(&argon2, &rand::random::<u128>().to_string()).map_err(Refusal::internal)?;
        Ok(Self { argon2, nobody, places: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// The hash of a new password, as a PHC string.
    ///
    /// # Errors
    /// 400 when the password is too short or too long.
    pub async fn hash(&self, password: String) -> Result<String, Refusal> {
        check(&password)?;
        let argon2 = self.argon2.clone();
        self.on_a_thread(move || hash(&argon2, &password)).await?.map_err(Refusal::internal)
    }

    /// Whether a password is that of a stored hash; None is nobody's, and takes as long.
    ///
    /// # Errors
    /// When the threads are gone.
    pub async fn verify(&self, stored: Option<String>, password: String) -> Result<bool, Refusal> {
        if password.len() > LONGEST {
            return Ok(false);
        }
        let is_somebodys = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let argon2 = self.argon2.clone();
        let right = self.on_a_thread(move || is_right(&argon2, &stored, &password)).await?;
        Ok(right && is_somebodys)
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(Refusal::internal)?;
        let work = move || {
            let _place = place;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(Refusal::internal)
    }
}

/// Whether a password may be chosen.
///
/// # Errors
/// 400 that says what it needs.
pub fn check(password: &str) -> Result<(), Refusal> {
    if password.chars().count() < SHORTEST || password.len() > LONGEST {
        return Err(Refusal::invalid(format!(
            "A password has at least {SHORTEST} characters and at most {LONGEST} bytes."
        )));
    }
    Ok(())
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(argon2.hash_password(password.as_bytes())?.to_string())
}

fn is_right(argon2: &Argon2<'_>, stored: &str, password: &str) -> bool {
    PasswordHash::new(stored).is_ok_and(|stored| argon2.verify_password(password.as_bytes(), &stored).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_told_from_others_and_nobody_has_one() {
        let passwords = Passwords::new().unwrap();
        let stored = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_ne!(stored, passwords.hash("correct horse".to_owned()).await.unwrap(), "salted");
        let verify = |stored: Option<&String>, text: &str| passwords.verify(stored.cloned(), text.to_owned());
        assert!(verify(Some(&stored), "correct horse").await.unwrap());
        assert!(!verify(Some(&stored), "correct hors").await.unwrap());
        assert!(!verify(None, "correct horse").await.unwrap());
        let nobody = passwords.nobody.clone();
        assert!(!verify(Some(&nobody), "").await.unwrap());
        assert!(passwords.hash("123456789".to_owned()).await.is_err(), "short");
        assert!(passwords.hash("x".repeat(LONGEST + 1)).await.is_err(), "long");
    }
}
