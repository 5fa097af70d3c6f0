//! New projects in Rust, built with the machine's own tools.
//!
//! One target folder for all of them and from run to run: the SDK is compiled once.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use cara_sdk_new::{Kind, Language, build_in};
use cara_signing::Package;

mod support;

fn builds(kind: Kind, name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let project = support::written(folder.path(), kind, Language::Rust, name);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rust");
    let mut said = Vec::new();
    let built = build_in(&project, &target, &mut |line| said.push(line.to_owned())).unwrap();
    assert_eq!((built.id.as_str(), built.version.as_str(), built.language), (name, "0.1.0", Language::Rust));
    assert_eq!(built.file, project.join("dist").join(format!("{name}.wasm")));
    assert!(said.contains(&"compiling".to_owned()), "{said:?}");

    let bytes = std::fs::read(&built.file).unwrap();
    assert_eq!(bytes.len() as u64, built.bytes);
    assert!(built.bytes < 400 << 10, "a small component: {} bytes", built.bytes);
    let package = Package::read(bytes).unwrap();
    assert_eq!(package.manifest(), std::fs::read_to_string(project.join("component.toml")).unwrap());
}

#[test]
fn a_new_tool_in_rust_builds() {
    builds(Kind::Tool, "hello-tool");
}

#[test]
fn a_new_provider_in_rust_builds() {
    builds(Kind::Provider, "hello-provider");
}
