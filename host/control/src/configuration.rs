//! `config.toml`: unknown keys are errors; secrets are never in it.

pub(crate) mod document;
mod followed;
mod in_use;
pub(crate) mod keys;
mod pool;
mod rights;
mod words;

use self::pool::PoolSettings;
use crate::anchor_settings::AuditSettings;
use crate::error::{Error, Result};
use crate::gateway_settings::GatewaySettings;
use crate::telemetry_settings::TelemetrySettings;
use cara_assistant::budget::Budgets;
use cara_assistant::toolbox::Belief;
use cara_assistant::{ApprovalSettings, GuardSettings, ModelName, Reading, RunLimits, SessionSettings};
use cara_authority::limits::{LimitsTable, Time};
use cara_authority::policy::Results;
use cara_authority::{AccountId, ComponentId, Policy, ToolName};
use cara_services::ledger::{Place, Server};
use cara_services::vault::StoreKind;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use followed::{Followed, Unusable, Watcher, text};
pub(crate) use in_use::InUse;
pub(crate) use rights::{Rights, RolesConfig};

/// The operator's configuration.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Config {
    /// Defaults of `cara chat`.
    pub(crate) chat: ChatConfig,
    /// Where grants, conversations and memory are kept.
    pub(crate) ledger: LedgerSettings,
    /// Where secrets are kept.
    pub(crate) vault: VaultSettings,
    /// What becomes of the audit log beside the ledger.
    pub(crate) audit: AuditSettings,
    /// How the daemon is reached.
    pub(crate) gateway: GatewaySettings,
    /// How many calls of components run at once.
    pub(crate) pool: PoolSettings,
    /// How far one message may go.
    pub(crate) run: RunLimits,
    /// How messages of channels become sessions.
    pub(crate) sessions: SessionSettings,
    /// How approvals are asked for.
    pub(crate) approvals: ApprovalSettings,
    /// What becomes of messages that came while nothing ran.
    pub(crate) inbox: InboxConfig,
    /// What becomes of calls of tools.
    pub(crate) policy: Policy,
    /// What members and guests may use.
    pub(crate) role: RolesConfig,
    /// Who is told of traces and metrics.
    pub(crate) telemetry: TelemetrySettings,
    /// How much may be spent.
    pub(crate) budget: Budgets,
    /// What looks at text.
    pub(crate) guards: GuardSettings,
    /// Agents by their names; `main` answers when none is named.
    pub(crate) agent: BTreeMap<String, AgentConfig>,
    /// What the operator sets for single components, by their ids.
    pub(crate) component: BTreeMap<ComponentId, ComponentConfig>,
    /// Accounts of channels: `[channel.ID.ACCOUNT]`.
    pub(crate) channel: BTreeMap<ComponentId, BTreeMap<AccountId, AccountConfig>>,
    /// Whose components are trusted to say what their results are.
    pub(crate) results: ResultsConfig,
}

/// What becomes of messages that came while nothing ran.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct InboxConfig {
    /// How old a message may be that is answered after a start; `"30m"` unless set. What is older is told to be missed.
    pub(crate) answer_within: Time,
}

impl Default for InboxConfig {
    fn default() -> Self {
        Self { answer_within: Time(Duration::from_secs(30 * 60)) }
    }
}

/// Whose components are trusted to say what their results are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct ResultsConfig {
    /// Ids of keys, identities with their issuers, or `built-in`, which it is unless set. No names: another key can get one.
    pub(crate) signers: Vec<String>,
}

impl Default for ResultsConfig {
    fn default() -> Self {
        Self { signers: vec![cara_assistant::toolbox::BUILT_IN.to_owned()] }
    }
}

/// Defaults of `cara chat`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct ChatConfig {
    /// The model when `--model` is not given; naming it here is a grant, as with `--model`.
    pub(crate) model: Option<ModelName>,
    /// The operator's instructions to the model.
    pub(crate) system: Option<String>,
    /// The agent when `--agent` is not given; `main` unless set.
    pub(crate) agent: Option<String>,
}

/// Instructions and a model under a name.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct AgentConfig {
    /// Its model; that of `[chat]` when not set.
    pub(crate) model: Option<ModelName>,
    /// The operator's instructions to it.
    pub(crate) system: Option<String>,
    /// How it reads what strangers wrote; `direct` unless set.
    pub(crate) reading: Reading,
}

/// Where grants, conversations and memory are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct LedgerSettings {
    /// A PostgreSQL, as `postgres://user@host/database`, without a password. Unless set, a file in the home.
    #[serde(deserialize_with = "server")]
    #[schemars(with = "Option<String>", extend("examples" = ["postgres://cara@localhost/cara"]))]
    pub(crate) url: Option<Server>,
}

fn server<'de, D: Deserializer<'de>>(url: D) -> std::result::Result<Option<Server>, D::Error> {
    let wrong = |error| serde::de::Error::custom(format!("`{LEDGER_URL}` {error}"));
    String::deserialize(url)?.parse().map(Some).map_err(wrong)
}

