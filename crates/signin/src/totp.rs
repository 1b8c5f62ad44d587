//! Codes of an authenticator (RFC 6238): six digits of SHA-1 every 30 s, what every authenticator can.

use totp_rs::{Algorithm, Builder, Secret, Totp};

/// Seconds of one code.
const STEP: u64 = 30;
/// Steps by which clocks may be apart.
const DRIFT: u16 = 1;
/// What the authenticator shows beside the account.
const ISSUER: &str = "Hearth";

/// A new secret, in base32.
pub fn new_secret() -> String {
    Secret::from(rand::random::<[u8; 20]>()).to_base32()
}

/// The URL that an authenticator reads, from a QR code mostly; None when the secret is none.
pub fn url(secret: &str, email: &str) -> Option<String> {
    // A colon separates issuer and account there.
    authenticator(secret, &email.replace(':', " "))?.to_url().ok()
}

/// The time step of a code that is right at `now` (seconds since 1970), None when it is wrong. Whoever asks spends the step.
pub fn step_of(secret: &str, code: &str, now: u64) -> Option<u64> {
    let digits: String = code.chars().filter(|letter| !letter.is_whitespace()).collect();
    authenticator(secret, "")?.check(&digits, now)
}

fn authenticator(secret: &str, account: &str) -> Option<Totp> {
    let built = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(DRIFT)
        .with_step_duration(STEP)
        .with_secret(Secret::try_from_base32(secret).ok()?)
        .with_account_name(account.to_owned())
        .with_issuer(Some(ISSUER.to_owned()))
        .build();
    built.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, in its last six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = Secret::from(*b"12345678901234567890").to_base32();
        for (now, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(step_of(&secret, code, now), Some(now / STEP));
            assert_eq!(step_of(&secret, &format!("{} {}", &code[..3], &code[3..]), now), Some(now / STEP));
        }
        assert_eq!(step_of(&secret, "287082", 59 + STEP), Some(1), "a clock that is slow");
        assert_eq!(step_of(&secret, "287082", 59 - STEP), Some(1), "a clock that is fast");
        assert_eq!(step_of(&secret, "287082", 59 + 2 * STEP), None);
        for bad in ["", "28708", "2870822", "abcdef", "-87082"] {
            assert_eq!(step_of(&secret, bad, 59), None, "{bad:?}");
        }
    }

    #[test]
    fn an_authenticator_is_told_all_by_the_url() {
        let secret = new_secret();
        let url = url(&secret, "ann@corp.test").unwrap();
        assert!(url.starts_with("otpauth://totp/Hearth:ann%40corp.test?secret="), "{url}");
        assert!(url.contains(&secret) && url.contains("issuer=Hearth"), "{url}");
        assert_eq!(secret.len(), 32);
        assert_ne!(secret, new_secret());
    }
}
