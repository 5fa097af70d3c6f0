//! The vocabulary of the contract, as in `wit/types.wit`.
//!
//! ```
//! use cara_sdk::types::{Message, Part, Role};
//!
//! let message = Message { role: Role::User, parts: vec![Part::Text("hello".to_owned())] };
//! assert_eq!(message.parts.len(), 1);
//! ```

pub use crate::bindings::provider_component::cara::plugin::types::{
    Address, Blob, CachePoint, Content, Detail, Error, ErrorKind, Image, Message, Outbound, Part, Receipt, Refusal,
    Role, Thought, ToolCall, ToolDefinition, ToolResult, Usage,
};

/// ```
/// use cara_sdk::types::Usage;
///
/// assert_eq!(Usage { input: 3, ..Usage::zero() }.output, 0);
/// ```
impl Usage {
    /// Nothing counted yet.
    #[must_use]
    pub const fn zero() -> Self {
        Self { input: 0, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 }
    }
}

/// ```
/// use cara_sdk::types::{Blob, Image};
///
/// let blob = Blob { media_type: "image/png".to_owned(), name: None, data: Vec::new() };
/// assert_eq!(Image::from(blob).detail, None);
/// ```
impl From<Blob> for Image {
    /// Looked at as closely as the vendor likes.
    fn from(blob: Blob) -> Self {
        Self { blob, detail: None }
    }
}
