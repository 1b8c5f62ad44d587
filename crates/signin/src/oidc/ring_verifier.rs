//! Has `jsonwebtoken` verify by `ring`, which the rest of Hearth uses too.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature as by_ring;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: no_signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Says once for the process that it is so.
pub fn install() {
    // The error is that it was said before.
    let _ = PROVIDER.install_default();
}

fn no_signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn jsonwebtoken::crypto::JwtSigner>, Error> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    Ok(Box::new(ByRing { algorithm: *algorithm, key: key.clone() }))
}

struct ByRing {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl ByRing {
    fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), ring::error::Unspecified> {
        match (self.key.kind(), self.algorithm) {
            (DecodingKeyKind::RsaModulusExponent { n, e }, algorithm) => {
                let parameters = match algorithm {
                    Algorithm::RS256 => &by_ring::RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::RS384 => &by_ring::RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::RS512 => &by_ring::RSA_PKCS1_2048_8192_SHA512,
                    Algorithm::PS256 => &by_ring::RSA_PSS_2048_8192_SHA256,
                    Algorithm::PS384 => &by_ring::RSA_PSS_2048_8192_SHA384,
                    Algorithm::PS512 => &by_ring::RSA_PSS_2048_8192_SHA512,
                    _ => return Err(ring::error::Unspecified),
                };
                by_ring::RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (DecodingKeyKind::SecretOrDer(point), algorithm) => {
                let how: &dyn by_ring::VerificationAlgorithm = match algorithm {
                    Algorithm::ES256 => &by_ring::ECDSA_P256_SHA256_FIXED,
                    Algorithm::ES384 => &by_ring::ECDSA_P384_SHA384_FIXED,
                    Algorithm::EdDSA => &by_ring::ED25519,
                    _ => return Err(ring::error::Unspecified),
                };
                by_ring::UnparsedPublicKey::new(how, point).verify(message, signature)
            }
        }
    }
}

impl Verifier<Vec<u8>> for ByRing {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.check(message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for ByRing {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
