//! Registries that say one thing and give another.

use crate::fixture::{Fixture, answer, missing, ok, redirect};
use crate::package::signed;
use crate::shelf::{LIST, MANIFEST, NAME, Shelf, WASM, component, descriptor, without_digests};
use cara_signing::Digest;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test]
async fn a_component_comes_by_tag_and_by_digest() {
    let fixture = Shelf::signed().fixture();
    let fetched = fixture.fetch(NAME).await.unwrap();
    let (package, _) = signed("1.0.0", 0);
    assert_eq!((fetched.wasm.as_slice(), fetched.bundles.len()), (package.bytes().as_ref(), 1));
    assert_eq!(fetched.source.to_string(), format!("{NAME}@{}", fetched.manifest.unwrap()));
    let again = fixture.fetch(&fetched.source.to_string()).await.unwrap();
    assert_eq!((again.wasm, again.source), (fetched.wasm, fetched.source));
}

#[tokio::test]
async fn other_bytes_than_the_digest_names_are_refused() {
    // By digest: the registry gives another manifest.
    let mut shelf = Shelf::signed();
    let wanted = Digest::of(b"wanted");
    shelf.put(&format!("manifests/{wanted}"), MANIFEST, component(b"\0asm").to_string().as_bytes());
    let text = shelf.fixture().refused(&format!("oci://127.0.0.1:5000/acme/weather@{wanted}")).await;
    insta::assert_snapshot!(without_digests(&text), @"
    the manifest of `oci://127.0.0.1:5000/acme/weather@<digest>` has the digest `<digest>`, not `<digest>`
    hint: do not trust that registry
    ");
    // By tag: it says another digest than the manifest has.
    let shelf = Shelf::signed();
    let fixture = Fixture::new(move |asked| match asked.path.ends_with("manifests/1.0.0") {
        true => {
            let (kind, bytes) = &shelf.things["manifests/1.0.0"];
            let digest = Digest::of(b"another");
            answer("200 OK", &format!("content-type: {kind}\r\ndocker-content-digest: {digest}\r\n"), bytes)
        }
        false => shelf.serve(asked),
    });
    insta::assert_snapshot!(without_digests(&fixture.refused(NAME).await), @"
    the manifest of `oci://127.0.0.1:5000/acme/weather:1.0.0` has the digest `<digest>`, not `<digest>`
    hint: do not trust that registry
    ");
    // The blob: as long as it should be, with other bytes.
    let mut shelf = Shelf::signed();
    let blob =
        shelf.things.iter_mut().find(|(path, (_, bytes))| path.starts_with("blobs/") && bytes.starts_with(b"\0asm"));
    *blob.unwrap().1.1.last_mut().unwrap() ^= 1;
    insta::assert_snapshot!(shelf.refused().await, @"
    the component of `oci://127.0.0.1:5000/acme/weather:1.0.0` has the digest `<digest>`, not `<digest>`
    hint: do not trust that registry
    ");
}

#[tokio::test]
async fn another_size_than_the_manifest_says_is_refused() {
    let mut shelf = Shelf::default();
    shelf.component(b"\0asm and more");
    let path = format!("blobs/{}", Digest::of(b"\0asm and more"));
    shelf.put(&path, "application/octet-stream", b"\0asm and more and more");
    insta::assert_snapshot!(shelf.clone().refused().await, @"
    `http://127.0.0.1:5000/v2/acme/weather/blobs/<digest>` is larger than 13 bytes, which is the most that is fetched
    hint: do not trust that server, or ask the author for a smaller file
    ");
    shelf.put(&path, "application/octet-stream", b"\0asm");
    insta::assert_snapshot!(shelf.refused().await, @"
    the component of `oci://127.0.0.1:5000/acme/weather:1.0.0` is 4 bytes, its manifest says 13
    hint: do not trust that registry
    ");
    let mut shelf = Shelf::default();
    let mut manifest = component(b"\0asm");
    manifest["layers"][0]["size"] = (64 * 1024 * 1024 + 1).into();
    shelf.tag("1.0.0", MANIFEST, manifest.to_string().as_bytes());
    insta::assert_snapshot!(shelf.refused().await, @"
    the component of `oci://127.0.0.1:5000/acme/weather:1.0.0` is 67108865 bytes, the most is 67108864
    hint: ask the author for a smaller one
    ");
}

#[tokio::test]
async fn a_tag_that_moves_while_it_is_fetched_changes_nothing() {
    let moved = AtomicBool::new(false);
    let (old, mut new) = (Shelf::signed(), Shelf::signed());
    new.component(b"\0asm, another");
    new.things.extend(old.things.clone().into_iter().filter(|(path, _)| path != "manifests/1.0.0"));
    let fixture = Fixture::new(move |asked| {
        let answered = if moved.load(Ordering::SeqCst) { new.serve(asked) } else { old.serve(asked) };
        moved.store(true, Ordering::SeqCst);
        answered
    });
    let fetched = fixture.fetch(NAME).await.unwrap();
    assert_eq!(fetched.wasm, *signed("1.0.0", 0).0.bytes());
    assert_eq!(fixture.fetch(&fetched.source.to_string()).await.unwrap().wasm, fetched.wasm, "the pin still holds");
    // And when the old one is gone, that is said.
    let gone = AtomicBool::new(false);
    let old = Shelf::signed();
    let fixture =
        Fixture::new(move |asked| if gone.swap(true, Ordering::SeqCst) { missing() } else { old.serve(asked) });
    insta::assert_snapshot!(without_digests(&fixture.refused(NAME).await), @"
    `http://127.0.0.1:5000/v2/acme/weather/blobs/<digest>` answered 404 Not Found: it says no more
    hint: check registry, repository and tag
    ");
}

#[tokio::test]
async fn a_huge_manifest_and_one_with_many_layers_are_refused() {
    let mut shelf = Shelf::default();
    shelf.tag("1.0.0", MANIFEST, &vec![b' '; 4 * 1024 * 1024 + 1]);
    insta::assert_snapshot!(shelf.refused().await, @"
    `http://127.0.0.1:5000/v2/acme/weather/manifests/1.0.0` is larger than 4194304 bytes, which is the most that is fetched
    hint: do not trust that server, or ask the author for a smaller file
    ");
    let mut shelf = Shelf::default();
    let mut manifest = component(b"\0asm");
    manifest["layers"] = vec![descriptor("application/wasm", b"\0asm"); 10_000].into();
    shelf.tag("1.0.0", MANIFEST, manifest.to_string().as_bytes());
    insta::assert_snapshot!(shelf.refused().await, @"
    `oci://127.0.0.1:5000/acme/weather:1.0.0` has 10000 layers, it must have one of `application/wasm`
    hint: its author has to push it again as one file
    ");
}

async fn refused(kind: &str, manifest: &Value) -> String {
    let mut shelf = Shelf::default();
    shelf.tag("1.0.0", kind, manifest.to_string().as_bytes());
    shelf.refused().await
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let mut image = component(b"\0asm");
    image["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json".into();
    insta::assert_snapshot!(refused(MANIFEST, &image).await, @"
    `oci://127.0.0.1:5000/acme/weather:1.0.0` is `application/vnd.oci.image.config.v1+json`, not `application/vnd.wasm.config.v0+json`
    hint: it is another kind of artifact; check the name
    ");
    let mut layer = component(b"\0asm");
    layer["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip".into();
    insta::assert_snapshot!(refused(MANIFEST, &layer).await, @"
    `oci://127.0.0.1:5000/acme/weather:1.0.0` has 1 layers, it must have one of `application/wasm`
    hint: its author has to push it again as one file
    ");
    insta::assert_snapshot!(refused(MANIFEST, &json!({ "schemaVersion": 2 })).await, @"
    the manifest of `oci://127.0.0.1:5000/acme/weather:1.0.0` cannot be read: missing field `config` at line 1 column 19
    hint: it has to be pushed again
    ");
    let mut sha512 = component(b"\0asm");
    sha512["layers"][0]["digest"] = "sha512:00".into();
    insta::assert_snapshot!(refused(MANIFEST, &sha512).await, @"
    the manifest of `oci://127.0.0.1:5000/acme/weather:1.0.0` cannot be read: `sha512:00` is not `sha256:` and 64 hex digits
    hint: it has to be pushed again
    ");
    insta::assert_snapshot!(refused(LIST, &component(b"\0asm")).await, @"
    the manifest of `oci://127.0.0.1:5000/acme/weather:1.0.0` cannot be read: it is `application/vnd.oci.image.manifest.v1+json`, and was sent as `application/vnd.oci.image.index.v1+json`
    hint: it has to be pushed again
    ");
    insta::assert_snapshot!(refused("text/html", &json!({})).await, @"
    `oci://127.0.0.1:5000/acme/weather:1.0.0` is `text/html`, not `application/vnd.oci.image.manifest.v1+json`
    hint: it is another kind of artifact; check the name
    ");
    let mut zip = Shelf::default();
    zip.component(b"PK\x03\x04");
    insta::assert_snapshot!(zip.refused().await, @"
    `http://127.0.0.1:5000/v2/acme/weather/blobs/<digest>` is a zip archive
    hint: give the `.wasm` file itself; archives are never unpacked
    ");
}

#[tokio::test]
async fn of_a_list_the_one_component_is_taken() {
    let list = |entries: Vec<Value>| json!({ "schemaVersion": 2, "mediaType": LIST, "manifests": entries });
    let entry = |kind: &str, bytes: &[u8]| {
        let mut entry = descriptor(MANIFEST, bytes);
        entry["artifactType"] = kind.into();
        entry
    };
    let mut shelf = Shelf::signed();
    let manifest = shelf.things["manifests/1.0.0"].1.clone();
    let both = list(vec![entry("application/vnd.other", b"x"), entry(WASM, &manifest)]);
    shelf.tag("1.0.0", LIST, both.to_string().as_bytes());
    let fetched = shelf.fixture().fetch(NAME).await.unwrap();
    assert_eq!(fetched.manifest, Some(Digest::of(&manifest)));
    for (entries, count) in [(vec![], 0), (vec![entry(WASM, b"a"), entry(WASM, b"b")], 2)] {
        let text = refused(LIST, &list(entries)).await;
        assert!(text.contains(&format!("is a list with {count} manifests of `{WASM}`, it must have one")), "{text}");
    }
    // The entry leads to other bytes than it says.
    let mut shelf = Shelf::default();
    let wrong = list(vec![entry(WASM, b"wanted")]);
    shelf.tag("1.0.0", LIST, wrong.to_string().as_bytes());
    shelf.put(&format!("manifests/{}", Digest::of(b"wanted")), MANIFEST, component(b"\0asm").to_string().as_bytes());
    assert!(shelf.refused().await.starts_with("the manifest of `"));
}

#[tokio::test]
async fn a_signature_of_the_list_is_found_too() {
    let (package, bundle) = signed("1.0.0", 0);
    let mut shelf = Shelf::default();
    let manifest = shelf.component(package.bytes());
    let mut entry = descriptor(MANIFEST, &manifest);
    entry["artifactType"] = WASM.into();
    let list = json!({ "schemaVersion": 2, "mediaType": LIST, "manifests": [entry] }).to_string();
    shelf.tag("1.0.0", LIST, list.as_bytes());
    shelf.bundles(list.as_bytes(), &[bundle.to_json()]);
    assert_eq!(shelf.fixture().fetch(NAME).await.unwrap().bundles, [bundle.to_json()]);
}

#[tokio::test]
async fn a_registry_does_not_lead_to_other_servers_of_this_machine() {
    let shelf = Shelf::signed();
    let fixture = Fixture::new(move |asked| match asked.path.contains("/blobs/") {
        true => redirect("http://127.0.0.1:6000/x"),
        false => shelf.serve(asked),
    });
    assert!(fixture.refused(NAME).await.starts_with("`http://127.0.0.1:5000` leads to `http://127.0.0.1:6000`, but"));
}

#[tokio::test]
async fn what_a_registry_says_is_shown_escaped_and_short() {
    let said = json!({ "errors": [{ "code": "DENIED", "message": format!("no\u{1b}[2J{}", "x".repeat(500)) }] });
    let fixture = Fixture::new(move |_| {
        let body = said.to_string();
        answer("403 Forbidden", &format!("content-length: {}\r\n", body.len()), body.as_bytes())
    });
    let text = fixture.refused(NAME).await;
    assert!(text.contains("answered 403 Forbidden: DENIED no\\u{1b}[2Jxxx") && text.len() < 400, "{text}");
    let fixture = Fixture::new(|_| ok(b"{}"));
    let text = fixture.refused(NAME).await;
    assert!(text.contains("missing field `schemaVersion`"), "{text}");
}
