//! Text from outside, made safe to show and short.

/// Escapes control characters and cuts at 120 characters, so that no error text can forge a line.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(120).flat_map(char::escape_default).collect();
    if text.chars().nth(120).is_some() {
        shown.push('…');
    }
    shown
}
