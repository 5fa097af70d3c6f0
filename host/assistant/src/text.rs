//! Makes text from models and strangers safe to show on a terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character can act on a terminal or hide: control characters but line feed and tab, bidirectional
/// overrides, zero-width characters (the joiner that emoji need excepted).
fn acts(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{200d}' => false,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => true,
        '\u{e0000}'..='\u{e0fff}' => true,
        c => c.is_control(),
    }
}

/// The text with everything that acts written out as an escape.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) {
            let _ = write!(shown, "{}", c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// The text with everything that does not show, or shows as something else, written out: for what is
/// approved. A backslash stays as it is:
/// in JSON, `\u{` can only come from here.
pub fn exact(text: &str) -> String {
    let blank = |c: char| matches!(c, '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}');
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            c if blank(c) => shown.extend(c.escape_unicode()),
            c => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// A text in which secrets that are stored, or look like some, are replaced: for what is kept readable.
pub fn without_secrets(known: &cara_services::egress::KnownSecrets, text: &str) -> String {
    use crate::guards::output::{FindingAction, OutputCheck, Policy};
    let policy = Policy {
        secret: FindingAction::Mask,
        payment: FindingAction::Mask,
        identity: FindingAction::Off,
        contact: FindingAction::Off,
    };
    let mut check = OutputCheck::new(policy);
    let shown = check.push(&known.scrub_text(text));
    shown + &check.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_act_on_nothing_and_plain_text_is_untouched() {
        assert!(matches!(harmless("plain\n\tétude 👩\u{200d}🚀"), Cow::Borrowed(_)));
        assert_eq!(harmless("\u{1b}]0;x\u{7}\r\u{202e}"), "\\u{1b}]0;x\\u{7}\\r\\u{202e}");
        assert_eq!(harmless("\u{9b}2J\u{e0041}"), "\\u{9b}2J\\u{e0041}");
    }
}
