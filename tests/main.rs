//! Tests of the whole system, and of its rules.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, one that is skipped says so"
)]

mod assistant;
mod clients;
mod foreign;
mod gateway;
mod hostile;
mod memory;
mod people;
mod secrets;
mod sigstore;
mod tidy;
