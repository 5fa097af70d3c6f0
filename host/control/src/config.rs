//! What the operator does with the configuration: reads, sets, checks it.

use crate::allowed;
use crate::application::Application;
use crate::assistant_factory;
use crate::config_check;
use crate::configuration::{self, Config, Unusable, document, keys};
use crate::error::{Error, Result, fail};
use crate::event::Events;
use crate::grants;
use crate::home_files::HomeFiles;
use crate::known_people;
use crate::operation::{Done, Operation, Route};
use cara_authority::{ComponentId, Principal};
use cara_services::files;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

pub use crate::configuration::Configuration;

/// The most bytes of a request with a configuration file in it, which has at most 1 MiB and more as JSON.
const MOST: usize = 4 * 1024 * 1024;

/// The JSON Schema of the configuration.
pub fn schema() -> Value {
    schemars::schema_for!(Config).to_value()
}

/// One key of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// The key, dotted.
    pub key: String,
    /// The value that counts; null where nothing does.
    pub value: Value,
    /// Whether the file sets it; else it is the default.
    pub set: bool,
}

impl Setting {
    /// What counts for a key that is not set, in words.
    pub fn counts(&self) -> String {
        match &self.value {
            Value::Null => "nothing counts in its place".to_owned(),
            value => format!("the default counts: {value}"),
        }
    }
}

/// What is in use, key by key; says so when the file is not.
fn in_use(application: &Application, events: &Events) -> Result<Vec<(Vec<String>, Value)>> {
    let (text, bad) = application.settings.text(&application.events);
    if let Some(Unusable { error, of_before }) = bad {
        events.note(error.to_string());
        if of_before {
            events.note("the values in use are those of the previous configuration");
        }
    }
    document::entries(&text)
}

/// Shows the values that count, and whether the file sets them.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetSetting {
    /// A key, or a table for all keys in it; everything when left out.
    #[serde(default)]
    pub key: Option<String>,
}

impl Operation for GetSetting {
    type View = Vec<Setting>;
    const ROUTE: Route =
        Route::get("config.get", "/control/v1/config", "Show the values that count, and which are set.");

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        let asked = self.key.as_deref().map(document::path).transpose()?.unwrap_or_default();
        if !asked.is_empty() && !keys::is_key(&asked) && !keys::is_table(&asked) {
            return Err(unknown(&asked));
        }
        let set = in_use(application, events)?;
        let mut unset: Vec<Vec<String>> = keys::fixed().collect();
        if keys::is_key(&asked) {
            unset.push(asked.clone());
        }
        unset.retain(|path| set.iter().all(|(known, _)| known != path));
        unset.sort();
        unset.dedup();
        let setting = |path: &[String], value: Value, set| Setting { key: document::dotted(path), value, set };
        let mut all: Vec<(Vec<String>, Setting)> = Vec::new();
        for (path, value) in set {
            let shown = setting(&path, value, true);
            all.push((path, shown));
        }
        for path in unset {
            let shown = setting(&path, default(application, &path), false);
            all.push((path, shown));
        }
        all.retain(|(path, _)| path.starts_with(&asked));
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(all.into_iter().map(|(_, setting)| setting).collect())
    }
}

/// What counts where a key is not set; of a component's setting, what its manifest says. Null where nothing does.
fn default(application: &Application, path: &[String]) -> Value {
    let of_manifest = || {
        let [component, id, settings, key] = path else { return None };
        let is_setting = component == "component" && settings == "settings";
        let installed = application.installed().ok().filter(|_| is_setting)?;
        let checked = installed.usable.get(&ComponentId::parse(id).ok()?)?;
        let mut declared = checked.manifest().setting_keys().iter();
        declared.find(|setting| setting.key.as_str() == key)?.default.clone()
    };
    keys::default(path).or_else(of_manifest).unwrap_or_default()
}

fn unknown(path: &[String]) -> Error {
    let cure = keys::near(path).map_or_else(
        || "`cara config get` lists the keys, `cara config schema` describes them".to_owned(),
        |near| format!("`{near}`, if you mean that one"),
    );
    let key = document::dotted(path);
    let key: String = key.chars().take(120).collect();
    crate::error::error!(NotFound, "there is no key `{key}` in the configuration\nhint: {cure}")
}

