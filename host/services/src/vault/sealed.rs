//! The vault file: a JSON record that says where its key comes from,
//! and all secrets as one AES-256-GCM text.
//!
//! ```text
//! version, key, names, check  what a reader needs before it has the key; authenticated by GCM as associated data
//! nonce, ciphertext           every id and value in one, so that neither values nor their sizes show
//! sha256                      of the rest: tells damage from a wrong key before a key is derived
//! ```
//!
//! The names stand in clear, as those of installed components do: a secret that is not stored must cost no password.
//! Each write takes a fresh random 96-bit nonce. Under one key (the salt changes with the password) NIST SP 800-38D allows
//! 2^32 of those; a person's vault is written some hundred times in its life. The digest has no key, so it finds damage,
//! not malice: who recomputes it is found by GCM, except that a changed source or check reads as a wrong key.

use super::kdf::Keys;
use super::source::KeySource;
use super::{SecretId, SecretValue, VaultError, random};
use aes_gcm::{Aes256Gcm, KeyInit, aead::AeadInOut};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, path::Path, sync::Arc};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Each secret by its id; the values are shared with those who asked for them, not copied.
pub(super) type Values = BTreeMap<SecretId, Arc<SecretValue>>;

/// The most bytes a vault file has when it is read: 8 MiB in base64, and its header.
pub(super) const MAX_FILE_BYTES: u64 = 12 * 1024 * 1024;
const MAX_PLAIN_BYTES: usize = 8 * 1024 * 1024;
const MAX_SECRETS: usize = 1000;
const VERSION: u32 = 2;
const TAG_BYTES: usize = 16;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    key: KeySource,
    names: Vec<String>,
    check: String,
    nonce: String,
    ciphertext: String,
    sha256: String,
}

impl Record {
    fn aad(&self) -> Vec<u8> {
        let (nonce, ciphertext, sha256) = Default::default();
        let (key, names, check) = (self.key.clone(), self.names.clone(), self.check.clone());
        json(&Self { version: self.version, key, names, check, nonce, ciphertext, sha256 })
    }

    fn digest(&self) -> String {
        hex::encode(Sha256::digest(json(&Self { sha256: String::new(), ..self.clone() })))
    }

    /// The one way to write this record: a file that differs from it by as much as a space was changed by somebody else.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("strings and numbers make JSON");
        bytes.push(b'\n');
        bytes
    }
}

fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("strings and numbers make JSON")
}

/// A vault file that is whole and of this format; not yet known to be honest.
pub(super) struct Sealed {
    pub(super) source: KeySource,
    /// The ids in it.
    pub(super) names: Vec<SecretId>,
    aad: Vec<u8>,
    check: [u8; 32],
    nonce: [u8; 12],
    ciphertext: Vec<u8>,
}

impl Sealed {
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self, VaultError> {
        let damaged = || VaultError::Damaged(path.to_owned());
        let Ok(record) = serde_json::from_slice::<Record>(bytes) else {
            return Err(newer(bytes, path).unwrap_or_else(damaged));
        };
        if record.digest() != record.sha256 || record.bytes() != bytes {
            return Err(damaged());
        }
        if record.version != VERSION {
            return Err(VaultError::Newer { path: path.to_owned(), version: record.version });
        }
        let names = record.names.iter().map(|name| SecretId::stored(name)).collect::<Result<_, _>>();
        Ok(Self {
            names: names.map_err(|_| damaged())?,
            aad: record.aad(),
            check: unhex(&record.check).ok_or_else(damaged)?,
            nonce: unhex(&record.nonce).ok_or_else(damaged)?,
            ciphertext: STANDARD.decode(&record.ciphertext).map_err(|_| damaged())?,
            source: record.key,
        })
    }

    /// Whether these keys are the ones of this file.
    pub(super) fn is_for(&self, keys: &Keys) -> bool {
        keys.check.ct_eq(&self.check).into()
    }

