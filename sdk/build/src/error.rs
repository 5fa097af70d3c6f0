//! Why no component came out.

use std::io;
use std::path::{Path, PathBuf};

use crate::component::ComponentError;
use crate::key::KeyError;
use crate::toolchain::{Tried, UnknownWay};
use crate::tools::RunError;

/// Why no component came out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No way to build for the target works on this machine.
    #[error("no way to build for `{target}` works on this machine\n{0}", target = crate::TARGET)]
    NoToolchain(Tried),
    /// The environment names a way that does not exist.
    #[error(transparent)]
    Way(#[from] UnknownWay),
    /// Cargo does not understand the source folder.
    #[error("the sources in `{}` cannot be read by cargo\nhint: run `cargo metadata --no-deps` there", .folder.display())]
    Metadata {
        /// The folder.
        folder: PathBuf,
        /// What cargo said.
        #[source]
        source: RunError,
    },
    /// Cargo's description is not what is documented.
    #[error(
        "cargo describes the sources in a form that is not known here\nhint: use the cargo that comes with Rust 1.95 or newer"
    )]
    Description(#[source] serde_json::Error),
    /// There is no such package.
    #[error("there is no package `{package}` in `{}`\nhint: it must be a member of the workspace there", .workspace.display())]
    NoPackage {
        /// The package, or the folder that should hold one.
        package: String,
        /// The workspace that was searched.
        workspace: PathBuf,
    },
    /// The package makes no library that can become a component.
    #[error(
        "package `{0}` makes no component\nhint: add `crate-type = [\"cdylib\", \"rlib\"]` under `[lib]` in its Cargo.toml"
    )]
    NotCdylib(String),
    /// Two packages make components of one id.
    #[error("packages `{first}` and `{second}` both have the id `{id}`\nhint: change one of their component.toml")]
    SameId {
        /// The id.
        id: String,
        /// One package.
        first: String,
        /// The other.
        second: String,
    },
    /// The compiler refused the sources.
    #[error("building {packages} failed\n{stderr}\nhint: correct the errors above", packages = list(.packages))]
    Compile {
        /// What was built.
        packages: Vec<String>,
        /// What cargo and rustc said.
        stderr: String,
    },
    /// Cargo could not be run.
    #[error("cargo could not build the components")]
    Cargo(#[source] RunError),
    /// The compiled module does not become a component.
    #[error("package `{package}` does not make a component")]
    Component {
        /// The package.
        package: String,
        /// Why.
        #[source]
        source: ComponentError,
    },
    /// The signing key is missing or unusable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file could not be read or written.
    #[error("`{}` cannot be {what}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, what: "read", source }
    }

    pub(crate) fn written(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, what: "written", source }
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
