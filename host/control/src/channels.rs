//! Channels: their accounts as the operator adds, tests, pauses and removes
//! them, and how each stands.
//!
//! ```text
//! [channel.ID.ACCOUNT] ─→ driving ─→ cara_channels::AccountDriver ─→ exports/channel ─→ inbox ─→ Application::deliver
//!                             └─────→ cara_channels::drive (outbox) ─→ exports/channel.send
//! ```

mod account;
mod driving;
mod list;
mod pairing;

use crate::application::Application;
use crate::component_settings::check_text;
use crate::config::{self, SetSetting};
use crate::configuration::{Config, document};
use crate::credentials;
use crate::error::{Error, Result, error, fail};
use crate::event::Events;
use crate::holder::Role;
use crate::known_people;
use crate::model_selection;
use crate::near_names::near_name;
use crate::operation::{Done, Operation, Route};
use account::LiveAccount;
use cara_authority::{AccountId, ComponentId, PersonId, Principal};
use cara_channels::Account;
use cara_kernel::Checked;
use cara_kernel::bindings::channel::Started;
use cara_records::OutboundState;
use cara_services::vault::SecretId;
use list::shown;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

pub use list::{AccountCondition, AccountRow, ListChannels};

/// The account when none is named.
pub const MAIN: &str = "main";

fn default_account() -> String {
    MAIN.to_owned()
}

/// An installed component that is a channel.
fn channel(application: &Application, id: &str) -> Result<(ComponentId, Arc<Checked>)> {
    let installed = application.installed()?;
    let all = installed.usable.iter().filter(|(_, checked)| checked.manifest().channel().is_some());
    let all: BTreeMap<&str, &Arc<Checked>> = all.map(|(id, checked)| (id.as_str(), checked)).collect();
    if let Some(checked) = all.get(id) {
        return Ok((ComponentId::parse(id)?, (*checked).clone()));
    }
    let shown = cara_authority::display_safe(id);
    let cure = match near_name(id, all.keys().copied()) {
        Some(near) => format!("`{near}`, if you mean that one"),
        None if all.is_empty() => "`cara plugin install` brings one here".to_owned(),
        None => format!("there are {}", all.keys().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")),
    };
    fail!(NotFound, "there is no channel `{shown}`\nhint: {cure}")
}

/// An account that is configured.
fn configured(config: &Config, id: &ComponentId, account: &str) -> Result<AccountId> {
    let account = AccountId::parse(account)?;
    let is_there = config.channel.get(id).is_some_and(|accounts| accounts.contains_key(&account));
    if is_there { Ok(account) } else { Err(none(id, &account)) }
}

fn none(id: &ComponentId, account: &AccountId) -> Error {
    error!(
        NotFound,
        "channel `{id}` has no account `{account}`\nhint: `cara channel list` shows them; `cara channel add` adds one"
    )
}

/// The key of an account in the configuration.
fn key(id: &ComponentId, account: &AccountId, rest: &[&str]) -> String {
    let path = ["channel", id.as_str(), account.as_str()];
    document::dotted(&path.iter().chain(rest).map(|name| (*name).to_owned()).collect::<Vec<_>>())
}

/// Says what adding an account of a channel takes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribeChannel {
    /// The channel.
    pub channel: String,
    /// The account; `main` when left out.
    #[serde(default = "default_account")]
    pub account: String,
}

/// What an account of a channel is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelNeeds {
    /// Whether there is such an account already.
    pub exists: bool,
    /// The secrets of it.
    pub secrets: Vec<NeededSecret>,
    /// The settings of it.
    pub settings: Vec<NeededSetting>,
}

/// A secret of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NeededSecret {
    /// As `cara secrets set` takes it: `telegram/bot-token@main`.
    pub secret: String,
    /// What it is, and where to get it.
    pub label: String,
    /// Whether a value is stored.
    pub stored: bool,
    /// Whether the channel works without.
    pub optional: bool,
}

/// A setting of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NeededSetting {
    /// Its key.
    pub key: String,
    /// What it is for.
    pub label: String,
    /// What counts where it is not set; nothing where it has to be.
    pub default: Option<serde_json::Value>,
}

fn secret_of(id: &ComponentId, account: &AccountId, name: &cara_authority::SecretName) -> SecretId {
    SecretId::component(id.clone(), name.clone()).of(Some(account.clone()))
}

