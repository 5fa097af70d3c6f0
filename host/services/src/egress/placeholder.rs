//! What a placeholder looks like, plain and in disguise,
//! and how an old one is told from a made-up one.
//!
//! `cara-secret-` and 32 hexadecimal digits: a random number of 64 bits and a seal over it. The seal is no protection of
//! the value (a placeholder buys nothing outside its call); it tells a placeholder that a component saved from an earlier
//! call, which is an error to name, from a look-alike that somebody wrote into a chat to make its requests fail.

use super::forms;
use super::needles::Needles;
use base64::Engine;
use base64::engine::general_purpose::{NO_PAD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::percent_decode;
use sha2::Sha256;
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use subtle::ConstantTimeEq;

/// How every placeholder begins.
pub(super) const PREFIX: &str = "cara-secret-";
/// How long every placeholder is.
pub(super) const LENGTH: usize = PREFIX.len() + 32;

/// The key under which this process seals its placeholders.
pub(super) struct Seal([u8; 32]);

impl Seal {
    /// A new key.
    pub(super) fn new() -> Self {
        Self(random())
    }

    /// A new placeholder.
    pub(super) fn placeholder(&self) -> String {
        let number: [u8; 8] = random();
        format!("{PREFIX}{}{}", hex::encode(number), hex::encode(self.tag(&number)))
    }

    /// Whether this process made that placeholder at some time.
    pub(super) fn made(&self, placeholder: &[u8]) -> bool {
        let digits = placeholder.get(PREFIX.len()..LENGTH).and_then(|digits| hex::decode(digits).ok());
        digits.is_some_and(|bytes| bytes[8..].ct_eq(&self.tag(&bytes[..8])).into())
    }

    fn tag(&self, number: &[u8]) -> [u8; 8] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(number);
        let tag = mac.finalize().into_bytes();
        tag[..8].try_into().expect("SHA-256 has 32 bytes")
    }
}

/// A text without placeholders, for what outlives the call: there they mean nothing, and would be refused as stale.
pub fn without_placeholders(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(PREFIX) {
        let (before, found) = rest.split_at(at);
        let whole = found.get(PREFIX.len()..LENGTH).is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let (shown, length) = if whole { ("[secret]", LENGTH) } else { (PREFIX, PREFIX.len()) };
        clean.push_str(before);
        clean.push_str(shown);
        rest = &found[length..];
    }
    if clean.is_empty() && rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    bytes
}

/// How the beginning of a placeholder is written.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    Base64 { before: usize },
    Hex,
    Percent,
}

struct Table {
    forms: Vec<Form>,
    needles: Arc<Needles>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut rows = vec![(Form::Plain, PREFIX.to_owned())];
    for before in 0..3 {
        let standard = forms::base64(PREFIX.as_bytes(), before, &STANDARD_NO_PAD);
        let url_safe = forms::base64(PREFIX.as_bytes(), before, &URL_SAFE_NO_PAD);
        rows.extend([standard, url_safe].map(|text| (Form::Base64 { before }, text)));
    }
    rows.extend([hex::encode(PREFIX), hex::encode_upper(PREFIX)].map(|text| (Form::Hex, text)));
    let percent: String = PREFIX.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let dashes = PREFIX.replace('-', "%2D");
    rows.extend(
        [percent.replace("2D", "2d"), percent, dashes.replace("2D", "2d"), dashes].map(|text| (Form::Percent, text)),
    );
    let (forms, texts): (Vec<_>, Vec<_>) = rows.into_iter().map(|(form, text)| (form, text.into_bytes())).unzip();
    Table { forms, needles: Arc::new(Needles::new(&texts)) }
});

/// What to look for in a request.
pub(super) fn needles() -> Arc<Needles> {
    Arc::clone(&TABLE.needles)
}

/// What a match of [`needles`] turned out to be.
pub(super) enum Revealed<'a> {
    /// So many bytes are needed to say.
    More(usize),
    /// A whole placeholder, as it should be.
    Plain(&'a [u8]),
    /// The beginning without digits after it.
    Torn,
    /// Something encoded: what follows the first byte of what may be a placeholder, at least 39 bytes.
    Encoded(Vec<u8>),
    /// Encoded, but not a placeholder.
    Other,
}

/// Looks at what follows a match.
pub(super) fn reveal(needle: usize, bytes: &[u8], last: bool) -> Revealed<'_> {
    let form = TABLE.forms[needle];
    let needed = match form {
        Form::Plain => LENGTH,
        // So that with the characters before it, whole groups of four are decoded.
        Form::Base64 { before: 0 } => 56,
        Form::Base64 { before: 1 } => 54,
        Form::Base64 { .. } => 53,
        Form::Hex => 2 * LENGTH,
        Form::Percent => 3 * LENGTH,
    };
    let shown = &bytes[..needed.min(bytes.len())];
    if shown.len() < needed && !last {
        return Revealed::More(needed);
    }
    let decoded = match form {
        Form::Plain => {
            let digits = |text: &[u8]| text.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b));
            let whole = shown.len() == LENGTH && digits(&shown[PREFIX.len()..]);
            return if whole { Revealed::Plain(shown) } else { Revealed::Torn };
        }
        Form::Base64 { before } => from_base64(shown, before),
        Form::Hex => hex::decode(shown).ok().map(|bytes| bytes[1..].to_vec()),
        Form::Percent => percent_decode(shown).skip(1).take(LENGTH - 1).collect::<Vec<u8>>().into(),
    };
    decoded.filter(|decoded| decoded.len() >= 39).map_or(Revealed::Other, Revealed::Encoded)
}

/// Decodes either alphabet; gives what follows the first byte, of which other bytes may hold a part.
fn from_base64(text: &[u8], before: usize) -> Option<Vec<u8>> {
    let standard = |&byte: &u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    };
    let skipped = (before * 8).div_ceil(6);
    let text: Vec<u8> = std::iter::repeat_n(b'A', skipped).chain(text.iter().map(standard)).collect();
    let engine =
        base64::engine::GeneralPurpose::new(&base64::alphabet::STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));
    engine.decode(text).ok().map(|bytes| bytes[before + 1..].to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_outlives_a_call_has_no_placeholder() {
        let (one, two) = (Seal::new().placeholder(), Seal::new().placeholder());
        let text = format!("a {one}, b {two}{one}, c cara-secret-, d cara-secret-zz, é");
        let clean = "a [secret], b [secret][secret], c cara-secret-, d cara-secret-zz, é";
        assert_eq!(without_placeholders(&text), clean);
        assert!(matches!(without_placeholders("nothing"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_placeholder_is_header_and_url_safe_and_new_each_time() {
        let seal = Seal::new();
        let (one, two) = (seal.placeholder(), seal.placeholder());
        assert!(one != two && one.len() == LENGTH && one.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    }

    #[test]
    fn only_the_process_that_made_a_placeholder_knows_it() {
        let seal = Seal::new();
        let placeholder = seal.placeholder();
        assert!(seal.made(placeholder.as_bytes()));
        assert!(!Seal::new().made(placeholder.as_bytes()));
        assert!(!seal.made(format!("{PREFIX}{}", "0".repeat(32)).as_bytes()) && !seal.made(b""));
    }
}
