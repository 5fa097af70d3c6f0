//! Where a provider's answer goes, as in `wit/turn.wit`.

use crate::types::Refusal;
use crate::{Error, host};

pub use crate::bindings::provider_component::cara::plugin::turn::{Event, ToolFragment, ToolStart};

/// Hands events to the listener, in order, and returns when there is room for the next. What one read of the network
/// brought belongs into one call: each call crosses from the component to the host.
///
/// # Errors
/// `cancelled` when nobody listens, `limit` when the events would make the answer larger than it may be (1 MiB of text
/// in all; none of them is passed on): stop at once.
///
/// ```
/// use cara_sdk::testing::MockHost;
/// use cara_sdk::turn::{self, Event};
///
/// let mock = MockHost::new();
/// mock.run(|| turn::emit(&[Event::Text("hello".to_owned())])).unwrap();
/// assert_eq!(mock.events(), [Event::Text("hello".to_owned())]);
/// ```
pub fn emit(events: &[Event]) -> Result<(), Refusal> {
    host::turn::emit(events)
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

    /// Hands over what came together, in order. A sink that leaves the component does so in one crossing.
    ///
    /// # Errors
    /// As [`Sink::emit`].
    fn emit_all(&mut self, events: Vec<Event>) -> Result<(), Error> {
        events.into_iter().try_for_each(|event| self.emit(event))
    }

    /// Hands over more of the answer's text; nothing when there is none. A sink that gathers copies it to its place, so
    /// that a piece that is still in the network's buffer needs no allocation of its own.
    ///
    /// # Errors
    /// As [`Sink::emit`].
    fn text(&mut self, piece: &str) -> Result<(), Error> {
        if piece.is_empty() { Ok(()) } else { self.emit(Event::Text(piece.to_owned())) }
    }

    /// Hands over more of the model's reasoning, as [`Sink::text`] does text.
    ///
    /// # Errors
    /// As [`Sink::emit`].
    fn thinking(&mut self, piece: &str) -> Result<(), Error> {
        if piece.is_empty() { Ok(()) } else { self.emit(Event::Thinking(piece.to_owned())) }
    }
}

/// The turn of the call this component is in.
///
/// ```
/// use cara_sdk::testing::MockHost;
/// use cara_sdk::turn::{Event, Sink, Turn};
///
/// let mock = MockHost::new();
/// mock.run(|| Turn.emit(Event::Text("hello".to_owned()))).unwrap();
/// assert_eq!(mock.events().len(), 1);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Turn;

impl Sink for Turn {
    fn emit(&mut self, event: Event) -> Result<(), Error> {
        emit(&[event]).map_err(Error::from)
    }

    fn emit_all(&mut self, events: Vec<Event>) -> Result<(), Error> {
        emit(&events).map_err(Error::from)
    }
}

/// Events that came together. Pieces of text that follow each other become one: a listener sees no difference, and each
/// event costs on its way to it.
#[derive(Debug, Default)]
pub(crate) struct Gathered(pub(crate) Vec<Event>);

impl Sink for Gathered {
    fn emit(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Text(piece) => self.text(&piece),
            Event::Thinking(piece) => self.thinking(&piece),
            event => {
                self.0.push(event);
                Ok(())
            }
        }
    }

    fn text(&mut self, piece: &str) -> Result<(), Error> {
        match self.0.last_mut() {
            Some(Event::Text(text)) => text.push_str(piece),
            _ if piece.is_empty() => {}
            _ => self.0.push(Event::Text(piece.to_owned())),
        }
        Ok(())
    }

    fn thinking(&mut self, piece: &str) -> Result<(), Error> {
        match self.0.last_mut() {
            Some(Event::Thinking(text)) => text.push_str(piece),
            _ if piece.is_empty() => {}
            _ => self.0.push(Event::Thinking(piece.to_owned())),
        }
        Ok(())
    }
}

impl Sink for Vec<Event> {
    fn emit(&mut self, event: Event) -> Result<(), Error> {
        self.push(event);
        Ok(())
    }
}
