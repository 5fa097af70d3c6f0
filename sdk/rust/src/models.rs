//! Asking a language model from inside a tool, as in `wit/models.wit`.

pub use crate::bindings::tool_component::cara::plugin::models::{Request, Response, complete};
