//! `OneTimeKey`: a key for one signature, thrown away after it.
//!
//! ECDSA P-256 with SHA-256, the one kind every Sigstore instance takes.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use sigstore_types::DerPublicKey;

use super::KeylessError;

/// What comes before the point in the SubjectPublicKeyInfo of a P-256 key (RFC 5480).
pub(crate) const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A secret key. `ring` does not wipe it; what could be signed with what is left
/// of it has to reach the log while the certificate is valid, which is some minutes.
pub(super) struct OneTimeKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl OneTimeKey {
    pub(super) fn generate() -> Result<Self, KeylessError> {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_ASN1_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| KeylessError::Random)?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random);
        Ok(Self { pair: pair.map_err(|_| KeylessError::Random)?, random })
    }

    /// The public half as SubjectPublicKeyInfo PEM.
    pub(super) fn public_pem(&self) -> String {
        DerPublicKey::new([&SPKI, self.pair.public_key().as_ref()].concat()).to_pem()
    }

    /// The signature in ASN.1 DER.
    pub(super) fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, KeylessError> {
        let signature = self.pair.sign(&self.random, bytes).map_err(|_| KeylessError::Random)?;
        Ok(signature.as_ref().to_vec())
    }
}
