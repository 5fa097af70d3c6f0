//! The forms in which a value may stand in a message.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use std::collections::BTreeSet;

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
/// What JavaScript's `encodeURIComponent` leaves.
const COMPONENT: &AsciiSet = &QUERY.remove(b'!').remove(b'\'').remove(b'(').remove(b')').remove(b'*');

/// The value as part of a path.
pub(super) fn path(value: &[u8]) -> String {
    percent_encode(value, PATH).to_string()
}

/// The value as part of a query or of a form.
pub(super) fn query(value: &[u8]) -> String {
    percent_encode(value, QUERY).to_string()
}

/// The value inside a JSON string; `None` when it is not text.
pub(super) fn json(value: &[u8]) -> Option<String> {
    let quoted = serde_json::to_string(std::str::from_utf8(value).ok()?).ok()?;
    Some(quoted[1..quoted.len() - 1].to_owned())
}

/// The characters of base64 that depend on the value alone, when `before` bytes stand before it in the encoded text.
pub(super) fn base64(value: &[u8], before: usize, engine: &impl Engine) -> String {
    let padded: Vec<u8> = std::iter::repeat_n(0, before % 3).chain(value.iter().copied()).collect();
    let text = engine.encode(&padded);
    text[(before % 3 * 8).div_ceil(6)..padded.len() * 8 / 6].to_owned()
}

/// Every form that is looked for: as it is, base64 (both alphabets, each alignment), percent-encoded (as little as
/// possible, or every byte), in JSON.
pub(super) fn all(value: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::from([value.to_vec()]);
    for before in 0..3 {
        forms.insert(base64(value, before, &STANDARD_NO_PAD).into_bytes());
        forms.insert(base64(value, before, &URL_SAFE_NO_PAD).into_bytes());
    }
    for set in [PATH, QUERY, COMPONENT] {
        let encoded = percent_encode(value, set).to_string();
        forms.insert(lower_hex(&encoded).into_bytes());
        forms.insert(encoded.replace("%20", "+").into_bytes());
        forms.insert(encoded.into_bytes());
    }
    // What a server might do that escapes too much.
    let every: String = value.iter().map(|byte| format!("%{byte:02X}")).collect();
    forms.insert(lower_hex(&every).into_bytes());
    forms.insert(every.into_bytes());
    if let Some(escaped) = json(value) {
        forms.insert(escaped.replace('/', "\\/").into_bytes());
        forms.insert(escaped.into_bytes());
    }
    forms
}

/// The same percent-encoding with lower-case digits.
fn lower_hex(encoded: &str) -> String {
    let mut rest = 0_usize;
    let lower = |c: char| {
        rest = if c == '%' { 3 } else { rest };
        let digit = rest > 0;
        rest = rest.saturating_sub(1);
        if digit { c.to_ascii_lowercase() } else { c }
    };
    encoded.chars().map(lower).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn base64_is_found_wherever_the_value_stands_in_it() {
        let value = b"sk-live/3~secret?value";
        for before in 0..7 {
            for after in 0..4 {
                let text = STANDARD.encode([&vec![b'u'; before][..], value, &vec![b'z'; after]].concat());
                let found =
                    all(value).into_iter().any(|form| form != value && text.contains(&*String::from_utf8_lossy(&form)));
                assert!(found, "{before} before, {after} after");
            }
        }
    }

    #[test]
    fn escapes_have_their_own_forms() {
        let forms: Vec<String> =
            all(b"a/B \"c\"\\%x").iter().map(|form| String::from_utf8_lossy(form).into()).collect();
        for form in [
            "a/B \\\"c\\\"\\\\%x",
            "a\\/B \\\"c\\\"\\\\%x",
            "a%2FB%20%22c%22%5C%25x",
            "a%2fB%20%22c%22%5c%25x",
            "a%2FB+%22c%22%5C%25x",
        ] {
            assert!(forms.iter().any(|known| known == form), "{form}: {forms:?}");
        }
    }
}
