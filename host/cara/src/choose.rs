//! Which provider and model answer, and what naming them grants.

use crate::boot::Cara;
use crate::cli::{ProviderChoice, SettingArgument};
use crate::config::Config;
use crate::live::LiveComponent;
use crate::plugins::Installed;
use crate::show;
use anyhow::{Context, Result, anyhow, bail};
use cara_assistant::{ModelName, Provider};
use cara_authority::manifest::{Detect, Setting};
use cara_authority::{Capability, ComponentId, Grants, Settings, VariableName};
use cara_kernel::Checked;
use cara_services::files;
use cara_services::vault::{SecretId, SecretValue};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

mod facts;

/// The largest file `--set KEY=@FILE` reads, bytes.
const LARGEST: u64 = 256 * 1024;

/// Chooses by `--model`, else the configuration, else what can be found.
pub(crate) async fn provider(cara: &Cara, choice: &ProviderChoice) -> Result<Provider> {
    if let Some(name) = &choice.model {
        let script =
            choice.script.iter().map(|path| SettingArgument { key: "script".into(), value: format!("@{path}") });
        let set: Vec<SettingArgument> = choice.settings.iter().cloned().chain(script).collect();
        return named(cara, name, &set, "--model names it").await;
    }
    if let Some(name) = &cara.config.chat.model {
        return named(cara, name, &[], "the configuration names it").await;
    }
    found(cara).await
}

/// The provider of that name, with what its manifest asks granted: naming it is the operator's act.
pub(crate) async fn named(cara: &Cara, name: &ModelName, set: &[SettingArgument], act: &str) -> Result<Provider> {
    let checked = cara.checked(&name.component)?;
    let Some(declared) = checked.manifest().provider() else {
        bail!("component `{}` offers no models\nhint: `cara plugin list` shows the providers", name.component);
    };
    use_environment(cara, &checked);
    grant(cara, &checked, &asking(cara, &checked, set)?, act).await?;
    let model = name.model.clone().unwrap_or_else(|| declared.default_model.clone());
    ready(cara, &checked, set, model).await
}

/// The first usable provider by rank, saying so in one line.
async fn found(cara: &Cara) -> Result<Provider> {
    let installed = cara.installed()?;
    let mut candidates: Vec<&Arc<Checked>> =
        installed.usable.values().filter(|c| c.manifest().provider().is_some()).collect();
    candidates.sort_by_key(|checked| checked.manifest().provider().map(|provider| provider.rank));
    for checked in candidates {
        let (manifest, Some(declared)) = (checked.manifest(), checked.manifest().provider()) else { continue };
        // What was installed keeps to what was granted then; of what is built in, finding it usable grants what it asks.
        let built_in = installed.lock.0.get(manifest.id()).is_none_or(|entry| entry.active.is_none());
        match declared.detect {
            Detect::Secret => {
                let Some(why) = key_at_hand(cara, checked)? else { continue };
                use_environment(cara, checked);
                if built_in {
                    grant(cara, checked, &asking(cara, checked, &[])?, &why).await?;
                }
                show::note(&format!("using {}:{} because {why}", manifest.id(), declared.default_model));
                return ready(cara, checked, &[], declared.default_model.clone()).await;
            }
            Detect::Port => {
                if let Some(provider) = answering(cara, checked, built_in).await? {
                    return Ok(provider);
                }
            }
            Detect::Always => {
                let text = format!(
                    "no model is configured: using `{}`, which is not a language model; say `help` to it",
                    manifest.id()
                );
                show::note(&text);
                return ready(cara, checked, &[], declared.default_model.clone()).await;
            }
        }
    }
    Err(anyhow!("no provider is usable\nhint: name one with `--model`, or store a key with `cara secrets set`"))
}

/// Why a key of the component counts as given: its variable is set, or a value is stored.
fn key_at_hand(cara: &Cara, checked: &Checked) -> Result<Option<String>> {
    let Some(secret) = checked.manifest().secrets().first() else { return Ok(None) };
    if let Some(variable) = secret.env.iter().find(|name| set_variable(name).is_some()) {
        return Ok(Some(format!("{variable} is set")));
    }
    let id = SecretId::component(checked.manifest().id().clone(), secret.name.clone());
    Ok(cara.vault.holds(&id)?.then(|| format!("secret `{id}` is stored")))
}

