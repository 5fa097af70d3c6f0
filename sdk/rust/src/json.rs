//! Small types for reading a vendor's JSON in place.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Reads what a vendor sent, in place. Its UTF-8 is checked once for the whole, not string by string.
///
/// # Errors
/// `network` when it is not UTF-8, or does not fit `T`.
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct Answer<'a> {
///     model: &'a str,
/// }
/// let answer: Answer<'_> = cara_sdk::json::read(br#"{"model":"small"}"#)?;
/// assert_eq!(answer.model, "small");
/// # Ok::<(), cara_sdk::Error>(())
/// ```
pub fn read<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> Result<T, Error> {
    let unexpected =
        |why: &dyn std::fmt::Display| Error::network(format!("the answer is not the JSON expected: {why}"));
    let text = std::str::from_utf8(answer).map_err(|error| unexpected(&error))?;
    serde_json::from_str(text).map_err(|error| unexpected(&error))
}

/// A string that stays in the buffer it was read from unless it has escapes.
///
/// Needed because serde borrows into a `Cow` but not into an `Option<Cow>`.
///
/// ```
/// use cara_sdk::json::Text;
///
/// #[derive(serde::Deserialize)]
/// struct Answer<'a> {
///     #[serde(borrow)]
///     text: Option<Text<'a>>,
/// }
/// let answer: Answer<'_> = serde_json::from_str(r#"{"text":"hello"}"#).unwrap();
/// assert_eq!(&*answer.text.unwrap(), "hello");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl Text<'_> {
    /// The string as its own allocation.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_no_utf8_is_refused_wherever_it_stands() {
        let skipped = read::<serde::de::IgnoredAny>(b"{\"other\":\"\xff\"}").unwrap_err();
        assert!(skipped.message.contains("not the JSON expected: invalid utf-8"), "{}", skipped.message);
        let other = read::<u8>(b"\"text\"").unwrap_err();
        assert!(other.message.contains("not the JSON expected: invalid type"), "{}", other.message);
    }

    #[test]
    fn a_string_without_escapes_is_borrowed_also_inside_an_option() {
        let text: Option<Text<'_>> = serde_json::from_slice(b"\"plain\"").unwrap();
        assert!(matches!(text.unwrap().0, Cow::Borrowed("plain")));
        let text: Option<Text<'_>> = serde_json::from_slice(b"\"a\\nb\"").unwrap();
        assert_eq!(&*text.unwrap(), "a\nb");
    }
}
