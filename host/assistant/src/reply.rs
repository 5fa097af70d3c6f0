//! The answer of a run as a message to those who read the conversation.

use crate::address::{Address, addresses};
use crate::outbound::MessageBody;
use crate::splitting::pieces;
use cara_authority::{ConversationAddress, Label, RunId};
use cara_records::{InboundId, NewOutbound};
use serde_json::json;
use unicode_normalization::UnicodeNormalization;

/// Who queues answers in the outbox.
const BY: &str = "run";

/// What a run answers: messages of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Where the answer goes.
    pub address: ConversationAddress,
    /// The messages, the first first.
    pub inbound: Vec<InboundId>,
    /// The platform's id of the last of them.
    pub to: Option<String>,
    /// The longest text of one message there, UTF-16 code units; of any length where nothing is said.
    pub text_units: Option<u32>,
}

impl Reply {
    /// The messages that go out. One run has one answer, whatever is tried again.
    pub(crate) fn messages(&self, run: &RunId, text: &str, label: &Label) -> Vec<NewOutbound> {
        let pieces = match self.text_units {
            Some(units) => pieces(text, units as usize),
            None => vec![text.to_owned()],
        };
        let message = |(number, text): (usize, String)| NewOutbound {
            address: self.address.clone(),
            by: BY.to_owned(),
            key: if number == 0 { run.to_string() } else { format!("{run}/{}", number + 1) },
            answers: self.inbound.last().cloned(),
            run: Some(run.clone()),
            body: json!(MessageBody { reply_to: self.to.clone().filter(|_| number == 0), ..MessageBody::text(text) }),
            label: label.clone(),
        };
        pieces.into_iter().enumerate().map(message).collect()
    }
}

/// The text with each word made harmless that has an address which `is_made` says was put together: whoever shows the message
/// follows no link in it, and asks no server for a preview. The rest stays as it is.
pub(crate) fn defanged(text: &str, is_made: impl Fn(&Address) -> bool) -> String {
    let has_made = |word: &str| {
        let (made, known): (Vec<Address>, Vec<Address>) = addresses(word).partition(&is_made);
        // A mark that ends a sentence is read as part of an address too.
        let is_known = |made: &Address| {
            let rest = |known: &Address| made.as_str().strip_prefix(known.as_str()).map(str::to_owned);
            known.iter().filter_map(rest).any(|rest| rest.chars().all(|mark| ".,;:!?)]}'|*_".contains(mark)))
        };
        !made.iter().all(is_known)
    };
    text.split_inclusive(char::is_whitespace)
        .map(|word| if has_made(word) { harmless(word) } else { word.to_owned() })
        .collect()
}

/// A word in which no program takes anything for an address, and a person still reads it. Letters that only look otherwise
/// are written as a keyboard gives them.
fn harmless(word: &str) -> String {
    let plain: String = word.nfkc().collect();
    plain.replace("://", "[:]//").replace('.', "[.]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_address_is_no_link_any_more_and_others_stay() {
        let made = |address: &Address| !matches!(address.as_str(), "https://good.example/x" | "https://good.example");
        for (text, clean) in [
            ("as https://good.example/x. Or (good.example).", "as https://good.example/x. Or (good.example)."),
            ("see https://evil.example/?q=secret\nnow", "see https[:]//evil[.]example/?q=secret\nnow"),
            ("[a](http://evil.example/x) b.", "[a](http[:]//evil[.]example/x) b."),
            ("![](https://evil.example/a.png)", "![](https[:]//evil[.]example/a[.]png)"),
            ("go to evil.example/x now", "go to evil[.]example/x now"),
            ("https://good.example/x and https://evil.example", "https://good.example/x and https[:]//evil[.]example"),
            ("HTTPS://EVIL.example/x", "HTTPS[:]//EVIL[.]example/x"),
            ("ｈｔｔｐｓ：／／ｅｖｉｌ．example", "https[:]//evil[.]example"),
            ("<https://evil.example>,https://evil.example", "<https[:]//evil[.]example>,https[:]//evil[.]example"),
        ] {
            let cleaned = defanged(text, made);
            assert_eq!(cleaned, clean);
            assert!(cleaned == text || !cleaned.contains("evil.") && !cleaned.contains("://evil"), "{cleaned}");
        }
        let plain = "No link:\n  a.b c\u{a0}d, 3.14";
        assert_eq!(defanged(plain, |_| false), plain);
    }
}
