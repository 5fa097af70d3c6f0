//! Where a provider's answer goes, as in `wit/turn.wit`.

use crate::types::Refusal;
use crate::{Error, host};

pub use crate::bindings::provider_component::cara::plugin::turn::{Event, ToolFragment, ToolStart};

/// Hands one event to the listener and returns when there is room for the next.
///
/// # Errors
/// `cancelled` when nobody listens, `limit` when the answer is over its size (1 MiB of text in all): stop at once.
///
/// ```
/// use cara_sdk::testing::World;
/// use cara_sdk::turn::{self, Event};
///
/// let world = World::new();
/// world.run(|| turn::emit(&Event::Text("hello".to_owned()))).unwrap();
/// assert_eq!(world.events(), [Event::Text("hello".to_owned())]);
/// ```
pub fn emit(event: &Event) -> Result<(), Refusal> {
    host::turn::emit(event)
}

/// What takes the pieces of an answer: the host's turn in a component, a `Vec` in a test.
///
/// ```
/// use cara_sdk::turn::{Event, Sink};
///
/// fn greet(sink: &mut dyn Sink) -> Result<(), cara_sdk::Error> {
///     sink.emit(Event::Text("hello".to_owned()))
/// }
/// let mut events = Vec::new();
/// greet(&mut events).unwrap();
/// assert_eq!(events.len(), 1);
/// ```
pub trait Sink {
    /// Hands over one event and returns when there is room for the next.
    ///
    /// # Errors
    /// When nobody listens any more or the answer is too long: stop at once.
    fn emit(&mut self, event: Event) -> Result<(), Error>;
}

/// The turn of the call this component is in.
///
/// ```
/// use cara_sdk::testing::World;
/// use cara_sdk::turn::{Event, Sink, Turn};
///
/// let world = World::new();
/// world.run(|| Turn.emit(Event::Text("hello".to_owned()))).unwrap();
/// assert_eq!(world.events().len(), 1);
/// ```
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
