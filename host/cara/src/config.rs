//! `config.toml`: unknown keys are errors; secrets are never in it.

use anyhow::{Context, Result};
use cara_assistant::budget::Budgets;
use cara_assistant::toolbox::Belief;
use cara_assistant::{ModelName, Reading};
use cara_authority::limits::{LimitsTable, Time};
use cara_authority::policy::Results;
use cara_authority::{ComponentId, Policy, ToolName};
use cara_kernel::PoolSize;
use cara_services::files;
use cara_services::vault::StoreKind;
use serde::de::IntoDeserializer;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The largest configuration file, bytes.
pub(crate) const LARGEST: u64 = 1024 * 1024;

/// The operator's configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// `[chat]`
    pub(crate) chat: ChatConfig,
    /// `[vault]`
    pub(crate) vault: VaultConfig,
    /// `[pool]`
    pub(crate) pool: PoolConfig,
    /// `[run]`
    pub(crate) run: RunConfig,
    /// `[approvals]`
    pub(crate) approvals: ApprovalsConfig,
    /// `[policy]`
    pub(crate) policy: Policy,
    /// `[budget]`
    pub(crate) budget: Budgets,
    /// `[guards]`
    pub(crate) guards: GuardsConfig,
    /// `[agent.<name>]`
    pub(crate) agent: BTreeMap<String, AgentConfig>,
    /// `[component.<id>]`
    pub(crate) component: BTreeMap<ComponentId, ComponentConfig>,
    /// `[results]`
    pub(crate) results: ResultsConfig,
}

/// Whose components are trusted to say what their results are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResultsConfig {
    /// Ids of keys, identities with their issuers, or `built-in`. No names: another key can get one.
    pub(crate) signers: Vec<String>,
}

impl Default for ResultsConfig {
    fn default() -> Self {
        Self { signers: vec![crate::plugins::BUILT_IN.to_owned()] }
    }
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
    /// The agent when `--agent` is not given.
    pub(crate) agent: Option<String>,
}

/// Instructions and a model under a name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AgentConfig {
    /// Its model; that of `[chat]` when not set.
    #[serde(deserialize_with = "model")]
    pub(crate) model: Option<ModelName>,
    /// The operator's instructions to it.
    pub(crate) system: Option<String>,
    /// How it reads what strangers wrote.
    pub(crate) reading: Reading,
}

/// How many calls of components run at once.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PoolConfig {
    /// Calls; half of them of one component. What the machine's memory has room for when not set.
    #[serde(deserialize_with = "calls")]
    calls: Option<u32>,
}

impl PoolConfig {
    /// The pool, on a machine with so much memory as far as that is known.
    pub(crate) fn size(self, memory: Option<u64>) -> PoolSize {
        match (self.calls, memory) {
            (Some(calls), _) => PoolSize::new(calls),
            (None, Some(bytes)) => PoolSize::for_memory(bytes),
            (None, None) => PoolSize::default(),
        }
    }
}

fn calls<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let calls = u32::deserialize(deserializer)?;
    let (least, most) = PoolSize::RANGE.into_inner();
    let wrong = || serde::de::Error::custom(format!("`calls` is a number from {least} to {most}"));
    PoolSize::RANGE.contains(&calls).then_some(Some(calls)).ok_or_else(wrong)
}

/// How far one run may go.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct RunConfig {
    /// Answers of the model.
    pub(crate) turns: Option<u32>,
    /// Calls that one answer may make.
    pub(crate) calls: Option<u32>,
    /// Time, without that in which a person is waited for: `"15m"`.
    pub(crate) wall: Option<Time>,
    /// The longest answer, tokens.
    pub(crate) answer_tokens: Option<u32>,
    /// Tokens the model takes, whatever its manifest says.
    pub(crate) context_tokens: Option<u32>,
}

/// How approvals are asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ApprovalsConfig {
    /// After which time silence is a denial: `"10m"`.
    pub(crate) deadline: Option<Time>,
}

/// What looks at text.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct GuardsConfig {
    /// Whether incoming text is examined for injections.
    pub(crate) injection: bool,
    /// What becomes of secrets in answers.
    pub(crate) secrets: OutputAction,
    /// What becomes of personal data in answers.
    pub(crate) personal_data: OutputAction,
    /// A model that judges what tools bring in from strangers.
    #[serde(deserialize_with = "model")]
    pub(crate) classifier: Option<ModelName>,
}

impl Default for GuardsConfig {
    fn default() -> Self {
        Self { injection: true, secrets: OutputAction::Note, personal_data: OutputAction::Note, classifier: None }
    }
}

/// What becomes of something found in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OutputAction {
    /// It is replaced.
    Mask,
    /// It stays, and is written down.
    Note,
    /// It is not looked for.
    Off,
}

/// Where secrets are kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct VaultConfig {
    /// Where the vault's key comes from: `auto`, `keystore`, `file` (a password), `key-file` or `session`.
    #[serde(deserialize_with = "store")]
    pub(crate) store: Option<StoreKind>,
    /// A file (0600) that holds the password.
    pub(crate) password_file: Option<PathBuf>,
}

/// `auto`, or one place.
fn store<'de, D: Deserializer<'de>>(text: D) -> Result<Option<StoreKind>, D::Error> {
    let word = String::deserialize(text)?;
    if word == "auto" { Ok(None) } else { StoreKind::deserialize(word.into_deserializer()).map(Some) }
}

