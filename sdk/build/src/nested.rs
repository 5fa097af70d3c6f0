//! The cargo inside a cargo: several packages to core modules in one build.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::TARGET;
use crate::error::Error;
use crate::toolchain::Toolchain;
use crate::tools::{RunError, Tools, command, run};
use crate::workspace::{Package, Workspace};

/// Builds the packages and gives the path of each one's module, in their order.
///
/// `folder` is a target folder of its own: in the outer build's it would wait for that build's lock for ever.
pub(crate) fn modules(
    tools: &Tools,
    toolchain: &Toolchain,
    workspace: &Workspace,
    folder: &Path,
    packages: &[&Package],
) -> Result<Vec<PathBuf>, Error> {
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
    let artifacts: Vec<Artifact> = messages.split(|byte| *byte == b'\n').filter_map(Artifact::read).collect();
    packages.iter().map(|package| module_of(package, &artifacts)).collect()
}

/// What cargo says of each thing it made or found fresh.
#[derive(Deserialize)]
struct Artifact {
    package_id: String,
    filenames: Vec<PathBuf>,
}

impl Artifact {
    /// Other messages have other fields and are no artifacts.
    fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

fn module_of(package: &Package, artifacts: &[Artifact]) -> Result<PathBuf, Error> {
    let of_package = artifacts.iter().filter(|artifact| artifact.package_id == package.id);
    let mut files = of_package.flat_map(|artifact| &artifact.filenames);
    let module = files.find(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    module.cloned().ok_or_else(|| Error::NotCdylib(package.name.clone()))
}
