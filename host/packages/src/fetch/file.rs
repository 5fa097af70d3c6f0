//! From this machine: a file, or the one component in a folder.

use super::{FetchError, SIGNATURE};
use crate::kind;
use crate::reference::{FileReference, Reference};
use cara_services::files::{self, FileError};
use cara_signing::{Bundle, Digest, Package};
use std::fmt;
use std::path::{Path, PathBuf};

/// Entries that are looked at in a folder.
const MOST_ENTRIES: usize = 10_000;

/// The file that was found, for whoever shows it.
pub(super) struct Found(PathBuf);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.display())
    }
}

/// The component and its signature file.
pub(super) async fn read(reference: &FileReference) -> Result<(Found, Vec<u8>, String), FetchError> {
    let path = reference.path().to_owned();
    let read = tokio::task::spawn_blocking(move || read_now(&path)).await;
    read.expect("reading a file does not panic")
}

/// The file that was read, with its digest.
pub(super) fn pinned(found: Found, digest: Digest) -> Reference {
    Reference::File(FileReference::pinned(found.0, digest))
}

fn read_now(path: &Path) -> Result<(Found, Vec<u8>, String), FetchError> {
    let path = component(path)?;
    let wasm = capped(&path, Package::MAX_BYTES)?.ok_or_else(|| FetchError::Missing(path.clone()))?;
    kind::judge(&wasm).map_err(|kind| FetchError::NotWasm { path: path.clone(), kind })?;
    let mut signature = path.clone().into_os_string();
    signature.push(SIGNATURE);
    let bundle = capped(Path::new(&signature), Bundle::MAX_BYTES)?.ok_or_else(|| FetchError::Unsigned {
        package: path.display().to_string(),
        signature: signature.to_string_lossy().into_owned(),
    })?;
    let bundle = String::from_utf8(bundle).map_err(|_| FetchError::NotText(path.display().to_string()))?;
    Ok((Found(path), wasm, bundle))
}

/// The file itself; of a folder its one component, or that of its `dist`.
fn component(path: &Path) -> Result<PathBuf, FetchError> {
    let Some(in_it) = components(path)? else { return Ok(path.to_owned()) };
    let (folder, found) = match in_it.as_slice() {
        [] => {
            let built = path.join("dist");
            let found = components(&built)?.unwrap_or_default();
            (built, found)
        }
        _ => (path.to_owned(), in_it),
    };
    match found.as_slice() {
        [] => Err(FetchError::NoComponent(path.to_owned())),
        [one] => Ok(one.clone()),
        several => Err(FetchError::Several { folder, count: several.len() }),
    }
}

/// The components directly in a folder; nothing when it is none.
fn components(folder: &Path) -> Result<Option<Vec<PathBuf>>, FetchError> {
    let Some(entries) = files::entries(folder, MOST_ENTRIES)? else { return Ok(None) };
    let wasm = |path: &PathBuf| path.extension().is_some_and(|end| end == "wasm");
    Ok(Some(entries.into_iter().filter(wasm).collect()))
}

/// A whole file of at most so many bytes; nothing when there is none.
pub(crate) fn capped(path: &Path, most: usize) -> Result<Option<Vec<u8>>, FetchError> {
    files::read_capped(path, most as u64).map_err(|error| match error {
        FileError::TooLarge { path, .. } => FetchError::TooLarge { path, most },
        error => error.into(),
    })
}