/// A provider whose server on this machine answers. It is asked with powers that are recorded only when it does.
async fn answering(cara: &Cara, checked: &Arc<Checked>, built_in: bool) -> Result<Option<Provider>> {
    let (manifest, interfaces) = (checked.manifest(), checked.interfaces());
    let granted = if built_in { environment(checked) } else { cara.ledger.granted(manifest.id()).await? };
    let settings = settings(&cara.config, &*cara.installed()?, checked, &granted, &[])?;
    let requested = manifest.requested(&settings);
    let local = |wish: &&Capability| matches!(wish, Capability::Http(to) if to.origin().is_some_and(|origin| origin.is_loopback()));
    let requested: Vec<Capability> = requested.iter().filter(local).cloned().collect();
    let Some(Capability::Http(place)) = requested.first() else { return Ok(None) };
    let overrides = cara.config.component.get(manifest.id()).map(|config| config.limits.clone()).unwrap_or_default();
    let grants = Arc::new(Grants::intersect(manifest, interfaces, &requested, settings.clone(), &overrides));
    let component = cara.component(manifest.id()).await?;
    let Ok(returned) = component.models(&grants, &cara.services).await else { return Ok(None) };
    let Ok(models) = returned.answer else { return Ok(None) };
    let wanted = manifest.provider().map(|provider| provider.default_model.clone()).unwrap_or_default();
    let has = |model: &str| {
        models.iter().any(|offered| offered.id == model || offered.id.strip_suffix(":latest") == Some(model))
    };
    let model = if has(&wanted) { Some(wanted) } else { models.first().map(|model| model.id.clone()) };
    let Some(model) = model else { return Ok(None) };
    let why = format!("a server answers at {place}");
    if built_in {
        grant(cara, checked, &settings, &why).await?;
    }
    show::note(&format!("using {}:{model}, served on this machine", manifest.id()));
    ready(cara, checked, &[], model).await.map(Some)
}

/// Grants what the manifest asks with these settings, records it, and says what is new in one line.
pub(crate) async fn grant(cara: &Cara, checked: &Checked, settings: &Settings, act: &str) -> Result<()> {
    let id = checked.manifest().id();
    let requested = checked.manifest().requested(settings);
    if requested.is_empty() {
        return Ok(());
    }
    let new = cara.ledger.grant(id, &requested, act).await?;
    if !new.is_empty() {
        let new: Vec<String> = new.iter().map(ToString::to_string).collect();
        show::note(&format!("granted to `{id}`: {} ({act})", new.join(", ")));
    }
    Ok(())
}

/// A model of the component, which is met with its grants at each call.
async fn ready(cara: &Cara, checked: &Arc<Checked>, set: &[SettingArgument], model: String) -> Result<Provider> {
    let id = checked.manifest().id().clone();
    cara.live().open_vault(checked).await?;
    cara.component(&id).await?;
    let facts = facts::facts(cara, checked, &model)?;
    let (context_tokens, price) = (facts.context_tokens, facts.price);
    let component = Arc::new(LiveComponent { live: cara.live(), id: id.clone(), set: set.to_vec() });
    Ok(Provider { id, component, services: cara.services.clone(), model, context_tokens, price })
}

/// The environment variables that a component's settings ask to read.
pub(crate) fn environment(checked: &Checked) -> Vec<Capability> {
    let variables = checked.manifest().setting_keys().iter().flat_map(|setting| &setting.env);
    variables.cloned().map(Capability::Environment).collect()
}

/// The component's settings as they will be once all that it asks for is granted: to say what it asks for.
pub(crate) fn asking(cara: &Cara, checked: &Checked, set: &[SettingArgument]) -> Result<Settings> {
    settings(&cara.config, &*cara.installed()?, checked, &environment(checked), set)
}

/// The component whose secret a variable holds.
pub(crate) fn secret_of<'a>(installed: &'a Installed, variable: &str) -> Option<&'a ComponentId> {
    let holds = |checked: &&Arc<Checked>| {
        checked.manifest().secrets().iter().any(|secret| secret.env.iter().any(|name| name == variable))
    };
    installed.usable.values().find(holds).map(|checked| checked.manifest().id())
}

