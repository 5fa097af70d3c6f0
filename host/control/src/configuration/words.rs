//! What is wrong with a configuration, in words of people: where it stands,
//! what a key takes, and what it might say.

use super::keys;
use crate::error::{Error, error};

/// Why a text cannot be used; `shown` names it.
pub(crate) fn unusable(error: &toml::de::Error, text: &str, shown: &str) -> Error {
    let (line, why) = (line(error, text), plain(error.message()));
    let cure = own_cure(error).unwrap_or("`cara config edit` opens the file");
    error!(Invalid, "{shown}:{line}: {why}\nhint: {cure}")
}

/// The cure that the type of a value knows.
pub(crate) fn own_cure(error: &toml::de::Error) -> Option<&str> {
    error.message().split_once("\nhint: ").map(|(_, cure)| cure.trim())
}

/// The line at which an error stands.
pub(crate) fn line(error: &toml::de::Error, text: &str) -> usize {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    before.matches('\n').count() + 1
}

/// What the readers of TOML say, without words of the language that this is written in.
pub(crate) fn plain(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default().trim();
    if let Some((found, expected)) = wrong(message) {
        return format!("{} is not {}", found_words(found), expected_words(expected));
    }
    if message.contains("untagged enum") {
        return "the value is neither a number nor a text that says one, like `\"64MiB\"`".to_owned();
    }
    message.replace("unknown field", "unknown key").replace("missing field", "missing key").replace("variant", "value")
}

/// What was found, and what was expected.
fn wrong(message: &str) -> Option<(&str, &str)> {
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))?;
    rest.rsplit_once(", expected ")
}

fn found_words(found: &str) -> String {
    match found {
        "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        found => {
            let kinds = ["string ", "integer ", "floating point ", "boolean "];
            let value = kinds.iter().find_map(|kind| found.strip_prefix(kind)).unwrap_or(found);
            format!("`{}`", value.trim_matches(['`', '"']))
        }
    }
}

fn expected_words(expected: &str) -> String {
    match expected {
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" | "usize" => "a whole number of 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a string" | "str" | "string" => "a text".to_owned(),
        "a sequence" => "a list, as in `[\"one\", \"two\"]`".to_owned(),
        "a map" => "a table".to_owned(),
        structure if structure.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}

/// The cure of a value that a key does not take.
pub(crate) fn cure(path: &[String], key: &str) -> String {
    match keys::takes(path) {
        Some((what, example)) => format!("it takes {what}, as in `cara config set {key} {example}`"),
        None => "`cara config edit` opens the file".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::configuration::Config;

    #[test]
    fn what_is_wrong_is_said_without_words_of_rust() {
        for (text, told) in [
            ("[run]\nturns = -1", "f:2: `-1` is not a whole number from 0 to 4294967295"),
            ("[run]\nturns = \"x\"", "f:2: `x` is not a whole number from 0 to 4294967295"),
            ("[policy]\nprivate-destinations = \"x\"", "f:2: `x` is not a list, as in `[\"one\", \"two\"]`"),
            ("[guards]\ninjection = 1", "f:2: `1` is not `true` or `false`"),
            ("[chat]\nsystem = []", "f:2: a list is not a text"),
            ("\n\n[run]\nturn = 1", "f:4: unknown key `turn`, expected one of"),
            ("run = 3", "f:1: `3` is not a table"),
        ] {
            let error = Config::parse(text, "f").unwrap_err();
            assert!(error.message.starts_with(told), "{}", error.message);
            assert!(error.hint.unwrap().contains("cara config edit"));
        }
    }

    #[test]
    fn every_key_that_is_set_by_a_command_has_an_example_that_it_takes() {
        for key in keys::keys() {
            let key = key.replace('*', "openai");
            let path: Vec<String> = key.split('.').map(str::to_owned).collect();
            let Some((_, example)) = keys::takes(&path) else { continue };
            let typed = example.trim_matches('\'');
            crate::configuration::document::set("", "f", &path, typed)
                .unwrap_or_else(|error| panic!("{key} {example}: {error}"));
        }
        assert!(keys::takes(&["policy".into(), "rule".into()]).is_none());
        assert!(keys::takes(&["run".into(), "turns".into()]).unwrap().0.contains("a whole number from 1"));
    }
}
