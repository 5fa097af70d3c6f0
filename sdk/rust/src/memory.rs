//! What is known of the person, as in `wit/memory.wit`. Only for tools.

pub use crate::bindings::tool_component::cara::plugin::memory::{Entry, delete, keys, read, search, write};
