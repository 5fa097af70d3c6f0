//! The files of a new project.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use crate::embedded::{carried, templates, values};
use crate::error::BuildError;
use crate::name::{Name, NameError};
use crate::words::{Kind, Language};

/// A file of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path in the project's folder, with slashes.
    pub path: String,
    /// What it holds.
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
    let mut files: Vec<File> = ["every", &kind.to_string()]
        .into_iter()
        .flat_map(|part| [format!("every/{part}"), format!("{folder}/{part}")])
        .flat_map(|folder| templates(&folder).map(|(path, bytes)| filled(kind, &name, path, bytes)).collect::<Vec<_>>())
        .collect();
    let below = |(path, bytes): (&str, &'static [u8])| File { path: format!(".cara/{path}"), bytes: bytes.into() };
    files.extend(carried(language).map(below));
    files.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(files)
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
fn filled(kind: Kind, name: &Name, path: &str, bytes: &'static [u8]) -> File {
    // A real `.gitignore` among the templates would be one of this repository.
    let path = path.replace("NAME", name.as_str()).replace("gitignore", ".gitignore");
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    let own = [("name", name.as_str().to_owned()), ("snake", name.snake()), ("kind", kind.to_string())];
    for (key, value) in own.into_iter().chain(values().map(|(key, value)| (key, value.to_owned()))) {
        text = text.replace(&format!("{{{{{key}}}}}"), &value);
    }
    File { path, bytes: text.into_bytes().into() }
}
