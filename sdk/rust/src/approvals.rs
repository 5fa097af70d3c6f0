//! Asking a person, as in `wit/approvals.wit`. Only for tools.

pub use crate::bindings::tool_component::cara::plugin::approvals::{Decision, Question, ask};
