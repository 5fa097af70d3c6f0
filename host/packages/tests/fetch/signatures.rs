//! Signatures in a registry: by the referrers API, by the tag, and none.

use crate::fixture::{Fixture, answer, redirect};
use crate::package::signed;
use crate::shelf::{LIST, MANIFEST, NAME, Shelf, descriptor};
use cara_signing::Digest;
use serde_json::json;

fn unsigned() -> (Shelf, Vec<u8>) {
    let mut shelf = Shelf::default();
    let manifest = shelf.component(signed("1.0.0", 0).0.bytes());
    (shelf, manifest)
}

fn tag(manifest: &[u8]) -> String {
    format!("manifests/sha256-{}", Digest::of(manifest).to_hex())
}

#[tokio::test]
async fn signatures_come_by_the_tag_when_there_is_no_api() {
    let (mut shelf, manifest) = unsigned();
    let list = shelf.bundles(&manifest, &["{}".into()]);
    shelf.things.retain(|path, _| !path.starts_with("referrers/"));
    shelf.put(&tag(&manifest), LIST, list.to_string().as_bytes());
    assert_eq!(shelf.clone().fixture().fetch(NAME).await.unwrap().bundles, ["{}"]);
    // A registry that leads the API's path to its web pages has no API either, and is not followed there.
    let fixture = Fixture::new(move |asked| match asked.path.contains("/referrers/") {
        true => redirect("https://cdn.example.com/login"),
        false => shelf.serve(asked),
    });
    assert_eq!(fixture.fetch(NAME).await.unwrap().bundles, ["{}"]);
    assert!(fixture.asked().iter().all(|asked| asked.host == "127.0.0.1:5000"), "{:?}", fixture.lines());
}

#[tokio::test]
async fn all_signatures_are_given_up_to_eight() {
    let (mut shelf, manifest) = unsigned();
    let bundles: Vec<String> = (0..12).map(|n| format!("{{\"n\":{n}}}")).collect();
    shelf.bundles(&manifest, &bundles);
    assert_eq!(shelf.fixture().fetch(NAME).await.unwrap().bundles, bundles[..8]);
}

#[tokio::test]
async fn what_has_no_signature_is_refused() {
    let (mut shelf, manifest) = unsigned();
    insta::assert_snapshot!(shelf.clone().refused().await, @"
    `oci://127.0.0.1:5000/acme/weather:1.0.0@<digest>` has no signature
    hint: its author has to push one: `cara plugin publish`, or `cosign attach`
    ");
    // What else refers to it is no signature.
    let mut list = shelf.bundles(&manifest, &["{}".into()]);
    list["manifests"][0]["artifactType"] = "application/vnd.other".into();
    shelf.put(&format!("referrers/{}", Digest::of(&manifest)), LIST, list.to_string().as_bytes());
    assert!(shelf.refused().await.contains("has no signature"));
}

#[tokio::test]
async fn a_signature_of_another_manifest_is_refused() {
    let (mut shelf, manifest) = unsigned();
    let list = shelf.bundles(b"another", &["{}".into()]);
    shelf.put(&format!("referrers/{}", Digest::of(&manifest)), LIST, list.to_string().as_bytes());
    insta::assert_snapshot!(shelf.refused().await, @"
    a signature file listed for `oci://127.0.0.1:5000/acme/weather:1.0.0` is about another manifest
    hint: do not trust that registry
    ");
}

#[tokio::test]
async fn a_list_that_is_none_and_one_that_cannot_be_had_now_are_refused() {
    let (mut shelf, manifest) = unsigned();
    shelf.put(&tag(&manifest), MANIFEST, b"{}");
    insta::assert_snapshot!(shelf.clone().refused().await, @"
    what lists the signatures of `oci://127.0.0.1:5000/acme/weather:1.0.0` is no list
    hint: remove that tag from the registry
    ");
    let fixture = Fixture::new(move |asked| match asked.path.contains("/referrers/") {
        true => answer("503 Service Unavailable", "", b""),
        false => shelf.serve(asked),
    });
    let text = fixture.refused(NAME).await;
    assert!(text.contains("answered 503 Service Unavailable") && text.ends_with("hint: try again later"), "{text}");
}

#[tokio::test]
async fn a_signature_that_is_too_large_or_no_text_is_refused() {
    let (mut shelf, manifest) = unsigned();
    shelf.bundles(&manifest, &[" ".repeat(64 * 1024 + 1)]);
    insta::assert_snapshot!(shelf.refused().await, @"
    a signature of `oci://127.0.0.1:5000/acme/weather:1.0.0` is 65537 bytes, the most is 65536
    hint: ask the author for a smaller one
    ");
    let (mut shelf, manifest) = unsigned();
    let mut list = shelf.bundles(&manifest, &["{}".into()]);
    shelf.blob(b"\xff");
    let signature = shelf.manifest(
        MANIFEST,
        &json!({
            "schemaVersion": 2,
            "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
            "layers": [descriptor(crate::shelf::BUNDLE, b"\xff")],
            "subject": descriptor(MANIFEST, &manifest),
        }),
    );
    list["manifests"][0]["digest"] = Digest::of(&signature).to_string().into();
    shelf.put(&format!("referrers/{}", Digest::of(&manifest)), LIST, list.to_string().as_bytes());
    insta::assert_snapshot!(shelf.refused().await, @"
    a signature of `oci://127.0.0.1:5000/acme/weather:1.0.0` cannot be read: it is not text
    hint: it has to be pushed again
    ");
}
