//! What people who write components try them with: a network in memory, the
//! real sandbox, a conformance kit, and scripted tests.

pub mod conformance;
pub mod script;
mod subject;
pub mod testnet;

pub use subject::Subject;
