//! Files of text that are named on the command line.

use crate::error::told;
use anyhow::Result;
use cara_control::named_file;
use std::path::Path;

/// The text of a file that has at most so many bytes.
pub(crate) fn read(path: &Path, most: u64) -> Result<String> {
    named_file::text(path, most).map_err(told)
}
