//! Sending messages to channels, as in `wit/messaging.wit`. Only for tools.

use crate::host;
use crate::types::Refusal;

pub use crate::types::{Address, Outbound, Receipt};

/// Sends a message; needs an approval where the policy says so. The same idempotency key twice sends once.
///
/// # Errors
/// When `messaging` is not granted, a person said no, or the channel cannot send.
///
/// ```
/// use cara_sdk::messaging::{self, Address, Outbound};
/// use cara_sdk::testing::MockHost;
/// use cara_sdk::types::Content;
///
/// let to = Address {
///     channel: "chat".to_owned(),
///     account: "work".to_owned(),
///     conversation: "42".to_owned(),
///     thread: None,
/// };
/// let message = Outbound {
///     content: vec![Content::Text("hello".to_owned())],
///     reply_to: None,
///     idempotency_key: "one".to_owned(),
/// };
/// let mock = MockHost::new();
/// let first = mock.run(|| messaging::send(&to, &message)).unwrap();
/// assert_eq!(mock.run(|| messaging::send(&to, &message)).unwrap(), first);
/// assert_eq!(mock.messages().len(), 1);
/// ```
pub fn send(to: &Address, message: &Outbound) -> Result<Receipt, Refusal> {
    host::messaging::send(to, message)
}
