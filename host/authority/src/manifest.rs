//! The signed manifest of a component, parsed and checked.
//!
//! One definition drives the grant prompt, validation, policy and the documentation. Unknown keys are errors.

use crate::id::{BadName, ComponentId, SecretName, SettingKey, ToolName, VariableName};
use crate::kind::{CONTRACT, Kind};
use crate::limits::LimitsTable;
use crate::origin::parse_url;
use crate::pattern::{HostPattern, OriginPattern};
use crate::settings::{BadSetting, SettingType, Settings};
use http::Method;
use semver::Version;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

mod declared;
#[cfg(test)]
mod reference_tests;
mod secret;
pub use crate::effect::Effect;
pub use declared::{
    Channel, DestinationArgument, Detect, HttpDeclaration, ModelFacts, PowerDeclaration, Price, Provider, Setting,
    State, Target, Tool,
};
pub use secret::{Algorithm, Chain, HOST_HEADERS, Key, PathTemplate, Secret, Spot};

/// Why a manifest was refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("the manifest cannot be read: {0}")]
    Toml(#[from] toml::de::Error),
    /// Written for another contract.
    #[error("component `{id}` is written for contract `{contract}`\nhint: this host speaks `{CONTRACT}`")]
    Contract {
        /// The component.
        id: String,
        /// The contract it names.
        contract: String,
    },
    /// A value that does not make sense.
    #[error("component `{id}`: {problem}")]
    Value {
        /// The component.
        id: String,
        /// What is wrong, and with which entry.
        problem: String,
    },
    /// The default of a setting does not fit its type.
    #[error(transparent)]
    Default(#[from] BadSetting),
    /// A name is malformed.
    #[error(transparent)]
    Name(#[from] BadName),
}

/// Having a `Manifest` tells you: it parsed without an unknown key, its names are well formed and unique, and every
/// setting it refers to exists. Whether the binary agrees is for [`crate::Interfaces::agree`].
#[derive(Debug, Clone)]
pub struct Manifest {
    table: Table,
}

/// Signed with the code; all that a component can ever be granted. An unknown key, at any place, is an error.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    /// The component's id: 1 to 63 of `a-z`, `0-9` and `-`, beginning with a letter. Installed ones must not begin with
    /// `cara` nor look like another's.
    id: ComponentId,
    /// Semantic version, `1.2.3`. A host refuses one below the newest it has seen.
    #[schemars(with = "String")]
    version: Version,
    /// One line about it, at most 400 bytes, no control characters.
    summary: String,
    /// The contract it is written for: `cara:plugin@0.2`. A host refuses every other.
    contract: String,
    /// SPDX expression.
    license: Option<String>,
    /// Where its source is.
    source: Option<String>,
    provider: Option<Provider>,
    channel: Option<Channel>,
    #[serde(default)]
    #[schemars(with = "Vec<declared::HttpTable>")]
    http: Vec<HttpDeclaration>,
    #[serde(default)]
    #[schemars(with = "Vec<secret::SecretTable>")]
    secret: Vec<Secret>,
    #[serde(default)]
    setting: Vec<Setting>,
    state: Option<State>,
    #[serde(default)]
    power: Vec<PowerDeclaration>,
    #[serde(default)]
    tool: Vec<Tool>,
    #[serde(default)]
    limits: LimitsTable,
}

impl Manifest {
    /// Parses and checks a manifest's text.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest = Self { table: toml::from_str(text)? };
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let table = &self.table;
        if table.contract != CONTRACT {
            return Err(ManifestError::Contract { id: table.id.to_string(), contract: table.contract.clone() });
        }
        let problem = |problem: String| ManifestError::Value { id: table.id.to_string(), problem };
        let line = |what: &str, text: &str| match text {
            _ if text.trim().is_empty() => Err(problem(format!("{what} is empty"))),
            _ if text.chars().any(char::is_control) => Err(problem(format!("{what} has control characters"))),
            _ if text.len() > 400 => Err(problem(format!("{what} is over 400 bytes"))),
            _ => Ok(()),
        };
        line("`summary`", &table.summary)?;
        unique("secret", table.secret.iter().map(|secret| secret.name.as_str())).map_err(problem)?;
        unique("setting", table.setting.iter().map(|setting| setting.key.as_str())).map_err(problem)?;
        unique("tool", table.tool.iter().map(|tool| tool.name.as_str())).map_err(problem)?;
        for setting in &table.setting {
            line("the label of a setting", &setting.label)?;
            if let Some(value) = &setting.default {
                setting.kind.check(&setting.key, value)?;
            }
        }
        for http in &table.http {
            line("the `why` of `[[http]]`", &http.why)?;
            http.check(&self.url_settings()).map_err(problem)?;
        }
        for secret in &table.secret {
            line("the label of a secret", &secret.label)?;
            secret.check(&self.url_settings(), &table.http).map_err(problem)?;
        }
        unique("power", table.power.iter().map(|power| power.name.name())).map_err(problem)?;
        for power in &table.power {
            line("the `why` of `[[power]]`", &power.why)?;
        }
        for tool in &table.tool {
            tool.check().and_then(|()| tool.check_reach(&table.http)).map_err(problem)?;
        }
        if table.channel.as_ref().is_some_and(|channel| channel.text_units < 100) {
            return Err(problem("`text-units` of `[channel]` is under 100".into()));
        }
        let tools = table.provider.is_none() && table.channel.is_none() && !table.tool.is_empty();
        if tools && !table.http.is_empty() && !table.tool.iter().any(Tool::may_request) {
            return Err(problem(
                "it has `[[http]]`, and the `effects` of no tool let it make requests\nhint: add `reads-untrusted` to those that do, or leave `effects` out".into(),
            ));
        }
        self.check_variables().map_err(problem)?;
        table.state.as_ref().map_or(Ok(()), |state| line("the `why` of `[state]`", &state.why))
    }

    /// No secret is given in clear, and none of cara's own is given at all.
    fn check_variables(&self) -> Result<(), String> {
        for (secret, variable) in
            self.table.secret.iter().flat_map(|secret| secret.env.iter().map(move |name| (secret, name)))
        {
            if variable.starts_with("CARA_") {
                return Err(format!("secret `{}` may not be read from `{variable}`, which is cara's own", secret.name));
            }
            let clear = |setting: &&Setting| setting.env.iter().any(|name| name.as_str() == variable);
            if let Some(setting) = self.table.setting.iter().find(clear) {
                return Err(format!(
                    "`{variable}` holds secret `{}`, so setting `{}` may not read it",
                    secret.name, setting.key
                ));
            }
        }
        Ok(())
    }

    fn url_settings(&self) -> BTreeSet<&SettingKey> {
        let urls = self.table.setting.iter().filter(|setting| setting.kind == SettingType::Url);
        urls.map(|setting| &setting.key).collect()
    }

    /// The component's id.
    pub fn id(&self) -> &ComponentId {
        &self.table.id
    }

    /// The component's version.
    pub fn version(&self) -> &Version {
        &self.table.version
    }

    /// The component in one line.
    pub fn summary(&self) -> &str {
        &self.table.summary
    }

    /// SPDX expression, where stated.
    pub fn license(&self) -> Option<&str> {
        self.table.license.as_deref()
    }

    /// Where its source is, where stated.
    pub fn source(&self) -> Option<&str> {
        self.table.source.as_deref()
    }

    /// How it is chosen as a provider, if it is one.
    pub fn provider(&self) -> Option<&Provider> {
        self.table.provider.as_ref()
    }

    /// What its messages are like, if it is a channel.
    pub fn channel(&self) -> Option<&Channel> {
        self.table.channel.as_ref()
    }

    /// The hosts that the component asks to connect to.
    pub fn http(&self) -> &[HttpDeclaration] {
        &self.table.http
    }

    /// The secrets it asks to spend.
    pub fn secrets(&self) -> &[Secret] {
        &self.table.secret
    }

    /// The settings it has.
    pub fn setting_keys(&self) -> &[Setting] {
        &self.table.setting
    }

    /// The state it asks to keep.
    pub fn state(&self) -> Option<&State> {
        self.table.state.as_ref()
    }

    /// Whether it declares what a component of this kind has to.
    pub fn is_a(&self, kind: Kind) -> bool {
        match kind {
            Kind::Provider => self.provider().is_some(),
            Kind::Tool => !self.tools().is_empty(),
            Kind::Channel => self.channel().is_some(),
        }
    }

    /// The services of the host it asks to use.
    pub fn powers(&self) -> &[PowerDeclaration] {
        &self.table.power
    }

    /// The tools it offers.
    pub fn tools(&self) -> &[Tool] {
        &self.table.tool
    }

    /// The limits it asks for.
    pub fn limits(&self) -> &LimitsTable {
        &self.table.limits
    }

    /// The settings with the operator's values over the defaults. An unknown key or an unfit value is an error.
    pub fn settings(&self, values: &BTreeMap<String, Value>) -> Result<Settings, BadSetting> {
        let mut all = BTreeMap::new();
        for setting in &self.table.setting {
            if let Some(value) = values.get(setting.key.as_str()).or(setting.default.as_ref()) {
                all.insert(setting.key.clone(), setting.kind.check(&setting.key, value)?);
            }
        }
        let known =
            || self.table.setting.iter().map(|setting| format!("`{}`", setting.key)).collect::<Vec<_>>().join(", ");
        match values.keys().find(|key| !self.table.setting.iter().any(|setting| setting.key.as_str() == *key)) {
            Some(key) => {
                let known = if self.table.setting.is_empty() { "none".into() } else { known() };
                Err(BadSetting::Unknown { component: self.table.id.to_string(), key: key.clone(), known })
            }
            None => Ok(Settings::new(all)),
        }
    }

    /// Everything the manifest asks for, with these settings: what naming the component grants it.
    pub fn requested(&self, settings: &Settings) -> Vec<crate::Capability> {
        use crate::Capability;
        let http = self.table.http.iter().filter_map(|http| http.host.resolve(settings)).map(Capability::Http);
        let secrets = self.table.secret.iter().map(|secret| Capability::Secret(secret.name.clone()));
        let variables = self.table.setting.iter().flat_map(|setting| &setting.env);
        let variables: BTreeSet<Capability> = variables.cloned().map(Capability::Environment).collect();
        let state = self.table.state.as_ref().map(|_| Capability::State);
        let powers = self.table.power.iter().map(|power| Capability::Power(power.name));
        http.chain(secrets).chain(variables).chain(state).chain(powers).collect()
    }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!("{what} `{name}` is declared twice"));
        }
    }
    Ok(())
}
