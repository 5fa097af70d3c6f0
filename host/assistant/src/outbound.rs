//! The way of a message out to a channel.

use cara_authority::Refusal;
use cara_kernel::bindings::messaging::{Address, Outbound as Message, Receipt};

/// Sends messages to the channels there are.
#[async_trait::async_trait]
pub trait Outbound: Send + Sync {
    /// The channels, for checking the policy.
    fn channels(&self) -> Vec<String>;
    /// Sends. Whoever calls it keeps the receipt, and sends nothing twice.
    async fn send(&self, to: Address, message: Message) -> Result<Receipt, Refusal>;
}

/// An address as one text: `channel:account:conversation` and, where there is one, `:thread`. In each part `%` and `:`
/// are percent-encoded, so no two addresses have the same text.
pub fn address_text(address: &Address) -> String {
    let part = |part: &str| part.replace('%', "%25").replace(':', "%3A");
    let Address { channel, account, conversation, thread } = address;
    let parts = [Some(channel), Some(account), Some(conversation), thread.as_ref()];
    parts.into_iter().flatten().map(|text| part(text)).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_addresses_have_one_text() {
        let address = |channel: &str, account: &str, conversation: &str, thread: Option<&str>| Address {
            channel: channel.into(),
            account: account.into(),
            conversation: conversation.into(),
            thread: thread.map(str::to_owned),
        };
        let plain = address_text(&address("a", "b", "c:d", None));
        assert_eq!(plain, "a:b:c%3Ad");
        assert_ne!(plain, address_text(&address("a", "b", "c", Some("d"))));
        assert_ne!(address_text(&address("a", "b", "c%3Ad", None)), plain);
    }
}
