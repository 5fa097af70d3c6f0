//! A component's project: what was built from it, its scripted tests, and when
//! somebody wrote in it.

use crate::script::{self, Script};
use cara_authority::ComponentId;
use cara_services::files::{self, FileError};
use cara_signing::{Package, PackageError};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// The largest manifest that is read, bytes.
const MANIFEST_BYTES: u64 = 256 * 1024;

/// Files are quiet this long before a change counts as complete: an editor writes more than one.
const QUIET: Duration = Duration::from_millis(150);

/// Folders that hold what is made, not what is written.
const MADE: [&str; 5] = ["target", "dist", "node_modules", "__pycache__", "tests"];

/// Why a project cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The folder holds no project.
    #[error("`{}` does not exist\nhint: name the folder of a component's project", .0.display())]
    NoProject(PathBuf),
    /// Nothing was built.
    #[error("`{}` does not exist\nhint: `cara plugin build` makes it", .0.display())]
    NotBuilt(PathBuf),
    /// The project has no tests.
    #[error("there are no tests in `{}`\nhint: write some, see docs/plugin-tests.md", .0.display())]
    NoTests(PathBuf),
    /// A test says nothing of what it expects.
    #[error("the test `{test}` of `tests/{file}` expects nothing\nhint: add `answer`, `contains` or `error`")]
    ExpectsNothing {
        /// The test.
        test: String,
        /// The file in `tests/`.
        file: String,
    },
    /// A file is not UTF-8.
    #[error("`{}` is not UTF-8", .0.display())]
    NoText(PathBuf),
    /// A file is no TOML of its kind.
    #[error("`{}` cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// The folder cannot be watched.
    #[error("`{}` cannot be watched: {source}", .path.display())]
    Unwatched {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: notify::Error,
    },
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// What was built is no package.
    #[error(transparent)]
    Package(#[from] PackageError),
}

/// What a project says of itself, as far as it is needed.
#[derive(Deserialize)]
struct Named {
    id: ComponentId,
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, ProjectError> {
    String::from_utf8(bytes).map_err(|_| ProjectError::NoText(path.to_owned()))
}

fn toml<T: for<'de> Deserialize<'de>>(path: &Path, bytes: Vec<u8>) -> Result<T, ProjectError> {
    let text = text(path, bytes)?;
    toml::from_str(&text).map_err(|source| ProjectError::Unreadable { path: path.to_owned(), source: source.into() })
}

/// The package that was built from the project in a folder.
///
/// # Errors
///
/// There is no project, or nothing was built from it.
pub fn built(folder: &Path) -> Result<Package, ProjectError> {
    let path = folder.join("component.toml");
    let manifest = files::read_capped(&path, MANIFEST_BYTES)?;
    // The rest may come from the code; it is in what was built.
    let Named { id } = toml(&path, manifest.ok_or_else(|| ProjectError::NoProject(path.clone()))?)?;
    package(&folder.join("dist").join(format!("{id}.wasm")))
}

/// The package in a file.
///
/// # Errors
///
/// The file does not exist, or is no package.
pub fn package(file: &Path) -> Result<Package, ProjectError> {
    let bytes = files::read_capped(file, Package::MAX_BYTES as u64)?;
    Ok(Package::read(bytes.ok_or_else(|| ProjectError::NotBuilt(file.to_owned()))?)?)
}

/// The files of scripted tests in the project's folder `tests`, by their names.
///
/// # Errors
///
/// There are none, or one cannot be played.
pub fn scripts(folder: &Path) -> Result<Vec<(String, Script)>, ProjectError> {
    let tests = folder.join("tests");
    let mut scripts = Vec::new();
    for file in files::names(&tests)?.into_iter().filter(|name| name.ends_with(".toml")) {
        let bytes = files::read_capped(&tests.join(&file), script::MAX_BYTES)?.unwrap_or_default();
        let script: Script = toml(&Path::new("tests").join(&file), bytes)?;
        if let Some(test) = script.tests.iter().find(|test| !test.expects()) {
            return Err(ProjectError::ExpectsNothing { test: test.name.clone(), file });
        }
        scripts.push((file, script));
    }
    if scripts.is_empty() { Err(ProjectError::NoTests(tests)) } else { Ok(scripts) }
}

/// A project whose files are watched.
pub struct Watched {
    changed: UnboundedReceiver<PathBuf>,
    _watcher: RecommendedWatcher,
}

impl Watched {
    /// Watches what a person writes in a project's folder, from now on.
    ///
    /// # Errors
    ///
    /// The folder cannot be watched.
    pub fn new(folder: &Path) -> Result<Self, ProjectError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| ProjectError::Unwatched { path, source }
        };
        let (sender, changed) = unbounded_channel();
        let tell = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            if matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_)) {
                // Nobody listens any more when this fails.
                event.paths.into_iter().for_each(|path| drop(sender.send(path)));
            }
        };
        let mut watcher = notify::recommended_watcher(tell).map_err(failed(folder))?;
        watcher.watch(folder, RecursiveMode::NonRecursive).map_err(failed(folder))?;
        for name in files::names(folder)? {
            let path = folder.join(&name);
            if !is_made(&name) && path.is_dir() {
                watcher.watch(&path, RecursiveMode::Recursive).map_err(failed(&path))?;
            }
        }
        Ok(Self { changed, _watcher: watcher })
    }

    /// Waits for a change of something written, and for the end of all changes; false when none can come.
    pub async fn changes(&mut self) -> bool {
        loop {
            let Some(path) = self.changed.recv().await else { return false };
            if path.file_name().is_some_and(|name| !is_made(&name.to_string_lossy())) {
                break;
            }
        }
        while timeout(QUIET, self.changed.recv()).await.is_ok_and(|more| more.is_some()) {}
        true
    }
}

fn is_made(name: &str) -> bool {
    name.starts_with('.') || name.ends_with(".lock") || name.ends_with("-lock.json") || MADE.contains(&name)
}
