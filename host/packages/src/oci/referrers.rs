//! The signatures of a manifest: what refers to it, by the API or by a tag.
//!
//! cosign's BUNDLE_SPEC.md on the OCI distribution specification 1.1 ("Listing Referrers", "Referrers Tag Schema").
//! What is listed is only believed as far as digests go; each bundle is verified by whoever asked for the package.

use super::error::OciError;
use super::manifest::{self, LIST, List, MOST, Manifest};
use super::pull::{Pulled, manifest as fetched, text};
use super::registry::{Redirects, Registry};
use crate::access::Phase;
use crate::client::{Reply, Want};
use cara_signing::{Bundle, Digest, MEDIA_TYPE};
use http::{StatusCode, header};

/// Signatures that are fetched; more are left.
const MOST_BUNDLES: usize = 8;

/// The signature files of what was pulled, one to eight.
pub(crate) async fn bundles(registry: &mut Registry<'_>, pulled: &Pulled) -> Result<Vec<String>, OciError> {
    for subject in [Some(pulled.manifest), pulled.list].into_iter().flatten() {
        let found = about(registry, subject).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err(OciError::Unsigned(registry.name.with(pulled.manifest).to_string()))
}

async fn about(registry: &mut Registry<'_>, subject: Digest) -> Result<Vec<String>, OciError> {
    let name = registry.name;
    let list = listed(registry, subject).await?;
    let of_ours = |entry: &&manifest::Descriptor| entry.artifact_type.as_deref() == Some(MEDIA_TYPE);
    let mut bundles = Vec::new();
    for entry in list.manifests.iter().filter(of_ours).take(MOST_BUNDLES) {
        let wanted = entry.digest(name)?;
        let (bytes, ..) = fetched(registry, &wanted.to_string(), Some(wanted)).await?;
        let read: Manifest = manifest::read("the manifest of a signature", name, &bytes)?;
        if !read.subject.as_ref().is_some_and(|about| about.has(subject)) {
            return Err(OciError::Subject { name: name.to_string() });
        }
        let layer = read.layer(MEDIA_TYPE, name)?;
        let want = Want { phase: Phase::Signature, most: Bundle::MAX_BYTES };
        let bundle = registry.blob("a signature", (layer.digest(name)?, layer.size), want).await?;
        bundles.push(String::from_utf8(bundle).map_err(|_| OciError::Malformed {
            what: "a signature",
            name: name.to_string(),
            why: "it is not text".to_owned(),
        })?);
    }
    Ok(bundles)
}

/// What refers to a manifest. A registry without the API may answer anything to it, a redirect to its web pages among
/// them; then the tag is asked for, and none there means that nothing refers to it.
async fn listed(registry: &mut Registry<'_>, subject: Digest) -> Result<List, OciError> {
    let path = format!("referrers/{subject}");
    let reply = registry.get(&path, LIST, Redirects::Returned).await?;
    if reply.status == StatusCode::OK && is_list(&reply) {
        return list(registry, reply).await;
    }
    let again_later = reply.status == StatusCode::TOO_MANY_REQUESTS || reply.status.is_server_error();
    if again_later {
        return Err(registry.expect(reply, StatusCode::OK).await.err().expect("it is not 200"));
    }
    Ok(tagged(registry, subject).await?.unwrap_or_else(List::empty))
}

/// The list under the tag that stands for the API; nothing when there is no such tag.
pub(super) async fn tagged(registry: &mut Registry<'_>, subject: Digest) -> Result<Option<List>, OciError> {
    let reply = registry.get(&format!("manifests/{}", tag(subject)), LIST, Redirects::Followed).await?;
    if reply.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let reply = registry.expect(reply, StatusCode::OK).await?;
    if !is_list(&reply) {
        return Err(OciError::NoList(registry.name.to_string()));
    }
    list(registry, reply).await.map(Some)
}

/// Where the list is in a registry without the API.
pub(super) fn tag(subject: Digest) -> String {
    format!("sha256-{}", subject.to_hex())
}

fn is_list(reply: &Reply) -> bool {
    let kind = text(&reply.headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim() == LIST
}

async fn list(registry: &Registry<'_>, reply: Reply) -> Result<List, OciError> {
    let bytes = registry.client.read(reply, Want { phase: Phase::Asking, most: MOST }).await?;
    manifest::read("the list of signatures", registry.name, &bytes)
}
