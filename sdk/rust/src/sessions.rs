//! Earlier conversations, as in `wit/sessions.wit`. Only for tools.

pub use crate::bindings::tool_component::cara::plugin::sessions::{Line, Session, read, recent};
