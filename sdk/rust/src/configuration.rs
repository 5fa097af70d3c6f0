//! How the assistant is set up, as in `wit/configuration.wit`. Only for tools.

pub use crate::bindings::tool_component::cara::plugin::configuration::read;
