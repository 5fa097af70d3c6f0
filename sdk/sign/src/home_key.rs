//! `HomeKey`: the key by which a home signs what it says of itself.
//!
//! ECDSA P-256 with SHA-256, the one kind that every transparency log takes. Who keeps its bytes is the caller.

use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use sigstore_types::DerPublicKey;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::keyless::SPKI;

/// A secret key with its public half.
pub struct HomeKey {
    pair: EcdsaKeyPair,
    document: Zeroizing<Vec<u8>>,
    random: SystemRandom,
}

/// Why there is no key, or no signature.
#[derive(Debug, Error)]
pub enum HomeKeyError {
    /// The operating system has no random numbers to give.
    #[error("no key can be made: the system has no random numbers\nhint: try again")]
    Random,
    /// The bytes are not those of such a key.
    #[error(
        "the key is damaged: it is no PKCS #8 document of an ECDSA P-256 key\nhint: put its file back from your backup"
    )]
    Damaged,
}

impl HomeKey {
    /// Largest document, in bytes.
    pub const MAX_BYTES: u64 = 1024;

    /// A new key.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate() -> Result<Self, HomeKeyError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        Self::from_pkcs8(document.map_err(|_| HomeKeyError::Random)?.as_ref())
    }

    /// The key in a PKCS #8 document.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn from_pkcs8(document: &[u8]) -> Result<Self, HomeKeyError> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document, &random);
        let pair = pair.map_err(|_| HomeKeyError::Damaged)?;
        Ok(Self { pair, document: Zeroizing::new(document.to_vec()), random })
    }

    /// The key as PKCS #8, to be kept.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.document
    }

    /// The public half, as SubjectPublicKeyInfo.
    pub(crate) fn public(&self) -> DerPublicKey {
        DerPublicKey::new([&SPKI, self.pair.public_key().as_ref()].concat())
    }

    /// The public half, as PEM.
    #[must_use]
    pub fn public_pem(&self) -> String {
        self.public().to_pem()
    }

    /// What names the key: the SHA-256 of its public half, hexadecimal.
    #[must_use]
    pub fn id(&self) -> String {
        let hash = digest(&SHA256, self.public().as_bytes());
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The signature of a message, in ASN.1 DER.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, HomeKeyError> {
        let signature = self.pair.sign(&self.random, message).map_err(|_| HomeKeyError::Random)?;
        Ok(signature.as_ref().to_vec())
    }

    /// Whether this key made that signature of the message.
    #[must_use]
    pub fn made(&self, signature: &[u8], message: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.pair.public_key().as_ref());
        key.verify(message, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_that_was_kept_is_the_same_key_and_knows_its_own_signatures_only() {
        let (key, other) = (HomeKey::generate().unwrap(), HomeKey::generate().unwrap());
        let kept = HomeKey::from_pkcs8(key.pkcs8()).unwrap();
        assert_eq!((kept.id(), kept.public_pem()), (key.id(), key.public_pem()));
        let signature = key.sign(b"message").unwrap();
        assert!(kept.made(&signature, b"message") && !kept.made(&signature, b"massage"));
        assert!(!other.made(&signature, b"message") && key.id().len() == 64 && other.id() != key.id());
        let told = HomeKey::from_pkcs8(&key.pkcs8()[1..]).err().unwrap().to_string();
        assert!(told.starts_with("the key is damaged") && told.contains("\nhint: "), "{told}");
    }
}
