//! Accounts of channels as the operator and a component see them.
#![allow(clippy::unwrap_used)]
