//! New projects in Rust, built with the machine's own tools.
//!
//! One target folder for all of them and from run to run: the SDK is compiled once.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use cara_authority::Manifest;
use cara_sdk_new::{Kind, Language, build_in};
use cara_signing::Package;

use crate::support;

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
    let written = std::fs::read_to_string(project.join("component.toml")).unwrap();
    let mut lines = package.manifest().lines();
    assert!(written.lines().all(|line| lines.any(|signed| signed == line)), "{}", package.manifest());
    // The schemas of the code are those that the other languages write by hand.
    let other = cara_sdk_new::project(kind, Language::Python, name).unwrap();
    let other = other.iter().find(|file| file.path == "component.toml").unwrap();
    let inputs = |manifest: &str| {
        let manifest = Manifest::parse(manifest).unwrap();
        manifest.tools().iter().map(|tool| tool.input.clone()).collect::<Vec<_>>()
    };
    assert_eq!(inputs(package.manifest()), inputs(std::str::from_utf8(&other.bytes).unwrap()));
}

#[test]
fn a_new_tool_in_rust_builds() {
    builds(Kind::Tool, "hello-tool");
}

#[test]
fn a_new_provider_in_rust_builds() {
    builds(Kind::Provider, "hello-provider");
}

#[test]
fn the_tests_of_a_new_project_in_rust_pass() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, name) in [(Kind::Tool, "native-tool"), (Kind::Provider, "native-provider")] {
        let project = support::written(folder.path(), kind, Language::Rust, name);
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--quiet", "--target-dir"]).arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("native"));
        // What the cargo around this test says of itself is not about the project.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("CARGO_PKG_") || variable == "CARGO_MANIFEST_DIR" {
                cargo.env_remove(variable);
            }
        }
        let output = cargo.current_dir(&project).output().unwrap();
        let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}{}", said(&output.stdout), said(&output.stderr));
    }
}

/// A project that knows nothing of our SDK, as cargo-component keeps one: its bindings are in a file of its own.
#[test]
fn a_project_of_cargo_component_builds_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit").canonicalize().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"parrot\"\nversion = \"0.3.0\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n\
         [package.metadata.component]\npackage = \"test:parrot\"\n[workspace]\n\
         [dependencies]\nwit-bindgen = \"0.60\"\n",
    );
    write(
        "component.toml",
        "id = \"parrot\"\nversion = \"0.3.0\"\nsummary = \"Says it again\"\ncontract = \"cara:plugin@0.2\"\n\
         [[tool]]\nname = \"parrot\"\ndescription = \"Says it again.\"\ninput = { type = \"object\" }\n",
    );
    let bindings = format!(
        "wit_bindgen::generate!({{ path: {wit:?}, inline: \"package test:parrot; world parrot {{ export \
         cara:plugin/tool@0.2.0; }}\", world: \"test:parrot/parrot\", generate_all, pub_export_macro: true }});\n"
    );
    write("src/bindings.rs", &bindings);
    write(
        "src/lib.rs",
        "mod bindings;\n\
         use bindings::cara::plugin::types::{Content, Error};\n\
         use bindings::exports::cara::plugin::tool::{Context, Guest};\n\
         struct Parrot;\n\
         impl Guest for Parrot {\n\
             fn call(_: String, arguments: String, _: Context) -> Result<Vec<Content>, Error> {\n\
                 Ok(vec![Content::Text(arguments)])\n\
             }\n\
         }\n\
         bindings::export!(Parrot with_types_in bindings);\n",
    );
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rust");
    let built = build_in(folder.path(), &target, &mut |_| {}).unwrap();
    assert_eq!((built.id.as_str(), built.version.as_str()), ("parrot", "0.3.0"));
    Package::read(std::fs::read(built.file).unwrap()).unwrap();
}
