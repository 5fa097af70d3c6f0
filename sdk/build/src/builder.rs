//! The one way in: which packages, from where, to where.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use cara_signing::Package as Signable;

use crate::arguments;
use crate::component::{self, Agreement};
use crate::error::Error;
use crate::nested::{self, Compiled};
use crate::toolchain::{Search, Step, Way};
use crate::tools::Tools;
use crate::workspace::{Package, Workspace};

/// Builds components from the packages of one workspace.
#[derive(Debug)]
pub struct Builder {
    source: PathBuf,
    folder: PathBuf,
    wanted: Vec<Wanted>,
    way: Option<Way>,
    tools: Tools,
    agreement: Agreement,
}

#[derive(Debug)]
enum Wanted {
    Package(String),
    Folder(PathBuf),
}

/// A finished component.
#[derive(Debug, Clone)]
pub struct Built {
    /// The cargo package.
    pub package: String,
    /// The id its manifest gives it.
    pub id: String,
    /// The version its manifest gives it.
    pub version: String,
    /// Where the file is.
    pub path: PathBuf,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Builder {
    /// Builds from the workspace (or single package) at `source` into `components` under `target`, the target folder of
    /// whoever calls.
    #[must_use]
    pub fn new(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self {
            source: source.into(),
            folder: target.into().join("components"),
            wanted: Vec::new(),
            way: None,
            tools: Tools::from_environment(),
            agreement: Agreement::Required,
        }
    }

    /// Builds the package of this name. Without this and `folder` it is the package at `source`.
    #[must_use]
    pub fn package(mut self, name: impl Into<String>) -> Self {
        self.wanted.push(Wanted::Package(name.into()));
        self
    }

    /// Builds the package in this folder.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.wanted.push(Wanted::Folder(folder.into()));
        self
    }

    /// Allows only this way to compile for the target, whatever the environment says.
    #[must_use]
    pub fn way(mut self, way: Way) -> Self {
        self.way = Some(way);
        self
    }

    /// Runs these programs instead of the machine's.
    #[must_use]
    pub fn tools(mut self, tools: Tools) -> Self {
        self.tools = tools;
        self
    }

    /// Builds also what every host refuses because component and manifest disagree, to test that a host does.
    #[must_use]
    pub fn to_be_refused(mut self) -> Self {
        self.agreement = Agreement::Unchecked;
        self
    }

    /// Builds all of them in one run of cargo.
    ///
    /// # Errors
    /// When no toolchain is found, the sources do not compile, or a component and its manifest disagree.
    pub fn build(&self) -> Result<Vec<Built>, Error> {
        self.build_with(&mut |_| {})
    }

    /// As [`Builder::build`], and says what it does.
    ///
    /// # Errors
    /// The same.
    pub fn build_with(&self, progress: &mut dyn FnMut(Step<'_>)) -> Result<Vec<Built>, Error> {
        let workspace = Workspace::at(&self.source, &self.tools)?;
        let packages = self.packages(&workspace)?;
        if packages.is_empty() {
            return Ok(Vec::new());
        }
        std::fs::create_dir_all(&self.folder).map_err(Error::written(&self.folder))?;
        // One build at a time: two would download, and replace each other's modules before they are read.
        let lock = self.folder.join("lock");
        let lock_file = File::create(&lock).map_err(Error::written(&lock))?;
        lock_file.lock().map_err(Error::written(&lock))?;
        let only = match self.way {
            Some(way) => Some(way),
            None => Way::from_environment()?,
        };
        let toolchain = Search {
            tools: &self.tools,
            folder: &self.folder,
            workspace: workspace.root(),
            profiles: &workspace.profiles(),
            profile: workspace.profile(),
            progress,
        }
        .find(only)
        .map_err(Error::NoToolchain)?;
        let names: Vec<String> = packages.iter().map(|package| package.name.clone()).collect();
        progress(Step::Compiling(&names));
        let compiled = nested::modules(&self.tools, &toolchain, &workspace, &self.folder, &packages)?;
        let mut built = Vec::with_capacity(packages.len());
        for (package, compiled) in packages.into_iter().zip(compiled) {
            progress(Step::Componentizing(&package.name));
            built.push(self.finish(package, &compiled)?);
        }
        unique(&built)?;
        for component in &built {
            write_changed(&component.path, &component.bytes)?;
        }
        Ok(built)
    }

    fn packages<'a>(&self, workspace: &'a Workspace) -> Result<Vec<&'a Package>, Error> {
        if self.wanted.is_empty() {
            return Ok(vec![workspace.in_folder(&self.source)?]);
        }
        let found = self.wanted.iter().map(|wanted| match wanted {
            Wanted::Package(name) => workspace.named(name),
            Wanted::Folder(folder) => workspace.in_folder(folder),
        });
        found.collect()
    }

    fn finish(&self, package: &Package, compiled: &Compiled) -> Result<Built, Error> {
        let manifest = package.folder().join("component.toml");
        let mut manifest = std::fs::read_to_string(&manifest).map_err(Error::read(&manifest))?;
        let module = std::fs::read(&compiled.module).map_err(Error::read(&compiled.module))?;
        let failed = |source| Error::Component { package: package.name.clone(), source };
        if let Some(tools) = &compiled.tools {
            let filled = arguments::told(tools).and_then(|declared| arguments::fill(&manifest, &declared));
            manifest = filled.map_err(|error| failed(error.into()))?;
        }
        let bytes = component::make(&module, &manifest, self.agreement).map_err(failed)?;
        let signable = Signable::read(bytes).map_err(|error| failed(error.into()))?;
        let id = signable.id().to_string();
        Ok(Built {
            package: package.name.clone(),
            version: signable.version().to_string(),
            path: self.folder.join("finished").join(format!("{id}.wasm")),
            bytes: signable.bytes().to_vec(),
            id,
        })
    }
}

/// Every folder `*/*` of `root` that has a component.toml, sorted.
///
/// # Errors
/// When a folder cannot be read.
pub fn component_folders(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for kind in folders_in(root)? {
        found.extend(folders_in(&kind)?.into_iter().filter(|folder| folder.join("component.toml").is_file()));
    }
    Ok(found)
}

fn folders_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(Error::read(folder))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

/// The target folder that a build script's `OUT_DIR` lies in.
///
/// `CARGO_TARGET_DIR` does not tell: `--target-dir` and the configuration name one as well.
#[must_use]
pub fn target_folder(out_dir: &Path) -> Option<&Path> {
    let marked = |folder: &&Path| folder.join("CACHEDIR.TAG").is_file() || folder.join(".rustc_info.json").is_file();
    out_dir.ancestors().find(marked)
}

fn unique(built: &[Built]) -> Result<(), Error> {
    let mut ids = BTreeMap::new();
    for component in built {
        if let Some(first) = ids.insert(&component.id, &component.package) {
            let (id, second) = (component.id.clone(), component.package.clone());
            return Err(Error::SameId { id, first: first.clone(), second });
        }
    }
    Ok(())
}

/// Leaves a file that is as wanted untouched.
fn write_changed(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if std::fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::written(folder))?;
    }
    let draft = path.with_extension("draft");
    std::fs::write(&draft, bytes).map_err(Error::written(&draft))?;
    std::fs::rename(&draft, path).map_err(Error::written(path))
}
