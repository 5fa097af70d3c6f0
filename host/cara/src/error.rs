//! A failure of a use case as the program's own.

use cara_control::{Error, ErrorKind};
use std::fmt;

/// The failure with its cure, which stands in its text.
pub(crate) fn told(error: Error) -> anyhow::Error {
    anyhow::Error::new(Failed(error))
}

/// The kind of a use case's failure, if it is one.
pub(crate) fn kind(error: &anyhow::Error) -> Option<ErrorKind> {
    error.downcast_ref::<Failed>().map(|failed| failed.0.kind)
}

/// A failure of a use case.
#[derive(Debug)]
struct Failed(Error);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failed {}
