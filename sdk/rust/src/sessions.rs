//! Earlier conversations, as in `wit/sessions.wit`. Only for tools.

use crate::host;
use crate::types::Refusal;

pub use crate::bindings::tool_component::cara::plugin::sessions::{Line, Session};

/// The person's conversations, the last changed first, at most `most` (1 to 100).
///
/// # Errors
/// When `sessions` is not granted.
///
/// ```
/// use cara_sdk::sessions::{self, Session};
/// use cara_sdk::testing::MockHost;
///
/// let session =
///     Session { id: "s1".to_owned(), title: "Trip".to_owned(), began_ms: 1, changed_ms: 2, messages: 0 };
/// let mock = MockHost::new().session(session, Vec::new());
/// assert_eq!(mock.run(|| sessions::recent(10)).unwrap()[0].title, "Trip");
/// ```
pub fn recent(most: u32) -> Result<Vec<Session>, Refusal> {
    host::sessions::recent(most)
}

/// The messages of a conversation from place `first` (from 1) on, at most `most` (1 to 100) and 256 KiB of text.
///
/// # Errors
/// `invalid` when the person has no such conversation; when `sessions` is not granted.
///
/// ```
/// use cara_sdk::sessions::{self, Line, Session};
/// use cara_sdk::testing::MockHost;
/// use cara_sdk::types::Role;
///
/// let session =
///     Session { id: "s1".to_owned(), title: "Trip".to_owned(), began_ms: 1, changed_ms: 2, messages: 1 };
/// let line = Line { place: 1, role: Role::User, text: "To Oslo".to_owned(), at_ms: 1 };
/// let mock = MockHost::new().session(session, vec![line.clone()]);
/// assert_eq!(mock.run(|| sessions::read("s1", 1, 100)).unwrap(), [line]);
/// assert!(mock.run(|| sessions::read("s2", 1, 100)).is_err());
/// ```
pub fn read(id: &str, first: u32, most: u32) -> Result<Vec<Line>, Refusal> {
    host::sessions::read(id, first, most)
}
