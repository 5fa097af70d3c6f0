//! Files of text that are named on the command line.

use anyhow::{Context, Result, anyhow};
use cara_services::files;
use std::path::Path;

/// The text of a file that has at most so many bytes.
pub(crate) fn read(path: &Path, most: u64) -> Result<String> {
    let shown = path.display();
    let missing = || {
        let here = std::env::current_dir().unwrap_or_default();
        anyhow!("`{shown}` does not exist\nhint: name a file as it is found from `{}`", here.display())
    };
    let bytes = files::read_capped(path, most)?.ok_or_else(missing)?;
    String::from_utf8(bytes).with_context(|| format!("`{shown}` is not UTF-8"))
}
