//! S3's additional checksums (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>):
//! CRC-32, CRC-32C, CRC-64/NVME, SHA-1 and SHA-256 of an object or a part, in headers or behind the body.
//!
//! They are kept with the object under their header's name without `x-amz-checksum-`, in base64 as they are sent.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use crc_fast::CrcAlgorithm;
use hearth_r2::store::{Part, R2Error};
use http::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::Checksum as _;
use s3s::dto::Checksum;

/// What [`kept`] is called under where it is of the parts' checksums, not of the content.
const COMPOSITE: &str = "composite";

/// A kind of checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// As clients name it in `x-amz-checksum-algorithm`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// From a name; None for one that is not known.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// What it is kept under.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Crc32 => "crc32",
            Self::Crc32c => "crc32c",
            Self::Crc64Nvme => "crc64nvme",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    fn header(self) -> String {
        format!("x-amz-checksum-{}", self.key())
    }

    /// Bytes of a value.
    fn size(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// Its value among those of an answer.
    pub(crate) fn of(self, checksum: &Checksum) -> Option<&String> {
        match self {
            Self::Crc32 => checksum.checksum_crc32.as_ref(),
            Self::Crc32c => checksum.checksum_crc32c.as_ref(),
            Self::Crc64Nvme => checksum.checksum_crc64nvme.as_ref(),
            Self::Sha1 => checksum.checksum_sha1.as_ref(),
            Self::Sha256 => checksum.checksum_sha256.as_ref(),
        }
    }
}

/// Which checksums a request says its body has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Announced {
    /// By its headers.
    values: BTreeMap<Algorithm, String>,
    /// The trailers that will say one.
    trailing: Vec<Algorithm>,
    /// Computed and kept, though nothing is there to compare it with.
    wanted: Option<Algorithm>,
}

impl Announced {
    /// Reads the headers of an upload.
    ///
    /// # Errors
    /// A value that cannot be one of its kind; a name that is not known.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, R2Error> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let mut announced = Self::default();
        for algorithm in Algorithm::ALL {
            if let Some(value) = text(&algorithm.header()) {
                check_value(algorithm, value)?;
                announced.values.insert(algorithm, value.to_owned());
            }
        }
        let trailers = text("x-amz-trailer").unwrap_or_default();
        for trailer in trailers.split(',').map(str::trim).filter(|trailer| !trailer.is_empty()) {
            let known = Algorithm::ALL.into_iter().find(|known| known.header().eq_ignore_ascii_case(trailer));
            announced.trailing.push(known.ok_or_else(|| {
                R2Error::InvalidArgument(format!("The value `{trailer}` of x-amz-trailer is not known."))
            })?);
        }
        let named = text("x-amz-sdk-checksum-algorithm").or_else(|| text("x-amz-checksum-algorithm"));
        announced.wanted =
            named.map(|name| Algorithm::parse(name).ok_or_else(|| unknown(name))).transpose()?;
        Ok(announced)
    }

    /// A hasher for all that are said.
    pub(crate) fn hasher(&self) -> ChecksumHasher {
        let mut hasher = ChecksumHasher::default();
        for algorithm in self.values.keys().chain(&self.trailing).chain(&self.wanted) {
            match algorithm {
                Algorithm::Crc32 => hasher.crc32 = Some(s3s::crypto::Crc32::new()),
                Algorithm::Crc32c => hasher.crc32c = Some(s3s::crypto::Crc32c::new()),
                Algorithm::Crc64Nvme => hasher.crc64nvme = Some(s3s::crypto::Crc64Nvme::new()),
                Algorithm::Sha1 => hasher.sha1 = Some(s3s::crypto::Sha1::new()),
                Algorithm::Sha256 => hasher.sha256 = Some(s3s::crypto::Sha256::new()),
            }
        }
        hasher
    }

    /// Holds what was computed against what was said, and gives what is to be kept.
    ///
    /// # Errors
    /// [`R2Error::BadDigest`]; a trailer that did not come.
    pub(crate) fn check(
        &self,
        computed: &Checksum,
        trailers: &HeaderMap,
    ) -> Result<BTreeMap<String, String>, R2Error> {
        let mut said: Vec<(Algorithm, &str)> =
            self.values.iter().map(|(algorithm, value)| (*algorithm, value.as_str())).collect();
        for algorithm in &self.trailing {
            let value = trailers.get(algorithm.header()).and_then(|value| value.to_str().ok()).map(str::trim);
            let value = value.ok_or_else(|| {
                R2Error::InvalidArgument(format!("The trailer {} is missing.", algorithm.header()))
            })?;
            check_value(*algorithm, value)?;
            said.push((*algorithm, value));
        }
        for (algorithm, given) in said {
            let actual = algorithm.of(computed).map(String::as_str).unwrap_or_default();
            if actual != given {
                return Err(bad_digest(algorithm, given, actual));
            }
        }
        Ok(kept(computed))
    }
}

