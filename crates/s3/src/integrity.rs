//! Whether a body that is XML is what was signed and announced. `s3s` reads these whole, without looking at the digests
//! beside them, and takes a wrong SHA-256 for an error of its own. Contents of objects are checked where they are stored.

use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, Method, header};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5, Sha256};
use s3s::{S3Error, s3_error};

use crate::checksum::Announced;
use crate::{convert, error};

/// Says what was wrong with a body, once that is known.
#[derive(Clone, Default)]
pub(crate) struct Verdict(Arc<OnceLock<S3Error>>);

impl Verdict {
    /// What was wrong; None while nothing is.
    pub(crate) fn take(self) -> Option<S3Error> {
        Arc::into_inner(self.0).and_then(OnceLock::into_inner)
    }
}

/// Digests of a body as it passes.
pub(crate) struct Check {
    left: u64,
    sha256: Option<(String, Sha256)>,
    md5: Option<([u8; 16], Md5)>,
    announced: Option<(Announced, ChecksumHasher)>,
    verdict: Verdict,
}

impl Check {
    /// What has to be checked of a request whose body is XML; None for others, and where nothing is announced.
    ///
    /// # Errors
    /// A digest that cannot be one.
    pub(crate) fn of(
        method: &Method,
        has_key: bool,
        headers: &HeaderMap,
        verdict: Verdict,
    ) -> Result<Option<Self>, S3Error> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let length = text(header::CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
        let chunked =
            text(header::CONTENT_ENCODING.as_str()).is_some_and(|text| text.contains("aws-chunked"));
        let is_xml = *method == Method::POST || (*method == Method::PUT && !has_key);
        let Some(left) = length.filter(|length| is_xml && !chunked && *length > 0) else { return Ok(None) };
        let sha256 = text("x-amz-content-sha256").filter(|text| text.len() == 64);
        let md5 = convert::content_md5(text("content-md5"))?;
        // Below a key these are of the object that parts make.
        let announced =
            if has_key { Announced::default() } else { Announced::read(headers).map_err(error::of)? };
        let hasher = announced.hasher();
        Ok(Some(Self {
            left,
            sha256: sha256.map(|text| (text.to_owned(), Sha256::new())),
            md5: md5.map(|md5| (md5, Md5::new())),
            announced: Some((announced, hasher)),
            verdict,
        }))
    }

    /// Takes some bytes; false when they were the last ones and the whole is not what it has to be.
    pub(crate) fn update(&mut self, bytes: &[u8]) -> bool {
        if let Some((_, hasher)) = &mut self.sha256 {
            hasher.update(bytes);
        }
        if let Some((_, hasher)) = &mut self.md5 {
            hasher.update(bytes);
        }
        if let Some((_, hasher)) = &mut self.announced {
            hasher.update(bytes);
        }
        self.left = self.left.saturating_sub(bytes.len() as u64);
        if self.left > 0 {
            return true;
        }
        match self.finish() {
            Ok(()) => true,
            Err(wrong) => {
                let _ = self.verdict.0.set(wrong);
                false
            }
        }
    }

    fn finish(&mut self) -> Result<(), S3Error> {
        if let Some((given, hasher)) = self.sha256.take() {
            let actual: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            if !given.eq_ignore_ascii_case(&actual) {
                return Err(error::wrong_sha256());
            }
        }
        if let Some((given, hasher)) = self.md5.take() {
            let actual = hasher.finalize();
            if given != actual {
                return Err(s3_error!(
                    BadDigest,
                    "The Content-MD5 you specified did not match what we received: {} is not {}.",
                    BASE64_STANDARD.encode(given),
                    BASE64_STANDARD.encode(actual)
                ));
            }
        }
        match self.announced.take() {
            Some((announced, hasher)) => {
                announced.check(&hasher.finalize(), &HeaderMap::new()).map(drop).map_err(error::of)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(has_key: bool, with: &[(&'static str, &str)]) -> Option<String> {
        let headers: HeaderMap = with
            .iter()
            .chain(&[("content-length", "5")])
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let verdict = Verdict::default();
        let mut check = Check::of(&Method::POST, has_key, &headers, verdict.clone()).unwrap().unwrap();
        let good = check.update(b"hel") & check.update(b"lo");
        drop(check);
        let wrong = verdict.take();
        assert_eq!(good, wrong.is_none());
        wrong.map(|wrong| wrong.code().as_str().to_owned())
    }

    #[test]
    fn each_digest_is_held_against_the_body() {
        let bad = Some("BadDigest".to_owned());
        assert_eq!(code(false, &[]), None);
        assert_eq!(code(false, &[("content-md5", "XUFAKrxLKna5cZ2REBfFkg==")]), None);
        assert_eq!(code(false, &[("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")]), bad);
        assert_eq!(code(false, &[("x-amz-checksum-crc32", "NhCmhg==")]), None);
        assert_eq!(code(false, &[("x-amz-checksum-crc32", "AAAAAA==")]), bad);
        assert_eq!(code(true, &[("x-amz-checksum-crc32", "AAAAAA==")]), None, "of the object");
        let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(code(false, &[("x-amz-content-sha256", digest)]), None);
        let other = digest.replace('2', "3");
        assert_eq!(
            code(false, &[("x-amz-content-sha256", &other)]).as_deref(),
            Some("XAmzContentSHA256Mismatch")
        );
    }
}
