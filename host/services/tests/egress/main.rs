//! The egress gate against hostile names, servers and components;
//! no real network.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod answers;
mod fixture;
mod limits;
mod secrets;
mod ssrf;
mod tls;