fn unknown(name: &str) -> R2Error {
    R2Error::InvalidArgument(format!("The checksum algorithm `{name}` is not known."))
}

fn check_value(algorithm: Algorithm, value: &str) -> Result<(), R2Error> {
    match BASE64_STANDARD.decode(value) {
        Ok(bytes) if bytes.len() == algorithm.size() => Ok(()),
        _ => Err(R2Error::InvalidArgument(format!("Value for {} header is invalid.", algorithm.header()))),
    }
}

fn bad_digest(algorithm: Algorithm, given: &str, actual: &str) -> R2Error {
    R2Error::BadDigest { algorithm: algorithm.name(), given: given.to_owned(), actual: actual.to_owned() }
}

/// Checksums in the form they are kept in.
pub(crate) fn kept(checksum: &Checksum) -> BTreeMap<String, String> {
    let present = |algorithm: Algorithm| Some((algorithm.key().to_owned(), algorithm.of(checksum)?.clone()));
    Algorithm::ALL.into_iter().filter_map(present).collect()
}

/// Kept checksums in the form they are sent in.
pub(crate) fn sent(extra: &BTreeMap<String, String>) -> Checksum {
    let value = |algorithm: Algorithm| extra.get(algorithm.key()).cloned();
    Checksum {
        checksum_crc32: value(Algorithm::Crc32),
        checksum_crc32c: value(Algorithm::Crc32c),
        checksum_crc64nvme: value(Algorithm::Crc64Nvme),
        checksum_sha1: value(Algorithm::Sha1),
        checksum_sha256: value(Algorithm::Sha256),
        checksum_type: kind(extra).map(|kind| kind.to_owned().into()),
    }
}

fn kind(extra: &BTreeMap<String, String>) -> Option<&'static str> {
    let any = Algorithm::ALL.iter().any(|algorithm| extra.contains_key(algorithm.key()));
    any.then_some(if extra.contains_key(COMPOSITE) { "COMPOSITE" } else { "FULL_OBJECT" })
}

/// What a multipart upload is begun with: the algorithm and the kind of its checksum, as the client chose them.
///
/// # Errors
/// What is not known, or does not go together: a SHA of parts is no SHA of the whole.
pub(crate) fn of_upload(
    algorithm: Option<&str>,
    kind: Option<&str>,
) -> Result<BTreeMap<String, String>, R2Error> {
    let Some(name) = algorithm else { return Ok(BTreeMap::new()) };
    let algorithm = Algorithm::parse(name).ok_or_else(|| unknown(name))?;
    // AWS's defaults.
    let composite = match kind {
        Some("COMPOSITE") => true,
        Some("FULL_OBJECT") => false,
        None => algorithm != Algorithm::Crc64Nvme,
        Some(other) => {
            return Err(R2Error::InvalidArgument(format!("The checksum type `{other}` is not known.")));
        }
    };
    if composite && algorithm == Algorithm::Crc64Nvme || !composite && algorithm.crc().is_none() {
        return Err(R2Error::InvalidArgument(format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            if composite { "COMPOSITE" } else { "FULL_OBJECT" },
            algorithm.name()
        )));
    }
    let mut extra = BTreeMap::from([("algorithm".to_owned(), algorithm.name().to_owned())]);
    if composite {
        extra.insert(COMPOSITE.to_owned(), String::new());
    }
    Ok(extra)
}

