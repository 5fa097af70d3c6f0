//! JavaScript: npm, then jco for types and componentize-js for the component.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Project, contract};
use crate::error::BuildError;
use crate::program::run;
use crate::world::{self, Requests};

/// The package that makes the component. A project names its version.
const MAKER: &str = "@bytecodealliance/componentize-js";

/// How Node.js comes to a machine.
const NODE: &str = "install Node.js 20 or newer, with npm";

/// Makes the component. `jco componentize` fails on WIT given by its path, the function does not.
///
/// What stays on: `stdio`, because errors and `console` reach the host's log by it; `clocks`, which timers and dates need;
/// `random`, because without it every sandbox draws the same numbers.
const COMPONENTIZE: &str = r#"
import { componentize } from "@bytecodealliance/componentize-js";
import { writeFile } from "node:fs/promises";
const [sourcePath, witPath, worldName, output, ...disableFeatures] = process.argv.slice(1);
try {
  const { component } = await componentize({ sourcePath, witPath, worldName, disableFeatures });
  await writeFile(output, component);
} catch (thrown) {
  console.error(thrown.message);
  process.exitCode = 1;
}
"#;

/// Builds the project to a component without a manifest.
pub(super) fn build(project: &Project<'_>, progress: &mut dyn FnMut(&str)) -> Result<Vec<u8>, BuildError> {
    let description = project.folder.join("package.json");
    let entry = entry(project.folder, &description)?;
    let folder = project.target.join("javascript");
    let wit = contract::write(&folder, &world::of(project.manifest, Requests::Engine))?;
    if !installed(project.folder, &description)? {
        progress("installing the packages of package.json");
        install(project.folder)?;
    }
    progress("writing target/types, for editors");
    types(project.folder, &wit)?;
    progress("making the component, with its engine");
    let output = folder.join("component.wasm");
    let mut node = Command::new("node");
    node.args(["--input-type=module", "-e", COMPONENTIZE]).args([&entry, &wit]).arg(world::WORLD).arg(&output);
    node.arg("fetch-event").args(project.manifest.http().is_empty().then_some("http"));
    // Where the packages are found, and what paths in the component are relative to.
    run(node.current_dir(project.folder), NODE)?;
    std::fs::read(&output).map_err(BuildError::read(&output))
}

/// The module that the component begins with: `main` of package.json.
fn entry(folder: &Path, description: &Path) -> Result<PathBuf, BuildError> {
    let description = read(description)?;
    let main = description.get("main").and_then(Value::as_str).unwrap_or("src/component.js");
    let file = folder.join(main);
    if file.is_file() {
        Ok(file)
    } else {
        Err(BuildError::NoEntry {
            file,
            cure: "name the file that exports `tool` or `provider` as `main` in package.json",
        })
    }
}

/// Whether what package.json names for the build is there, in the versions that it names.
fn installed(folder: &Path, description: &Path) -> Result<bool, BuildError> {
    let description = read(description)?;
    for (name, wanted) in description.get("devDependencies").and_then(Value::as_object).into_iter().flatten() {
        let found = folder.join("node_modules").join(name).join("package.json");
        if !found.is_file() {
            return Ok(false);
        }
        let wanted = wanted.as_str().unwrap_or_default();
        // What a range allows is for npm to say, when there is nothing yet.
        let exact = wanted.starts_with(|first: char| first.is_ascii_digit());
        if exact && read(&found)?.get("version").and_then(Value::as_str) != Some(wanted) {
            return Ok(false);
        }
    }
    Ok(folder.join("node_modules").join(MAKER).is_dir())
}

fn install(folder: &Path) -> Result<(), BuildError> {
    let locked = folder.join("package-lock.json").is_file();
    let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.arg(if locked { "ci" } else { "install" });
    // No package of the tools needs a script of its own to be installed.
    npm.args(["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]);
    run(npm.current_dir(folder), NODE)?;
    Ok(())
}

/// Writes the types of what a component imports. A project without jco has none.
fn types(folder: &Path, wit: &Path) -> Result<(), BuildError> {
    let jco = folder.join("node_modules/@bytecodealliance/jco/src/jco.js");
    if !jco.is_file() {
        return Ok(());
    }
    let mut node = Command::new("node");
    node.arg(jco).arg("guest-types").arg(wit).args(["--world-name", world::WORLD, "--all-features", "--quiet"]);
    run(node.arg("--out-dir").arg("target/types").current_dir(folder), NODE)?;
    Ok(())
}

fn read(file: &Path) -> Result<Value, BuildError> {
    let text = std::fs::read_to_string(file).map_err(BuildError::read(file))?;
    serde_json::from_str(&text)
        .map_err(|error| BuildError::Description { file: file.to_owned(), problem: error.to_string() })
}