/// Sets a key in the file; comments and order stay. The whole file is checked before it counts.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSetting {
    /// The key, dotted.
    pub key: String,
    /// The value as TOML; text needs no quotes.
    pub value: String,
}

impl Operation for SetSetting {
    type View = Setting;
    const ROUTE: Route =
        Route::put("config.set", "/control/v1/config/keys/{key}", "Set a key of the configuration.").admin().audited();

    fn subject(&self) -> String {
        self.key.clone()
    }

    async fn run(self, application: &Arc<Application>, by: &Principal, events: &Events) -> Result<Self::View> {
        let path = document::path(&self.key)?;
        if !keys::is_key(&path) {
            if keys::is_table(&path) {
                let key = document::dotted(&path);
                fail!(Invalid, "`{key}` is a table\nhint: name a key in it; `cara config get {key}` lists them");
            }
            return Err(unknown(&path));
        }
        let new = change(application, by, |text, file| document::set(text, file, &path, &self.value))?;
        let value = document::entries(&new)?.into_iter().find(|(known, _)| *known == path).map(|(_, value)| value);
        if let [component, id, settings, _] = &path[..]
            && (component.as_str(), settings.as_str()) == ("component", "settings")
        {
            grants::say_closed(application, &ComponentId::parse(id)?, events).await?;
        }
        if let (true, Some(Value::String(file))) = (path == ["audit", "anchor", "file"], &value)
            && !Path::new(file).exists()
        {
            events.note(format!(
                "nothing is anchored there yet\nhint: `cara audit anchor --file {file}` begins the file"
            ));
        }
        Ok(Setting { key: document::dotted(&path), value: value.unwrap_or_default(), set: true })
    }
}

/// Sets keys in one change.
pub(crate) fn set_all(
    application: &Application,
    by: &Principal,
    all: impl IntoIterator<Item = SetSetting>,
) -> Result<()> {
    let new = |text: &str, file: &str| {
        all.into_iter().try_fold(text.to_owned(), |text, SetSetting { key, value }| {
            document::set(&text, file, &document::path(&key)?, &value)
        })
    };
    change(application, by, new).map(drop)
}

/// Takes a key or a table out.
pub(crate) fn unset_one(application: &Application, by: &Principal, key: &str) -> Result<()> {
    change(application, by, |text, file| document::unset(text, file, &document::path(key)?)).map(drop)
}

/// Takes a key or a table out of the file, so that the default counts.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnsetSetting {
    /// The key, dotted.
    pub key: String,
}

impl Operation for UnsetSetting {
    type View = Setting;
    const ROUTE: Route =
        Route::delete("config.unset", "/control/v1/config/keys/{key}", "Take a key out of the configuration.")
            .admin()
            .audited();

    fn subject(&self) -> String {
        self.key.clone()
    }

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let path = document::path(&self.key)?;
        change(application, by, |text, file| document::unset(text, file, &path))?;
        Ok(Setting { key: document::dotted(&path), value: default(application, &path), set: false })
    }
}

/// Changes the file if what comes of it can be used; from then on it is.
fn change(
    application: &Application,
    by: &Principal,
    changed: impl FnOnce(&str, &str) -> Result<String>,
) -> Result<String> {
    let _one_at_a_time = application.settings.writing();
    let file = application.home().config();
    let shown = file.display().to_string();
    let now = configuration::text(&file)?;
    let new = changed(&now, &shown)?;
    // What is no TOML is refused below, and not used.
    if let Ok(after) = toml::from_str::<toml::Table>(&new)
        && let before = toml::from_str(&now).unwrap_or_default()
        && let Some(key) = LOCAL.iter().find(|key| setting(&before, key) != setting(&after, key))
    {
        allowed::without_credential(by, &format!("`{key}`"), "`cara config set` or `cara config edit`")?;
    }
    write(application, &new, &shown)?;
    Ok(new)
}

/// What outlasts a credential that was taken back, or undoes the taking: programs that the daemon runs, files that it trusts or
/// writes outside the home, the server of the ledger, who else says who somebody is.
const LOCAL: [&str; 7] = [
    "audit.anchor",
    "gateway.access.tailscale",
    "gateway.access.trusted-proxies",
    "gateway.tailscale.program",
    "gateway.tls",
    "ledger.url",
    "vault.password-file",
];

