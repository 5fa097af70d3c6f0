//! Packages made from what is built in: another manifest, another signer.

use super::home::Home;
use super::wasm::{joined, parted};
use std::path::PathBuf;

impl Home {
    /// A key of its own for signing, and its public part.
    pub(crate) fn keygen(&self, name: &str) -> (String, String) {
        let secret = self.path(&format!("{name}.pem")).to_str().unwrap().to_owned();
        let public = self.ok(&["plugin", "keygen", name, "--file", &secret]);
        let file = self.path(&format!("{name}.pub"));
        std::fs::write(&file, public).unwrap();
        (secret, file.to_str().unwrap().to_owned())
    }

    /// A home whose operator trusts `acme` for everything; the key it signs with.
    pub(crate) fn trusting() -> (Self, String) {
        let home = Self::new();
        let (secret, public) = home.keygen("acme");
        home.ok(&["trust", "add", "acme", &public, "--may", "*"]);
        (home, secret)
    }

    /// Writes a package and signs it.
    pub(crate) fn signed(&self, name: &str, wasm: &[u8], key: &str) -> String {
        let file = self.write(name, wasm);
        self.ok(&["plugin", "sign", &file, "--key", key]);
        file
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        let file: PathBuf = self.path(name);
        std::fs::write(&file, bytes).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// What the store holds.
    pub(crate) fn stored(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path("packages")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// A built-in component as a file of its own, with its manifest changed as a table.
pub(crate) fn remade(id: &str, change: impl FnOnce(&mut toml::Table)) -> Vec<u8> {
    let embedded = cara_bundle::components().iter().find(|embedded| embedded.id == id).unwrap();
    let (code, manifest) = parted(embedded.wasm);
    let mut table: toml::Table = manifest.parse().unwrap();
    change(&mut table);
    joined(&code, &table.to_string())
}

/// A built-in component's code under a manifest of its own.
pub(crate) fn with_manifest(id: &str, manifest: &str) -> Vec<u8> {
    let embedded = cara_bundle::components().iter().find(|embedded| embedded.id == id).unwrap();
    joined(&parted(embedded.wasm).0, manifest)
}
