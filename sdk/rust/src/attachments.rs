//! What the person attached, as in `wit/attachments.wit`. Only for tools.

pub use crate::bindings::tool_component::cara::plugin::attachments::get;
