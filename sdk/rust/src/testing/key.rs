//! A key that computes in the test's own memory.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::within;
use crate::secrets::Algorithm;
use crate::types::Refusal;

/// The bytes a key of the host would hold. Their HMACs are real; signatures are those the world was given.
#[derive(Clone)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    pub(crate) fn open(name: &str, prefix: Option<&str>) -> Result<Self, Refusal> {
        let prefix = prefix.unwrap_or_default();
        if prefix.len() > 256 {
            return Err(Refusal::Invalid("the prefix of a key is over 256 bytes".to_owned()));
        }
        let value = super::double::secret(name)?;
        Ok(Self([prefix.as_bytes(), value.as_bytes()].concat()))
    }

    pub(crate) fn derive(&self, data: &[u8]) -> Result<Self, Refusal> {
        self.mac(data).map(Self)
    }

    pub(crate) fn mac(&self, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0);
        let mut mac = mac.map_err(|error| Refusal::Invalid(error.to_string()))?;
        mac.update(data);
        Ok(mac.finalize().into_bytes().to_vec())
    }

    pub(crate) fn sign(&self, _: Algorithm, _: &[u8]) -> Result<Vec<u8>, Refusal> {
        let next = within("secrets.key.sign", |inner| inner.signatures.pop_front());
        next.ok_or_else(|| {
            Refusal::Unavailable("the world has no signature\nhint: give it one with `World::signature`".to_owned())
        })
    }
}
