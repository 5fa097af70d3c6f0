//! `wit/` is well formed, documented, and the source of both bindings.

use super::{none, root};
use proc_macro2::{TokenStream, TokenTree};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use wit_parser::{Docs, Resolve, TypeDefKind};

fn contract() -> (Resolve, wit_parser::PackageId) {
    let mut resolve = Resolve::new();
    let (package, _) = resolve.push_dir(root().join("wit")).unwrap_or_else(|error| panic!("wit/: {error:#}"));
    (resolve, package)
}

#[test]
fn the_contract_parses_and_has_the_worlds_components_are_built_for() {
    let (resolve, package) = contract();
    let package = &resolve.packages[package];
    assert_eq!(package.name.to_string(), "cara:plugin@0.2.0");
    let worlds: Vec<&str> = package.worlds.keys().map(String::as_str).collect();
    for world in ["provider-component", "host-services", "tool-component", "channel-component"] {
        assert!(worlds.contains(&world), "{world} in {worlds:?}");
    }
}

#[test]
fn each_interface_has_a_file_of_its_own_name() {
    let (resolve, package) = contract();
    let missing =
        resolve.packages[package].interfaces.keys().filter(|name| !root().join(format!("wit/{name}.wit")).exists());
    none("one interface a file", missing.cloned().collect());
}

#[test]
fn every_item_of_the_contract_is_documented() {
    let (resolve, package) = contract();
    let package = &resolve.packages[package];
    let mut findings = Vec::new();
    let mut see = |docs: &Docs, name: String| {
        if docs.contents.as_deref().is_none_or(|text| text.trim().is_empty()) {
            findings.push(name);
        }
    };
    see(&package.docs, "the package".into());
    for (name, id) in &package.worlds {
        see(&resolve.worlds[*id].docs, format!("world {name}"));
    }
    for (interface, id) in &package.interfaces {
        see(&resolve.interfaces[*id].docs, interface.clone());
        for (name, function) in &resolve.interfaces[*id].functions {
            see(&function.docs, format!("{interface}: {name}"));
        }
        for (name, id) in &resolve.interfaces[*id].types {
            let definition = &resolve.types[*id];
            // What `use` brings in is documented where it comes from.
            if !matches!(definition.kind, TypeDefKind::Type(_)) {
                see(&definition.docs, format!("{interface}: {name}"));
            }
        }
    }
    none("every item has a `///` line", findings);
}

/// The folder a `generate!` or `bindgen!` of this file reads, from the folder of its crate.
fn contract_of(file: &Path, crate_folder: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut found = Vec::new();
    let mut inside = vec![TokenStream::from_str(&text).expect("a source file is Rust")];
    while let Some(stream) = inside.pop() {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => inside.push(group.stream()),
                TokenTree::Ident(ident) if ident == "path" => {
                    if let Some(TokenTree::Literal(literal)) = tokens.get(at + 2) {
                        let path = crate_folder.join(literal.to_string().trim_matches('"'));
                        found.push(path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display())));
                    }
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn the_host_and_the_sdk_read_the_same_contract() {
    let root = root();
    let wit = root.join("wit").canonicalize().expect("wit/ exists");
    for folder in ["host/kernel", "sdk/rust"] {
        let read = contract_of(&root.join(folder).join("src/bindings.rs"), &root.join(folder));
        assert!(!read.is_empty() && read.iter().all(|path| *path == wit), "{folder} reads {read:?}");
    }
}