    pub(super) fn open(&self, keys: &Keys, path: &Path) -> Result<Values, VaultError> {
        let damaged = || VaultError::Damaged(path.to_owned());
        let body = self.ciphertext.len().checked_sub(TAG_BYTES).ok_or_else(damaged)?;
        let (text, tag) = self.ciphertext.split_at(body);
        let mut plain = Zeroizing::new(text.to_vec());
        let tag: [u8; TAG_BYTES] = tag.try_into().map_err(|_| damaged())?;
        Aes256Gcm::new((&*keys.encryption).into())
            .decrypt_inout_detached(&self.nonce.into(), &self.aad, plain.as_mut_slice().into(), &tag.into())
            .map_err(|_| damaged())?;
        decode(&plain).ok_or_else(damaged)
    }
}

/// A file of the secrets.
pub(super) fn seal(source: &KeySource, keys: &Keys, values: &Values) -> Result<Vec<u8>, VaultError> {
    let mut text = encode(values)?;
    let nonce: [u8; 12] = random()?;
    let mut record = Record {
        version: VERSION,
        key: source.clone(),
        names: values.keys().map(ToString::to_string).collect(),
        check: hex::encode(*keys.check),
        nonce: hex::encode(nonce),
        ciphertext: String::new(),
        sha256: String::new(),
    };
    let tag = Aes256Gcm::new((&*keys.encryption).into())
        .encrypt_inout_detached(&nonce.into(), &record.aad(), text.as_mut_slice().into())
        .expect("AES-GCM takes up to 64 GiB");
    record.ciphertext = STANDARD.encode([text.as_slice(), tag.as_slice()].concat());
    record.sha256 = record.digest();
    Ok(record.bytes())
}

/// Each secret as: length of the id (2 bytes), id, length of the value (4 bytes, both big-endian), value. Not JSON, which
/// would leave escaped copies of the values in memory that nothing wipes.
fn encode(values: &Values) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let size = |(id, value): (&SecretId, &Arc<SecretValue>)| 6 + id.to_string().len() + value.expose().len();
    let total: usize = values.iter().map(size).sum();
    if total > MAX_PLAIN_BYTES || values.len() > MAX_SECRETS {
        return Err(VaultError::Full { max: MAX_SECRETS });
    }
    // The whole room at once: a vector that grows leaves its old bytes behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(total));
    for (id, value) in values {
        let id = id.to_string();
        plain.extend_from_slice(&(id.len() as u16).to_be_bytes());
        plain.extend_from_slice(id.as_bytes());
        plain.extend_from_slice(&(value.expose().len() as u32).to_be_bytes());
        plain.extend_from_slice(value.expose());
    }
    Ok(plain)
}

fn decode(mut plain: &[u8]) -> Option<Values> {
    let mut values = Values::new();
    while !plain.is_empty() {
        let (length, rest) = plain.split_first_chunk::<2>()?;
        let (id, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*length).try_into().ok()?)?;
        let id = SecretId::stored(std::str::from_utf8(id).ok()?).ok()?;
        values.insert(id, Arc::new(SecretValue::new(value.to_vec()).ok()?));
        plain = rest;
    }
    Some(values)
}

pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}

