//! From a source folder to a finished component, without asking anything.
//!
//! ```text
//! Cargo.toml ──→ toolchain ──→ nested cargo ──→ core module ─┐
//! src/           (four ways)                                 ├─→ component with manifest ─→ checked
//! component.toml ← schemas that build.rs tells ──────────────┘
//! ```
//!
//! Used by the build scripts of this workspace and by `cara plugin build`:
//!
//! ```no_run
//! # fn main() -> Result<(), cara_sdk_build::Error> {
//! let built = cara_sdk_build::Builder::new("/path/to/workspace", "/path/to/workspace/target")
//!     .package("my-component")
//!     .build()?;
//! # Ok(()) }
//! ```
//!
//! It signs nothing; [`key`] only keeps the key that a checkout signs with.

mod arguments;
mod builder;
mod component;
mod environment;
mod error;
pub mod key;
mod nested;
mod toolchain;
mod tools;
mod workspace;

pub use arguments::ArgumentsError;
pub use builder::{Builder, Built, component_folders, target_folder};
pub use component::ComponentError;
pub use error::Error;
pub use toolchain::{Reason, Step, TOOLCHAIN_VARIABLE, Tried, UnknownWay, Way};
pub use tools::{RunError, Tools};

/// The one target components are built for: no WASI, so a component imports what its world names and nothing more.
pub const TARGET: &str = "wasm32-unknown-unknown";
