//! A new component's project, and from the project to the component.
//!
//! ```text
//! kind, language, name ──→ project ──→ files: sources, manifest, tests, and below .cara/ the SDK
//!                                        │  written by whoever called
//! folder ──→ build ──→ Cargo.toml ───→ cara-sdk-build ──────────────────┐
//!                      package.json ─→ npm, componentize-js ─┐          ├─→ dist/NAME.wasm
//!                      pyproject.toml → pip, componentize-py ┴─ checked ┘
//! ```
//!
//! It knows the tools of three languages, and no component. It writes only below the folder it builds.

mod build;
mod embedded;
mod error;
mod name;
mod program;
mod project;
mod words;
mod world;

pub use build::{Built, build, build_in};
pub use error::BuildError;
pub use name::NameError;
pub use project::{File, project, refresh, write};
pub use words::{Kind, Language, UnknownWord};
