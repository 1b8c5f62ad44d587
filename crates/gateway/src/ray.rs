//! The id of a request, as Cloudflare shows it in `CF-Ray`.

use std::fmt;

use bytes::{BufMut, BytesMut};
use http::HeaderValue;

/// Sixteen hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ray(u64);

impl Ray {
    /// A new random one.
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }

    /// `<ray>-<colo>`; the colo has been checked to fit into a header.
    pub(crate) fn header(self, colo: &str) -> HeaderValue {
        let mut text = BytesMut::with_capacity(17 + colo.len());
        text.put_slice(&self.digits());
        text.put_u8(b'-');
        text.put_slice(colo.as_bytes());
        HeaderValue::from_maybe_shared(text.freeze()).expect("hex digits and a checked colo")
    }

    fn digits(self) -> [u8; 16] {
        std::array::from_fn(|i| b"0123456789abcdef"[(self.0 >> (60 - 4 * i)) as usize & 0xf])
    }
}

impl fmt::Display for Ray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ray_reads_alike_in_header_and_log() {
        for value in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            let ray = Ray(value);
            assert_eq!(ray.header("HRT").to_str().unwrap(), format!("{ray}-HRT"));
        }
    }
}
