//! `Digest`: the SHA-256 of some bytes, written `sha256:<hex>`.

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::display_safe::DisplaySafe;
use crate::text::text;

const PREFIX: &str = "sha256:";

/// A SHA-256 digest; its only text form is `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hex digits, without the algorithm.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads exactly 64 lower-case hex digits: one value, one spelling.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let lower = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mut bytes = [0; 32];
        (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let hex = text.strip_prefix(PREFIX);
        hex.and_then(Self::from_hex).ok_or_else(|| DigestError(DisplaySafe::new(text)))
    }
}

text!(Digest);

/// Text that is not a digest.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a digest\nhint: a digest is `sha256:` and 64 lower-case hex digits")]
pub struct DigestError(DisplaySafe);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// FIPS 180-4, the one-block example `abc`.
    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_digest_is_the_sha_256_of_the_bytes_and_reads_back() {
        assert_eq!(Digest::of(b"abc").to_string(), ABC);
        assert_eq!(ABC.parse::<Digest>().unwrap(), Digest::of(b"abc"));
        let json = serde_json::to_string(&Digest::of(b"abc")).unwrap();
        assert_eq!(json, format!("\"{ABC}\""));
    }

    #[test]
    fn a_digest_has_one_spelling() {
        let upper = ABC.to_uppercase().replace("SHA", "sha");
        let hex = ABC.trim_start_matches(PREFIX);
        for text in ["", "sha256:", hex, &upper, &ABC[..70], &format!("{ABC}0"), &format!(" {ABC}")] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
