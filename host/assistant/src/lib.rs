//! Conversations and their turns over the kernel.
//!
//! It must not know a vendor, a terminal or a socket: a turn goes to a component, its events come back as values.

pub mod conversation;
pub mod event;
pub mod model;
pub mod text;

pub use conversation::{Conversation, Provider};
pub use event::{Ending, Failure, TurnEvent};
pub use model::ModelName;