/// Refuses to give in clear what is a secret of another component.
pub(crate) fn refuse_secrets(cara: &Cara, checked: &Checked, requested: &[Capability]) -> Result<()> {
    let (id, installed) = (checked.manifest().id(), cara.installed()?);
    for wish in requested {
        if let Capability::Environment(name) = wish
            && let Some(owner) = secret_of(&installed, name.as_str())
        {
            bail!(
                "component `{id}` asks for environment variable {name}, which holds a secret of `{owner}`\n\
                 hint: a secret is never given in clear; its author has to declare it as `[[secret]]`"
            );
        }
    }
    Ok(())
}

/// Says which variables a component would read if they were granted, so that nobody wonders why they do nothing.
pub(crate) async fn say_unread(cara: &Cara, checked: &Checked) -> Result<()> {
    let id = checked.manifest().id();
    let granted = cara.ledger.granted(id).await?;
    for wish in environment(checked).into_iter().filter(|wish| !granted.is_empty() && !granted.contains(wish)) {
        if let Capability::Environment(name) = &wish
            && set_variable(name.as_str()).is_some()
        {
            show::note(&format!("{name} is set, and `{id}` may not read it: `cara grant {id} {wish}`"));
        }
    }
    Ok(())
}

/// The component's settings: `--set` over the environment over the configuration over the manifest's defaults. Of the
/// environment it is given what is granted by name and is no secret of anybody.
pub(crate) fn settings(
    config: &Config,
    installed: &Installed,
    checked: &Checked,
    granted: &[Capability],
    set: &[SettingArgument],
) -> Result<Settings> {
    let manifest = checked.manifest();
    let may_read = |name: &VariableName| {
        granted.contains(&Capability::Environment(name.clone())) && secret_of(installed, name.as_str()).is_none()
    };
    let configured = config.component.get(manifest.id()).map(|config| config.settings.clone());
    let mut values: BTreeMap<String, Value> = configured.unwrap_or_default();
    for setting in manifest.setting_keys() {
        for variable in setting.env.iter().filter(|name| may_read(name)) {
            if let Some(text) = set_variable(variable.as_str()) {
                let value = setting
                    .kind
                    .read(&setting.key, &text)
                    .with_context(|| format!("environment variable {variable}"))?;
                values.insert(setting.key.to_string(), value);
                break;
            }
        }
    }
    for argument in set {
        let setting = manifest.setting_keys().iter().find(|setting| setting.key.as_str() == argument.key);
        let setting = setting.ok_or_else(|| unknown(manifest.id(), &argument.key, manifest.setting_keys()))?;
        let text = match argument.value.strip_prefix('@') {
            Some(path) => read_text(Path::new(path))?,
            None => argument.value.clone(),
        };
        values.insert(argument.key.clone(), setting.kind.read(&setting.key, &text)?);
    }
    Ok(manifest.settings(&values)?)
}

fn unknown(id: &ComponentId, key: &str, settings: &[Setting]) -> anyhow::Error {
    let known: Vec<String> = settings.iter().map(|setting| format!("`{}`", setting.key)).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    anyhow!("component `{id}` has no setting `{key}`\nhint: it has {known}")
}

fn read_text(path: &Path) -> Result<String> {
    let shown = path.display();
    let bytes = files::read_capped(path, LARGEST)?.ok_or_else(|| anyhow!("`{shown}` does not exist"))?;
    String::from_utf8(bytes).with_context(|| format!("`{shown}` is not UTF-8"))
}

/// Uses the component's secrets from the environment for this run; they are not stored.
pub(crate) fn use_environment(cara: &Cara, checked: &Checked) {
    let manifest = checked.manifest();
    for secret in manifest.secrets() {
        let value = secret.env.iter().find_map(|name| set_variable(name));
        if let Some(value) = value.and_then(|value| SecretValue::new(value.into_bytes()).ok()) {
            cara.vault.overlay(SecretId::component(manifest.id().clone(), secret.name.clone()), value);
        }
    }
}

fn set_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}
