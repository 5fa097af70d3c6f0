//! `Package`: a component file that carries its manifest.
//!
//! Reading one proves nothing about who made it; only `verify` does.

use std::fmt;

use bytes::Bytes;
use semver::Version;
use thiserror::Error;

pub mod manifest;

use crate::component_id::ComponentId;
use crate::digest::Digest;
use crate::display_safe::DisplaySafe;
use crate::name::BadName;
use manifest::Heading;

/// A component file with exactly one manifest, well formed but not yet trusted.
/// A clone shares the bytes.
#[derive(Clone)]
pub struct Package {
    bytes: Bytes,
    manifest: String,
    digest: Digest,
    manifest_digest: Digest,
    id: ComponentId,
    version: Version,
}

impl Package {
    /// Largest package, in bytes (64 MiB).
    pub const MAX_BYTES: usize = 64 * 1024 * 1024;

    /// Reads `name.wasm`: a WebAssembly component, its manifest in the custom
    /// section `cara:manifest`.
    ///
    /// # Errors
    /// When the file is too large, not a component, has no manifest or more than
    /// one, or the manifest has no valid `id` and `version`.
    pub fn read(bytes: impl Into<Bytes>) -> Result<Self, PackageError> {
        let bytes = bytes.into();
        if bytes.len() > Self::MAX_BYTES {
            return Err(PackageError::TooLarge(bytes.len()));
        }
        let section = manifest::find(&bytes)?.ok_or(PackageError::NoManifest)?;
        let section = &bytes[section];
        if section.len() > manifest::MAX_BYTES {
            return Err(PackageError::ManifestTooLarge(section.len()));
        }
        let text = std::str::from_utf8(section).map_err(PackageError::ManifestNotText)?;
        Self::with(bytes.clone(), text, Digest::of(&bytes))
    }

    /// A package that is part of this program, with the manifest and the digest that [`Package::read`] gave when the
    /// program was built. The file is not read again: who could change it here could change the key it is verified with.
    /// So nothing is known of these bytes until they are hashed, as the kernel does before it compiles any. Only
    /// `host/cara` calls it, for what it embeds.
    ///
    /// # Errors
    /// When the manifest has no valid `id` and `version`.
    pub fn built_in(bytes: &'static [u8], manifest: &'static str, digest: Digest) -> Result<Self, PackageError> {
        Self::with(bytes.into(), manifest, digest)
    }

    fn with(bytes: Bytes, manifest: &str, digest: Digest) -> Result<Self, PackageError> {
        let Heading { id, version } = Heading::read(manifest)?;
        let manifest_digest = Digest::of(manifest.as_bytes());
        Ok(Self { bytes, manifest: manifest.to_owned(), digest, manifest_digest, id, version })
    }

    /// The whole file.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The manifest, TOML text.
    #[must_use]
    pub fn manifest(&self) -> &str {
        &self.manifest
    }

    /// The digest of the whole file, manifest included.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The digest of the manifest's text.
    #[must_use]
    pub fn manifest_digest(&self) -> Digest {
        self.manifest_digest
    }

    /// The manifest's `id`.
    #[must_use]
    pub fn id(&self) -> &ComponentId {
        &self.id
    }

    /// The manifest's `version`.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Package({} {} {})", self.id, self.version, self.digest)
    }
}

/// Why a file is not a package.
#[derive(Debug, Error)]
pub enum PackageError {
    /// More bytes than `Package::MAX_BYTES`.
    #[error(
        "the package is {0} bytes, the most is {max}\n\
         hint: build it with cara's `sdk/build`, which makes it small",
        max = Package::MAX_BYTES
    )]
    TooLarge(usize),
    /// A core module where a component must be.
    #[error(
        "the file is a core WebAssembly module, not a component\n\
         hint: build it with cara's `sdk/build`, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// Not WebAssembly, cut short, or damaged.
    #[error(
        "the file is not a whole WebAssembly component\n\
         hint: fetch or build it again; it may be cut short"
    )]
    Broken(#[source] wasmparser::BinaryReaderError),
    /// Components inside components without end.
    #[error(
        "the package nests components too deep\n\
         hint: build it with cara's `sdk/build`; no honest tool nests more than 100"
    )]
    TooDeep,
    /// No manifest section.
    #[error(
        "the component has no manifest\n\
         hint: build it with cara's `sdk/build`, which puts `component.toml` into it"
    )]
    NoManifest,
    /// More than one manifest section.
    #[error(
        "the component has more than one manifest\n\
         hint: start from the component without `cara:manifest` sections"
    )]
    TwoManifests,
    /// A manifest section in a nested component or module.
    #[error(
        "a part inside the component has a manifest of its own\n\
         hint: compose from parts without `cara:manifest` sections"
    )]
    NestedManifest,
    /// More bytes than `manifest::MAX_BYTES`.
    #[error(
        "the manifest is {0} bytes, the most is {max}\n\
         hint: shorten `component.toml`; long texts belong in the README",
        max = manifest::MAX_BYTES
    )]
    ManifestTooLarge(usize),
    /// The manifest is not UTF-8.
    #[error("the manifest is not UTF-8 text\nhint: save `component.toml` as UTF-8 and build again")]
    ManifestNotText(#[source] std::str::Utf8Error),
    /// The manifest is not TOML.
    #[error("the manifest is not valid TOML: {0}\nhint: correct `component.toml` and build again")]
    ManifestToml(DisplaySafe),
    /// The manifest lacks a key.
    #[error("the manifest has no `{0}`\nhint: add `{0} = \"…\"` at the top of `component.toml`")]
    MissingKey(&'static str),
    /// The manifest's `id` is not a component id.
    #[error(transparent)]
    Id(#[from] BadName),
    /// The manifest's `version` is not a semantic version.
    #[error("the manifest's version `{found}` is not a semantic version\nhint: write it as in `1.2.0`")]
    Version {
        /// The text of the manifest.
        found: DisplaySafe,
        /// What is wrong with it.
        source: semver::Error,
    },
}
