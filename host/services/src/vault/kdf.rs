//! From a password to keys: Argon2id, or PBKDF2 where a rule asks for it.

use super::VaultError;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

/// How a password becomes a key, with parameters within bounds: no weaker than OWASP's advice, and low enough that a file
/// from elsewhere cannot hold the process up for minutes or eat its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kdf(Parameters);

/// The numbers as a file has them, within the bounds or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", deny_unknown_fields)]
pub(super) enum Parameters {
    #[serde(rename = "argon2id")]
    Argon2id { memory_kib: u32, passes: u32, lanes: u32 },
    #[serde(rename = "pbkdf2-hmac-sha256")]
    Pbkdf2 { rounds: u32 },
}

impl Default for Kdf {
    /// Argon2id, 64 MiB, three passes, one lane.
    fn default() -> Self {
        Self(Parameters::Argon2id { memory_kib: 64 * 1024, passes: 3, lanes: 1 })
    }
}

impl Kdf {
    /// Argon2id (RFC 9106): 12 MiB to 1 GiB of memory, 3 to 16 passes, 1 to 4 lanes.
    pub fn argon2id(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, VaultError> {
        Self::checked(Parameters::Argon2id { memory_kib, passes, lanes })
    }

    /// PBKDF2-HMAC-SHA256 (RFC 8018) with 600 000 rounds.
    pub fn pbkdf2() -> Self {
        Self(Parameters::Pbkdf2 { rounds: 600_000 })
    }

    /// The name the vault file has for it.
    pub fn name(self) -> &'static str {
        match self.0 {
            Parameters::Argon2id { .. } => "argon2id",
            Parameters::Pbkdf2 { .. } => "pbkdf2-hmac-sha256",
        }
    }

    /// The one with this name, at its usual strength.
    pub fn named(name: &str) -> Option<Self> {
        [Self::default(), Self::pbkdf2()].into_iter().find(|kdf| kdf.name() == name)
    }

    pub(super) fn parameters(self) -> Parameters {
        self.0
    }

    /// Takes the numbers of a file, if they are within the bounds.
    pub(super) fn checked(parameters: Parameters) -> Result<Self, VaultError> {
        let kdf = Self(parameters);
        let limits: &[(&str, u32, u32, u32)] = match parameters {
            Parameters::Argon2id { memory_kib, passes, lanes } => {
                &[("memory_kib", memory_kib, 12 * 1024, 1024 * 1024), ("passes", passes, 3, 16), ("lanes", lanes, 1, 4)]
            }
            Parameters::Pbkdf2 { rounds } => &[("rounds", rounds, 600_000, 10_000_000)],
        };
        for &(parameter, value, min, max) in limits {
            if !(min..=max).contains(&value) {
                return Err(VaultError::KdfBounds { name: kdf.name(), parameter, value, min, max });
            }
        }
        Ok(kdf)
    }

    /// Derives the keys; takes a tenth of a second or more, on purpose.
    pub(super) fn keys(self, password: &[u8], salt: &[u8; 16]) -> Result<Keys, VaultError> {
        let mut root = Zeroizing::new([0; 32]);
        match self.0 {
            Parameters::Argon2id { memory_kib, passes, lanes } => {
                let parameters = argon2::Params::new(memory_kib, passes, lanes, None).map_err(VaultError::Kdf)?;
                // Our own memory, so that it is wiped: the library leaves its blocks as they are.
                let mut memory = Zeroizing::new(vec![argon2::Block::default(); parameters.block_count()]);
                argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters)
                    .hash_password_into_with_memory(password, salt, &mut *root, memory.as_mut_slice())
                    .map_err(VaultError::Kdf)?;
            }
            Parameters::Pbkdf2 { rounds } => {
                // Not the generic function: that would be compiled here, which in a debug build is ten times slower.
                let rounds = pbkdf2::Params::new(rounds).expect("at least 600 000 were checked");
                pbkdf2::pbkdf2_hmac_with_params(password, salt, pbkdf2::Algorithm::Pbkdf2Sha256, rounds, &mut *root);
            }
        }
        Ok(Keys::of(&root))
    }
}

/// What 32 bytes from wherever give: the key of the file, and a value that tells a wrong key from a changed file.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) encryption: Zeroizing<[u8; 32]>,
    /// Independent of `encryption` (HMAC as a PRF), so that it may stand in the file. It helps somebody who guesses
    /// passwords no more than the GCM tag does.
    pub(super) check: Zeroizing<[u8; 32]>,
}

impl Keys {
    pub(super) fn of(root: &[u8; 32]) -> Self {
        Self { encryption: labelled(root, b"cara vault 1 encryption"), check: labelled(root, b"cara vault 1 check") }
    }
}

fn labelled(root: &[u8; 32], label: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(root).expect("HMAC takes keys of every length");
    mac.update(label);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn parameters_have_lower_and_upper_bounds() {
        assert!(
            [Kdf::default(), Kdf::pbkdf2()]
                .into_iter()
                .all(|kdf| Kdf::checked(kdf.0).is_ok() && Kdf::named(kdf.name()) == Some(kdf))
        );
        for (memory, passes, lanes) in [
            (12 * 1024 - 1, 3, 1),
            (1024 * 1024 + 1, 3, 1),
            (65536, 2, 1),
            (65536, 17, 1),
            (65536, 3, 0),
            (65536, 3, 5),
        ] {
            assert!(
                matches!(Kdf::argon2id(memory, passes, lanes), Err(VaultError::KdfBounds { .. })),
                "{memory} {passes} {lanes}"
            );
        }
        for rounds in [599_999, 10_000_001] {
            assert!(Kdf::checked(Parameters::Pbkdf2 { rounds }).is_err(), "{rounds}");
        }
    }

    #[test]
    fn the_keys_differ_by_password_salt_and_use() {
        let kdf = Kdf::argon2id(12 * 1024, 3, 1).unwrap();
        let keys = |password: &[u8], salt| kdf.keys(password, &[salt; 16]).unwrap();
        let first = keys(b"a", 1);
        assert_eq!(first.encryption, keys(b"a", 1).encryption);
        assert_ne!(first.encryption, keys(b"b", 1).encryption);
        assert_ne!(first.encryption, keys(b"a", 2).encryption);
        assert_ne!(first.encryption, first.check);
    }
}