/// What a configuration says for a key.
fn setting<'a>(whole: &'a toml::Table, key: &str) -> Option<&'a toml::Value> {
    let (first, rest) = key.split_once('.')?;
    rest.split('.').try_fold(whole.get(first)?, |value, name| value.get(name))
}

fn write(application: &Application, new: &str, shown: &str) -> Result<()> {
    config_check::check(&application.plugins, &Config::parse(new, shown)?, shown)?;
    application.settings.writes(new);
    files::write_private_atomic(&application.home().config(), new.as_bytes())?;
    application.config().map(drop)
}

/// Gives the file as it stands.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReadConfig {}

/// The file of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigFile {
    /// The path of the file.
    pub path: String,
    /// What is in it; nothing where there is none.
    pub text: String,
}

impl Operation for ReadConfig {
    type View = ConfigFile;
    const ROUTE: Route =
        Route::get("config.read", "/control/v1/config/file", "Give the configuration file as it stands.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let path = application.home().config();
        Ok(ConfigFile { text: configuration::text(&path)?, path: path.display().to_string() })
    }
}

/// Replaces the file by a text that can be used.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceConfig {
    /// The text of the file as it was read; when it changed meanwhile, nothing is done.
    pub before: String,
    /// The text that takes its place.
    pub text: String,
}

impl Operation for ReplaceConfig {
    type View = Done;
    const ROUTE: Route = Route::put("config.replace", "/control/v1/config/file", "Replace the configuration file.")
        .up_to(2 * MOST)
        .admin()
        .audited();

    async fn run(self, application: &Arc<Application>, by: &Principal, events: &Events) -> Result<Self::View> {
        let Self { before, text } = self;
        let now = change(application, by, |now, file| {
            if now != before && now != text {
                fail!(Conflict, "`{file}` was changed meanwhile\nhint: edit it again, and take over what was changed");
            }
            Ok(text)
        })?;
        say_unclear(application, &Config::parse(&now, "the text")?, events)?;
        Ok(Done {})
    }
}

/// Checks a configuration without using it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckConfig {
    /// The text; that of the file in use when left out.
    #[serde(default)]
    pub text: Option<String>,
    /// What errors call it.
    #[serde(default)]
    pub name: Option<String>,
}

/// A configuration that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsableConfig {
    /// What was checked.
    pub path: String,
    /// How many keys it sets.
    pub keys: usize,
}

impl Operation for CheckConfig {
    type View = UsableConfig;
    const ROUTE: Route =
        Route::post("config.check", "/control/v1/config/check", "Check a configuration without using it.")
            .up_to(MOST)
            .reading();

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        let file = application.home().config();
        let text = self.text.map_or_else(|| configuration::text(&file), Ok)?;
        let path = self.name.unwrap_or_else(|| file.display().to_string());
        let config = Config::parse(&text, &path)?;
        config_check::check(&application.plugins, &config, &path)?;
        // Who is known stands in the ledger, which nothing else here needs.
        if config.approvals.names_people() || !config.budget.person.is_empty() {
            known_people::check(application.records().await?, &config, &path).await?;
        }
        say_unclear(application, &config, events)?;
        Ok(UsableConfig { path, keys: document::entries(&text)?.len() })
    }
}

fn say_unclear(application: &Application, config: &Config, events: &Events) -> Result<()> {
    assistant_factory::say_unclear(application, config, &*application.installed()?, events);
    Ok(())
}

/// Shows what differs from the defaults.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct DiffConfig {}

/// A key whose value is not the default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigDifference {
    /// The key, dotted.
    pub key: String,
    /// The value that counts.
    pub value: Value,
    /// What would count; null where nothing would.
    pub default: Value,
}

impl Operation for DiffConfig {
    type View = Vec<ConfigDifference>;
    const ROUTE: Route = Route::get("config.diff", "/control/v1/config/diff", "Show what differs from the defaults.");

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        let difference = |(path, value): (Vec<String>, Value)| ConfigDifference {
            key: document::dotted(&path),
            value,
            default: default(application, &path),
        };
        let all = in_use(application, events)?.into_iter().map(difference);
        Ok(all.filter(|difference| difference.value != difference.default).collect())
    }
}
