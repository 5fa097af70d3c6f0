//! The `cara` binary.
fn main() {}
