//! Builds the hostile guests, the same way as any component.

use cara_sdk_build::{Builder, component_folders, target_folder};
use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

#[allow(clippy::print_stdout, reason = "how a build script speaks to cargo")]
fn main() -> Result<(), Box<dyn Error>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the harness lies in `tests`")?;
    let root = tests.parent().ok_or("`tests` lies in the workspace")?;
    for changed in ["tests/guests", "sdk/rust", "wit", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(changed).display());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let target = target_folder(&out).ok_or("OUT_DIR lies in the target folder")?;
    let folders: Vec<PathBuf> = component_folders(tests)?;
    let mut builder = Builder::new(root, target);
    for folder in &folders {
        builder = builder.folder(folder);
    }
    let mut list = String::from("&[\n");
    for built in builder.build()? {
        writeln!(list, "({:?}, include_bytes!({:?})),", built.id, built.path)?;
    }
    fs::write(out.join("guests.rs"), list + "]")?;
    println!("cargo::rustc-env=CARA_TEST_CACHE={}", target.join("tmp/compiled").display());
    Ok(())
}
