//! Hostile guests: each attack earns its refusal or fault, and the host lives.
//!
//! The attacks are in `tests/guests/`; a text here is the golden one, word for word.

#![allow(clippy::unwrap_used)]

#[path = "hostile/amounts.rs"]
mod amounts;
#[path = "hostile/answers.rs"]
mod answers;
#[path = "hostile/compute.rs"]
mod compute;
#[path = "hostile/manifests.rs"]
mod manifests;
#[path = "hostile/reach.rs"]
mod reach;
#[path = "hostile/stores.rs"]
mod stores;
