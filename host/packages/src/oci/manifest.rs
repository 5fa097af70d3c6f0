//! The parts used of the two kinds of manifests (OCI image specification 1.1).
//!
//! Other people's manifests hold more, which is left unread: `urls` above all, by which a manifest could name any place
//! to fetch a layer from.

use super::error::OciError;
use cara_signing::{Digest, display_safe};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const LIST: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const EITHER: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
/// What stands for a configuration where there is none.
pub(super) const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The most bytes of a manifest: what every registry takes (distribution specification, "Pushing Manifests").
pub(super) const MOST: usize = 4 * 1024 * 1024;

/// What a manifest says of other bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    digest: String,
    pub(super) size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
    /// Kept for the list that is written back, never looked at.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// A manifest of one artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

/// A list of manifests: an artifact in several forms, or what refers to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    pub(super) schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) media_type: Option<String>,
    pub(super) manifests: Vec<Descriptor>,
    /// Kept for the list that is written back, never looked at.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl List {
    /// A list of nothing.
    pub(super) fn empty() -> Self {
        Self { schema_version: 2, media_type: Some(LIST.to_owned()), manifests: Vec::new(), rest: Map::new() }
    }
}

impl Descriptor {
    /// Of these bytes.
    pub(super) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes).to_string(),
            size: bytes.len() as u64,
            artifact_type: None,
            annotations: BTreeMap::new(),
            rest: Map::new(),
        }
    }

    /// The digest; only SHA-256 is read.
    pub(super) fn digest(&self, name: &impl ToString) -> Result<Digest, OciError> {
        self.digest.parse().map_err(|_| OciError::Malformed {
            what: "the manifest",
            name: name.to_string(),
            why: format!("`{}` is not `sha256:` and 64 hex digits", display_safe(&self.digest)),
        })
    }

    /// Whether the descriptor is of these bytes.
    pub(super) fn has(&self, digest: Digest) -> bool {
        self.digest == digest.to_string()
    }
}

impl Manifest {
    /// What kind of artifact it is: what it says, or what its configuration is (image specification, "Listing Referrers").
    pub(super) fn kind(&self) -> &str {
        self.artifact_type.as_deref().filter(|kind| !kind.is_empty()).unwrap_or(&self.config.media_type)
    }

    /// Its one layer, if it is of that type.
    pub(super) fn layer(&self, wanted: &'static str, name: &impl ToString) -> Result<&Descriptor, OciError> {
        match self.layers.as_slice() {
            [layer] if layer.media_type == wanted => Ok(layer),
            layers => Err(OciError::Layers { name: name.to_string(), count: layers.len(), wanted }),
        }
    }
}

/// Reads JSON of a registry.
pub(super) fn read<T: for<'de> Deserialize<'de>>(
    what: &'static str,
    name: &impl ToString,
    bytes: &[u8],
) -> Result<T, OciError> {
    serde_json::from_slice(bytes).map_err(|error| OciError::Malformed {
        what,
        name: name.to_string(),
        why: display_safe(&error.to_string()),
    })
}

/// JSON that is the same for the same manifest.
pub(super) fn written<T: Serialize>(manifest: &T) -> Vec<u8> {
    serde_json::to_vec(manifest).expect("text and numbers always have a JSON form")
}
