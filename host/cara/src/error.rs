//! A failure of a use case as the program's own.

/// The failure with its cure, which stands in its text.
pub(crate) fn told(error: cara_control::Error) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}