impl Operation for DescribeChannel {
    type View = ChannelNeeds;
    const ROUTE: Route = Route::get(
        "channels.describe",
        "/control/v1/channels/{channel}",
        "Say what adding an account of a channel takes.",
    );

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let (id, checked) = channel(application, &self.channel)?;
        let (account, stored) = (AccountId::parse(&self.account)?, application.vault.list()?);
        let secrets = checked.manifest().secrets().iter().map(|secret| {
            let wanted = secret_of(&id, &account, &secret.name);
            let (stored, optional) = (stored.contains(&wanted), secret.optional);
            NeededSecret { secret: wanted.to_string(), label: secret.label.clone(), stored, optional }
        });
        let settings = checked.manifest().setting_keys().iter().map(|setting| NeededSetting {
            key: setting.key.to_string(),
            label: setting.label.clone(),
            default: setting.default.clone(),
        });
        let exists = configured(&*application.config()?, &id, &self.account).is_ok();
        Ok(ChannelNeeds { exists, secrets: secrets.collect(), settings: settings.collect() })
    }
}

/// Who an account is on its platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectedAccount {
    /// The channel.
    pub channel: String,
    /// The account.
    pub account: String,
    /// The platform's id of it.
    pub id: String,
    /// How people call it there.
    pub name: String,
    /// How it delivers: `keyed` and for how many milliseconds, `checkable` or `blind`.
    pub delivery: String,
}

/// Connects an account once.
async fn probe(
    application: &Application,
    id: &ComponentId,
    account: &AccountId,
    settings: BTreeMap<String, String>,
) -> Result<ConnectedAccount> {
    let live = LiveAccount::new(application.me.clone(), id.clone(), account.clone(), Arc::default()).with(settings);
    // A vault that is locked is told as such: whoever asks can give the password.
    live.open_vault(application).await?;
    let Started { me, delivery, .. } =
        live.start().await.map_err(|trouble| error!(Conflict, "{trouble}").context("the account does not connect"))?;
    let (channel, account) = (id.to_string(), account.to_string());
    Ok(ConnectedAccount { channel, account, id: me.id, name: me.name, delivery: shown(delivery) })
}

/// Adds an account of a channel, once its platform answers: grants the component what it asks for, and sets the account in the
/// configuration.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddChannel {
    /// The channel.
    pub channel: String,
    /// The account, as it is to be called; `main` when left out.
    #[serde(default = "default_account")]
    pub account: String,
    /// Settings of it, each as TOML; text needs no quotes.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

impl Operation for AddChannel {
    type View = ConnectedAccount;
    const ROUTE: Route =
        Route::post("channels.add", "/control/v1/channels", "Add an account of a channel.").once().admin().audited();

    fn subject(&self) -> String {
        format!("{}:{}", self.channel, self.account)
    }

    async fn run(self, application: &Arc<Application>, by: &Principal, events: &Events) -> Result<Self::View> {
        let (id, checked) = channel(application, &self.channel)?;
        let account = AccountId::parse(&self.account)?;
        if configured(&*application.config()?, &id, &self.account).is_ok() {
            fail!(
                Conflict,
                "channel `{id}` has an account `{account}` already\n\
                 hint: `cara channel test` tries it; name another one with `--account`"
            );
        }
        for (key, text) in &self.settings {
            check_text(checked.manifest(), key, text)?;
        }
        let around = application.setting_sources()?;
        let act = "cara channel add";
        let new = model_selection::record(application, &checked, &around, &self.settings, act).await?;
        let connected = match probe(application, &id, &account, self.settings.clone()).await {
            Ok(connected) => connected,
            Err(error) => {
                // What was granted for this alone.
                application.ledger.revoke(&id, &new, "cara channel add did not connect").await?;
                return Err(error);
            }
        };
        if !new.is_empty() {
            let new: Vec<String> = new.iter().map(ToString::to_string).collect();
            events.note(format!("granted to `{id}`: {} ({act})", new.join(", ")));
        }
        // Last, for from then on it is driven.
        let paused = SetSetting { key: key(&id, &account, &["paused"]), value: "false".to_owned() };
        let settings = self
            .settings
            .into_iter()
            .map(|(name, value)| SetSetting { key: key(&id, &account, &["settings", &name]), value });
        config::set_all(application, by, settings.chain([paused]))?;
        Ok(connected)
    }
}

/// Makes a code by which somebody becomes known: whoever sends it to the account, alone, within ten minutes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PairChannel {
    /// The channel.
    pub channel: String,
    /// The account; `main` when left out.
    #[serde(default = "default_account")]
    pub account: String,
    /// Who it will be; the owner when left out.
    #[serde(default)]
    pub person: Option<String>,
}

/// A code for somebody on a channel.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ChannelCode {
    /// The code: it is told this once.
    pub code: String,
    /// From when on it counts no more, Unix milliseconds.
    pub expires_ms: u64,
}

