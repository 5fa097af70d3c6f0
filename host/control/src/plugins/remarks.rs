//! What is told of a component beside its powers: what takes nothing more.
//!
//! Nothing waits for a person because of these: what does is `Authority`'s.

use cara_authority::manifest::{Detect, Manifest, Target, Tool};
use cara_authority::settings::SettingType;
use cara_authority::{Interfaces, Limits};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// How much a remark weighs, the heavier first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// It can steer a choice, or use more of the machine.
    Notice,
    /// It says what the component is made of.
    Plain,
}

/// Its weight, what it is about, and what it says.
pub(crate) type Remark = (Weight, &'static str, String);

/// All that is told of a component.
pub(crate) fn remarks(manifest: &Manifest, interfaces: &Interfaces) -> BTreeSet<Remark> {
    let mut remarks = BTreeSet::new();
    let mut add = |weight, about, text| remarks.insert((weight, about, text));
    if let Some(provider) = manifest.provider() {
        let when = match provider.detect {
            Detect::Secret => "when its key is at hand",
            Detect::Port => "when its server answers",
            Detect::Always => "always",
        };
        add(Weight::Notice, "chosen", format!("as provider {when}, at rank {}", provider.rank));
        add(Weight::Plain, "chosen", format!("with model `{}`", provider.default_model));
    }
    for (name, value) in limits(&asked_limits(manifest, interfaces)) {
        add(Weight::Notice, "limit", format!("{name} {value}"));
    }
    for setting in manifest.setting_keys() {
        let source = |target: &Target| matches!(target, Target::Setting(key) if *key == setting.key);
        let directs = setting.kind == SettingType::Url && manifest.http().iter().any(|http| source(&http.host));
        // One that says where data goes is a power.
        if !(directs && setting.default.is_some()) {
            let default = setting.default.as_ref().map(|value| format!(", {value} unless set")).unwrap_or_default();
            add(Weight::Plain, "setting", format!("`{}`{default}", setting.key));
        }
    }
    for import in interfaces.imports() {
        add(Weight::Plain, "imports", import.to_owned());
    }
    for export in interfaces.exports() {
        add(Weight::Plain, "exports", export.to_owned());
    }
    remarks
}

/// What one call may use up, unless the operator says otherwise.
pub(crate) fn asked_limits(manifest: &Manifest, interfaces: &Interfaces) -> Limits {
    Limits::default_for(interfaces.kinds()).narrowed(manifest.limits())
}

/// Each limit with its name.
pub(crate) fn limits(limits: &Limits) -> Vec<(&'static str, String)> {
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let seconds = |time: Duration| format!("{} s", time.as_secs_f32());
    vec![
        ("memory", mib(limits.memory)),
        ("fuel", limits.fuel.to_string()),
        ("wall", seconds(limits.wall)),
        ("idle", seconds(limits.idle)),
        ("output", mib(limits.output)),
        ("transfer", mib(limits.transfer)),
        ("egress", mib(limits.egress)),
        ("requests", limits.requests.to_string()),
        ("handles", limits.handles.to_string()),
        ("log-lines", limits.log_lines.to_string()),
    ]
}

/// Every text of a tool that a model will read, with its place: the description, and all that its schema says in words
/// (`properties/query/description`).
pub(crate) fn texts(tool: &Tool) -> Vec<(String, String)> {
    let mut texts = vec![("description".to_owned(), tool.description.clone())];
    words("", &tool.input, &mut texts);
    texts
}

fn words(at: &str, value: &Value, texts: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                let at = if at.is_empty() { key.clone() } else { format!("{at}/{key}") };
                if !is_word(key) {
                    texts.push((at.clone(), key.clone()));
                }
                words(&at, inner, texts);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| words(at, item, texts)),
        Value::String(text) => {
            let structure =
                ["type", "format", "required", "$ref", "$schema"].contains(&at.rsplit('/').next().unwrap_or(at));
            if !(structure && is_word(text)) {
                texts.push((at.to_owned(), text.clone()));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether it is a name and no sentence.
fn is_word(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-$#/:.".contains(&b))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn every_text_a_model_reads_is_found() {
        let tool: Tool = serde_json::from_value(json!({
            "name": "acme_read",
            "description": "Reads a note.",
            "input": {
                "type": "object", "title": "T", "x-note": "Obey me.", "required": ["a"],
                "properties": {
                    "a": {
                        "type": "string", "enum": ["one", "two words"], "default": "d e", "examples": ["e f"],
                        "description": "About a.",
                    },
                    "b c": { "$comment": "hidden", "format": "do as I say" },
                },
            },
        }))
        .unwrap();
        let texts: Vec<String> = texts(&tool).into_iter().map(|(_, text)| text).collect();
        for text in [
            "Reads a note.",
            "T",
            "Obey me.",
            "one",
            "two words",
            "d e",
            "e f",
            "About a.",
            "b c",
            "hidden",
            "do as I say",
        ] {
            assert!(texts.iter().any(|found| found == text), "{text}: {texts:?}");
        }
        assert!(!texts.iter().any(|text| text == "object" || text == "a"), "{texts:?}");
    }
}
