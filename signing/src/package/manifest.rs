//! Where the manifest lives: the custom section `cara:manifest`.
//!
//! Of the manifest's content only `id` and `version` are read here; the rest has
//! its home in the authority crate.

use std::ops::Range;

use semver::Version;
use serde::Deserialize;
use wasmparser::{Encoding, Parser, Payload};

use super::PackageError;
use crate::component_id::ComponentId;
use crate::display_safe::DisplaySafe;

/// The name of the custom section that holds the manifest.
pub const SECTION: &str = "cara:manifest";

/// Largest manifest, in bytes (256 KiB).
pub const MAX_BYTES: usize = 256 * 1024;

/// How deep components may be nested in a package.
const MAX_DEPTH: usize = 100;

/// The bytes of the one manifest section of `component`, if it has one.
///
/// The whole file is walked, nested parts too: a manifest at any other place
/// would let two readers see two manifests.
pub(crate) fn find(component: &[u8]) -> Result<Option<Range<usize>>, PackageError> {
    let mut found = None;
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(PackageError::Broken)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(PackageError::CoreModule);
            }
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if section.name() == SECTION => {
                if depth > 1 {
                    return Err(PackageError::NestedManifest);
                }
                let start = section.data_offset();
                if found.replace(start..start + section.data().len()).is_some() {
                    return Err(PackageError::TwoManifests);
                }
            }
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(PackageError::TooDeep);
        }
    }
    Ok(found)
}

/// The two keys of a manifest that a signature is about.
pub(crate) struct Heading {
    pub(crate) id: ComponentId,
    pub(crate) version: Version,
}

impl Heading {
    pub(crate) fn read(manifest: &str) -> Result<Self, PackageError> {
        #[derive(Deserialize)]
        struct Keys {
            id: Option<String>,
            version: Option<String>,
        }
        // Only the message: the full text of a TOML error repeats the file's lines unescaped.
        let keys: Keys =
            toml::from_str(manifest).map_err(|error| PackageError::ManifestToml(DisplaySafe::new(error.message())))?;
        let id = keys.id.ok_or(PackageError::MissingKey("id"))?;
        let version = keys.version.ok_or(PackageError::MissingKey("version"))?;
        let parsed = Version::parse(&version);
        Ok(Self {
            id: id.parse()?,
            version: parsed.map_err(|source| PackageError::Version { found: DisplaySafe::new(&version), source })?,
        })
    }
}
