//! `ComponentId`: the name a component is known by.

crate::names! {
    cfg_attr(feature = "schema", derive(schemars::JsonSchema));

    /// A component's name: `[a-z][a-z0-9-]{0,62}`, safe as a file name and in a shell.
    ComponentId = "component id", "an id is a lower-case letter, then up to 62 of `a-z`, `0-9` and `-`",
        |text| (1..=63).contains(&text.len()) && starts_an_id(text);
}

impl ComponentId {
    /// Whether the host keeps this id for itself: `cara` and all that begins with `cara-`.
    pub fn is_reserved(&self) -> bool {
        self.0 == "cara" || self.0.starts_with("cara-")
    }
}

/// Whether some component id can start with `text`.
pub(crate) fn starts_an_id(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_none_or(|first| first.is_ascii_lowercase())
        && bytes.all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_id_is_a_letter_then_letters_digits_and_dashes() {
        for text in ["a", "openai", "acme-mail-2", &"a".repeat(63)] {
            assert_eq!(text.parse::<ComponentId>().unwrap().as_str(), text);
        }
        let long = "a".repeat(64);
        for text in ["", "1a", "-a", "A", "a_b", "a.b", "a/b", "a b", "ä", "a\n", "../a", &long] {
            assert!(text.parse::<ComponentId>().is_err(), "{text}");
        }
    }
}
