//! The packages of a workspace, as cargo describes them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;
use crate::tools::{RunError, Tools, ask, command};

/// The profile that a workspace may define for its components.
const PROFILE: &str = "component";

/// The packages at one place.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    packages: Vec<Package>,
    profiles: toml::Table,
}

/// One package.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Cargo's own name for it, good as an argument of `--package`.
    pub(crate) id: String,
    pub(crate) manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

impl Package {
    /// The folder with Cargo.toml and component.toml.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

impl Workspace {
    /// Asks cargo what `folder` belongs to.
    pub(crate) fn at(folder: &Path, tools: &Tools) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Description {
            workspace_root: PathBuf,
            packages: Vec<Package>,
        }
        let mut cargo = command(&tools.cargo);
        cargo.args(["metadata", "--format-version=1", "--no-deps", "--manifest-path"]).arg(folder.join("Cargo.toml"));
        let unreadable = |source: RunError| Error::Metadata { folder: folder.to_owned(), source };
        let text = ask(&mut cargo, None).map_err(unreadable)?;
        let Description { workspace_root: root, packages } = serde_json::from_str(&text).map_err(Error::Description)?;
        let manifest = root.join("Cargo.toml");
        let manifest = std::fs::read_to_string(&manifest).map_err(Error::read(&manifest))?;
        // Cargo has read it already; what it accepted and we do not understand has no profile for us.
        let mut manifest: toml::Table = manifest.parse().unwrap_or_default();
        let profiles = match manifest.remove("profile") {
            Some(toml::Value::Table(profiles)) => profiles,
            _ => toml::Table::new(),
        };
        Ok(Self { root, packages, profiles })
    }

    /// Where the workspace's Cargo.toml is.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The arguments of cargo that choose the profile: `component` where the workspace has one, else `release`.
    pub(crate) fn profile(&self) -> &'static [&'static str] {
        if self.profiles.contains_key(PROFILE) { &["--profile", PROFILE] } else { &["--release"] }
    }

    /// The profiles as the text of a Cargo.toml. Those of single packages stay out: they name packages of here.
    pub(crate) fn profiles(&self) -> String {
        let mut profiles = self.profiles.clone();
        for profile in profiles.iter_mut().map(|(_, profile)| profile).filter_map(toml::Value::as_table_mut) {
            profile.remove("package");
        }
        let table = toml::Table::from_iter([("profile".to_owned(), toml::Value::Table(profiles))]);
        table.to_string()
    }

    /// The package of that name.
    pub(crate) fn named(&self, name: &str) -> Result<&Package, Error> {
        self.component(name, |package| package.name == name)
    }

    /// The package whose Cargo.toml is in `folder`.
    pub(crate) fn in_folder(&self, folder: &Path) -> Result<&Package, Error> {
        let real = folder.canonicalize().map_err(Error::read(folder))?;
        self.component(&folder.to_string_lossy(), |package| {
            package.folder().canonicalize().is_ok_and(|found| found == real)
        })
    }

    fn component(&self, wanted: &str, fits: impl Fn(&Package) -> bool) -> Result<&Package, Error> {
        let missing = || Error::NoPackage { package: wanted.to_owned(), workspace: self.root.clone() };
        let package = self.packages.iter().find(|package| fits(package)).ok_or_else(missing)?;
        let cdylib = |target: &Target| target.crate_types.iter().any(|kind| kind == "cdylib");
        if package.targets.iter().any(cdylib) { Ok(package) } else { Err(Error::NotCdylib(package.name.clone())) }
    }
}
