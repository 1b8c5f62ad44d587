//! Passkeys: what a browser's authenticator says, held against what was asked (Web Authentication Level 3, 7.1 and 7.2).
//! Pure. CBOR is read by `ciborium`, signatures are checked by `ring`.
//!
//! No attestation is asked for, so nothing is believed of who made an authenticator. It has to have verified its user, by a
//! finger, a face or a PIN: a passkey stands for password and second factor together.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// COSE numbers of the algorithms that are taken, the favourite first (RFC 9053): ES256, EdDSA, RS256.
pub const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];
const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// Bytes of a credential's id (Level 3, 5.8.3).
const LONGEST_ID: usize = 1023;
/// Bytes of a public key: an RSA key of 4096 bits has some 530.
const LONGEST_KEY: usize = 1200;

/// Flags of an authenticator's data (6.1).
const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const HAS_CREDENTIAL: u8 = 1 << 6;

/// What was asked, and by whom.
pub struct Expected<'a> {
    /// The challenge's bytes.
    pub challenge: &'a [u8],
    /// The origin of the page.
    pub origin: &'a str,
    /// The host that passkeys are for.
    pub host: &'a str,
}

/// A new credential, as the browser's `toJSON()` gives it.
#[derive(Deserialize)]
pub struct Created {
    pub response: CreatedResponse,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedResponse {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    attestation_object: String,
}

/// A proof by a credential, as the browser's `toJSON()` gives it.
#[derive(Deserialize)]
pub struct Shown {
    /// Which one.
    pub id: String,
    pub response: ShownResponse,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownResponse {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    authenticator_data: String,
    signature: String,
    /// Whose the authenticator takes it for.
    user_handle: Option<String>,
}

/// What is kept of a new credential.
#[derive(Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its id, in base64url.
    pub id: String,
    /// Its public key, in COSE.
    pub public_key: Vec<u8>,
    /// How often it was used, if it counts.
    pub counter: u32,
}

/// Why an answer is of no use.
pub type Wrong = &'static str;

/// The challenge that an answer is to.
///
/// # Errors
/// When it has none.
pub fn challenge_of(client_data: &str) -> Result<Vec<u8>, Wrong> {
    let (data, _) = client_data_of(client_data)?;
    URL_SAFE_NO_PAD.decode(data.challenge).map_err(|_| "its challenge cannot be read")
}

impl Created {
    /// See [`challenge_of`].
    ///
    /// # Errors
    /// As there.
    pub fn challenge(&self) -> Result<Vec<u8>, Wrong> {
        challenge_of(&self.response.client_data)
    }

    /// The credential.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(&self, expected: &Expected<'_>) -> Result<Credential, Wrong> {
        check_client(&self.response.client_data, "webauthn.create", expected)?;
        let object = decode(&self.response.attestation_object)?;
        let object: Value =
            ciborium::from_reader(object.as_slice()).map_err(|_| "its attestation is no CBOR")?;
        let data = member(&object, &Value::from("authData")).and_then(Value::as_bytes);
        let data = data.ok_or("its attestation has no data")?;
        let counter = check_authenticator(data, expected)?;
        if data[32] & HAS_CREDENTIAL == 0 {
            return Err("it has no credential");
        }
        // Behind the head of 37 bytes: 16 of the authenticator's kind, the length of the id, the id, the key.
        let length = data.get(53..55).ok_or("it is cut short")?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if length == 0 || length > LONGEST_ID {
            return Err("its id has no right length");
        }
        let (id, rest) = data[55..].split_at_checked(length).ok_or("it is cut short")?;
        let mut after = rest;
        let _: Value = ciborium::from_reader(&mut after).map_err(|_| "its key is no CBOR")?;
        let public_key = rest[..rest.len() - after.len()].to_vec();
        Key::read(&public_key)?;
        Ok(Credential { id: URL_SAFE_NO_PAD.encode(id), public_key, counter })
    }
}

impl Shown {
    /// See [`challenge_of`].
    ///
    /// # Errors
    /// As there.
    pub fn challenge(&self) -> Result<Vec<u8>, Wrong> {
        challenge_of(&self.response.client_data)
    }

