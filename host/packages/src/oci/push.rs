//! Pushing a component and its signature.
//!
//! ```text
//! blobs ─→ manifest, by its digest ─→ signature: blob, manifest with subject ─→ list, if the registry keeps none ─→ tag
//! ```
//!
//! The tag comes last, so there is no moment at which it leads to a component without a signature. The same package gives
//! the same manifest wherever and whenever it is pushed: nothing in it says when.

use super::auth::Scope;
use super::error::OciError;
use super::manifest::{self, Descriptor, EMPTY, LIST, List, MANIFEST, Manifest};
use super::pull::{COMPONENT, text};
use super::referrers::{tag, tagged};
use super::registry::{Carried, Redirects, Registry};
use crate::access::{Access, Phase};
use crate::client::Client;
use crate::reference::OciReference;
use bytes::Bytes;
use cara_authority::Interfaces;
use cara_signing::{Bundle, Digest, MEDIA_TYPE, PREDICATE_TYPE, Package, display_safe};
use http::{HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use std::collections::BTreeMap;

/// The configuration of a Wasm artifact (CNCF layout, "config.mediaType").
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    /// Tools that read these want a time; this one is the same for all.
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [Digest; 1],
    component: Surface,
}

/// What a component imports and exports.
#[derive(Serialize)]
struct Surface {
    exports: Vec<String>,
    imports: Vec<String>,
    target: Option<String>,
}

/// Pushes a package and its signature under the reference's tag, and gives the digest of the manifest.
///
/// Neither is verified here: whoever pushes his own work knows its key, and whoever fetches it verifies.
pub async fn push(
    reference: &OciReference,
    package: &Package,
    bundle: &Bundle,
    access: Access<'_>,
) -> Result<Digest, OciError> {
    let Some(wanted) = reference.tag().filter(|_| reference.digest().is_none()) else {
        return Err(OciError::Pinned(reference.to_string()));
    };
    let interfaces = Interfaces::read(package.bytes())?;
    let client = Client::new(access);
    let mut registry = Registry::new(&client, reference, Scope::Push);

    let config = config(package, &interfaces);
    let manifest = manifest::written(&artifact(package, &config));
    let digest = Digest::of(&manifest);
    registry.upload(package.bytes().clone()).await?;
    registry.upload(config).await?;
    registry.put(&digest.to_string(), MANIFEST, &manifest).await?;

    let (bundle, empty) = (Bytes::from(bundle.to_json()), Bytes::from_static(b"{}"));
    let signature = signature(&bundle, &empty, Descriptor::of(MANIFEST, &manifest));
    registry.upload(bundle).await?;
    registry.upload(empty).await?;
    registry.refer(digest, &signature).await?;

    registry.put(wanted, MANIFEST, &manifest).await?;
    Ok(digest)
}

fn config(package: &Package, interfaces: &Interfaces) -> Bytes {
    let component = Surface {
        exports: interfaces.exports().map(str::to_owned).collect(),
        imports: interfaces.imports().map(str::to_owned).collect(),
        target: None,
    };
    let (created, layer_digests) = ("1970-01-01T00:00:00Z", [package.digest()]);
    manifest::written(&Config { created, architecture: "wasm", os: "wasip2", layer_digests, component }).into()
}

fn artifact(package: &Package, config: &[u8]) -> Manifest {
    Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::of(COMPONENT.kind, config),
        layers: vec![Descriptor::of(COMPONENT.layer, package.bytes())],
        subject: None,
        annotations: BTreeMap::from([
            ("org.opencontainers.image.title".to_owned(), package.id().to_string()),
            ("org.opencontainers.image.version".to_owned(), package.version().to_string()),
        ]),
    }
}

fn signature(bundle: &[u8], empty: &[u8], subject: Descriptor) -> Manifest {
    Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        artifact_type: Some(MEDIA_TYPE.to_owned()),
        config: Descriptor::of(EMPTY, empty),
        layers: vec![Descriptor::of(MEDIA_TYPE, bundle)],
        subject: Some(subject),
        annotations: BTreeMap::from([
            ("dev.sigstore.bundle.content".to_owned(), "dsse-envelope".to_owned()),
            ("dev.sigstore.bundle.predicateType".to_owned(), PREDICATE_TYPE.to_owned()),
        ]),
    }
}

impl Registry<'_> {
    /// Uploads a blob in one piece, unless it is there (distribution specification, "POST then PUT").
    async fn upload(&mut self, bytes: Bytes) -> Result<(), OciError> {
        let (digest, size) = (Digest::of(&bytes), bytes.len());
        let known = self.at(&Method::HEAD, &format!("blobs/{digest}"))?;
        let known = self.send(known, Carried::default(), Redirects::Returned).await?;
        if known.status == StatusCode::OK {
            return Ok(());
        }
        let session = self.at(&Method::POST, "blobs/uploads/")?;
        let session = self.send(session, Carried::default(), Redirects::Returned).await?;
        let session = self.expect(session, StatusCode::ACCEPTED).await?;
        let place = session.leads(&Method::PUT)?;
        let joint = if place.uri().query().is_some() { '&' } else { '?' };
        let place = place.redirected(&Method::PUT, &format!("{}{joint}digest={digest}", place.uri()))?;
        let mut carried = Carried { body: bytes, ..Carried::default() };
        carried.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        self.client.tell(Phase::Sending, 0, Some(size as u64));
        let reply = self.send(place, carried, Redirects::Returned).await?;
        self.expect(reply, StatusCode::CREATED).await?;
        self.client.tell(Phase::Sending, size, Some(size as u64));
        Ok(())
    }

    /// Puts a manifest under a tag or its digest; whether the registry keeps the list of what refers to its subject.
    async fn put(&mut self, under: &str, kind: &'static str, bytes: &[u8]) -> Result<Listing, OciError> {
        let destination = self.at(&Method::PUT, &format!("manifests/{under}"))?;
        let mut carried = Carried { body: Bytes::copy_from_slice(bytes), ..Carried::default() };
        carried.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let reply = self.send(destination, carried, Redirects::Returned).await?;
        let reply = self.expect(reply, StatusCode::CREATED).await?;
        let found = Digest::of(bytes);
        let said = text(&reply.headers, "docker-content-digest").filter(|said| said.starts_with("sha256:"));
        if let Some(said) = said.filter(|said| **said != found.to_string()) {
            let (name, wanted) = (self.name.to_string(), display_safe(said));
            return Err(OciError::Digest { what: "the manifest", name, wanted, found });
        }
        Ok(if reply.headers.contains_key("oci-subject") { Listing::Kept } else { Listing::Ours })
    }

    /// Puts a manifest that refers to another, and lists it under the tag when the registry keeps no list.
    async fn refer(&mut self, subject: Digest, manifest: &Manifest) -> Result<(), OciError> {
        let bytes = manifest::written(manifest);
        let digest = Digest::of(&bytes);
        if self.put(&digest.to_string(), MANIFEST, &bytes).await? == Listing::Kept {
            return Ok(());
        }
        let mut list = tagged(self, subject).await?.unwrap_or_else(List::empty);
        if list.manifests.iter().any(|entry| entry.has(digest)) {
            return Ok(());
        }
        let mut entry = Descriptor::of(MANIFEST, &bytes);
        entry.artifact_type.clone_from(&manifest.artifact_type);
        entry.annotations.clone_from(&manifest.annotations);
        list.manifests.push(entry);
        self.put(&tag(subject), LIST, &manifest::written(&list)).await?;
        Ok(())
    }
}

/// Who keeps the list of what refers to a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listing {
    Kept,
    Ours,
}
