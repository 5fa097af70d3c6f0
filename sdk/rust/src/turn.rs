//! Where a provider's answer goes, as in `wit/turn.wit`.

use crate::Error;
pub use crate::bindings::provider_component::cara::plugin::turn::{Event, ToolFragment, ToolStart, emit};

/// What takes the pieces of an answer: the host's turn in a component, a `Vec` in a test.
pub trait Sink {
    /// Hands over one event and returns when there is room for the next.
    ///
    /// # Errors
    /// When nobody listens any more or the answer is too long: stop at once.
    fn emit(&mut self, event: Event) -> Result<(), Error>;
}

/// The turn of the call this component is in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turn;

impl Sink for Turn {
    fn emit(&mut self, event: Event) -> Result<(), Error> {
        emit(&event).map_err(Error::from)
    }
}

impl Sink for Vec<Event> {
    fn emit(&mut self, event: Event) -> Result<(), Error> {
        self.push(event);
        Ok(())
    }
}
