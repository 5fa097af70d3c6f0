//! A no of the person: what was asked about is not done, and that is no fault.

/// Says that nothing was done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Declined(pub &'static str);