    /// Checks that it was made with a key, for somebody. Gives how often that was used; whoever asks compares.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, public_key: &[u8], user: &str, expected: &Expected<'_>) -> Result<u32, Wrong> {
        let client = check_client(&self.response.client_data, "webauthn.get", expected)?;
        let data = decode(&self.response.authenticator_data)?;
        let counter = check_authenticator(&data, expected)?;
        if let Some(handle) = self.response.user_handle.as_deref().filter(|handle| !handle.is_empty())
            && decode(handle)? != user.as_bytes()
        {
            return Err("it is somebody else's");
        }
        let mut message = data;
        message.extend_from_slice(&Sha256::digest(client));
        Key::read(public_key)?.verify(&message, &decode(&self.response.signature)?)?;
        Ok(counter)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

fn client_data_of(text: &str) -> Result<(ClientData, Vec<u8>), Wrong> {
    let bytes = decode(text)?;
    let data = serde_json::from_slice(&bytes).map_err(|_| "its client data is no JSON")?;
    Ok((data, bytes))
}

/// Whether a browser made it for our page, and now; gives what is signed of that.
fn check_client(text: &str, kind: &str, expected: &Expected<'_>) -> Result<Vec<u8>, Wrong> {
    let (data, bytes) = client_data_of(text)?;
    if data.r#type != kind {
        return Err("it was made for something else");
    }
    if data.challenge != URL_SAFE_NO_PAD.encode(expected.challenge) {
        return Err("it answers another challenge");
    }
    if data.origin != expected.origin || data.cross_origin {
        return Err("it was made for a page of another origin");
    }
    Ok(bytes)
}

/// Whether an authenticator made it for our host, with its user there and verified; gives its counter.
fn check_authenticator(data: &[u8], expected: &Expected<'_>) -> Result<u32, Wrong> {
    let head = data.get(..37).ok_or("it is cut short")?;
    if head[..32] != *Sha256::digest(expected.host) {
        return Err("it is for another host");
    }
    if head[32] & USER_PRESENT == 0 || head[32] & USER_VERIFIED == 0 {
        return Err("the authenticator has not verified its user");
    }
    Ok(u32::from_be_bytes([head[33], head[34], head[35], head[36]]))
}

/// A public key (RFC 9052, 7; RFC 9053, 7; RFC 8230, 4).
enum Key {
    /// A point of P-256, uncompressed.
    Es256(Vec<u8>),
    EdDsa(Vec<u8>),
    Rs256 {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl Key {
    fn read(cose: &[u8]) -> Result<Self, Wrong> {
        if cose.len() > LONGEST_KEY {
            return Err("its key is too long");
        }
        let map: Value = ciborium::from_reader(cose).map_err(|_| "its key is no CBOR")?;
        let number = |label: i64| {
            let value = member(&map, &Value::from(label)).and_then(Value::as_integer);
            value.and_then(|number| i64::try_from(number).ok())
        };
        let bytes = |label: i64| member(&map, &Value::from(label)).and_then(Value::as_bytes).cloned();
        let of_length = |label: i64, length: usize| bytes(label).filter(|bytes| bytes.len() == length);
        // 1 is the kind, 3 the algorithm, -1 the curve or n, -2 is x or e, -3 is y.
        let key = match (number(1), number(3), number(-1)) {
            (Some(2), Some(ES256), Some(1)) => {
                let (x, y) = of_length(-2, 32).zip(of_length(-3, 32)).ok_or("its key has no point")?;
                Self::Es256([vec![4], x, y].concat())
            }
            (Some(1), Some(EDDSA), Some(6)) => Self::EdDsa(of_length(-2, 32).ok_or("its key has no point")?),
            (Some(3), Some(RS256), None) => {
                let (n, e) = bytes(-1).zip(bytes(-2)).ok_or("its key has no modulus")?;
                Self::Rs256 { n, e }
            }
            _ => return Err("its key is of no kind that was asked for"),
        };
        Ok(key)
    }

    fn verify(&self, message: &[u8], signed: &[u8]) -> Result<(), Wrong> {
        let verified = match self {
            Self::Es256(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point).verify(message, signed)
            }
            Self::EdDsa(point) => UnparsedPublicKey::new(&signature::ED25519, point).verify(message, signed),
            Self::Rs256 { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                message,
                signed,
            ),
        };
        verified.map_err(|_| "its signature is wrong")
    }
}

fn member<'a>(map: &'a Value, key: &Value) -> Option<&'a Value> {
    map.as_map()?.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn decode(text: &str) -> Result<Vec<u8>, Wrong> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| "it is not in base64url")
}

#[cfg(test)]
#[path = "webauthn_tests.rs"]
mod tests;
