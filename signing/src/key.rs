//! Ed25519 keys: the secret one, the public one, and its id.
//!
//! Files are the usual ones: PKCS#8 PEM and SubjectPublicKeyInfo PEM (RFC 8410),
//! so `openssl` and `cosign` read and make them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, KeypairBytes,
};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::foreign::Foreign;

/// Longest key text read, in bytes; a PEM of either kind is about 120.
const MAX_BYTES: usize = 1024;

/// A key that signs packages; its memory is wiped when it is dropped.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// A new key from the operating system's random numbers.
    ///
    /// # Errors
    /// When the operating system has no random numbers to give.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(KeyError::Random)?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads `-----BEGIN PRIVATE KEY-----` (PKCS#8, not encrypted).
    ///
    /// # Errors
    /// When the text is not the PEM of an Ed25519 secret key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if pem.len() > MAX_BYTES {
            return Err(KeyError::Secret);
        }
        // The cause is left out on purpose: no part of a secret may reach a log.
        let key = SigningKey::from_pkcs8_pem(pem.trim_start()).map_err(|_| KeyError::Secret)?;
        Ok(Self(key))
    }

    /// The key as PKCS#8 PEM, version 1: the form every tool reads.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        let bytes = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        bytes.to_pkcs8_pem(LineEnding::LF).expect("32 bytes always have a PKCS#8 form")
    }

    /// The public half, which others need to check signatures.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public().id())
    }
}

/// A key that checks signatures; as text the base64 of its SubjectPublicKeyInfo.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads `-----BEGIN PUBLIC KEY-----` (SubjectPublicKeyInfo).
    ///
    /// # Errors
    /// When the text is not the PEM of an Ed25519 public key, or the key is weak.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if pem.len() > MAX_BYTES {
            return Err(KeyError::Public);
        }
        let key = VerifyingKey::from_public_key_pem(pem.trim_start());
        Self::strong(key.map_err(|_| KeyError::Public)?)
    }

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
    pub(crate) fn made(&self, signature: &[u8; 64], message: &[u8]) -> bool {
        let signature = Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).is_ok()
    }

    fn to_der(&self) -> Vec<u8> {
        let der = self.0.to_public_key_der();
        der.expect("32 bytes always have a SubjectPublicKeyInfo form").into_vec()
    }

    /// Under a weak (small-order) key one signature can fit many messages.
    fn strong(key: VerifyingKey) -> Result<Self, KeyError> {
        if key.is_weak() { Err(KeyError::Weak) } else { Ok(Self(key)) }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_base64())
    }
}

/// Reads either form, PEM or base64.
impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.contains("-----BEGIN") {
            return Self::from_pem(text);
        }
        if text.len() > MAX_BYTES {
            return Err(KeyError::Public);
        }
        let der = STANDARD.decode(text.trim()).map_err(|_| KeyError::Public)?;
        let key = VerifyingKey::from_public_key_der(&der).map_err(|_| KeyError::Public)?;
        Self::strong(key)
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
        digest.map(Self).ok_or_else(|| KeyError::Id(Foreign::new(text)))
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

/// Why a key could not be made or read.
#[derive(Debug, Error)]
pub enum KeyError {
    /// No random numbers.
    #[error("the operating system gave no random numbers for a key")]
    Random(#[source] getrandom::Error),
    /// Not a secret key.
    #[error(
        "the secret key is not an Ed25519 key in PKCS#8 PEM\n\
         hint: `openssl genpkey -algorithm ed25519` makes one"
    )]
    Secret,
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
    Id(Foreign),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// RFC 8410, section 10.3 and 10.1: a secret key and its public half.
    const SECRET: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn the_keys_of_the_rfc_read_and_write_unchanged() {
        let secret = SecretKey::from_pem(SECRET).unwrap();
        assert_eq!(secret.to_pem().as_str(), SECRET);
        assert_eq!(secret.public().to_pem(), PUBLIC);
        assert_eq!(PUBLIC.parse::<PublicKey>().unwrap(), secret.public());
        let base64 = PUBLIC.lines().nth(1).unwrap();
        assert_eq!(base64.parse::<PublicKey>().unwrap().to_base64(), base64);
    }

    #[test]
    fn a_new_key_signs_and_only_for_itself() {
        let (one, two) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        assert_ne!(one.public(), two.public());
        let signature = one.sign(b"message");
        assert!(one.public().made(&signature, b"message"));
        assert!(!two.public().made(&signature, b"message"));
        assert!(!one.public().made(&signature, b"messagf"));
    }

    #[test]
    fn a_secret_key_shows_only_its_id() {
        let secret = SecretKey::from_pem(SECRET).unwrap();
        assert_eq!(format!("{secret:?}"), format!("SecretKey({})", secret.public().id()));
    }

    #[test]
    fn an_error_about_a_secret_key_does_not_repeat_it() {
        let broken = SECRET.replace("MC4C", "MC4D");
        let error = SecretKey::from_pem(&broken).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("INTuctv5"));
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
