//! Hostile guests: each attack earns its refusal or fault, and the host lives.
//!
//! The attacks are in `tests/guests/`; a text here is the golden one, word for word.

#![allow(clippy::unwrap_used)]

mod amounts;
mod answers;
pub(crate) mod bodies;
mod channels;
mod compute;
mod loads;
mod manifests;
mod places;
mod reach;
mod stores;
