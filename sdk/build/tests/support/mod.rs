//! A copy of the fixture at a place of the test's choice.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use wit_component::StringEncoding;
use wit_parser::Resolve;

/// Copies the fixture into `folder` and encodes its world from the contract.
pub(crate) fn fixture(folder: &Path) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let copy = folder.join("fixture");
    fs::create_dir_all(copy.join("src")).unwrap();
    for file in ["Cargo.toml", "build.rs", "component.toml", "src/lib.rs"] {
        fs::copy(here.join("tests/fixture").join(file), copy.join(file)).unwrap();
    }
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(here.join("../../wit")).unwrap();
    let world = resolve.select_world(&[package], Some("tool-component")).unwrap();
    let world = wit_component::metadata::encode(&resolve, world, StringEncoding::UTF8, None).unwrap();
    fs::write(copy.join("src/world.bin"), world).unwrap();
    copy
}
