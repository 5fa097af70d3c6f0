//! Fetching, pushing and searching against hostile servers; no real network.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod files;
mod fixture;
mod index;
mod keyless;
mod logins;
mod manifests;
mod package;
mod push;
mod reference;
mod shelf;
mod signatures;
mod web;
