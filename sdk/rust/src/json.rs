//! Small types for reading a vendor's JSON in place.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

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
    fn a_string_without_escapes_is_borrowed_also_inside_an_option() {
        let text: Option<Text<'_>> = serde_json::from_slice(b"\"plain\"").unwrap();
        assert!(matches!(text.unwrap().0, Cow::Borrowed("plain")));
        let text: Option<Text<'_>> = serde_json::from_slice(b"\"a\\nb\"").unwrap();
        assert_eq!(&*text.unwrap(), "a\nb");
    }
}
