//! Signing as its users meet it: what is accepted or refused, in which words.

#[path = "support/instance.rs"]
mod instance;
mod keyless;
mod keyless_signing;
mod logged;
mod refusals;
mod support;
mod tamper;
mod trust_store;
mod vectors;