impl LedgerSettings {
    /// Where the ledger is: in a file of the home, or on the server that is named.
    pub(crate) fn place(&self, file: PathBuf) -> Place {
        self.url.clone().map_or(file.into(), Place::from)
    }

    /// The same of a text that is no configuration, as far as it says that. Where it may name a server, nobody knows.
    pub(crate) fn place_in(text: &str, file: PathBuf) -> Place {
        match toml::from_str::<toml::Table>(text) {
            Ok(table) => match table.get("ledger").map(|ledger| ledger.clone().try_into::<Self>()) {
                None => file.into(),
                Some(Ok(own)) => own.place(file),
                Some(Err(_)) => Place::Unknown,
            },
            Err(_) if text.contains("ledger") => Place::Unknown,
            Err(_) => file.into(),
        }
    }
}

/// Where secrets are kept.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct VaultSettings {
    /// Where the key of the vault comes from: `auto` (a keystore that answers, else a password), `keystore`, `file` (a
    /// password), `key-file` (plain, 0600) or `session` (the kernel's keyring, gone after a reboot). `auto` unless set.
    #[serde(deserialize_with = "store")]
    #[schemars(with = "String", extend("enum" = ["auto", "keystore", "file", "key-file", "session"]))]
    pub(crate) store: Option<StoreKind>,
    /// A file (0600) that holds the password, for unattended use. Unless set, a person is asked.
    pub(crate) password_file: Option<PathBuf>,
}

/// `auto`, or one place.
fn store<'de, D: Deserializer<'de>>(text: D) -> std::result::Result<Option<StoreKind>, D::Error> {
    /// The same word for each of them, so that an error names all.
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Store {
        Auto,
        Keystore,
        File,
        KeyFile,
        Session,
    }
    Ok(match Store::deserialize(text)? {
        Store::Auto => None,
        Store::Keystore => Some(StoreKind::Keystore),
        Store::File => Some(StoreKind::File),
        Store::KeyFile => Some(StoreKind::KeyFile),
        Store::Session => Some(StoreKind::Session),
    })
}

/// What the operator sets for one component.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct ComponentConfig {
    /// Its settings; `cara plugin inspect` shows which there are.
    pub(crate) settings: BTreeMap<String, Value>,
    /// The component's limits, up or down.
    pub(crate) limits: LimitsTable,
    /// Whether it is trusted to say what its results are, whoever signed it.
    pub(crate) results: Option<Believed>,
    /// What the operator knows of its tools, by their names.
    pub(crate) tool: BTreeMap<ToolName, ToolConfig>,
}

/// An account of a channel.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct AccountConfig {
    /// Whether it rests: nothing is asked of its platform, and what is to be sent waits.
    pub(crate) paused: bool,
    /// Settings of the component for this account, over `[component.ID.settings]`; `cara plugin inspect` shows which there
    /// are.
    pub(crate) settings: BTreeMap<String, Value>,
}

/// Whether a component is trusted to say what its results are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Believed {
    /// Strangers may have chosen the words of all it returns.
    Untrusted,
    /// What it returns is what its imports and its manifest say.
    Trusted,
}

/// What the operator knows of one tool.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ToolConfig {
    /// What its results are.
    pub(crate) results: Results,
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

    /// What a text says; `shown` names it in errors.
    pub(crate) fn parse(text: &str, shown: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| words::unusable(&error, text, shown))
    }
}

/// The key whose value says where a new vault's key comes from.
pub(crate) const VAULT_STORE: &str = "vault.store";

/// The key that says where the ledger is.
pub(crate) const LEDGER_URL: &str = "ledger.url";

