//! Why no component came out of a project.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use cara_authority::interfaces::{Disagreement, InterfacesError};
use cara_authority::manifest::ManifestError;
use cara_signing::PackageError;

/// Why no component came out of a project.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The folder has no manifest.
    #[error("there is no `component.toml` in `{}`\nhint: `cara plugin new tool NAME` makes a project that has one", .folder.display())]
    NoManifest {
        /// The folder.
        folder: PathBuf,
    },
    /// A new project may not be written into something that is there.
    #[error("`{}` is there already\nhint: choose another name, or another folder", .folder.display())]
    Exists {
        /// What is there.
        folder: PathBuf,
    },
    /// The project has no SDK to replace.
    #[error(
        "`{}` carries no SDK\nhint: only what `cara plugin new` made has one; another project names its own version of it",
        .folder.display()
    )]
    CarriesNothing {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder has a manifest, and nothing that says its language.
    #[error(
        "what is in `{}` has no language known here\n\
         hint: Rust has a `Cargo.toml`, JavaScript a `package.json`, Python a `pyproject.toml` or an `app.py`",
        .folder.display()
    )]
    NoLanguage {
        /// The folder.
        folder: PathBuf,
    },
    /// The file that the component begins with is not there.
    #[error("there is no `{}`\nhint: {cure}", .file.display())]
    NoEntry {
        /// The file.
        file: PathBuf,
        /// What to do about it.
        cure: &'static str,
    },
    /// The project's own description cannot be read.
    #[error("`{}` cannot be understood: {problem}\nhint: correct it there", .file.display())]
    Description {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The manifest is refused.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The Rust sources make no component.
    #[error(transparent)]
    Rust(#[from] cara_sdk_build::Error),
    /// A program that is needed is not there.
    #[error("`{program}` is not installed\nhint: {cure}")]
    Missing {
        /// The program.
        program: String,
        /// How it gets there.
        cure: &'static str,
    },
    /// A program could not be started.
    #[error("`{program}` cannot be run\nhint: try `{program} --version`")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("`{program}` failed ({status})\n{said}\nhint: correct what it says above, and build again")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The program's words.
        said: String,
    },
    /// What was made imports or exports what no host offers.
    #[error(transparent)]
    Interfaces(#[from] InterfacesError),
    /// What was made and its manifest say different things.
    #[error(transparent)]
    Disagreement(#[from] Disagreement),
    /// The manifest cannot be put into what was made.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A file could not be read or written.
    #[error("`{}` cannot be {what}\nhint: look who owns it, and whether the disk is full", .path.display())]
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

impl BuildError {
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, what: "read", source }
    }

    pub(crate) fn written(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, what: "written", source }
    }
}
