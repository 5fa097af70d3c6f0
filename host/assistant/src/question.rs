//! What a person is shown first of a request: what leaves, and whereto.

use crate::event::Asked;
use serde_json::Value;

impl Asked {
    /// What the call would send or change, the most telling first: where it goes, then its texts, the longest first,
    /// then the rest. Each with the name of its argument.
    pub fn leaving(&self) -> Vec<(String, String)> {
        let destinations = self.destinations.iter().map(|to| ("to".to_owned(), with_punycode(to)));
        let arguments: Value = serde_json::from_str(&self.arguments).unwrap_or_else(|_| self.arguments.clone().into());
        let fields = match arguments {
            Value::Object(fields) => fields.into_iter().collect(),
            other => vec![("with".to_owned(), other)],
        };
        let is_destination =
            |value: &Value| value.as_str().is_some_and(|text| self.destinations.iter().any(|known| known == text));
        let mut rest: Vec<(bool, String, String)> = fields
            .into_iter()
            .filter(|(_, value)| !is_destination(value))
            .map(|(name, value)| match value {
                Value::String(text) => (true, name, text),
                other => (false, name, other.to_string()),
            })
            .collect();
        rest.sort_by_key(|(is_text, _, value)| (!is_text, std::cmp::Reverse(value.len())));
        destinations.chain(rest.into_iter().map(|(_, name, value)| (name, value))).collect()
    }
}

/// A URL as it is, and its host in ASCII where it is written in other letters, which may look like those of another.
fn with_punycode(to: &str) -> String {
    let host = url::Url::parse(to).ok().and_then(|url| url.host_str().map(str::to_owned));
    match host.filter(|host| !to.to_lowercase().contains(&host.to_lowercase())) {
        Some(host) => format!("{to} (host {host})"),
        None => to.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn asked(destinations: &[&str], arguments: &str) -> Vec<(String, String)> {
        let asked = serde_json::json!({
            "id": "a", "component": "c", "digest": "", "tool": "t", "arguments": arguments, "destinations": destinations,
            "session": "s", "seen": "none", "why": [], "always": null, "deadline_ms": 0,
        });
        serde_json::from_value::<Asked>(asked).unwrap().leaving()
    }

    #[test]
    fn what_leaves_comes_first_whatever_the_arguments_are_called() {
        let long = "the whole diary ".repeat(9);
        let arguments = serde_json::json!({ "a": 1, "z": long, "note": "hi", "to": "mail:me:boss" }).to_string();
        let shown = asked(&["mail:me:boss"], &arguments);
        let names: Vec<&str> = shown.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["to", "z", "note", "a"]);
        assert_eq!(shown[1].1, long);
    }

    #[test]
    fn a_host_in_other_letters_is_shown_in_ascii_as_well() {
        let shown = asked(&["https://аррӏе.example/x"], "{}");
        assert_eq!(shown[0].1, "https://аррӏе.example/x (host xn--80ak6aa92e.example)");
        assert_eq!(asked(&["https://Apple.example/x"], "{}")[0].1, "https://Apple.example/x");
    }
}
