//! A package to fetch and to push, and its signature.

use cara_sdk_sign::{SecretKey, embed, sign};
use cara_signing::{Bundle, Package};
use wasm_encoder::{ComponentBuilder, ComponentExportKind, ComponentTypeRef, InstanceType};

/// The smallest signed component, with so many bytes of nothing in it.
pub fn signed(version: &str, ballast: usize) -> (Package, Bundle) {
    let mut component = ComponentBuilder::default();
    let empty = component.type_instance(None, &InstanceType::new());
    let log = component.import("cara:plugin/log@0.2.0", ComponentTypeRef::Instance(empty));
    component.export("cara:plugin/provider@0.2.0", ComponentExportKind::Instance, log, None);
    let data = vec![7; ballast];
    component.custom_section(&wasm_encoder::CustomSection { name: "ballast".into(), data: data.into() });
    let text = format!("id = \"weather\"\nversion = \"{version}\"\n");
    let package = Package::read(embed(&component.finish(), &text).unwrap()).unwrap();
    let bundle = sign(&package, &SecretKey::generate().unwrap());
    (package, bundle)
}