/// What the operator sets for one component.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ComponentConfig {
    /// Its settings.
    pub(crate) settings: BTreeMap<String, Value>,
    /// Its limits, up or down.
    pub(crate) limits: LimitsTable,
    /// Whether it is trusted to say what its results are, whoever signed it.
    pub(crate) results: Option<Believed>,
    /// `[component.<id>.tool.<name>]`
    pub(crate) tool: BTreeMap<ToolName, ToolConfig>,
}

/// Whether a component is trusted to say what its results are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Believed {
    /// Strangers may have chosen the words of all it returns.
    Untrusted,
    /// What it returns is what its imports and its manifest say.
    Trusted,
}

/// What the operator knows of one tool.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolConfig {
    /// What its results are.
    pub(crate) results: Results,
}

fn model<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<ModelName>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

impl Config {
    /// What the operator says of a component that this signer signed, and of its results.
    pub(crate) fn belief(&self, id: &ComponentId, signer: &str) -> Belief {
        let own = self.component.get(id);
        let signed = self.results.signers.iter().any(|name| name == signer);
        let component = own.and_then(|own| own.results).map_or(signed, |own| own == Believed::Trusted);
        let tools = own.into_iter().flat_map(|own| &own.tool);
        Belief {
            signer: signer.to_owned(),
            component,
            tools: tools.map(|(name, tool)| (name.clone(), tool.results)).collect(),
        }
    }

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
            agent = "clerk"
            [vault]
            store = "file"
            password-file = "/run/credentials/cara"
            [pool]
            calls = 1000
            [run]
            turns = 5
            calls = 8
            wall = "2m"
            answer-tokens = 1000
            context-tokens = 32000
            [approvals]
            deadline = "1m"
            [policy]
            private-destinations = ["https://wiki.example.org"]
            [[policy.rule]]
            tool = "memory_write"
            then = "allow"
            [budget.day]
            dollars = 2.5
            [guards]
            injection = false
            secrets = "note"
            personal-data = "off"
            classifier = "local:judge"
            [agent.clerk]
            system = "Be exact."
            reading = "quarantined"
            [component.local.settings]
            base-url = "http://127.0.0.1:11434"
            [component.local.limits]
            wall = "20m"
            [component.calendar]
            results = "untrusted"
            [component.calendar.tool.calendar_list]
            results = "private"
            [results]
            signers = ["acme's key"]
        "#;
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.chat.model.as_ref().unwrap().to_string(), "local:llama3.2");
        assert_eq!(config.chat.system.as_deref(), Some("Be brief."));
        assert_eq!(config.vault.store, Some(StoreKind::File));
        assert_eq!(config.vault.password_file.as_deref(), Some(Path::new("/run/credentials/cara")));
        assert_eq!(config.pool.size(Some(1 << 30)).calls(), 1000);
        assert_eq!(
            (config.run.turns, config.run.calls, config.run.answer_tokens, config.run.context_tokens),
            (Some(5), Some(8), Some(1000), Some(32000))
        );
        assert!(config.run.wall.is_some() && config.approvals.deadline.is_some() && config.policy.rule.len() == 1);
        assert_eq!(config.budget.day.dollars, Some(cara_assistant::budget::Micros(2_500_000)));
        assert_eq!(config.guards.secrets, OutputAction::Note);
        assert_eq!(config.guards.classifier.as_ref().unwrap().to_string(), "local:judge");
        assert!(!config.guards.injection && config.guards.personal_data == OutputAction::Off);
        assert_eq!(
            (config.chat.agent.as_deref(), config.agent["clerk"].system.as_deref()),
            (Some("clerk"), Some("Be exact."))
        );
        assert_eq!(config.agent["clerk"].reading, Reading::Quarantined);
        let local = &config.component[&ComponentId::parse("local").unwrap()];
        assert!(local.settings.contains_key("base-url") && local.limits.wall.is_some());
        let id = |id| ComponentId::parse(id).unwrap();
        assert!(
            config.belief(&id("local"), "acme's key").component && !config.belief(&id("local"), "built-in").component
        );
        let calendar = config.belief(&id("calendar"), "acme's key");
        let tool = ToolName::parse("calendar_list").unwrap();
        assert!(!calendar.component && calendar.tools[&tool] == Results::Private);
        assert!(Config::default().belief(&id("local"), "built-in").component);
        for bad in [
            "model = 1",
            "[pool]\ncalls = 1",
            "[pool]\ncalls = 5000",
            "[chat]\nmodell = 'a:b'",
            "[chat]\nmodel = 'A b'",
            "[vault]\nstore = 'cloud'",
            "[component.X]",
            "[[policy.rule]]\nthen = 'allow'",
            "[budget.week]\ntokens = 1",
            "[guards]\nsecrets = 'hide'",
            "[run]\nturn = 1",
            "[agent.a]\ntools = []",
            "[component.a]\nresults = 'private'",
            "[component.a.tool.b]\nresult = 'private'",
            "[results]\nsigner = 'a'",
            "[agent.a]\nreading = 'never'",
        ] {
            assert!(toml::from_str::<Config>(bad).is_err(), "{bad}");
        }
    }
}
