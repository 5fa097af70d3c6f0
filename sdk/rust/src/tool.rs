//! Work a model can ask for, as in `wit/tool.wit`.

pub use crate::bindings::tool_component::exports::cara::plugin::tool::{Context, Guest as Tool};
pub use crate::types::Content;

/// Checks that a type is a tool, where no export is made.
#[doc(hidden)]
pub const fn check<T: Tool>() {}
