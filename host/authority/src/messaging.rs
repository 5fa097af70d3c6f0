//! Where conversations take place and who speaks in them, by ids that never
//! change.
//!
//! Each address has one text, `channel:account:id`, in whose parts `%` and `:` are percent-encoded, so that no two addresses
//! have the same text. Names that people give themselves are no part of one: nothing is ever matched by them.

use std::fmt;

/// The most bytes of one part of an address.
const LONGEST: usize = 512;

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no address\nhint: write `channel:account:id`, such as `console:local:me`; `%3A` stands for a `:` in a part"
)]
pub struct BadAddress(String);

/// A conversation: a room, a group or a direct exchange on a channel, or a thread in one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationAddress {
    /// The channel: `console`.
    pub channel: String,
    /// The account of the channel, as the operator names it.
    pub account: String,
    /// The platform's immutable id of the room, group or person.
    pub conversation: String,
    /// The platform's id of the thread, where there is one.
    pub thread: Option<String>,
}

/// Somebody on a channel, by the platform's immutable id of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonAddress {
    /// The channel.
    pub channel: String,
    /// The account of the channel: some platforms give one id to two people in two workspaces.
    pub account: String,
    /// The platform's immutable id of the person.
    pub user: String,
}

fn encoded(part: &str) -> String {
    part.replace('%', "%25").replace(':', "%3A")
}

fn decoded(part: &str) -> Option<String> {
    let plain = part.replace("%3A", ":").replace("%25", "%");
    // One text for each address: what would be written otherwise is no text of one.
    let fits = (1..=LONGEST).contains(&plain.len()) && !plain.chars().any(char::is_control);
    (fits && encoded(&plain) == part).then_some(plain)
}

fn parts(text: &str) -> Option<Vec<String>> {
    text.split(':').map(decoded).collect()
}

impl ConversationAddress {
    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let mut parts = parts(text).unwrap_or_default().into_iter();
        let read = (parts.next(), parts.next(), parts.next(), parts.next(), parts.next());
        match read {
            (Some(channel), Some(account), Some(conversation), thread, None) => {
                Ok(Self { channel, account, conversation, thread })
            }
            _ => Err(BadAddress(crate::display_safe(text))),
        }
    }

    /// The whole conversation that a thread is in.
    #[must_use]
    pub fn without_thread(&self) -> Self {
        Self { thread: None, ..self.clone() }
    }
}

impl PersonAddress {
    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let parts = parts(text).and_then(|parts| <[String; 3]>::try_from(parts).ok());
        let [channel, account, user] = parts.ok_or_else(|| BadAddress(crate::display_safe(text)))?;
        Ok(Self { channel, account, user })
    }
}

impl fmt::Display for ConversationAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, account, conversation, thread } = self;
        write!(f, "{}:{}:{}", encoded(channel), encoded(account), encoded(conversation))?;
        thread.as_ref().map_or(Ok(()), |thread| write!(f, ":{}", encoded(thread)))
    }
}

impl fmt::Display for PersonAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", encoded(&self.channel), encoded(&self.account), encoded(&self.user))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_has_one_text_and_a_text_one_address() {
        for text in ["telegram:main:4711", "matrix:home:!room%3Aserver", "slack:work:C1:17.5", "a:b:100%25"] {
            assert_eq!(ConversationAddress::parse(text).unwrap().to_string(), text);
        }
        let person = PersonAddress::parse("matrix:home:@anna%3Aserver").unwrap();
        assert_eq!((person.user.as_str(), person.to_string().as_str()), ("@anna:server", "matrix:home:@anna%3Aserver"));
        for bad in ["", "a", "a:b", "a:b:", ":b:c", "a:b:c:", "a:b:c:d:e", "a:b:%3a", "a:b:%", "a:b:c\n"] {
            assert!(ConversationAddress::parse(bad).is_err(), "{bad:?}");
            assert!(PersonAddress::parse(bad).is_err(), "{bad:?}");
        }
        assert!(PersonAddress::parse("a:b:c:d").is_err());
    }

    #[test]
    fn no_part_can_be_read_as_two() {
        let thread = ConversationAddress::parse("a:b:c:d").unwrap();
        let room = ConversationAddress { conversation: "c:d".into(), thread: None, ..thread.clone() };
        assert_ne!(thread.to_string(), room.to_string());
        assert_eq!(thread.without_thread().to_string(), "a:b:c");
        let encoded = ConversationAddress { conversation: "c%3Ad".into(), ..room.clone() };
        assert_ne!(encoded.to_string(), room.to_string());
    }
}
