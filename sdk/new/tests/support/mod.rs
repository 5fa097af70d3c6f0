//! New projects on disk.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use cara_sdk_new::{Kind, Language, project};

/// Writes a new project into a folder of its name below `folder`.
pub(crate) fn written(folder: &Path, kind: Kind, language: Language, name: &str) -> PathBuf {
    let folder = folder.join(name);
    for file in project(kind, language, name).unwrap() {
        let path = folder.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file.bytes).unwrap();
    }
    folder
}