fn newer(bytes: &[u8], path: &Path) -> Option<VaultError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let Versioned { version } = serde_json::from_slice(bytes).ok()?;
    (version > VERSION).then(|| VaultError::Newer { path: path.to_owned(), version })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Kdf;
    use super::*;

    fn vault() -> (Keys, Vec<u8>) {
        let kdf = Kdf::argon2id(12 * 1024, 3, 1).unwrap();
        let keys = kdf.keys(b"pass", &[7; 16]).unwrap();
        let source = KeySource::Password { kdf: kdf.parameters(), salt: hex::encode([7; 16]) };
        let secret = |text: &str| Arc::new(SecretValue::new(text.as_bytes().to_vec()).unwrap());
        let values = [("a/b", secret("canary")), ("c/d", secret("{\"x\":1}"))];
        let values = values.into_iter().map(|(id, value)| (SecretId::parse(id).unwrap(), value)).collect();
        let bytes = seal(&source, &keys, &values).unwrap();
        (keys, bytes)
    }

    fn open(bytes: &[u8], keys: &Keys) -> Result<Values, VaultError> {
        Sealed::parse(bytes, Path::new("v"))?.open(keys, Path::new("v"))
    }

    /// Changes a field as somebody would who also makes the digest right.
    fn forged(bytes: &[u8], change: impl FnOnce(&mut Record)) -> Vec<u8> {
        let mut record: Record = serde_json::from_slice(bytes).unwrap();
        change(&mut record);
        record.sha256 = record.digest();
        record.bytes()
    }

    #[test]
    fn a_file_opens_to_what_was_sealed_and_shows_no_value() {
        let (keys, bytes) = vault();
        let values = open(&bytes, &keys).unwrap();
        assert_eq!(values[&SecretId::parse("c/d").unwrap()].expose(), b"{\"x\":1}");
        assert_eq!(values.len(), 2);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("argon2id") && text.contains("a/b") && !text.contains("canary"), "{text}");
    }

    #[test]
    fn every_flipped_byte_is_found_before_a_key_is_derived() {
        let (_, bytes) = vault();
        for at in 0..bytes.len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                let error = Sealed::parse(&changed, Path::new("v")).err().unwrap();
                assert!(matches!(error, VaultError::Damaged(_) | VaultError::Newer { .. }), "byte {at}: {error}");
            }
        }
    }

    #[test]
    fn every_truncation_and_any_addition_is_found() {
        let (_, bytes) = vault();
        for length in 0..bytes.len() {
            assert!(matches!(Sealed::parse(&bytes[..length], Path::new("v")), Err(VaultError::Damaged(_))), "{length}");
        }
        assert!(matches!(Sealed::parse(&[&bytes[..], b" "].concat(), Path::new("v")), Err(VaultError::Damaged(_))));
    }

    #[test]
    fn a_forger_who_recomputes_the_digest_is_found_by_the_tag() {
        let (keys, bytes) = vault();
        let text: Record = serde_json::from_slice(&bytes).unwrap();
        let ciphertext = STANDARD.decode(text.ciphertext).unwrap();
        for at in 0..ciphertext.len() {
            let mut changed = ciphertext.clone();
            changed[at] ^= 1;
            let file = forged(&bytes, |record| record.ciphertext = STANDARD.encode(&changed));
            assert!(matches!(open(&file, &keys), Err(VaultError::Damaged(_))), "byte {at}");
        }
        // The header is associated data: even with the right key it cannot be another one.
        let header: [fn(&mut Record); 4] = [
            |record| record.nonce = "0".repeat(24),
            |record| record.key = KeySource::KeyFile {},
            |record| record.check = "0".repeat(64),
            |record| record.names = vec!["e/f".to_owned()],
        ];
        for change in header {
            assert!(matches!(open(&forged(&bytes, change), &keys), Err(VaultError::Damaged(_))));
        }
    }

    #[test]
    fn later_formats_are_refused_by_name() {
        let (keys, bytes) = vault();
        assert!(matches!(
            open(&forged(&bytes, |record| record.version = 3), &keys),
            Err(VaultError::Newer { version: 3, .. })
        ));
        assert!(matches!(open(br#"{"version":3,"recipients":[]}"#, &keys), Err(VaultError::Newer { version: 3, .. })));
    }

    #[test]
    fn no_two_writes_share_a_nonce() {
        let keys = Keys { encryption: [1; 32].into(), check: [2; 32].into() };
        let nonces: std::collections::HashSet<_> = (0..100)
            .map(|_| {
                Sealed::parse(&seal(&KeySource::KeyFile {}, &keys, &Values::new()).unwrap(), Path::new("v"))
                    .unwrap()
                    .nonce
            })
            .collect();
        assert_eq!(nonces.len(), 100);
    }
}
