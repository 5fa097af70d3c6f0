//! The values of a component's settings, each checked against its type.

use crate::id::SettingKey;
use crate::origin::parse_url;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The most bytes of a text: a setting may hold a small file, such as a script.
const TEXT_BYTES: usize = 256 * 1024;

/// What a setting may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SettingType {
    /// Any text of at most 256 KiB.
    String,
    /// A URL. The operator may leave scheme, host or port out: they are those of the default.
    Url,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
}

/// A value that does not fit its setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSetting {
    /// The manifest declares no such key.
    #[error("component `{component}` has no setting `{key}`\nhint: it has {known}")]
    Unknown {
        /// The component.
        component: String,
        /// What was set.
        key: String,
        /// What could be.
        known: String,
    },
    /// The value has another type.
    #[error("setting `{key}` must be {wanted}, not `{value}`")]
    Type {
        /// The setting.
        key: String,
        /// The setting's type, in words.
        wanted: &'static str,
        /// What was given.
        value: String,
    },
}

impl SettingType {
    /// Checks a value and brings it to its normal form.
    pub fn check(self, key: &SettingKey, value: &Value) -> Result<Value, BadSetting> {
        let fits = match (self, value) {
            (Self::String, Value::String(text)) => (text.len() <= TEXT_BYTES).then(|| value.clone()),
            (Self::Url, Value::String(text)) => parse_url(text).ok().map(|_| text.trim_end_matches('/').into()),
            (Self::Integer, Value::Number(number)) => (number.is_i64() || number.is_u64()).then(|| value.clone()),
            (Self::Number, Value::Number(_)) | (Self::Boolean, Value::Bool(_)) => Some(value.clone()),
            _ => None,
        };
        fits.ok_or_else(|| BadSetting::Type {
            key: key.to_string(),
            wanted: self.wanted(),
            value: value.to_string().chars().take(100).collect(),
        })
    }

    /// What fits, in words.
    pub fn wanted(self) -> &'static str {
        match self {
            Self::String => "a text of at most 256 KiB",
            Self::Url => "a URL such as `https://api.example.com/v1`",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "`true` or `false`",
        }
    }
}

/// A component's settings: what the manifest declares, with the operator's values over the defaults.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings(BTreeMap<SettingKey, Value>);

impl Settings {
    /// Puts checked values together; later ones win. Made by [`crate::Manifest::settings`].
    pub(crate) fn new(values: BTreeMap<SettingKey, Value>) -> Self {
        Self(values)
    }

    /// The value of a setting.
    pub fn get(&self, key: &str) -> Option<&Value> {
        SettingKey::parse(key).ok().and_then(|key| self.0.get(&key))
    }

    /// The text of a setting that holds one.
    pub fn text(&self, key: &SettingKey) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_text_is_as_long_as_a_small_file_and_no_longer() {
        let key = SettingKey::parse("script").unwrap();
        assert!(SettingType::String.check(&key, &"x".repeat(TEXT_BYTES).into()).is_ok());
        let error = SettingType::String.check(&key, &"x".repeat(TEXT_BYTES + 1).into()).unwrap_err().to_string();
        assert!(error.starts_with("setting `script` must be a text of at most 256 KiB, not `\"xxx"));
        assert!(error.len() < 200);
    }
}
