//! The vocabulary of the contract, as in `wit/types.wit`.

pub use crate::bindings::provider_component::cara::plugin::types::{
    Blob, Content, Error, ErrorKind, Message, Part, Refusal, Role, Thought, ToolCall, ToolDefinition, ToolResult, Usage,
};

impl Usage {
    /// Nothing counted yet.
    #[must_use]
    pub const fn zero() -> Self {
        Self { input: 0, output: 0, cache_read: 0, cache_write: 0 }
    }
}
