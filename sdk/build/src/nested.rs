//! The cargo inside a cargo: several packages to core modules in one build.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::TARGET;
use crate::arguments;
use crate::error::Error;
use crate::toolchain::Toolchain;
use crate::tools::{RunError, Tools, command, run};
use crate::workspace::{Package, Workspace};

/// What cargo made of a package.
pub(crate) struct Compiled {
    /// Where the core module is.
    pub(crate) module: PathBuf,
    /// What its build script told of its tools, if it did.
    pub(crate) tools: Option<String>,
}

/// Builds the packages and gives what became of each, in their order.
///
/// `folder` is a target folder of its own: in the outer build's it would wait for that build's lock for ever.
pub(crate) fn modules(
    tools: &Tools,
    toolchain: &Toolchain,
    workspace: &Workspace,
    folder: &Path,
    packages: &[&Package],
) -> Result<Vec<Compiled>, Error> {
    let build = |locked: bool| {
        let mut cargo = command(&tools.cargo);
        cargo.args(["build", "--quiet", "--lib", "--message-format=json-render-diagnostics", "--target", TARGET]);
        cargo.args(workspace.profile()).arg("--target-dir").arg(folder);
        cargo.arg("--manifest-path").arg(workspace.root().join("Cargo.toml"));
        cargo.args(packages.iter().flat_map(|package| ["--package", &package.id]));
        cargo.args(locked.then_some("--locked"));
        // Where `.cargo/config.toml` of the workspace must be found.
        cargo.current_dir(workspace.root());
        toolchain.apply(&mut cargo, workspace.root(), folder);
        run(&mut cargo, None)
    };
    let locked = workspace.root().join("Cargo.lock").is_file();
    let messages = match build(locked) {
        // The lock file is older than the manifests. Cargo brings it up to date as it does in any build.
        Err(RunError::Failed { stderr, .. }) if locked && stderr.contains("--locked was passed") => build(false),
        result => result,
    };
    let messages = messages.map_err(|error| match error {
        // Without a code a signal ended it, and the sources are not to blame.
        RunError::Failed { stderr, status, .. } if status.code().is_some() => {
            let packages = packages.iter().map(|package| package.name.clone()).collect();
            Error::Compile { packages, stderr }
        }
        other => Error::Cargo(other),
    })?;
    let lines = || messages.split(|byte| *byte == b'\n');
    let artifacts: Vec<Artifact> = lines().filter_map(read).collect();
    let scripts: Vec<Script> = lines().filter_map(read).collect();
    let compiled = |package: &&Package| {
        Ok(Compiled { module: module_of(package, &artifacts)?, tools: tools_of(package, &scripts) })
    };
    packages.iter().map(compiled).collect()
}

/// What cargo says of each thing it made or found fresh.
#[derive(Deserialize)]
struct Artifact {
    package_id: String,
    filenames: Vec<PathBuf>,
}

/// What cargo says of each build script, also of one it did not run again.
#[derive(Deserialize)]
struct Script {
    package_id: String,
    env: Vec<(String, String)>,
}

/// Reads a message; those of another kind have other fields.
fn read<T: for<'a> Deserialize<'a>>(line: &[u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}

fn tools_of(package: &Package, scripts: &[Script]) -> Option<String> {
    let of_package = scripts.iter().filter(|script| script.package_id == package.id);
    let mut variables = of_package.flat_map(|script| &script.env);
    variables.find(|(name, _)| name == arguments::VARIABLE).map(|(_, value)| value.clone())
}

fn module_of(package: &Package, artifacts: &[Artifact]) -> Result<PathBuf, Error> {
    let of_package = artifacts.iter().filter(|artifact| artifact.package_id == package.id);
    let mut files = of_package.flat_map(|artifact| &artifact.filenames);
    let module = files.find(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    module.cloned().ok_or_else(|| Error::NotCdylib(package.name.clone()))
}
