//! From a name to the one layer of an artifact.

use super::error::OciError;
use super::manifest::{self, EITHER, LIST, List, MANIFEST, MOST, Manifest};
use super::registry::{Redirects, Registry};
use crate::access::Phase;
use crate::client::Want;
use cara_signing::{Digest, Package, display_safe};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

/// What an artifact is.
pub(crate) struct Shape {
    /// The artifact's type.
    pub(super) kind: &'static str,
    /// The type of its one layer.
    pub(super) layer: &'static str,
    /// The artifact's name in errors.
    pub(super) what: &'static str,
    want: Want,
}

/// A component: the CNCF's Wasm OCI Artifact layout.
pub(crate) const COMPONENT: Shape = Shape {
    kind: "application/vnd.wasm.config.v0+json",
    layer: "application/wasm",
    what: "the component",
    want: Want { phase: Phase::Component, most: Package::MAX_BYTES },
};

/// The largest index.
pub(crate) const INDEX_BYTES: usize = 4 * 1024 * 1024;

/// An index of plugins.
pub(crate) const INDEX: Shape = Shape {
    kind: "application/vnd.cara.index.v1+json",
    layer: "application/vnd.cara.index.v1+json",
    what: "the index",
    want: Want { phase: Phase::Index, most: INDEX_BYTES },
};

/// What was pulled.
pub(crate) struct Pulled {
    /// The layer.
    pub(crate) bytes: Vec<u8>,
    /// The manifest that names it.
    pub(crate) manifest: Digest,
    /// The list that named the manifest, if the name led to a list: signers may have signed that.
    pub(super) list: Option<Digest>,
}

/// The media type of a manifest, from its own text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    media_type: Option<String>,
}

/// Fetches the artifact that the registry's name leads to.
pub(crate) async fn pull(registry: &mut Registry<'_>, shape: &Shape) -> Result<Pulled, OciError> {
    let name = registry.name;
    let (mut bytes, mut digest, media_type) = manifest(registry, &name.wanted(), name.digest()).await?;
    let mut list = None;
    if media_type == LIST {
        let read: List = manifest::read("the list", name, &bytes)?;
        let fits = |entry: &&manifest::Descriptor| entry.artifact_type.as_deref() == Some(shape.kind);
        let entries: Vec<_> = read.manifests.iter().filter(fits).collect();
        let [entry] = entries.as_slice() else {
            return Err(OciError::Pick { name: name.to_string(), count: entries.len(), wanted: shape.kind });
        };
        let wanted = entry.digest(name)?;
        list = Some(digest);
        (bytes, digest, _) = manifest(registry, &wanted.to_string(), Some(wanted)).await?;
    }
    let read: Manifest = manifest::read("the manifest", name, &bytes)?;
    if read.kind() != shape.kind {
        return Err(OciError::Kind { name: name.to_string(), found: display_safe(read.kind()), wanted: shape.kind });
    }
    let layer = read.layer(shape.layer, name)?;
    let bytes = registry.blob(shape.what, (layer.digest(name)?, layer.size), shape.want).await?;
    Ok(Pulled { bytes, manifest: digest, list })
}

/// The bytes of a manifest, their digest and their type; by a digest only the bytes that have it.
pub(super) async fn manifest(
    registry: &mut Registry<'_>,
    wanted: &str,
    pinned: Option<Digest>,
) -> Result<(Vec<u8>, Digest, String), OciError> {
    let reply = registry.get(&format!("manifests/{wanted}"), EITHER, Redirects::Followed).await?;
    let reply = registry.expect(reply, StatusCode::OK).await?;
    let headers = reply.headers.clone();
    let bytes = registry.client.read(reply, Want { phase: Phase::Asking, most: MOST }).await?;
    let (name, found) = (registry.name, Digest::of(&bytes));
    let differs = |wanted: String| OciError::Digest { what: "the manifest", name: name.to_string(), wanted, found };
    if let Some(pinned) = pinned.filter(|pinned| *pinned != found) {
        return Err(differs(pinned.to_string()));
    }
    // A registry may say it with another algorithm, which tells us nothing.
    let said = text(&headers, "docker-content-digest").filter(|said| said.starts_with("sha256:"));
    if let Some(said) = said.filter(|said| **said != found.to_string()) {
        return Err(differs(display_safe(said)));
    }
    let outline: Outline = manifest::read("the manifest", name, &bytes)?;
    let header = text(&headers, header::CONTENT_TYPE.as_str());
    let header = header.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_owned());
    let media_type = match (outline.media_type, header) {
        (Some(own), Some(header)) if own != header => {
            let why = format!("it is `{}`, and was sent as `{}`", display_safe(&own), display_safe(&header));
            return Err(OciError::Malformed { what: "the manifest", name: name.to_string(), why });
        }
        (Some(kind), _) | (None, Some(kind)) => kind,
        (None, None) => MANIFEST.to_owned(),
    };
    if media_type != MANIFEST && media_type != LIST {
        return Err(OciError::Kind { name: name.to_string(), found: display_safe(&media_type), wanted: MANIFEST });
    }
    Ok((bytes, found, media_type))
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
