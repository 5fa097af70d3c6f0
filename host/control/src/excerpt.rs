//! Foreign text in sentences of our own.

/// A name that somebody else chose, escaped and cut.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
}
