//! From a source folder to a component: the real toolchain, and staged ones.

mod component;
mod support;
#[cfg(unix)]
mod toolchain;
