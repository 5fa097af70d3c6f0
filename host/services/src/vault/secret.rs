//! A secret's bytes, wiped when dropped and never printed, and its id.

use super::VaultError;
use cara_authority::id::{ComponentId, SecretName};
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The most bytes a secret has: 64 KiB.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// A secret's bytes: 1 byte to 64 KiB. No `Clone`, no `Display`; `Debug` shows nothing of it; equality takes the same time
/// wherever two values of one length differ. Share it as an `Arc`.
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// Takes over `bytes`, which are wiped also when refused: an empty value would be found everywhere.
    pub fn new(bytes: Vec<u8>) -> Result<Self, VaultError> {
        let bytes = Zeroizing::new(bytes);
        match bytes.len() {
            0 => Err(VaultError::EmptyValue),
            n if n > MAX_SECRET_BYTES => Err(VaultError::ValueTooLong { bytes: n, max: MAX_SECRET_BYTES }),
            _ => Ok(Self(bytes)),
        }
    }

    /// The bytes themselves. Every use of this is a place where a secret leaves its type.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for SecretValue {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretValue {}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(hidden)")
    }
}

/// Whose secret and which: written `component/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretId {
    /// The component the secret belongs to.
    pub component: ComponentId,
    /// Its name in that component's manifest.
    pub name: SecretName,
}

impl SecretId {
    /// Reads `component/name`.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let (component, name) = text.split_once('/').ok_or_else(|| VaultError::NotAnId(escaped(text)))?;
        Ok(Self { component: ComponentId::parse(component)?, name: SecretName::parse(name)? })
    }
}

fn escaped(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
}

impl TryFrom<String> for SecretId {
    type Error = VaultError;
    fn try_from(text: String) -> Result<Self, VaultError> {
        Self::parse(&text)
    }
}

impl From<SecretId> for String {
    fn from(id: SecretId) -> String {
        id.to_string()
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.component, self.name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn debug_output_has_nothing_of_the_value() {
        let value = SecretValue::new(b"canary-value".to_vec()).unwrap();
        assert_eq!(format!("{value:?}{value:#?}"), "SecretValue(hidden)SecretValue(hidden)");
    }

    #[test]
    fn a_value_has_1_byte_to_64_kib() {
        assert!(matches!(SecretValue::new(Vec::new()), Err(VaultError::EmptyValue)));
        assert!(SecretValue::new(vec![0; MAX_SECRET_BYTES]).is_ok());
        assert!(matches!(SecretValue::new(vec![0; MAX_SECRET_BYTES + 1]), Err(VaultError::ValueTooLong { .. })));
    }

    #[test]
    fn equality_is_of_bytes_and_length() {
        let value = |text: &[u8]| SecretValue::new(text.to_vec()).unwrap();
        assert_eq!(value(b"ab"), value(b"ab"));
        assert_ne!(value(b"ab"), value(b"ac"));
        assert_ne!(value(b"ab"), value(b"abc"));
    }

    #[test]
    fn an_id_reads_back_as_it_is_written() {
        let id = SecretId::parse("openai/api-key").unwrap();
        assert_eq!(
            (id.component.as_str(), id.name.as_str(), id.to_string().as_str()),
            ("openai", "api-key", "openai/api-key")
        );
        for bad in ["openai", "/", "a/", "/b", "a/b/c", "A/b", "../x"] {
            assert!(SecretId::parse(bad).is_err(), "{bad}");
        }
    }
}
