//! The address of a conversation as one text, as the host writes it.

use cara_sdk::Error;
use cara_sdk::messaging::Address;

/// Reads `channel:account:conversation[:thread]`. Only `%25` and `%3A` are decoded and nothing else may be encoded, so
/// two texts are never one address: what was approved is what is sent to.
pub(crate) fn parse(text: &str) -> Result<Address, Error> {
    let bad = || {
        Error::bad_request(format!(
            "`{text}` is no address; write channel:account:conversation, and :thread where there is one, \
             with % as %25 and : as %3A inside a part"
        ))
    };
    let mut parts = Vec::new();
    for part in text.split(':') {
        parts.push(decoded(part).filter(|part| !part.is_empty()).ok_or_else(bad)?);
    }
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(channel), Some(account), Some(conversation), thread, None) => {
            Ok(Address { channel, account, conversation, thread })
        }
        _ => Err(bad()),
    }
}

fn decoded(part: &str) -> Option<String> {
    if part.chars().any(char::is_control) {
        return None;
    }
    let mut pieces = part.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (sign, rest) = match piece {
            _ if piece.starts_with("25") => ('%', &piece[2..]),
            _ if piece.starts_with("3A") => (':', &piece[2..]),
            _ => return None,
        };
        decoded.push(sign);
        decoded.push_str(rest);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// As `host/assistant` writes it.
    fn written(address: &Address) -> String {
        let part = |part: &String| part.replace('%', "%25").replace(':', "%3A");
        let parts =
            [Some(&address.channel), Some(&address.account), Some(&address.conversation), address.thread.as_ref()];
        parts.into_iter().flatten().map(part).collect::<Vec<_>>().join(":")
    }

    #[test]
    fn every_address_has_one_text_and_every_text_one_address() {
        for text in
            ["telegram:main:42", "matrix:home:!room%3Aexample.org:$thread", "a:b:100%25", "a:b:%253A", "a:b c:æ"]
        {
            assert_eq!(written(&parse(text).unwrap()), text);
        }
        let address = parse("matrix:home:!room%3Aexample.org").unwrap();
        assert_eq!((&*address.conversation, address.thread), ("!room:example.org", None));
    }

    #[test]
    fn a_text_that_could_be_read_in_two_ways_is_refused() {
        for text in
            ["", "a", "a:b", "a:b:", ":b:c", "a:b:c:", "a:b:c:d:e", "a:b:%3a", "a:b:%41", "a:b:%", "a:b:%2", "a:b:c\n"]
        {
            let error = parse(text).unwrap_err();
            assert!(error.message.contains("channel:account:conversation"), "{text}");
        }
    }
}
