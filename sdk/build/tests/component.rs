//! From the fixture's source folder to a component,
//! with the machine's own tools.

#![allow(clippy::unwrap_used)]

use std::error::Error as _;
use std::fs;
use std::path::Path;

use cara_sdk_build::{ArgumentsError, Builder, Built, ComponentError, Error};
use cara_signing::Package;
use serde_json::Value;

use crate::support;

fn build(source: &Path, target: &Path) -> Result<Built, Error> {
    Builder::new(source, target).build().map(|mut built| built.remove(0))
}

fn contains(bytes: &[u8], text: &Path) -> bool {
    let text = text.to_str().unwrap().as_bytes();
    bytes.windows(text.len()).any(|window| window == text)
}

#[test]
fn a_source_folder_becomes_a_component_with_its_manifest_word_for_word() {
    let folder = tempfile::tempdir().unwrap();
    let source = support::fixture(folder.path());
    let built = build(&source, &folder.path().join("target")).unwrap();
    assert_eq!((built.package.as_str(), built.id.as_str(), built.version.as_str()), ("fixture", "fixture", "1.2.3"));
    assert_eq!(fs::read(&built.path).unwrap(), built.bytes);
    let package = Package::read(built.bytes).unwrap();
    assert_eq!(package.manifest(), fs::read_to_string(source.join("component.toml")).unwrap());
}

#[test]
fn a_component_is_the_same_wherever_it_is_built_and_says_nothing_of_the_place() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = build(&support::fixture(here.path()), &here.path().join("target")).unwrap();
    let longer = there.path().join("a/much/longer/way");
    fs::create_dir_all(&longer).unwrap();
    let second = build(&support::fixture(&longer), &there.path().join("elsewhere")).unwrap();
    for place in [here.path(), there.path(), &std::env::home_dir().unwrap().join(".cargo")] {
        assert!(!contains(&first.bytes, place), "{}", place.display());
    }
    // The panic in the made code needs its file's name: if it were not here, the lines above would show nothing.
    assert!(contains(&first.bytes, Path::new("/out/made.rs")));
    assert!(first.bytes == second.bytes, "the bytes differ");
}

#[test]
fn a_second_build_changes_neither_the_bytes_nor_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (support::fixture(folder.path()), folder.path().join("target"));
    let first = build(&source, &target).unwrap();
    let written = first.path.metadata().unwrap().modified().unwrap();
    let second = build(&source, &target).unwrap();
    assert!(first.bytes == second.bytes, "the bytes differ");
    assert_eq!(second.path.metadata().unwrap().modified().unwrap(), written);
}

#[test]
fn the_schemas_that_a_build_script_tells_are_in_the_manifest_that_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (support::fixture(folder.path()), folder.path().join("target"));
    let script = fs::read_to_string(source.join("build.rs")).unwrap();
    let told = r#"println!("cargo::rustc-env=CARA_TOOLS={{\"nothing\":{{\"type\":\"object\",\"required\":[]}}}}");"#;
    fs::write(source.join("build.rs"), script.replacen("fn main() {", &format!("fn main() {{ {told}"), 1)).unwrap();
    let manifest = fs::read_to_string(source.join("component.toml")).unwrap();
    let error = build(&source, &target).unwrap_err();
    let differs = ComponentError::Arguments(ArgumentsError::Differs { tool: "nothing".into(), said: Value::Null });
    let Error::Component { source: found, .. } = &error else { panic!("{error:?}") };
    assert_eq!(std::mem::discriminant(found), std::mem::discriminant(&differs), "{found}");

    let without = manifest.replace("input = { type = \"object\" }\n", "");
    fs::write(source.join("component.toml"), &without).unwrap();
    // The second time the script is not run again, and what it told still counts.
    for _ in 0..2 {
        let package = Package::read(build(&source, &target).unwrap().bytes).unwrap();
        let filled = "name = \"nothing\"\ninput = { required = [], type = \"object\" }";
        assert_eq!(package.manifest(), without.replace("name = \"nothing\"", filled));
    }
}

#[test]
fn a_manifest_that_asks_for_more_than_the_code_imports_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let source = support::fixture(folder.path());
    let manifest = fs::read_to_string(source.join("component.toml")).unwrap();
    let more = "[[http]]\nhost = \"api.example.com\"\nmethods = [\"GET\"]\nwhy = \"curiosity\"\n";
    fs::write(source.join("component.toml"), format!("{manifest}\n{more}")).unwrap();
    let target = folder.path().join("target");
    let error = build(&source, &target).unwrap_err();
    assert!(matches!(error, Error::Component { source: ComponentError::Disagreement(_), .. }), "{error:?}");
    assert_eq!(
        error.source().unwrap().to_string(),
        "component `fixture` declares `[[http]]`, but does not import `wasi:http/outgoing-handler`\n\
         hint: remove the declaration"
    );
    assert!(!target.join("components/finished/fixture.wasm").exists(), "nothing is left for somebody to install");
    let built = Builder::new(&source, &target).to_be_refused().build().unwrap();
    assert_eq!(built.len(), 1, "a test of the host's own check can still be built");
}

#[test]
fn an_error_in_the_source_is_shown_as_the_compiler_says_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = support::fixture(folder.path());
    fs::write(source.join("src/lib.rs"), "fn broken() -> u8 { nonsense }").unwrap();
    let error = build(&source, &folder.path().join("target")).unwrap_err().to_string();
    assert!(error.starts_with("building `fixture` failed\nerror[E0425]: cannot find value `nonsense`"), "{error}");
    assert!(error.ends_with("\nhint: correct the errors above"), "{error}");
}

#[test]
fn a_lock_file_older_than_its_manifest_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let source = support::fixture(folder.path());
    fs::write(source.join("Cargo.lock"), "version = 4\n\n[[package]]\nname = \"fixture\"\nversion = \"0.0.9\"\n")
        .unwrap();
    build(&source, &folder.path().join("target")).unwrap();
    assert!(fs::read_to_string(source.join("Cargo.lock")).unwrap().contains("version = \"0.1.0\""));
}

#[test]
fn a_package_that_is_no_cdylib_is_told_what_to_add() {
    let folder = tempfile::tempdir().unwrap();
    let source = support::fixture(folder.path());
    let manifest = fs::read_to_string(source.join("Cargo.toml")).unwrap();
    fs::write(source.join("Cargo.toml"), manifest.replace("\"cdylib\", ", "")).unwrap();
    let error = build(&source, &folder.path().join("target")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "package `fixture` makes no component\n\
         hint: add `crate-type = [\"cdylib\", \"rlib\"]` under `[lib]` in its Cargo.toml"
    );
}
