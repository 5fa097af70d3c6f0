//! Rust: `cara-sdk-build`, which finds a way to compile by itself.

use std::path::Path;
use std::process::Command;

use cara_sdk_build::{Builder, Step};
use cara_signing::Package;
use toml::Table;

use crate::error::BuildError;
use crate::program::run;

/// Builds any package of one cdylib: a project of ours, one for `wasm32-wasip2`, or one of cargo-component's.
pub(super) fn build(folder: &Path, target: &Path, progress: &mut dyn FnMut(&str)) -> Result<Package, BuildError> {
    bind(folder, progress)?;
    let built = Builder::new(folder, target).build_with(&mut |step| match step {
        Step::Downloading(packages) => progress(&format!("downloading {}", packages.join(", "))),
        Step::CompilingStd => progress("compiling Rust's standard library, once"),
        Step::Compiling(_) => progress("compiling"),
        Step::Componentizing(_) => progress("making the component"),
        _ => {}
    })?;
    let [built] = <[_; 1]>::try_from(built).expect("a builder that is told of no package builds the one in the folder");
    Ok(Package::read(built.bytes)?)
}

/// Has cargo-component write its `src/bindings.rs`, which its projects do not always keep.
fn bind(folder: &Path, progress: &mut dyn FnMut(&str)) -> Result<(), BuildError> {
    let file = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&file).map_err(BuildError::read(&file))?;
    // What cargo cannot read either, cargo says better.
    let table: Table = text.parse().unwrap_or_default();
    let described = table.get("package").and_then(|package| package.get("metadata")?.get("component")).is_some();
    if !described || folder.join("src/bindings.rs").is_file() {
        return Ok(());
    }
    progress("writing src/bindings.rs");
    let mut cargo = Command::new("cargo-component");
    cargo.args(["component", "bindings"]).current_dir(folder);
    run(&mut cargo, "`cargo install cargo-component`: the project has no `src/bindings.rs`, which it writes")?;
    Ok(())
}
