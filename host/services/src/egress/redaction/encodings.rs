//! The forms in which a value may stand in a message.
//!
//! Escapes are not among them: [`super::escapes`] undoes those, in the message and in these forms.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What stays as it is in a path: `pchar` of RFC 3986 without `%`, so a Telegram token keeps its colon.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'@')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=');
/// What stays as it is in a query's value; also right in a form, where `+` would be a space.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The value as part of a path.
pub(in crate::egress) fn path(value: &[u8]) -> String {
    percent_encode(value, PATH).to_string()
}

/// The value as part of a query or of a form.
pub(in crate::egress) fn query(value: &[u8]) -> String {
    percent_encode(value, QUERY).to_string()
}

/// The characters of base64 that depend on the value alone, when `before` bytes stand before it in the encoded text.
fn base64(value: &[u8], before: usize, engine: &impl Engine) -> Vec<u8> {
    let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(value.iter().copied()).collect();
    let text = engine.encode(&padded);
    text[(before * 8).div_ceil(6)..padded.len() * 8 / 6].into()
}

/// Every form that is looked for: as it is, with `+` for spaces (as forms write them), base64 in both alphabets and at
/// each alignment, hexadecimal.
pub(in crate::egress) fn all(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let spaced = value.iter().map(|byte| if *byte == b' ' { b'+' } else { *byte }).collect();
    let base64 =
        (0..3).flat_map(|before| [base64(value, before, &STANDARD_NO_PAD), base64(value, before, &URL_SAFE_NO_PAD)]);
    let digits = [hex::encode(value).into(), hex::encode_upper(value).into()];
    [value.to_vec(), spaced].into_iter().chain(base64.collect::<Vec<_>>()).chain(digits)
}
