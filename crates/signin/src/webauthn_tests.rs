//! An authenticator of software, and what is changed in what it says.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value as Json, json};

use super::*;

const USER: &str = "0123456789abcdef0123456789abcdef";
const EXPECTED: Expected<'static> =
    Expected { challenge: b"challenge", origin: "https://hearth.test", host: "hearth.test" };

struct Authenticator {
    random: SystemRandom,
    keys: EcdsaKeyPair,
}

/// What it says, each part to be changed.
struct Said {
    client: Json,
    host: &'static str,
    flags: u8,
    counter: u32,
}

impl Said {
    fn of(kind: &str) -> Self {
        let challenge = URL_SAFE_NO_PAD.encode("challenge");
        let client = json!({"type": kind, "challenge": challenge, "origin": "https://hearth.test", "crossOrigin": false});
        Self { client, host: "hearth.test", flags: USER_PRESENT | USER_VERIFIED, counter: 7 }
    }

    fn client_with(kind: &str, field: &str, value: Json) -> Self {
        let mut said = Self::of(kind);
        said.client[field] = value;
        said
    }

    fn head(&self, flags: u8) -> Vec<u8> {
        let mut head = Sha256::digest(self.host).to_vec();
        head.push(self.flags | flags);
        head.extend(self.counter.to_be_bytes());
        head
    }
}

impl Authenticator {
    fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let keys =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap();
        Self { random, keys }
    }

    fn cose(&self) -> Vec<u8> {
        let (x, y) = self.keys.public_key().as_ref()[1..].split_at(32);
        cose(&[
            (1, 2.into()),
            (3, ES256.into()),
            (-1, 1.into()),
            (-2, x.to_vec().into()),
            (-3, y.to_vec().into()),
        ])
    }

    fn create(&self, said: &Said) -> Created {
        let mut data = said.head(HAS_CREDENTIAL);
        data.extend([0; 16]);
        data.extend(3_u16.to_be_bytes());
        data.extend(b"key");
        data.extend(self.cose());
        created(&said.client, data)
    }

    fn show(&self, said: &Said) -> Json {
        let client = said.client.to_string();
        let data = said.head(0);
        let message = [data.clone(), Sha256::digest(&client).to_vec()].concat();
        let signature = self.keys.sign(&self.random, &message).unwrap();
        json!({"id": "a2V5", "response": {
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "signature": URL_SAFE_NO_PAD.encode(signature),
            "userHandle": URL_SAFE_NO_PAD.encode(USER),
        }})
    }
}

fn cose(members: &[(i64, Value)]) -> Vec<u8> {
    let map = members.iter().map(|(label, value)| (Value::from(*label), value.clone())).collect();
    let mut bytes = Vec::new();
    ciborium::into_writer(&Value::Map(map), &mut bytes).unwrap();
    bytes
}

fn created(client: &Json, data: Vec<u8>) -> Created {
    let object = Value::Map(vec![
        ("fmt".into(), "none".into()),
        ("attStmt".into(), Value::Map(Vec::new())),
        ("authData".into(), data.into()),
    ]);
    let mut bytes = Vec::new();
    ciborium::into_writer(&object, &mut bytes).unwrap();
    serde_json::from_value(json!({"response": {
        "clientDataJSON": URL_SAFE_NO_PAD.encode(client.to_string()),
        "attestationObject": URL_SAFE_NO_PAD.encode(bytes),
    }}))
    .unwrap()
}

fn shown(json: Json) -> Shown {
    serde_json::from_value(json).unwrap()
}

#[test]
fn a_passkey_is_made_and_shown() {
    let authenticator = Authenticator::new();
    let made = authenticator.create(&Said::of("webauthn.create"));
    assert_eq!(made.challenge().unwrap(), b"challenge");
    let credential = made.read(&EXPECTED).unwrap();
    assert_eq!((credential.id.as_str(), credential.counter), ("a2V5", 7));
    let proof = shown(authenticator.show(&Said::of("webauthn.get")));
    assert_eq!(proof.check(&credential.public_key, USER, &EXPECTED), Ok(7));
    let mut anonymous = authenticator.show(&Said::of("webauthn.get"));
    anonymous["response"]["userHandle"] = Json::Null;
    assert_eq!(shown(anonymous).check(&credential.public_key, USER, &EXPECTED), Ok(7));
}

