//! Runs components: the only crate that knows wasmtime.