/// The algorithm that an upload was begun with.
pub(crate) fn upload_algorithm(extra: &BTreeMap<String, String>) -> Option<Algorithm> {
    extra.get("algorithm").and_then(|name| Algorithm::parse(name))
}

/// The kind of checksum that an upload was begun with, as S3 writes it.
pub(crate) fn upload_kind(extra: &BTreeMap<String, String>) -> Option<&'static str> {
    upload_algorithm(extra)?;
    Some(if extra.contains_key(COMPOSITE) { "COMPOSITE" } else { "FULL_OBJECT" })
}

/// The checksum of an object that parts make, in the order of their numbers: of their concatenated checksums with their
/// count, or of the content, which CRCs allow to compute from the parts'. None where the upload was begun without one, or
/// a part has none.
pub(crate) fn of_parts<'a>(
    upload: &BTreeMap<String, String>,
    parts: impl Iterator<Item = &'a Part>,
) -> Option<(Algorithm, String)> {
    let algorithm = upload_algorithm(upload)?;
    let mut values = Vec::new();
    for part in parts {
        let value = BASE64_STANDARD.decode(part.extra.get(algorithm.key())?).ok()?;
        values.push((value, part.size));
    }
    let count = values.len();
    let value = if upload.contains_key(COMPOSITE) {
        let all: Vec<u8> = values.into_iter().flat_map(|(value, _)| value).collect();
        format!("{}-{count}", BASE64_STANDARD.encode(digest(algorithm, &all)))
    } else {
        let crc = algorithm.crc()?;
        let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
        let whole = values.iter().map(|(value, size)| (number(value), *size)).reduce(
            |(before, length), (value, size)| {
                (crc_fast::checksum_combine(crc, before, value, size), length + size)
            },
        )?;
        BASE64_STANDARD.encode(&whole.0.to_be_bytes()[8 - algorithm.size()..])
    };
    Some((algorithm, value))
}

/// Holds the checksum of parts against what the client says that the object has.
///
/// # Errors
/// [`R2Error::BadDigest`].
pub(crate) fn check_whole(computed: Option<&(Algorithm, String)>, said: &Checksum) -> Result<(), R2Error> {
    let Some((algorithm, actual)) = computed else { return Ok(()) };
    match algorithm.of(said) {
        // SDKs leave out the count behind a composite one.
        Some(given)
            if given != actual && Some(given.as_str()) != actual.rsplit_once('-').map(|(sum, _)| sum) =>
        {
            Err(bad_digest(*algorithm, given, actual))
        }
        _ => Ok(()),
    }
}

