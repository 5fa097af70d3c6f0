//! Builds, signs and embeds every component beside this folder.
//!
//! Names none of them: a folder `components/<kind>/<name>` with a component.toml is
//! one. Signed with the key in `CARA_SIGNING_KEY_FILE` (a release) or else with one
//! made for this checkout, which stays under the target folder.

// A build script speaks to cargo on its standard output.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cara_sdk_build::{Builder, Built, Step, TOOLCHAIN_VARIABLE, Way, component_folders, key, target_folder};
use cara_sdk_sign::{SecretKey, sign};
use cara_signing::Package;

/// Names the file with the key that a release is signed with.
const KEY_VARIABLE: &str = "CARA_SIGNING_KEY_FILE";

fn main() -> ExitCode {
    let Err(error) = embed() else { return ExitCode::SUCCESS };
    let mut cause: Option<&dyn Error> = Some(&*error);
    while let Some(error) = cause {
        for line in error.to_string().lines() {
            println!("cargo::error={line}");
        }
        cause = error.source();
    }
    ExitCode::FAILURE
}

fn embed() -> Result<(), Box<dyn Error>> {
    let package = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let components = package.parent().ok_or("this folder has no parent")?;
    let root = components.parent().ok_or("`components` has no parent")?;
    let target = target_folder(&out).unwrap_or(&out);
    watch(root);
    let mut builder = Builder::new(root, target);
    for folder in component_folders(components)? {
        builder = builder.folder(folder);
    }
    let built = builder.build_with(&mut say)?;
    let key = signing_key(root, target)?;
    std::fs::write(out.join("public-key.pem"), key.public().to_pem())?;
    std::fs::write(out.join("table.rs"), table(&built, &key, &out)?)?;
    Ok(())
}

/// What the components are made of; nothing else makes this script run again.
fn watch(root: &Path) {
    for source in ["components", "sdk/rust", "wit", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    println!("cargo::rerun-if-env-changed={KEY_VARIABLE}");
    println!("cargo::rerun-if-env-changed={TOOLCHAIN_VARIABLE}");
}

/// Cargo shows warnings when the script has ended: only what explains the time it took is worth one.
fn say(step: Step<'_>) {
    if let Step::Found(way @ (Way::BuildStd | Way::Debian)) = step {
        println!(
            "cargo::warning=no std for the components' target is installed; it was compiled here ({way}), which takes \
             minutes the first time. `rustup target add {}` saves them",
            cara_sdk_build::TARGET
        );
    }
}

fn signing_key(root: &Path, target: &Path) -> Result<SecretKey, cara_sdk_build::Error> {
    match std::env::var_os(KEY_VARIABLE).filter(|path| !path.is_empty()) {
        Some(path) => {
            let path = root.join(path);
            println!("cargo::rerun-if-changed={}", path.display());
            Ok(key::from_file(&path)?)
        }
        None => Ok(key::of_checkout(&target.join("components"))?),
    }
}

/// The source of the embedded table, its files written beside it.
fn table(built: &[Built], key: &SecretKey, out: &Path) -> Result<String, Box<dyn Error>> {
    let mut table = String::from("&[\n");
    for Built { id, version, bytes, .. } in built {
        let package = Package::read(bytes.clone())?;
        let (code, signature) = (out.join(format!("{id}.wasm")), out.join(format!("{id}.sigstore.json")));
        std::fs::write(&code, bytes)?;
        std::fs::write(&signature, sign(&package, key).to_json())?;
        let (manifest, digest) = (package.manifest(), package.digest().to_string());
        writeln!(
            table,
            "Embedded {{ id: {id:?}, version: {version:?}, wasm: include_bytes!({code:?}), manifest: {manifest:?}, \
             digest: {digest:?}, bundle_json: include_str!({signature:?}) }},"
        )?;
    }
    table.push_str("]\n");
    Ok(table)
}