#[test]
fn what_was_made_elsewhere_or_for_somebody_else_is_refused() {
    let authenticator = Authenticator::new();
    let key = authenticator.cose();
    for kind in ["webauthn.create", "webauthn.get"] {
        let changed = [
            ("another origin", Said::client_with(kind, "origin", json!("https://evil.test"))),
            ("another port", Said::client_with(kind, "origin", json!("https://hearth.test:8443"))),
            ("a frame of another page", Said::client_with(kind, "crossOrigin", json!(true))),
            (
                "another challenge",
                Said::client_with(kind, "challenge", json!(URL_SAFE_NO_PAD.encode("other"))),
            ),
            ("another ceremony", Said::client_with(kind, "type", json!("payment.get"))),
            ("another host", Said { host: "evil.test", ..Said::of(kind) }),
            ("nobody there", Said { flags: USER_VERIFIED, ..Said::of(kind) }),
            ("nobody verified", Said { flags: USER_PRESENT, ..Said::of(kind) }),
        ];
        for (why, said) in changed {
            if kind == "webauthn.create" {
                assert!(authenticator.create(&said).read(&EXPECTED).is_err(), "{why}");
            } else {
                assert!(shown(authenticator.show(&said)).check(&key, USER, &EXPECTED).is_err(), "{why}");
            }
        }
    }
    let good = || authenticator.show(&Said::of("webauthn.get"));
    assert!(shown(good()).check(&key, &USER.replace('0', "1"), &EXPECTED).is_err(), "another person");
    assert!(shown(good()).check(&Authenticator::new().cose(), USER, &EXPECTED).is_err(), "another key");
    let mut forged = good();
    let fewer = Said { counter: 8, ..Said::of("webauthn.get") };
    forged["response"]["authenticatorData"] = json!(URL_SAFE_NO_PAD.encode(fewer.head(0)));
    assert!(shown(forged).check(&key, USER, &EXPECTED).is_err(), "what was not signed");
}

#[test]
fn what_cannot_be_read_is_refused() {
    let said = Said::of("webauthn.create");
    let head = said.head(HAS_CREDENTIAL);
    let with = |rest: &[u8]| created(&said.client, [head.as_slice(), rest].concat()).read(&EXPECTED).is_err();
    let id = |length: u16, rest: &[u8]| [&[0; 16][..], &length.to_be_bytes(), rest].concat();
    assert!(
        with(&[])
            && with(&[0; 17])
            && with(&id(3, b"ke"))
            && with(&id(0, b""))
            && with(&id(1024, &[0; 1024]))
    );
    assert!(with(&id(3, b"key")), "no key");
    assert!(with(&id(3, b"key\xff\xff")), "no CBOR");
    assert!(created(&said.client, Vec::new()).read(&EXPECTED).is_err());
    let mut without = said.head(0);
    without.extend(id(3, b"key"));
    assert!(created(&said.client, without).read(&EXPECTED).is_err(), "no credential");
    let short = vec![0_u8; 31];
    for bad in [
        cose(&[]),
        cose(&[
            (1, 2.into()),
            (3, ES256.into()),
            (-1, 1.into()),
            (-2, short.clone().into()),
            (-3, short.into()),
        ]),
        cose(&[
            (1, 2.into()),
            (3, (-47).into()),
            (-1, 8.into()),
            (-2, vec![0_u8; 32].into()),
            (-3, vec![0_u8; 32].into()),
        ]),
        cose(&[
            (1, 3.into()),
            (3, (-65535).into()),
            (-1, vec![1_u8; 256].into()),
            (-2, vec![1_u8, 0, 1].into()),
        ]),
        vec![0; LONGEST_KEY + 1],
    ] {
        assert!(Key::read(&bad).is_err(), "{bad:?}");
    }
}
