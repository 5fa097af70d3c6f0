//! `config.toml`: unknown keys are errors; secrets are never in it.

use anyhow::{Context, Result};
use cara_assistant::ModelName;
use cara_authority::ComponentId;
use cara_authority::limits::LimitsTable;
use cara_services::files;
use cara_services::vault::StoreChoice;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The largest configuration file, bytes.
const LARGEST: u64 = 1024 * 1024;

/// The operator's configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// `[chat]`
    pub(crate) chat: ChatConfig,
    /// `[vault]`
    pub(crate) vault: VaultConfig,
    /// `[component.<id>]`
    pub(crate) component: BTreeMap<ComponentId, ComponentConfig>,
}

/// Defaults of `cara chat`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ChatConfig {
    /// The model when `--model` is not given.
    #[serde(deserialize_with = "model")]
    pub(crate) model: Option<ModelName>,
    /// The operator's instructions to the model.
    pub(crate) system: Option<String>,
}

/// Where secrets are kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct VaultConfig {
    /// `auto`, `keystore`, `file` or `session`.
    pub(crate) store: StoreChoice,
}

/// What the operator sets for one component.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ComponentConfig {
    /// Its settings.
    pub(crate) settings: BTreeMap<String, Value>,
    /// Its limits, up or down.
    pub(crate) limits: LimitsTable,
}

fn model<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<ModelName>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

impl Config {
    /// Reads the file; one that does not exist is empty.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let Some(bytes) = files::read_capped(path, LARGEST)? else { return Ok(Self::default()) };
        let shown = path.display();
        let text = String::from_utf8(bytes).with_context(|| format!("`{shown}` is not UTF-8"))?;
        toml::from_str(&text).with_context(|| format!("`{shown}` cannot be used"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_key_is_read_and_an_unknown_one_is_an_error() {
        let text = r#"
            [chat]
            model = "local:llama3.2"
            system = "Be brief."
            [vault]
            store = "file"
            [component.local.settings]
            base-url = "http://127.0.0.1:11434"
            [component.local.limits]
            wall = "20m"
        "#;
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.chat.model.unwrap().to_string(), "local:llama3.2");
        assert_eq!(config.chat.system.as_deref(), Some("Be brief."));
        assert_eq!(config.vault.store, StoreChoice::File);
        let local = &config.component[&ComponentId::parse("local").unwrap()];
        assert!(local.settings.contains_key("base-url") && local.limits.wall.is_some());
        for bad in [
            "model = 1",
            "[chat]\nmodell = 'a:b'",
            "[chat]\nmodel = 'A b'",
            "[vault]\nstore = 'cloud'",
            "[component.X]",
        ] {
            assert!(toml::from_str::<Config>(bad).is_err(), "{bad}");
        }
    }
}
