//! A registry in memory: what it has is a map that a test fills and spoils.

use crate::fixture::{Asked, Fixture, Step, answer, missing};
use crate::package::signed;
use cara_signing::Digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const LIST: &str = "application/vnd.oci.image.index.v1+json";
pub const WASM: &str = "application/vnd.wasm.config.v0+json";
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
pub const NAME: &str = "oci://127.0.0.1:5000/acme/weather:1.0.0";

/// What is at each path below `/v2/acme/weather/`: media type and bytes.
#[derive(Clone, Default)]
pub struct Shelf {
    pub things: BTreeMap<String, (String, Vec<u8>)>,
}

pub fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": kind, "digest": Digest::of(bytes).to_string(), "size": bytes.len() })
}

/// The manifest of a component of these bytes.
pub fn component(wasm: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(WASM, b"{}"),
        "layers": [descriptor("application/wasm", wasm)],
    })
}

impl Shelf {
    /// A component with one signature, by the referrers API.
    pub fn signed() -> Self {
        let (package, bundle) = signed("1.0.0", 0);
        let mut shelf = Self::default();
        let manifest = shelf.component(package.bytes());
        shelf.bundles(&manifest, &[bundle.to_json()]);
        shelf
    }

    pub fn put(&mut self, path: &str, kind: &str, bytes: &[u8]) {
        self.things.insert(path.to_owned(), (kind.to_owned(), bytes.to_vec()));
    }

    /// A blob by its digest.
    pub fn blob(&mut self, bytes: &[u8]) {
        self.put(&format!("blobs/{}", Digest::of(bytes)), "application/octet-stream", bytes);
    }

    /// A manifest by its digest; its text is given.
    pub fn manifest(&mut self, kind: &str, manifest: &Value) -> Vec<u8> {
        let bytes = manifest.to_string().into_bytes();
        self.put(&format!("manifests/{}", Digest::of(&bytes)), kind, &bytes);
        bytes
    }

    /// Tags a manifest.
    pub fn tag(&mut self, tag: &str, kind: &str, bytes: &[u8]) {
        self.put(&format!("manifests/{tag}"), kind, bytes);
    }

    /// A component with its tag.
    pub fn component(&mut self, wasm: &[u8]) -> Vec<u8> {
        self.blob(wasm);
        let manifest = self.manifest(MANIFEST, &component(wasm));
        self.tag("1.0.0", MANIFEST, &manifest);
        manifest
    }

    /// Signatures of a manifest; the list of them, which is at the place of the API.
    pub fn bundles(&mut self, subject: &[u8], bundles: &[String]) -> Value {
        let mut entries = Vec::new();
        for bundle in bundles {
            self.blob(bundle.as_bytes());
            let manifest = self.manifest(
                MANIFEST,
                &json!({
                    "schemaVersion": 2,
                    "mediaType": MANIFEST,
                    "artifactType": BUNDLE,
                    "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
                    "layers": [descriptor(BUNDLE, bundle.as_bytes())],
                    "subject": descriptor(MANIFEST, subject),
                }),
            );
            let mut entry = descriptor(MANIFEST, &manifest);
            entry["artifactType"] = BUNDLE.into();
            entries.push(entry);
        }
        let list = json!({ "schemaVersion": 2, "mediaType": LIST, "manifests": entries });
        self.put(&format!("referrers/{}", Digest::of(subject)), LIST, list.to_string().as_bytes());
        list
    }

    /// What the registry answers.
    pub fn serve(&self, asked: &Asked) -> Vec<Step> {
        let path = asked.path.strip_prefix("/v2/acme/weather/").unwrap_or(&asked.path);
        let Some((kind, bytes)) = self.things.get(path) else { return missing() };
        answer("200 OK", &format!("content-type: {kind}\r\ncontent-length: {}\r\n", bytes.len()), bytes)
    }

    pub fn fixture(self) -> Fixture {
        Fixture::new(move |asked| self.serve(asked))
    }

    /// The text of the error, digests left out.
    pub async fn refused(self) -> String {
        without_digests(&self.fixture().refused(NAME).await)
    }
}

/// A text with `<digest>` for every digest in it.
pub fn without_digests(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let hex = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        plain.push_str(if hex == 64 { "<digest>" } else { "sha256:" });
        plain.push_str(if hex == 64 { &part[64..] } else { part });
    }
    plain
}
