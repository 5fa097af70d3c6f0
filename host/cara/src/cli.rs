//! What can be typed: every command and flag, with its help text.

use crate::text_file;
use anyhow::Result;
use cara_assistant::ModelName;
use cara_authority::{ComponentId, SessionId};
use cara_control::secrets::{KdfName, named};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

mod access;
mod channel;
mod daemon;
mod operator;
mod plugin;
pub(crate) use access::*;
pub(crate) use channel::*;
pub(crate) use daemon::*;
pub(crate) use operator::*;
pub(crate) use plugin::*;

/// A personal AI assistant whose every provider and tool runs in a sandbox that you can inspect.
#[derive(Debug, Parser)]
#[command(name = "cara", version, propagate_version = true, subcommand_required = false)]
#[command(
    after_help = "All that cara keeps (conversations, settings, keys) is in one folder, the home: CARA_HOME, or the \
                       platform's usual data folder. One process at a time works on it, the daemon if it runs; other \
                       commands ask that process."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Print the answer as JSON; `cara api` documents its shape. With `chat --message`: every event as an object on a line.
    /// Errors stay text on stderr.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Write diagnostics to stderr: error, warn, info, debug, trace, or a filter like `component=debug`.
    #[arg(long, global = true, value_name = "FILTER", env = "CARA_LOG")]
    pub(crate) log: Option<String>,

    /// Where no keystore answers: keep the key of a new vault in a plain file (0600) instead of asking for a password.
    #[arg(long, global = true)]
    pub(crate) plain_key_file: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Talk to a model.
    Chat(Chat),
    /// List the models that a provider offers.
    Models(Models),
    /// Store, list and remove secrets such as API keys.
    #[command(subcommand)]
    Secrets(Secrets),
    /// Install, review, sign and manage components.
    #[command(subcommand)]
    Plugin(Plugin),
    /// Manage whose signatures are trusted, and for which components.
    #[command(subcommand)]
    Trust(Trust),
    /// Grant a component a power; with `--for`, for a limited time.
    Grant(Grant),
    /// Take a power away from a component, from its next call on.
    Revoke(Revoke),
    /// List what is granted to which component, until when, and by which command.
    Grants {
        /// Only those of this component.
        component: Option<ComponentId>,
    },
    /// Show the tools, and switch them on and off.
    #[command(subcommand)]
    Tools(Tools),
    /// Show, write out, fork and delete conversations.
    #[command(subcommand)]
    Sessions(Sessions),
    /// Say who else may talk to the assistant, by which addresses; show, give out and forget what is kept about them.
    #[command(subcommand)]
    People(People),
    /// Make, list and take back tokens, by which other programs are let in.
    #[command(subcommand)]
    Token(Token),
    /// Let in a phone or a browser, and put it out again.
    #[command(subcommand)]
    Device(Device),
    /// Set the password with which you come in at the page.
    #[command(subcommand)]
    Password(Password),
    /// Show and forget what is remembered about you, or about somebody else.
    #[command(subcommand)]
    Memory(MemoryCommand),
    /// Answer the requests that wait for you, and manage the rules that answer for you.
    #[command(subcommand)]
    Approvals(Approvals),
    /// Add, test and remove accounts of channels: Telegram and other places where you talk to the assistant.
    #[command(subcommand)]
    Channel(Channel),
    /// Show the messages that came, and have one answered once more.
    #[command(subcommand)]
    Inbox(Inbox),
    /// Show the messages that are to go, and send or drop what is stuck.
    #[command(subcommand)]
    Outbox(Outbox),
    /// Show the policy for tool calls, and explain its decisions.
    #[command(subcommand)]
    Policy(Policy),
    /// Explain a run: what the model saw, which calls it made, and which rule allowed them.
    Explain(Explain),
    /// Show the tokens and money that were used, and what is left of the budgets.
    Usage(Usage),
    /// Show and verify the audit log.
    #[command(subcommand)]
    Audit(Audit),
    /// Show where the ledger is, and take it back to an older version.
    #[command(subcommand)]
    Ledger(Ledger),
    /// Run the cara daemon in the foreground; `cara` alone does the same.
    Start(Start),
    /// Show what the daemon does. Exit code 3 when none runs.
    Status,
    /// Stop the daemon.
    Stop,
    /// Show the daemon's log, also when it does not run.
    Logs(Logs),
    /// Read, set, edit and check the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Have the system start the daemon when you log in.
    #[command(subcommand)]
    Service(Service),
    /// Manage the certificates of the daemon and of its clients.
    #[command(subcommand)]
    Tls(Tls),
    /// Print the OpenAPI document of the daemon's API.
    Api,
    /// Print a completion script for a shell.
    Completion {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Chat {
    #[command(flatten)]
    pub(crate) provider: ProviderChoice,

    /// Ask once, print the answer and end. What comes through a pipe is appended; `-` reads all of it from there.
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,

    /// What comes on stdin, or is pasted, are my own words; else they count as a file's.
    #[arg(long)]
    pub(crate) mine: bool,

    /// The operator's instructions to the model.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,

    /// Go on with this session; `cara sessions list` shows them.
    #[arg(long, value_name = "ID", conflicts_with = "continue")]
    pub(crate) session: Option<SessionId>,

    /// Go on with the session that changed last.
    #[arg(short, long)]
    pub(crate) r#continue: bool,

    /// The agent: instructions and a model under `[agent.NAME]` in the configuration.
    #[arg(long, value_name = "NAME")]
    pub(crate) agent: Option<String>,

    /// Switch on the tools of a component; naming it grants what its manifest asks. May be repeated.
    #[arg(long = "tool", value_name = "COMPONENT", conflicts_with = "no_tools")]
    pub(crate) tools: Vec<ComponentId>,

    /// Offer the model no tools.
    #[arg(long)]
    pub(crate) no_tools: bool,

    /// Wait for nobody's answer: a call that needs one is denied at once, and a later yes to its question counts when the same
    /// is tried again in the conversation.
    #[arg(long, requires = "message")]
    pub(crate) unattended: bool,

    /// Attach a file to the first message. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) attach: Vec<String>,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Start {
    /// Run in the background.
    #[arg(long)]
    pub(crate) detach: bool,

    /// Listen at this address in the place of those of `gateway.listen`; `none` for the socket alone. May be repeated.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ProviderChoice {
    /// The model: `provider:model`, or a provider for its default. Naming a provider grants it what its manifest asks.
    #[arg(long, value_name = "PROVIDER[:MODEL]")]
    pub(crate) model: Option<ModelName>,

    /// A script for a provider that plays one; short for `--set script=@FILE`.
    #[arg(long, value_name = "FILE", requires = "model")]
    pub(crate) script: Option<String>,

    /// A setting of the provider for this run. `KEY=@FILE` takes the file's text.
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "model")]
    pub(crate) settings: Vec<SettingArgument>,
}

