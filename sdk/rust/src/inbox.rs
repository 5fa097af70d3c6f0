//! Handing in what came on a channel, as in `wit/inbox.wit`.

use crate::host;
use crate::types::{Address, Refusal};

pub use crate::bindings::channel_component::cara::plugin::inbox::Inbound;

/// Hands in messages in their order, at most 100. When it returns, the platform may be told that they came.
///
/// # Errors
/// When they cannot be stored: then the platform may not be told.
///
/// ```
/// use cara_sdk::inbox::{self, Inbound};
/// use cara_sdk::testing::MockHost;
/// use cara_sdk::types::Content;
///
/// let content = vec![Content::Text("hello".to_owned())];
/// let message = Inbound { content, sent_ms: 7, ..Inbound::direct("42", "m-1", "u-1") };
/// let mock = MockHost::new();
/// mock.run(|| inbox::deliver(&[message.clone()])).unwrap();
/// assert_eq!(mock.delivered(), [message]);
/// ```
pub fn deliver(messages: &[Inbound]) -> Result<(), Refusal> {
    host::inbox::deliver(messages)
}

/// The example of [`deliver`] is a whole one.
impl Inbound {
    /// A message that somebody sent to the account alone; without content yet.
    #[must_use]
    pub fn direct(conversation: &str, message_id: &str, sender_id: &str) -> Self {
        Self {
            address: conversation_of(conversation, None),
            message_id: message_id.to_owned(),
            sender_id: sender_id.to_owned(),
            sender_name: None,
            group: false,
            mentioned: false,
            automated: false,
            quoted: false,
            content: Vec::new(),
            sent_ms: 0,
        }
    }
}

/// A conversation of the account that is called; the host fills in the rest.
///
/// ```
/// assert_eq!(cara_sdk::inbox::conversation_of("42", Some("7")).thread.as_deref(), Some("7"));
/// ```
#[must_use]
pub fn conversation_of(conversation: &str, thread: Option<&str>) -> Address {
    Address {
        channel: String::new(),
        account: String::new(),
        conversation: conversation.to_owned(),
        thread: thread.map(str::to_owned),
    }
}