impl Operation for PairChannel {
    type View = ChannelCode;
    const ROUTE: Route = Route::post(
        "channels.pair",
        "/control/v1/channels/{channel}/{account}/codes",
        "Make a code by which somebody on a channel becomes known.",
    )
    .once()
    .admin()
    .audited();

    fn subject(&self) -> String {
        format!("{}:{}", self.channel, self.account)
    }

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let (id, _) = channel(application, &self.channel)?;
        let account = configured(&*application.config()?, &id, &self.account)?;
        let person = known_people::person(self.person.as_deref().unwrap_or("owner"))?;
        if person != PersonId::owner() {
            known_people::find(application.records().await?, &person).await?;
        }
        if application.holder.role != Role::Daemon {
            fail!(Conflict, "no daemon runs, which would hear the code\nhint: `cara start` runs one");
        }
        let (code, now_ms) = (credentials::code()?, application.now_ms());
        let expires_ms = now_ms + CODE_MS;
        if !application.accounts.codes.keep(&code, (&id, &account), person, [now_ms, expires_ms]) {
            fail!(Conflict, "there are too many codes already\nhint: they end within ten minutes");
        }
        Ok(ChannelCode { code: code.to_string(), expires_ms })
    }
}

/// How long a code counts.
const CODE_MS: u64 = 10 * 60 * 1_000;

/// Connects an account once, and says who it is.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestChannel {
    /// The channel.
    pub channel: String,
    /// The account; `main` when left out.
    #[serde(default = "default_account")]
    pub account: String,
}

impl Operation for TestChannel {
    type View = ConnectedAccount;
    const ROUTE: Route = Route::post(
        "channels.test",
        "/control/v1/channels/{channel}/{account}/test",
        "Connect an account once, and say who it is.",
    );

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let (id, _) = channel(application, &self.channel)?;
        let account = configured(&*application.config()?, &id, &self.account)?;
        probe(application, &id, &account, BTreeMap::new()).await
    }
}

/// Has an account rest, or go on.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseChannel {
    /// The channel.
    pub channel: String,
    /// The account; `main` when left out.
    #[serde(default = "default_account")]
    pub account: String,
    /// Whether it rests.
    pub paused: bool,
}

impl Operation for PauseChannel {
    type View = Done;
    const ROUTE: Route = Route::put(
        "channels.pause",
        "/control/v1/channels/{channel}/{account}/paused",
        "Have an account of a channel rest, or go on.",
    )
    .audited();

    fn subject(&self) -> String {
        format!("{}:{} {}", self.channel, self.account, if self.paused { "paused" } else { "resumed" })
    }

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let id = ComponentId::parse(&self.channel)?;
        let account = configured(&*application.config()?, &id, &self.account)?;
        let paused = SetSetting { key: key(&id, &account, &["paused"]), value: self.paused.to_string() };
        config::set_all(application, by, [paused])?;
        Ok(Done {})
    }
}

/// Removes an account of a channel, with its secrets.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveChannel {
    /// The channel.
    pub channel: String,
    /// The account; `main` when left out.
    #[serde(default = "default_account")]
    pub account: String,
}

/// What was removed with an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RemovedChannel {
    /// Secrets that were removed.
    pub secrets: Vec<String>,
}

impl Operation for RemoveChannel {
    type View = RemovedChannel;
    const ROUTE: Route = Route::delete(
        "channels.remove",
        "/control/v1/channels/{channel}/{account}",
        "Remove an account of a channel, with its secrets.",
    )
    .admin()
    .audited();

    fn subject(&self) -> String {
        format!("{}:{}", self.channel, self.account)
    }

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let id = ComponentId::parse(&self.channel)?;
        let account = configured(&*application.config()?, &id, &self.account)?;
        application.accounts.codes.forget(&id, &account);
        // What waits for it would go by the next account of that name.
        let records = application.records().await?;
        for waiting in records.outbox_unsent(u32::MAX).await? {
            let at = &waiting.message.address;
            if (at.channel.as_str(), at.account.as_str()) == (id.as_str(), account.as_str())
                && waiting.state == OutboundState::Waiting
            {
                records.drop_outbound(&waiting.id, "cara channel remove").await?;
            }
        }
        let of_it = |secret: &SecretId| *secret == secret_of(&id, &account, &secret.name);
        let (vault, all) = (application.vault.clone(), application.vault.list()?);
        let gone: Vec<SecretId> = all.into_iter().filter(of_it).collect();
        let secrets = gone.iter().map(ToString::to_string).collect();
        if !gone.is_empty() {
            let removed = move || gone.iter().try_for_each(|secret| vault.remove(secret).map(drop));
            tokio::task::spawn_blocking(removed).await??;
        }
        config::unset_one(application, by, &key(&id, &account, &[]))?;
        Ok(RemovedChannel { secrets })
    }
}
