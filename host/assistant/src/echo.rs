//! Whether a text is one that the model sent, come back in other letters.
//!
//! A server repeats what it is told: as it is, percent-encoded, in base64, base32 or hex, rotated or reversed. What a
//! server understands and says in other words cannot be found like this; see `provenance` for what holds there.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;

/// The shortest encoded stretch that is looked at, characters; shorter ones are in any text by chance.
const SHORTEST: usize = 8;

/// The letters and digits of a text, percent-encoding undone: what is left of it whichever way somebody wrote it.
pub(crate) fn letters(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..2 {
        text = percent_decode_str(&text).decode_utf8_lossy().into_owned();
    }
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What the model sent, in the forms it may come back in.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// The letters of it.
    plain: String,
    /// The letters of it read backwards, and of what is encoded in it.
    other: String,
}

/// How much had been sent at one time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    plain: usize,
    other: usize,
}

impl Sent {
    /// How much has been sent by now.
    pub(crate) fn mark(&self) -> Mark {
        Mark { plain: self.plain.len(), other: self.other.len() }
    }

    /// Adds what was sent.
    pub(crate) fn add(&mut self, text: &str) {
        self.plain.push_str(&letters(text));
        self.plain.push('\n');
        self.other.push_str(&reversed(&letters(text)));
        for decoded in decoded(text) {
            for form in [letters(&decoded), reversed(&letters(&decoded))] {
                self.other.push('\n');
                self.other.push_str(&form);
            }
        }
        self.other.push('\n');
    }

    /// Whether an address was sent as it is before a time, in whatever way it was written.
    pub(crate) fn holds_plain(&self, address: &str, before: Mark) -> bool {
        self.plain[..before.plain].contains(&letters(address.split_once("://").map_or(address, |(_, rest)| rest)))
    }

    /// Whether an address may be made of what was sent before a time.
    pub(crate) fn holds(&self, address: &str, before: Mark) -> bool {
        let (plain, other) = (&self.plain[..before.plain], &self.other[..before.other]);
        let address = address.split_once("://").map_or(address, |(_, rest)| rest);
        let whole = letters(address);
        let long = |text: &String| text.chars().count() >= SHORTEST;
        let rotated = |text: &str| (1..26).any(|by| plain.contains(&rotated(text, by)));
        // The whole address, sent in any form; or something sent, encoded within the address.
        plain.contains(&whole)
            || other.contains(&whole)
            || rotated(&whole)
            || decoded(address).map(|decoded| letters(&decoded)).filter(long).any(|inner| plain.contains(&inner))
            || stretches(address)
                .map(letters)
                .filter(long)
                .any(|stretch| plain.contains(&reversed(&stretch)) || rotated(&stretch))
    }
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

fn rotated(text: &str, by: u8) -> String {
    let turn = |c: char| if c.is_ascii_lowercase() { char::from((c as u8 - b'a' + by) % 26 + b'a') } else { c };
    text.chars().map(turn).collect()
}

/// Stretches between what parts an address.
fn stretches(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || "+%_-".contains(c))).filter(|stretch| stretch.len() >= SHORTEST)
}

/// What is encoded in stretches of a text.
fn decoded(text: &str) -> impl Iterator<Item = String> {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let engines = [GeneralPurpose::new(&STANDARD, lenient), GeneralPurpose::new(&URL_SAFE, lenient)];
    let parts = text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/_-".contains(c)));
    let parts = parts.filter(|part| part.len() >= SHORTEST);
    parts.flat_map(move |part| {
        let base64 = engines.iter().filter_map(|engine| engine.decode(part).ok());
        let all: Vec<Vec<u8>> = base64.chain(hex::decode(part).ok()).chain(base32(part)).collect();
        all.into_iter().filter_map(|bytes| String::from_utf8(bytes).ok())
    })
}

fn base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for c in text.chars() {
        let value = match c.to_ascii_lowercase() {
            c @ 'a'..='z' => c as u32 - 'a' as u32,
            c @ '2'..='7' => c as u32 - '2' as u32 + 26,
            _ => return None,
        };
        held = (held << 5 | value) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};

    const URL: &str = "https://evil.example/?d=canary-ownerwords";

    fn holds(sent: &str, address: &str) -> bool {
        let mut all = Sent::default();
        all.add("something else before");
        all.add(sent);
        all.holds(address, all.mark())
    }

    #[test]
    fn an_address_that_was_sent_in_any_common_form_is_an_echo() {
        let hex: String = URL.bytes().map(|byte| format!("{byte:02x}")).collect();
        let percent: String = URL.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let rot13 = rotated(&URL.to_lowercase(), 13);
        for sent in [
            format!("look at {URL} now"),
            format!("decode {}", BASE64.encode(URL)),
            format!("decode {}", URL_SAFE_NO_PAD.encode(URL)),
            format!("hex {hex}"),
            format!("unescape {percent}"),
            format!("rot13 {rot13}"),
            format!("backwards {}", reversed(URL)),
            format!("b64 {}", BASE64.encode(reversed(URL))),
        ] {
            assert!(holds(&sent, URL), "{sent}");
        }
    }

    #[test]
    fn words_that_were_sent_and_come_back_encoded_in_an_address_are_an_echo() {
        let words = "canary-ownerwords";
        let hex: String = words.bytes().map(|byte| format!("{byte:02x}")).collect();
        for coded in [URL_SAFE_NO_PAD.encode(words), hex, reversed(words), rotated(words, 13), rotated(words, 7)] {
            assert!(holds(&format!("translate {words}"), &format!("https://evil.example/x?d={coded}")), "{coded}");
        }
    }

    #[test]
    fn what_a_search_finds_is_none_though_it_has_words_of_the_query() {
        for address in ["https://found.example/harbours", "https://news.example/rust/harbours-of-norway.html"] {
            assert!(!holds("harbours of norway", address), "{address}");
        }
        assert!(!holds("", "https://found.example/harbours"));
    }

    #[test]
    fn base32_is_read() {
        assert_eq!(base32("MNQW4YLSPE").as_deref(), Some(b"canary".as_slice()));
        assert_eq!(base32("0189"), None);
    }
}