/// How the configuration of a home stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Configuration {
    /// The file.
    pub path: String,
    /// Why the file cannot be used, if it cannot: then what could be used before counts, or else the defaults.
    pub problem: Option<Error>,
    /// Keys that were changed and count from the process's next start.
    pub from_next_start: Vec<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_assistant::guards::output::FindingAction;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_key_is_read_and_an_unknown_one_is_an_error() {
        let text = r#"
            [chat]
            model = "local:llama3.2"
            system = "Be brief."
            agent = "clerk"
            [ledger]
            url = "postgres://cara@localhost/cara"
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
        assert_eq!(config.ledger.place("f".into()).to_string(), "postgres://cara@localhost:5432/cara");
        assert_eq!(config.vault.store, Some(StoreKind::File));
        assert_eq!(config.vault.password_file.as_deref(), Some(Path::new("/run/credentials/cara")));
        assert_eq!(config.pool.size(Some(1 << 30)).calls(), 1000);
        assert_eq!(
            (config.run.turns, config.run.calls, config.run.answer_tokens, config.run.context_tokens),
            (5, 8, 1000, Some(32000))
        );
        let times = (config.run.wall.0.as_secs(), config.approvals.deadline.0.as_secs());
        assert_eq!((times, config.policy.rule.len()), ((120, 60), 1));
        assert_eq!(config.budget.day.dollars, Some(cara_assistant::budget::Micros(2_500_000)));
        assert_eq!(config.guards.secrets, FindingAction::Note);
        assert_eq!(config.guards.classifier.as_ref().unwrap().to_string(), "local:judge");
        assert!(!config.guards.injection && config.guards.personal_data == FindingAction::Off);
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
            "[ledger]\nurl = 'ledger.db'",
            "[ledger]\nurl = 'postgres://u:secret@h/d'",
            "[ledger]\nurl = 'postgres://u@h/d?sslmode=disable'",
            "[component.X]",
            "[[policy.rule]]\nthen = 'run'",
            "[budget.week]\ntokens = 1",
            "[guards]\nsecrets = 'hide'",
            "[run]\nturn = 1",
            "[run]\nturns = 0",
            "[run]\nanswer-tokens = 63",
            "[run]\nresult-bytes = 1",
            "[run]\nwall = '25h'",
            "[approvals]\ndeadline = 10",
            "[guards]\nclassifier = 'A b'",
            "[agent.a]\ntools = []",
            "[component.a]\nresults = 'private'",
            "[component.a.tool.b]\nresult = 'private'",
            "[results]\nsigner = 'a'",
            "[agent.a]\nreading = 'never'",
        ] {
            assert!(toml::from_str::<Config>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_text_that_is_no_configuration_leads_to_no_other_ledger() {
        let place = |text| LedgerSettings::place_in(text, "f".into());
        let file = Place::from(PathBuf::from("f"));
        let named = "[ledger]\nurl = 'postgres://u@localhost/d'\n";
        for (text, told) in [
            ("[run]\nturns = -1", file.clone()),
            ("[run", file),
            (&format!("{named}[run]\nturns = -1"), Place::from("postgres://u@localhost/d".parse::<Server>().unwrap())),
            (&format!("{named}[run"), Place::Unknown),
            ("[ledger]\nurl = 'postgres://u:secret@localhost/d'", Place::Unknown),
            ("[ledger]\nurl = 3", Place::Unknown),
            ("ledger = 3", Place::Unknown),
        ] {
            assert_eq!(place(text), told, "{text}");
        }
    }

    /// The keys of the documentation's example, which shows all, but for what rules look at: that is a table.
    fn documented() -> (BTreeSet<String>, String) {
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md")).unwrap();
        let example = page.split("```").nth(1).unwrap().strip_prefix("toml").unwrap().to_owned();
        let table = page.split("### Policy").nth(1).unwrap().split("###").next().unwrap();
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
        let words = rows.flat_map(|cell| cell.split(',').map(|word| word.trim().trim_matches('`').to_owned()));
        let mut found: BTreeSet<String> = words.map(|key| format!("policy.rule.{key}")).collect();
        let mut table = Vec::new();
        for line in example.lines() {
            let line = line.split(" #").next().unwrap().trim();
            if let Some(name) = line.strip_prefix('[') {
                table = name.trim_matches(['[', ']']).split('.').map(str::to_owned).collect();
                // What the operator chooses: names of agents, components and tools.
                if let [first, .., _] = &table[..]
                    && matches!(&**first, "agent" | "component")
                {
                    table[1] = "*".into();
                }
                if table.len() > 2 && table[0] == "channel" {
                    table[1..3].fill("*".into());
                }
                match &mut table[..] {
                    [first, second, third] if first == "budget" && matches!(&**second, "component" | "person") => {
                        *third = "*".into();
                    }
                    [_, _, tool, name] if tool == "tool" => *name = "*".into(),
                    _ => {}
                }
            } else if let Some((key, _)) = line.split_once(" = ") {
                // Settings have the names that their component gives them.
                let key = match table.last().map(String::as_str) {
                    Some("settings") => None,
                    Some("ask-at") => Some("*"),
                    _ => Some(key),
                };
                found.insert(table.iter().map(String::as_str).chain(key).collect::<Vec<_>>().join("."));
            }
        }
        (found, example)
    }

    #[test]
    fn the_documentation_has_every_key_of_the_schema_and_no_other() {
        let known = super::keys::keys().clone();
        let (mut found, example) = documented();
        // An amount is the same for everything that it is of.
        for of in ["run", "session", "day", "component.*", "role.member", "role.guest", "person.*"] {
            found.extend(["tokens", "dollars"].map(|unit| format!("budget.{of}.{unit}")));
        }
        assert_eq!(found, known, "left: docs/configuration.md; right: the schema");
        toml::from_str::<Config>(&example).unwrap();
    }

    #[test]
    fn every_key_of_the_schema_is_described() {
        let schema = schemars::schema_for!(Config).to_value();
        let tables = std::iter::once(&schema).chain(schema["$defs"].as_object().unwrap().values());
        for (name, key) in tables.filter_map(|table| table["properties"].as_object()).flatten() {
            assert!(key.get("description").is_some(), "`{name}` has no description");
        }
    }
}
