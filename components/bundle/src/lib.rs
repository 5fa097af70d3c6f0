//! The first-party components, signed and embedded.
//!
//! Bytes and signatures, nothing more: whoever loads them verifies them like a
//! stranger's, but for the digests, which are taken when they are embedded. The
//! key they are signed with is here so that it can be trusted for them, and for
//! nothing else.

/// A component inside this program.
#[derive(Debug)]
#[non_exhaustive]
pub struct Embedded {
    /// The component's id.
    pub id: &'static str,
    /// The component's version.
    pub version: &'static str,
    /// The component's file. It is not compressed: to unpack it took time and memory at each start.
    pub wasm: &'static [u8],
    /// The manifest in it, so that a start need not look for it there.
    pub manifest: &'static str,
    /// The file's digest, `sha256:…`: a start need not read all of it.
    pub digest: &'static str,
    /// The signature file, a Sigstore bundle.
    pub bundle_json: &'static str,
}

/// One place in the program: a constant is copied with all its files into each crate that names it.
static COMPONENTS: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/table.rs"));

/// All of them, sorted by kind and name.
#[must_use]
pub fn components() -> &'static [Embedded] {
    COMPONENTS
}

/// The PEM of the key they are signed with.
#[must_use]
pub fn public_key() -> &'static str {
    include_str!(concat!(env!("OUT_DIR"), "/public-key.pem"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cara_signing::{Bundle, Package, TrustStore, TrustedKey, verify};

    use super::*;

    #[test]
    fn every_embedded_component_is_signed_by_the_public_key() {
        let key = public_key().parse().unwrap();
        let mut trust = TrustStore::empty();
        trust.add(TrustedKey::new(key, "built-in", vec!["*".parse().unwrap()])).unwrap();
        assert!(!components().is_empty());
        for embedded in components() {
            let package = Package::read(embedded.wasm).unwrap();
            assert_eq!(package.id().as_str(), embedded.id);
            assert_eq!(package.version().to_string(), embedded.version);
            assert_eq!((package.manifest(), &*package.digest().to_string()), (embedded.manifest, embedded.digest));
            verify(package, &Bundle::from_json(embedded.bundle_json).unwrap(), &trust, None).unwrap();
        }
    }

    #[test]
    fn no_embedded_component_holds_a_path_of_the_machine_it_was_built_on() {
        let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let home = std::env::home_dir().unwrap().join(".cargo");
        for embedded in components() {
            for path in [workspace, &home] {
                let path = path.to_str().unwrap().as_bytes();
                let found = embedded.wasm.windows(path.len()).any(|window| window == path);
                assert!(!found, "`{}` holds `{}`", embedded.id, path.escape_ascii());
            }
        }
    }
}
