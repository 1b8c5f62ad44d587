//! Recovery codes: each stands once for a code of the authenticator that was lost. They are random, so a plain digest of one
//! is kept.

use rand::Rng;
use sha2::{Digest, Sha256};

/// How many there are.
const COUNT: usize = 10;
/// Without letters and digits that are taken for one another.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// Letters of a code: 79 bits.
const LENGTH: usize = 16;

/// New codes, as they are written down: `abcd-efgh-jkmn-pqrs`.
pub fn new_codes() -> Vec<String> {
    let mut rng = rand::rng();
    let mut letter = || char::from(LETTERS[rng.random_range(0..LETTERS.len())]);
    let mut code = || {
        let letters: Vec<char> = (0..LENGTH).map(|_| letter()).collect();
        letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    };
    (0..COUNT).map(|_| code()).collect()
}

/// What is kept of a code, however it was typed.
pub fn digest(code: &str) -> [u8; 32] {
    let letters: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    Sha256::digest(letters.to_ascii_lowercase()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_however_it_is_typed() {
        let codes = new_codes();
        assert_eq!(codes.len(), COUNT);
        assert_eq!(codes[0].len(), LENGTH + 3);
        assert_ne!(digest(&codes[0]), digest(&codes[1]));
        let typed = format!(" {} ", codes[0].replace('-', " ").to_uppercase());
        assert_eq!(digest(&typed), digest(&codes[0]));
    }
}
