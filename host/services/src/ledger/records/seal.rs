//! Sealing values: AES-256-GCM under the content key, each tied to its place.
//!
//! A sealed value is a fresh random 96-bit nonce, the ciphertext and the tag. The associated data are the table, the
//! column and what else identifies the value, such as the row's ids and the label: moved to another row or column, or
//! under another label, it does not open. An older value of the same place does; a file does not show its age. Random
//! nonces are good for 2^32 values under one key (NIST SP 800-38D): a hundred messages a minute for eighty years.

use super::LedgerError;
use crate::ledger::events::mac;
use aes_gcm::{Aes256Gcm, KeyInit, aead::AeadInOut};
use cara_database::Place;
use serde::{Serialize, de::DeserializeOwned};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const NONCE: usize = 12;
const TAG: usize = 16;

/// The key that content in the ledger is sealed with.
pub struct ContentKey(Zeroizing<[u8; 32]>);

impl ContentKey {
    /// A key of 32 random bytes.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContentKey(…)")
    }
}

/// Where a value stands.
#[derive(Clone, Copy)]
pub struct Spot<'a> {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// What identifies the value: ids of its row, and columns it must not be separated from.
    pub row: &'a [&'a str],
}

impl Spot<'_> {
    fn aad(&self) -> Vec<u8> {
        let mut aad = b"cara sealed 1".to_vec();
        for field in [&self.table, &self.column].into_iter().chain(self.row) {
            aad.extend_from_slice(&(field.len() as u64).to_be_bytes());
            aad.extend_from_slice(field.as_bytes());
        }
        aad
    }
}

/// Seals and opens.
pub struct Seal {
    cipher: Aes256Gcm,
    lookup: Zeroizing<[u8; 32]>,
    proof: [u8; 32],
    /// To name in errors.
    place: Place,
}

impl Seal {
    pub(super) fn new(key: &ContentKey, place: &Place) -> Self {
        let derived = |purpose: &[u8]| Zeroizing::new(mac(&key.0, purpose, &[]));
        Self {
            cipher: Aes256Gcm::new((&*derived(b"cara records seal 1")).into()),
            lookup: derived(b"cara records lookup 1"),
            proof: *derived(b"cara records proof 1"),
            place: place.clone(),
        }
    }

    /// What shows that a key is this one, and tells nothing else of it.
    pub(super) fn proof(&self) -> [u8; 32] {
        self.proof
    }

    pub(super) fn made(&self, proof: &[u8]) -> bool {
        self.proof.ct_eq(proof).into()
    }

    /// Finds the same fields again without having them in the file.
    pub fn lookup(&self, purpose: &'static str, fields: &[&[u8]]) -> [u8; 32] {
        mac(&self.lookup, purpose.as_bytes(), fields)
    }

    /// Seals bytes for a spot.
    pub fn seal(&self, spot: Spot<'_>, plain: &[u8]) -> Result<Vec<u8>, LedgerError> {
        let mut sealed = Vec::with_capacity(NONCE + plain.len() + TAG);
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(LedgerError::Random)?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce.into(), &spot.aad(), sealed[NONCE..].as_mut().into())
            .expect("AES-GCM takes up to 64 GiB");
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Opens what was sealed for this spot.
    pub fn open(&self, spot: Spot<'_>, mut sealed: Vec<u8>) -> Result<Vec<u8>, LedgerError> {
        let end = sealed.len().checked_sub(TAG).filter(|end| *end >= NONCE).ok_or_else(|| self.tampered(spot))?;
        let tag: [u8; TAG] = sealed[end..].try_into().map_err(|_| self.tampered(spot))?;
        let nonce: [u8; NONCE] = sealed[..NONCE].try_into().map_err(|_| self.tampered(spot))?;
        self.cipher
            .decrypt_inout_detached(&nonce.into(), &spot.aad(), sealed[NONCE..end].as_mut().into(), &tag.into())
            .map_err(|_| self.tampered(spot))?;
        sealed.truncate(end);
        sealed.drain(..NONCE);
        Ok(sealed)
    }

    /// Seals what serialises to JSON.
    pub fn seal_json(&self, spot: Spot<'_>, value: &impl Serialize) -> Result<Vec<u8>, LedgerError> {
        self.seal(spot, &serde_json::to_vec(value).expect("strings, numbers and JSON make JSON"))
    }

    /// Opens what serialises to JSON.
    pub fn open_json<T: DeserializeOwned>(&self, spot: Spot<'_>, sealed: Vec<u8>) -> Result<T, LedgerError> {
        serde_json::from_slice(&self.open(spot, sealed)?).map_err(|_| self.tampered(spot))
    }

    /// Opens a column that may be empty.
    pub fn open_maybe<T: DeserializeOwned>(
        &self,
        spot: Spot<'_>,
        sealed: Option<Vec<u8>>,
    ) -> Result<Option<T>, LedgerError> {
        sealed.map(|sealed| self.open_json(spot, sealed)).transpose()
    }

    /// The error for what is not as it was sealed.
    pub fn tampered(&self, spot: Spot<'_>) -> LedgerError {
        LedgerError::Tampered { place: self.place.clone(), table: spot.table, column: spot.column }
    }
}
