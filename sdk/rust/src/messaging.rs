//! Sending messages to channels, as in `wit/messaging.wit`. Only for tools.

pub use crate::bindings::tool_component::cara::plugin::messaging::{
    Address, Inbound, Outbound, Receipt, deliver, send,
};