fn digest(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
    match algorithm {
        Algorithm::Crc32 => s3s::crypto::Crc32::checksum(bytes).to_vec(),
        Algorithm::Crc32c => s3s::crypto::Crc32c::checksum(bytes).to_vec(),
        Algorithm::Crc64Nvme => s3s::crypto::Crc64Nvme::checksum(bytes).to_vec(),
        Algorithm::Sha1 => s3s::crypto::Sha1::checksum(bytes).to_vec(),
        Algorithm::Sha256 => s3s::crypto::Sha256::checksum(bytes).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn computed(announced: &Announced, content: &[u8]) -> Checksum {
        let mut hasher = announced.hasher();
        hasher.update(content);
        hasher.finalize()
    }

    fn part(number: u32, content: &[u8], algorithm: Algorithm) -> Part {
        let value = BASE64_STANDARD.encode(digest(algorithm, content));
        Part {
            number,
            etag: String::new(),
            size: content.len() as u64,
            uploaded: jiff::Timestamp::UNIX_EPOCH,
            extra: BTreeMap::from([(algorithm.key().to_owned(), value)]),
        }
    }

    /// The check values of the CRC catalogue, and FIPS 180's of `123456789`.
    #[test]
    fn algorithms_compute_what_others_do() {
        let hex = |algorithm| hex(&digest(algorithm, b"123456789"));
        assert_eq!(hex(Algorithm::Crc32), "cbf43926");
        assert_eq!(hex(Algorithm::Crc32c), "e3069283");
        assert_eq!(hex(Algorithm::Crc64Nvme), "ae8b14860a799888");
        assert_eq!(hex(Algorithm::Sha1), "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn what_is_said_in_a_header_or_behind_the_body_has_to_be_so() {
        let right = BASE64_STANDARD.encode(digest(Algorithm::Crc32, b"hello"));
        let wrong = BASE64_STANDARD.encode(digest(Algorithm::Crc32, b"hullo"));
        for (value, good) in [(&right, true), (&wrong, false)] {
            let announced = Announced::read(&headers(&[("x-amz-checksum-crc32", value)])).unwrap();
            let checked = announced.check(&computed(&announced, b"hello"), &HeaderMap::new());
            assert_eq!(checked.is_ok(), good);
            let announced = Announced::read(&headers(&[("x-amz-trailer", "x-amz-checksum-crc32")])).unwrap();
            let behind = headers(&[("x-amz-checksum-crc32", value)]);
            let checked = announced.check(&computed(&announced, b"hello"), &behind);
            assert_eq!(checked.is_ok(), good);
            assert!(announced.check(&computed(&announced, b"hello"), &HeaderMap::new()).is_err(), "absent");
        }
        for (name, value) in [
            ("x-amz-checksum-crc32", "not base64"),
            ("x-amz-checksum-sha256", right.as_str()),
            ("x-amz-trailer", "x-other"),
            ("x-amz-sdk-checksum-algorithm", "MD4"),
        ] {
            assert!(Announced::read(&headers(&[(name, value)])).is_err(), "{name}");
        }
    }

    #[test]
    fn the_checksum_of_a_whole_follows_from_its_parts() {
        let (first, second) = (vec![1_u8; 70_000], vec![2_u8; 33]);
        let whole = [first.as_slice(), &second].concat();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let upload = of_upload(Some(algorithm.name()), Some("FULL_OBJECT")).unwrap();
            let parts = [part(1, &first, algorithm), part(2, &second, algorithm)];
            let expected = BASE64_STANDARD.encode(digest(algorithm, &whole));
            assert_eq!(of_parts(&upload, parts.iter()), Some((algorithm, expected)));
        }
        let upload = of_upload(Some("SHA256"), None).unwrap();
        let parts = [part(1, &first, Algorithm::Sha256), part(2, &second, Algorithm::Sha256)];
        let of_digests = [digest(Algorithm::Sha256, &first), digest(Algorithm::Sha256, &second)].concat();
        let expected = format!("{}-2", BASE64_STANDARD.encode(digest(Algorithm::Sha256, &of_digests)));
        assert_eq!(of_parts(&upload, parts.iter()), Some((Algorithm::Sha256, expected.clone())));
        let mut extra = upload.clone();
        extra.insert("sha256".to_owned(), expected);
        assert_eq!(sent(&extra).checksum_type.unwrap().as_str(), "COMPOSITE");
        let bare = Part { extra: BTreeMap::new(), ..parts[0].clone() };
        assert_eq!(of_parts(&upload, [bare].iter()), None);
    }

    #[test]
    fn kinds_that_do_not_go_together_are_refused() {
        assert!(of_upload(Some("SHA256"), Some("FULL_OBJECT")).is_err());
        assert!(of_upload(Some("CRC64NVME"), Some("COMPOSITE")).is_err());
        assert!(of_upload(Some("CRC32"), Some("SOMETHING")).is_err());
        assert_eq!(upload_kind(&of_upload(Some("crc32"), None).unwrap()), Some("COMPOSITE"));
        assert_eq!(upload_kind(&of_upload(Some("CRC64NVME"), None).unwrap()), Some("FULL_OBJECT"));
        assert_eq!(of_upload(None, Some("COMPOSITE")).unwrap(), BTreeMap::new());
    }
}
