//! The gate from outside, as whoever wants in sees it: pages, local processes,
//! guessers, holders of something old.
#![allow(clippy::unwrap_used)]

mod attempts;
mod bodies;
mod doors;
mod entry;
mod house;
mod pages;
mod proxies;
mod revocation;
