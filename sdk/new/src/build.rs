//! From a project's folder to `dist/NAME.wasm`, whatever its language.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cara_authority::{Interfaces, Manifest};
use cara_signing::Package;

use crate::error::BuildError;
use crate::words::Language;

mod contract;
mod javascript;
mod python;
mod rust;

/// A finished component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The id its manifest gives it.
    pub id: String,
    /// The version its manifest gives it.
    pub version: String,
    /// The language of the project.
    pub language: Language,
    /// Where it is: `dist/ID.wasm` in the project's folder.
    pub file: PathBuf,
    /// How large it is.
    pub bytes: u64,
}

/// What the builder of a language gets.
struct Project<'a> {
    folder: &'a Path,
    /// Where it may leave what it makes on the way.
    target: &'a Path,
    manifest: &'a Manifest,
}

/// Builds the project in `folder` and writes `dist/ID.wasm` there. `progress` gets a line for each step. What is made on
/// the way lies in `target` below the folder.
///
/// # Errors
/// When the folder holds no project, a tool of its language is missing or fails, or component and manifest disagree.
pub fn build(folder: &Path, progress: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    build_in(folder, &folder.join("target"), progress)
}

/// As [`build`], with another target folder: several projects may share one.
///
/// # Errors
/// The same.
pub fn build_in(folder: &Path, target: &Path, progress: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    let file = folder.join("component.toml");
    let text = std::fs::read_to_string(&file).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => BuildError::NoManifest { folder: folder.to_owned() },
        _ => BuildError::read(&file)(source),
    })?;
    let language = language(folder)?;
    // Tools are started in the folder, where a relative path would mean another place.
    let (folder, target) = (absolute(folder)?, absolute(target)?);
    let lock = lock(&target)?;
    let package = match language {
        // A manifest in Rust may lack what comes from the code; its builder puts it in and checks the whole.
        Language::Rust => rust::build(&folder, &target, progress)?,
        language => {
            let manifest = Manifest::parse(&text)?;
            let project = Project { folder: &folder, target: &target, manifest: &manifest };
            let component = match language {
                Language::Python => python::build(&project, progress)?,
                _ => javascript::build(&project, progress)?,
            };
            packed(&component, &manifest, &text)?
        }
    };
    // Until here files in `target` may be written and read again.
    drop(lock);
    let file = folder.join("dist").join(format!("{}.wasm", package.id()));
    put(&file, package.bytes())?;
    Ok(Built {
        id: package.id().to_string(),
        version: package.version().to_string(),
        language,
        file,
        bytes: package.bytes().len() as u64,
    })
}

/// The language of what is in the folder. A `package.json` beside a `Cargo.toml` is about something else.
pub(crate) fn language(folder: &Path) -> Result<Language, BuildError> {
    let signs = [
        ("Cargo.toml", Language::Rust),
        ("package.json", Language::JavaScript),
        ("pyproject.toml", Language::Python),
        ("app.py", Language::Python),
    ];
    let found = signs.into_iter().find(|(file, _)| folder.join(file).is_file());
    found.map(|(_, language)| language).ok_or_else(|| BuildError::NoLanguage { folder: folder.to_owned() })
}

/// A component with its manifest inside, once both say the same. The builder of Rust does the same by itself.
fn packed(component: &[u8], manifest: &Manifest, text: &str) -> Result<Package, BuildError> {
    Interfaces::read(component)?.agree(manifest)?;
    Ok(Package::read(cara_sdk_sign::embed(component, text)?)?)
}

/// One build at a time in a target folder; a second one waits.
fn lock(target: &Path) -> Result<File, BuildError> {
    std::fs::create_dir_all(target).map_err(BuildError::written(target))?;
    let path = target.join("cara-build.lock");
    let file = File::create(&path).map_err(BuildError::written(&path))?;
    file.lock().map_err(BuildError::written(&path))?;
    Ok(file)
}

fn absolute(path: &Path) -> Result<PathBuf, BuildError> {
    std::path::absolute(path).map_err(BuildError::read(path))
}

/// Writes a file whole or not at all, and leaves one that is as wanted untouched; whether it was another.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<bool, BuildError> {
    if std::fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(false);
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(BuildError::written(folder))?;
    }
    let draft = path.with_extension("draft");
    std::fs::write(&draft, bytes).map_err(BuildError::written(&draft))?;
    std::fs::rename(&draft, path).map_err(BuildError::written(path))?;
    Ok(true)
}
