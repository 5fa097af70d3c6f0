//! The name of a model: which component, and which of its models.

use cara_authority::{ComponentId, display_safe};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use std::borrow::Cow;
use std::fmt;

/// `provider:model`, for example `local:llama3.2`. A model may itself contain colons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelName {
    /// The component that offers it.
    pub component: ComponentId,
    /// Its name there; `None` stands for the component's default.
    pub model: Option<String>,
}

/// A text that names no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` does not name a model\nhint: write `provider:model` or `provider`; `cara plugin list` shows the providers"
)]
pub struct BadModelName(String);

impl std::str::FromStr for ModelName {
    type Err = BadModelName;

    fn from_str(text: &str) -> Result<Self, BadModelName> {
        let bad = || BadModelName(display_safe(text));
        let (component, model) = match text.split_once(':') {
            Some((component, model)) => (component, Some(model)),
            None => (text, None),
        };
        let fits = |model: &str| {
            (1..=200).contains(&model.len()) && !model.chars().any(|c| c.is_control() || c.is_whitespace())
        };
        if model.is_some_and(|model| !fits(model)) {
            return Err(bad());
        }
        let component = ComponentId::parse(component).map_err(|_| bad())?;
        Ok(Self { component, model: model.map(str::to_owned) })
    }
}

impl<'de> Deserialize<'de> for ModelName {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        String::deserialize(text)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for ModelName {
    fn schema_name() -> Cow<'static, str> {
        "ModelName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`provider:model`, or `provider` for its default model.",
            "type": "string",
            "pattern": "^[a-z][a-z0-9-]{0,62}(:[^\\s]{1,200})?$",
        })
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.model {
            Some(model) => write!(f, "{}:{model}", self.component),
            None => self.component.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_model_may_contain_colons_and_slashes() {
        let name: ModelName = "local:library/llama3.2:3b".parse().unwrap();
        assert_eq!((name.component.as_str(), name.model.as_deref()), ("local", Some("library/llama3.2:3b")));
        assert_eq!("local".parse::<ModelName>().unwrap().model, None);
        for bad in ["", ":x", "A:x", "a:", "a:b c", "a:\u{1b}", "a/b"] {
            assert!(bad.parse::<ModelName>().is_err(), "{bad:?}");
        }
    }
}
