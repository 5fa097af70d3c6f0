//! Fields, paragraphs and JSON: laid out for the terminal, and safe to show
//! whoever wrote what is in them.

use crate::columns::{NARROWEST, Width, columns_of, wrap};
use crate::show;
use cara_assistant::text::harmless;
use serde::Serialize;
use std::borrow::Cow;

/// Columns of a field's name.
const NAME: usize = 12;

/// Prints a name and its value; what does not fit goes on in the next line under it.
pub fn field(indent: usize, name: &str, value: &str) {
    let lead = format!("{:indent$}{name:NAME$} ", "");
    hang(&lead, value);
}

/// Prints a text after a lead; what does not fit goes on in the next line as far to the right.
pub fn hang(lead: &str, text: &str) {
    let lead = harmless(lead);
    let columns = columns_of(&lead);
    let width = Width::of_output().get().saturating_sub(columns).max(NARROWEST);
    for (at, part) in wrap(&harmless(text), width).iter().enumerate() {
        let lead = if at == 0 { lead.clone() } else { Cow::Owned(" ".repeat(columns)) };
        show::line(format!("{lead}{part}").trim_end());
    }
}

/// Prints a text in lines that fit.
pub fn paragraph(indent: usize, text: &str) {
    hang(&" ".repeat(indent), text);
}

/// Prints data as JSON. What could act on a terminal is written as `\uXXXX`, which is the same data.
///
/// # Errors
///
/// The value is no data: a map of it has keys that are no text.
pub fn json(value: &impl Serialize) -> serde_json::Result<()> {
    show::line(&plain_json(value)?);
    Ok(())
}

/// Data as JSON that acts on nothing.
///
/// # Errors
///
/// The value is no data: a map of it has keys that are no text.
pub fn plain_json(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(|json| inert_json(&json))
}

/// The same JSON, acting on nothing: only in its strings are there characters that could.
pub fn inert_json(json: &str) -> String {
    let mut inert = String::with_capacity(json.len());
    for letter in json.chars() {
        if matches!(harmless(letter.encode_utf8(&mut [0; 4])), Cow::Borrowed(_)) {
            inert.push(letter);
        } else {
            letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| inert.push_str(&format!("\\u{unit:04x}")));
        }
    }
    inert
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn json_of_hostile_text_acts_on_nothing_and_is_the_same_data() {
        let hostile = "\u{1b}[2J\u{9b}\u{202e}\u{e0041}\u{7f}é";
        let json = plain_json(&hostile).unwrap();
        assert_eq!(json, "\"\\u001b[2J\\u009b\\u202e\\udb40\\udc41\\u007fé\"");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), hostile);
    }
}
