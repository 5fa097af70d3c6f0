//! Files and folders on this machine.

use crate::fixture::{Fixture, missing};
use crate::package::signed;
use std::fs;
use std::path::Path;

fn put(folder: &Path, name: &str) -> Vec<u8> {
    let (package, bundle) = signed("1.0.0", 10);
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(name), package.bytes()).unwrap();
    fs::write(folder.join(format!("{name}.sigstore.json")), bundle.to_json()).unwrap();
    package.bytes().to_vec()
}

async fn refused(path: &Path, root: &Path) -> String {
    let text = Fixture::new(|_| missing()).refused(path.to_str().unwrap()).await;
    text.replace(root.to_str().unwrap(), "<root>")
}

#[tokio::test]
async fn a_file_is_read_with_the_signature_beside_it() {
    let root = tempfile::tempdir().unwrap();
    let wasm = put(root.path(), "weather.wasm");
    let path = root.path().join("weather.wasm");
    let fixture = Fixture::new(|_| missing());
    let fetched = fixture.fetch(path.to_str().unwrap()).await.unwrap();
    assert_eq!((fetched.wasm, fetched.bundles.len(), fetched.manifest), (wasm, 1, None));
    assert_eq!(fetched.source.to_string(), format!("{}#{}", path.display(), fetched.digest));
    assert!(fixture.fetch(&fetched.source.to_string()).await.is_ok(), "what it gives as its source can be fetched");
    assert!(fixture.asked().is_empty());
}

#[tokio::test]
async fn a_folder_has_one_component_in_it_or_in_its_dist() {
    let root = tempfile::tempdir().unwrap();
    let wasm = put(&root.path().join("built/dist"), "weather.wasm");
    let fixture = Fixture::new(|_| missing());
    let fetched = fixture.fetch(root.path().join("built").to_str().unwrap()).await.unwrap();
    assert_eq!(fetched.wasm, wasm);
    assert!(fetched.source.to_string().contains("/built/dist/weather.wasm#sha256:"), "{}", fetched.source);
    let own = put(&root.path().join("built"), "own.wasm");
    assert_eq!(fixture.fetch(root.path().join("built").to_str().unwrap()).await.unwrap().wasm, own);
    put(&root.path().join("built"), "second.wasm");
    insta::assert_snapshot!(refused(&root.path().join("built"), root.path()).await, @"
    `<root>/built` has 2 `.wasm` files
    hint: name the one that is meant
    ");
    fs::create_dir(root.path().join("empty")).unwrap();
    insta::assert_snapshot!(refused(&root.path().join("empty"), root.path()).await, @"
    `<root>/empty` has no `.wasm` file, nor has its `dist`
    hint: build the component first: `cara plugin build`
    ");
}

#[tokio::test]
async fn what_is_not_there_not_signed_or_not_a_component_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    insta::assert_snapshot!(refused(&at("none.wasm"), root.path()).await, @"
    there is no `<root>/none.wasm`
    hint: check the path; a package is a `.wasm` file or a folder with one
    ");
    fs::write(at("a.wasm"), b"\0asm").unwrap();
    insta::assert_snapshot!(refused(&at("a.wasm"), root.path()).await, @"
    `<root>/a.wasm` has no signature: there is no `<root>/a.wasm.sigstore.json`
    hint: its author has to sign it: `cara plugin sign`
    ");
    fs::write(at("a.wasm.sigstore.json"), b"\xff").unwrap();
    insta::assert_snapshot!(refused(&at("a.wasm"), root.path()).await, @"
    the signature file of `<root>/a.wasm` is not text
    hint: its author has to sign the component again
    ");
    fs::write(at("a.wasm.sigstore.json"), vec![b' '; 64 * 1024 + 1]).unwrap();
    insta::assert_snapshot!(refused(&at("a.wasm"), root.path()).await, @"
    `<root>/a.wasm.sigstore.json` is larger than 65536 bytes, which is the most that is read
    hint: ask the author for a smaller file
    ");
    fs::write(at("b.wasm"), b"PK\x03\x04").unwrap();
    insta::assert_snapshot!(refused(&at("b.wasm"), root.path()).await, @"
    `<root>/b.wasm` is a zip archive
    hint: give the `.wasm` file itself; archives are never unpacked
    ");
    // Sparse: it takes no room on the disk, and none in memory, because its length is looked at first.
    fs::File::create(at("c.wasm")).unwrap().set_len(64 * 1024 * 1024 + 1).unwrap();
    insta::assert_snapshot!(refused(&at("c.wasm"), root.path()).await, @"
    `<root>/c.wasm` is larger than 67108864 bytes, which is the most that is read
    hint: ask the author for a smaller file
    ");
}

#[tokio::test]
async fn a_file_that_changed_is_not_the_pinned_one() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "weather.wasm");
    let pinned = format!("{}/weather.wasm#sha256:{}", root.path().display(), "0".repeat(64));
    let text = Fixture::new(|_| missing()).refused(&pinned).await;
    assert!(text.contains("weather.wasm` has the digest `sha256:") && text.contains("not `sha256:000"), "{text}");
}