/// The largest file `--set KEY=@FILE` reads, bytes.
const LARGEST: u64 = 256 * 1024;

impl ProviderChoice {
    /// The model that was named.
    pub(crate) fn named(&self) -> Option<String> {
        self.model.as_ref().map(ToString::to_string)
    }

    /// The settings of this run, files read.
    pub(crate) fn settings(&self) -> Result<BTreeMap<String, String>> {
        let mut settings = BTreeMap::new();
        for SettingArgument { key, value } in &self.settings {
            let value = match value.strip_prefix('@') {
                Some(path) => text_file::read(Path::new(path), LARGEST)?,
                None => value.clone(),
            };
            settings.insert(key.clone(), value);
        }
        if let Some(path) = &self.script {
            settings.insert("script".to_owned(), text_file::read(Path::new(path), LARGEST)?);
        }
        Ok(settings)
    }
}

/// `KEY=VALUE` or `KEY=@FILE`.
#[derive(Debug, Clone)]
pub(crate) struct SettingArgument {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl std::str::FromStr for SettingArgument {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

/// One word of a type of the application; the type's schema says which there are, and what they mean.
fn word<T: JsonSchema + DeserializeOwned + Clone + Send + Sync + 'static>() -> impl TypedValueParser<Value = T> {
    let schema = schemars::schema_for!(T);
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let described = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let words = described.filter_map(move |one| {
        let help = text(one, "description").unwrap_or_default();
        // Clap keeps words that live as long as the program.
        let kept = |text: String| &*text.leak();
        Some(PossibleValue::new(kept(text(one, "const")?)).help(kept(help.trim_end_matches('.').to_owned())))
    });
    PossibleValuesParser::new(words.collect::<Vec<_>>()).try_map(|word| serde_json::from_value(Value::String(word)))
}

#[derive(Debug, Args)]
pub(crate) struct Models {
    #[command(flatten)]
    pub(crate) provider: ProviderChoice,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Secrets {
    /// Store a secret; its value is read from a prompt, or from stdin when that is no terminal.
    Set {
        /// `COMPONENT/NAME`, or a component with one secret.
        #[arg(value_parser = named)]
        secret: String,
    },
    /// List the stored secrets and where they are; values are never shown.
    List,
    /// Remove a stored secret.
    Remove {
        /// `COMPONENT/NAME`, or a component with one secret.
        #[arg(value_parser = named)]
        secret: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Open the vault of the daemon with its password, as after a restart; it is made where there is none.
    Unlock,
    /// Move the key of the conversations into the vault: then each `cara chat` needs the vault.
    Seal,
    /// Move the key of the conversations back into `keys/ledger-content` (0600), where no vault is needed.
    Unseal,
    /// Encrypt the vault file anew under another password.
    RotatePassword {
        /// How the key is derived from the password.
        #[arg(long, default_value = "argon2id", value_parser = word::<KdfName>())]
        kdf: KdfName,
    },
}
