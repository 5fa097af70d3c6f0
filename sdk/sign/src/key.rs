//! `SecretKey`: the Ed25519 key that signs packages.
//!
//! Its file is the usual one, PKCS#8 PEM (RFC 8410), so `openssl` and `cosign` read and make it.

use std::fmt;

use cara_signing::PublicKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, KeypairBytes};
use ed25519_dalek::{Signer as _, SigningKey};
use thiserror::Error;
use zeroize::Zeroizing;

/// Longest key text read, in bytes; a PEM is about 120.
const MAX_BYTES: usize = 1024;

/// A key that signs packages; its memory is wiped when it is dropped.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// A new key from the operating system's random numbers.
    ///
    /// # Errors
    /// When the operating system has no random numbers to give.
    pub fn generate() -> Result<Self, SecretKeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(SecretKeyError::Random)?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads `-----BEGIN PRIVATE KEY-----` (PKCS#8, not encrypted).
    ///
    /// # Errors
    /// When the text is not the PEM of an Ed25519 secret key.
    pub fn from_pem(pem: &str) -> Result<Self, SecretKeyError> {
        if pem.len() > MAX_BYTES {
            return Err(SecretKeyError::Content);
        }
        // The cause is left out on purpose: no part of a secret may reach a log.
        let key = SigningKey::from_pkcs8_pem(pem.trim_start()).map_err(|_| SecretKeyError::Content)?;
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
        let pem = self.0.verifying_key().to_public_key_pem(LineEnding::LF);
        let pem = pem.expect("32 bytes always have a SubjectPublicKeyInfo form");
        pem.parse().expect("the public half of a secret key is never weak")
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

/// Why there is no key to sign with.
#[derive(Debug, Error)]
pub enum SecretKeyError {
    /// No random numbers.
    #[error("the operating system gave no random numbers for a key\nhint: try again")]
    Random(#[source] getrandom::Error),
    /// Not a secret key.
    #[error(
        "the secret key is not an Ed25519 key in PKCS#8 PEM\n\
         hint: `openssl genpkey -algorithm ed25519` makes one"
    )]
    Content,
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
    }

    #[test]
    fn no_two_new_keys_are_one() {
        assert_ne!(SecretKey::generate().unwrap().public(), SecretKey::generate().unwrap().public());
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
}
