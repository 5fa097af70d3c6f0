//! `PublicKey`: an Ed25519 key that checks signatures, and its id.
//!
//! Its file is the usual one, SubjectPublicKeyInfo PEM (RFC 8410), so `openssl` and
//! `cosign` read and make it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::Digest;
use crate::display_safe::DisplaySafe;

/// Longest key text read, in bytes; a PEM is about 120.
const MAX_BYTES: usize = 1024;

/// A key that checks signatures; as text the base64 of its SubjectPublicKeyInfo.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The key as SubjectPublicKeyInfo PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let pem = self.0.to_public_key_pem(LineEnding::LF);
        pem.expect("32 bytes always have a SubjectPublicKeyInfo form")
    }

    /// The key as base64 of its SubjectPublicKeyInfo DER: the PEM without its frame.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.to_der())
    }

    /// The id this key is known by.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId(Digest::of(&self.to_der()))
    }

    /// Whether this key made `signature` over `message`, by the strict rules: no
    /// small-order key or point, no second form of the same signature.
    pub fn made(&self, signature: &[u8; 64], message: &[u8]) -> bool {
        let signature = Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).is_ok()
    }

    fn to_der(&self) -> Vec<u8> {
        let der = self.0.to_public_key_der();
        der.expect("32 bytes always have a SubjectPublicKeyInfo form").into_vec()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_base64())
    }
}

/// Reads either form: `-----BEGIN PUBLIC KEY-----` (SubjectPublicKeyInfo as PEM), or the base64 in it.
impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let key = match text {
            _ if text.len() > MAX_BYTES => None,
            pem if pem.contains("-----BEGIN") => VerifyingKey::from_public_key_pem(pem.trim_start()).ok(),
            base64 => STANDARD.decode(base64.trim()).ok().and_then(|der| VerifyingKey::from_public_key_der(&der).ok()),
        };
        let key = key.ok_or(KeyError::Public)?;
        // Under a weak (small-order) key one signature can fit many messages.
        if key.is_weak() { Err(KeyError::Weak) } else { Ok(Self(key)) }
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_base64()
    }
}

/// A key's id: the SHA-256 of its SubjectPublicKeyInfo DER. Shown by its first 16
/// hex digits; stored, compared and read only as all 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(Digest);

impl KeyId {
    /// All 64 hex digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.to_hex()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex()[..16])
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digest = Digest::from_hex(text);
        digest.map(Self).ok_or_else(|| KeyError::Id(DisplaySafe::new(text)))
    }
}

impl TryFrom<String> for KeyId {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_hex()
    }
}

/// Why a text is not a key, or not the id of one.
#[derive(Debug, Error)]
pub enum KeyError {
    /// Not a public key.
    #[error(
        "the public key is not an Ed25519 key in PEM or base64\n\
         hint: `openssl pkey -in KEY -pubout` prints the public half of a signing key"
    )]
    Public,
    /// A public key of small order.
    #[error(
        "the public key is weak: signatures under it prove nothing\n\
         hint: ask its owner for another key; no honest tool makes this one"
    )]
    Weak,
    /// Not a key id.
    #[error("`{0}` is not a key id\nhint: `cara trust list --json` has the ids of trusted keys")]
    Id(DisplaySafe),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// RFC 8410, section 10.1.
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";

    /// RFC 8032, section 7.1, test 2: key, message and signature.
    const VECTOR: [&str; 3] = [
        "302a300506032b65700321003d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ];

    #[test]
    fn the_key_of_the_rfc_reads_and_writes_unchanged() {
        let key: PublicKey = PUBLIC.parse().unwrap();
        assert_eq!(key.to_pem(), PUBLIC);
        let base64 = PUBLIC.lines().nth(1).unwrap();
        assert_eq!(base64.parse::<PublicKey>().unwrap().to_base64(), base64);
    }

    #[test]
    fn a_signature_holds_for_its_key_and_message_only() {
        let [key, message, signature] = VECTOR.map(|hex| hex::decode(hex).unwrap());
        let key: PublicKey = STANDARD.encode(key).parse().unwrap();
        let mut signature: [u8; 64] = signature.try_into().unwrap();
        assert!(key.made(&signature, &message));
        assert!(!PUBLIC.parse::<PublicKey>().unwrap().made(&signature, &message));
        assert!(!key.made(&signature, b"s"));
        signature[0] ^= 1;
        assert!(!key.made(&signature, &message));
    }

    #[test]
    fn a_weak_public_key_is_refused() {
        // The identity point, encoded as 1 and 31 zeros.
        let mut der = hex::decode("302a300506032b6570032100").unwrap();
        der.push(1);
        der.extend([0; 31]);
        let error = STANDARD.encode(der).parse::<PublicKey>().unwrap_err();
        assert!(matches!(error, KeyError::Weak));
    }

    #[test]
    fn a_key_id_is_shown_short_and_read_whole() {
        let id = PUBLIC.parse::<PublicKey>().unwrap().id();
        assert_eq!(id.to_string().len(), 16);
        assert!(id.to_string().parse::<KeyId>().is_err());
        assert_eq!(id.to_hex().parse::<KeyId>().unwrap(), id);
    }
}
