//! The files of a new project.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::build::{language, put};
use crate::embedded::{carried, templates, values};
use crate::error::BuildError;
use crate::name::{Name, NameError};
use crate::words::{Kind, Language};

/// The folder of a project that holds the SDK it is built with.
const CARRIED: &str = ".cara";

/// A file of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path in the project's folder, with slashes.
    pub path: String,
    /// The content of the file.
    pub bytes: Cow<'static, [u8]>,
}

/// The files of a new project, sorted by path; the same for the same arguments. Nothing is written.
///
/// # Errors
/// When `name` is no component id, or too long for the names of its tools.
pub fn project(kind: Kind, language: Language, name: &str) -> Result<Vec<File>, NameError> {
    let name = Name::parse(kind, name)?;
    let folder = match language {
        Language::Rust => "rust",
        Language::JavaScript => "javascript",
        Language::Python => "python",
    };
    let mut files = BTreeMap::new();
    for part in ["every", &kind.to_string()] {
        // What a language has of its own stands in the place of what every language has.
        for folder in [format!("every/{part}"), format!("{folder}/{part}")] {
            files.extend(templates(&folder).map(|(path, bytes)| filled(kind, &name, path, bytes)));
        }
    }
    files.extend(carried(language).map(|(path, bytes)| (below(path), bytes.into())));
    Ok(files.into_iter().map(|(path, bytes)| File { path, bytes }).collect())
}

/// Where a project keeps what it carries.
fn below(path: &str) -> String {
    format!("{CARRIED}/{path}")
}

/// Puts the SDK of this program into a project that [`project`] made with another one. Gives the paths of the files that
/// changed; nothing else in the project is touched, nor what somebody put beside the SDK.
///
/// # Errors
/// When the folder holds no project, or one that carries no SDK, or it cannot be written.
pub fn refresh(folder: &Path) -> Result<Vec<String>, BuildError> {
    let language = language(folder)?;
    if !folder.join(CARRIED).is_dir() {
        return Err(BuildError::CarriesNothing { folder: folder.to_owned() });
    }
    let mut changed = Vec::new();
    for (path, bytes) in carried(language) {
        let path = below(path);
        if put(&folder.join(&path), bytes)? {
            changed.push(path);
        }
    }
    Ok(changed)
}

/// Writes the files of a project into a new folder.
///
/// # Errors
/// When there is something at `folder`, or it cannot be written.
pub fn write(folder: &Path, files: &[File]) -> Result<(), BuildError> {
    let made = std::fs::create_dir(folder);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => BuildError::Exists { folder: folder.to_owned() },
        _ => BuildError::written(folder)(error),
    })?;
    for file in files {
        let path = folder.join(&file.path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(BuildError::written(parent))?;
        std::fs::write(&path, &file.bytes).map_err(BuildError::written(&path))?;
    }
    Ok(())
}

/// A template with its values put in. `{{name}}` stands for one.
fn filled(kind: Kind, name: &Name, path: &str, bytes: &'static [u8]) -> (String, Cow<'static, [u8]>) {
    // A real `.gitignore` among the templates would be one of this repository.
    let path = path.replace("NAME", name.as_str()).replace("gitignore", ".gitignore");
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    let own = [("name", name.as_str().to_owned()), ("snake", name.snake()), ("kind", kind.to_string())];
    for (key, value) in own.into_iter().chain(values().map(|(key, value)| (key, value.to_owned()))) {
        text = text.replace(&format!("{{{{{key}}}}}"), &value);
    }
    (path, text.into_bytes().into())
}
