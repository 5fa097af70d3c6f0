//! The contract on disk, with the world of one component in it.

use std::path::{Path, PathBuf};

use crate::embedded;
use crate::error::BuildError;

/// Writes the contract and the world below `folder` and gives the folder of the package.
///
/// It is the contract that this program speaks, whatever the project carries: the tools make what the host will load.
pub(super) fn write(folder: &Path, world: &str) -> Result<PathBuf, BuildError> {
    let wit = folder.join("wit");
    for (path, bytes) in embedded::contract() {
        super::put(&wit.join(path), bytes)?;
    }
    super::put(&wit.join("project.wit"), world.as_bytes())?;
    Ok(wit)
}
