//! The first-party components, signed and embedded.
//!
//! Bytes and signatures, nothing more: whoever loads them verifies them like a
//! stranger's. The key they are signed with is here so that it can be trusted for
//! them, and for nothing else.

/// A component inside this program.
#[derive(Debug)]
#[non_exhaustive]
pub struct Embedded {
    /// Its id.
    pub id: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The component, compressed with zstd.
    pub wasm_zst: &'static [u8],
    /// Its size in bytes when it is not compressed.
    pub wasm_len: usize,
    /// Its signature file, a Sigstore bundle.
    pub bundle_json: &'static str,
}

/// Why a component does not come out of the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// The compressed bytes are damaged.
    #[error("built-in component `{id}` is damaged\nhint: install the program again")]
    Damaged {
        /// The component.
        id: &'static str,
        /// What zstd said.
        #[source]
        source: std::io::Error,
    },
    /// There are fewer bytes than there were.
    #[error("built-in component `{id}` has {found} bytes, not {expected}\nhint: install the program again")]
    Length {
        /// The component.
        id: &'static str,
        /// How many there are.
        found: usize,
        /// How many there were.
        expected: usize,
    },
}

impl Embedded {
    /// The component's file. Never takes more memory than the size it was built with.
    ///
    /// # Errors
    /// When the program is damaged.
    pub fn component(&self) -> Result<Vec<u8>, EmbeddedError> {
        let Self { id, wasm_len: expected, .. } = *self;
        let damaged = |source| EmbeddedError::Damaged { id, source };
        let bytes = zstd::bulk::decompress(self.wasm_zst, expected).map_err(damaged)?;
        let found = bytes.len();
        if found == expected { Ok(bytes) } else { Err(EmbeddedError::Length { id, found, expected }) }
    }
}

/// All of them, sorted by kind and name.
#[must_use]
pub fn components() -> &'static [Embedded] {
    include!(concat!(env!("OUT_DIR"), "/table.rs"))
}

/// The PEM of the key they are signed with.
#[must_use]
pub fn public_key() -> &'static str {
    include_str!(concat!(env!("OUT_DIR"), "/public-key.pem"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cara_signing::{Bundle, Package, PublicKey, TrustStore, TrustedKey, verify};

    use super::*;

    #[test]
    fn every_embedded_component_is_signed_by_the_public_key() {
        let key = PublicKey::from_pem(public_key()).unwrap();
        let mut trust = TrustStore::empty();
        trust.add(TrustedKey::new(key, "built-in", vec!["*".parse().unwrap()]).unwrap()).unwrap();
        assert!(!components().is_empty());
        for embedded in components() {
            let package = Package::read(embedded.component().unwrap()).unwrap();
            assert_eq!(package.id().as_str(), embedded.id);
            assert_eq!(package.version().to_string(), embedded.version);
            verify(package, &Bundle::from_json(embedded.bundle_json).unwrap(), &trust, None).unwrap();
        }
    }

    #[test]
    fn no_embedded_component_holds_a_path_of_the_machine_it_was_built_on() {
        let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let home = std::env::home_dir().unwrap().join(".cargo");
        for embedded in components() {
            let bytes = embedded.component().unwrap();
            for path in [workspace, &home] {
                let path = path.to_str().unwrap().as_bytes();
                let found = bytes.windows(path.len()).any(|window| window == path);
                assert!(!found, "`{}` holds `{}`", embedded.id, path.escape_ascii());
            }
        }
    }

    #[test]
    fn a_component_larger_than_it_was_built_is_not_unpacked() {
        let bomb = zstd::bulk::compress(&vec![0; 1 << 20], 1).unwrap();
        let embedded =
            Embedded { id: "bomb", version: "0.1.0", wasm_zst: bomb.leak(), wasm_len: 1024, bundle_json: "" };
        assert!(matches!(embedded.component(), Err(EmbeddedError::Damaged { .. })));
    }

    #[test]
    fn a_component_cut_short_is_refused() {
        let short = zstd::bulk::compress(&[0; 100], 1).unwrap();
        let embedded =
            Embedded { id: "short", version: "0.1.0", wasm_zst: short.leak(), wasm_len: 1024, bundle_json: "" };
        assert!(matches!(embedded.component(), Err(EmbeddedError::Length { found: 100, .. })));
    }
}
