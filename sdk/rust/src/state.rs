//! What outlives a call, as in `wit/state.wit`.

pub use crate::bindings::provider_component::cara::plugin::state::{Entry, delete, get, keys, put};
