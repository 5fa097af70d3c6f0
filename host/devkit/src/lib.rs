//! What people who write components try them with: a network in memory, the
//! real sandbox, a conformance kit, scripted tests, and the project itself.

pub mod conformance;
mod error;
pub mod project;
pub mod script;
mod subject;
pub mod testnet;

pub use error::DevkitError;
pub use subject::Subject;
