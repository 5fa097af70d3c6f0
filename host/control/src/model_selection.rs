//! Which provider and model answer, and what naming them grants.

use crate::application::Application;
use crate::component_settings::{SettingSources, naming_addresses, variables};
use crate::current_components::LiveComponent;
use crate::error::{Error, ErrorKind, Result, error, fail};
use crate::event::Events;
use crate::grants;
use crate::near_names::likest;
use crate::variables::{Brought, Environment};
use cara_assistant::{ModelName, Provider};
use cara_authority::manifest::{Detect, Provider as Provided};
use cara_authority::{Capability, ComponentId, Grants, Principal, RunId, Scope, VariableName};
use cara_kernel::Checked;
use cara_kernel::bindings::provider::Model;
use cara_services::vault::SecretId;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

mod facts;

/// What answers, and why: said to the person.
pub(crate) struct Chosen {
    pub(crate) id: ComponentId,
    pub(crate) model: String,
    /// Nothing when the person named it.
    pub(crate) why: Option<String>,
}

/// What it means to name a provider, or to have it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// It is granted what its manifest asks: it is the operator's act.
    Grants,
    /// It has what it was granted before, and is not called without that.
    GrantsNothing,
}

impl Naming {
    /// What it means where somebody asks for it.
    pub(crate) fn by(by: &Principal) -> Self {
        if by.has(Scope::Admin) { Self::Grants } else { Self::GrantsNothing }
    }
}

/// The refusal of a provider that was granted nothing.
pub(crate) fn not_granted(id: &ComponentId) -> Error {
    error!(
        Refused,
        "provider `{id}` may not be called: nothing is granted to it\nhint: `cara models --model {id}` grants what it asks for"
    )
}

/// Chooses the model that was named, else that of the configuration, else what can be found.
pub(crate) async fn choose(
    application: &Application,
    named: Option<&ModelName>,
    means: Naming,
    brought: &Brought,
    events: &Events,
) -> Result<Chosen> {
    if let Some(name) = named {
        return naming(application, name, means, brought, "--model names it", events).await;
    }
    if let Some(name) = &application.config()?.chat.model {
        return naming(application, name, means, brought, "the configuration names it", events).await;
    }
    found(application, means, brought, events).await
}

/// The model of that name, whose provider may be called.
pub(crate) async fn naming(
    application: &Application,
    name: &ModelName,
    means: Naming,
    brought: &Brought,
    act: &str,
    events: &Events,
) -> Result<Chosen> {
    let checked = application.checked(&name.component).map_err(|error| likely(application, name, error))?;
    let Some(declared) = checked.manifest().provider() else {
        fail!(Invalid, "component `{}` offers no models\nhint: `cara plugin list` shows the providers", name.component);
    };
    if means == Naming::Grants {
        let around = application.setting_sources_in(&brought.environment)?;
        grant(application, &checked, &around, &brought.settings, act, events).await?;
    } else if !application.may_be_called(&name.component).await? {
        return Err(not_granted(&name.component));
    }
    say_led(application, &checked, brought, events).await?;
    let model = match &name.model {
        Some(model) => model.clone(),
        None if declared.detect == Detect::Port => {
            let provider = provider(application, &name.component, &declared.default_model, brought).await?;
            served(application, &provider, &declared.default_model).await?
        }
        None => declared.default_model.clone(),
    };
    Ok(Chosen { id: name.component.clone(), model, why: None })
}

/// The models that a provider names; one that takes any name says nothing by it.
fn models_of<'a>(checked: &&'a Arc<Checked>) -> Vec<&'a str> {
    let of = |provider: &'a Provided| {
        let models = provider.model.iter().map(|facts| facts.name.as_str());
        models.chain([provider.default_model.as_str()]).collect()
    };
    checked.manifest().provider().map(of).unwrap_or_default()
}

/// The error of a name that is no component's, with the provider whose model it may be.
fn likely(application: &Application, name: &ModelName, error: Error) -> Error {
    let Ok(installed) = application.installed() else { return error };
    if error.kind != ErrorKind::NotFound {
        return error;
    }
    let said = name.to_string();
    let known = installed.usable.values().filter(|checked| checked.manifest().provider().is_some());
    match likest(&said, known.clone(), models_of) {
        Some(checked) => error!(
            NotFound,
            "there is no provider `{}`\nhint: did you mean `{}:{said}`? `cara models` shows what is on offer",
            name.component,
            checked.manifest().id()
        ),
        None => {
            let ids: Vec<String> = known.map(|checked| format!("`{}`", checked.manifest().id())).collect();
            error!(
                NotFound,
                "there is no provider `{}`\nhint: write `provider:model`; the providers are {}",
                name.component,
                ids.join(", ")
            )
        }
    }
}

/// What a provider lists is told by its name from then on.
pub(crate) fn learn(application: &Application, provider: &ComponentId, models: &[Model]) {
    application.telemetry.models.learn(provider, models.iter().map(|model| model.id.as_str()));
}

/// Whether a model that a server names is the one that is wanted.
fn is_wanted(offered: &str, wanted: &str) -> bool {
    offered == wanted || offered.strip_suffix(":latest") == Some(wanted)
}

/// The default model where a server has it, else its first one.
async fn served(application: &Application, provider: &Provider, wanted: &str) -> Result<String> {
    use cara_assistant::LanguageModel;
    let models = provider.models().await.map_err(Error::from)?;
    learn(application, &provider.id, &models);
    let model =
        models.iter().find(|model| is_wanted(&model.id, wanted)).or(models.first()).map(|model| model.id.clone());
    model.ok_or_else(|| {
        error!(Unavailable, "`{}` has no model yet\nhint: its server has to load one first", provider.id)
    })
}

/// The first usable provider by rank.
async fn found(application: &Application, means: Naming, brought: &Brought, events: &Events) -> Result<Chosen> {
    let installed = application.installed()?;
    let mut candidates: Vec<&Arc<Checked>> =
        installed.usable.values().filter(|checked| checked.manifest().provider().is_some()).collect();
    candidates.sort_by_key(|checked| checked.manifest().provider().map(|provider| provider.rank));
    for checked in candidates {
        let (manifest, Some(declared)) = (checked.manifest(), checked.manifest().provider()) else { continue };
        let (id, model) = (manifest.id().clone(), declared.default_model.clone());
        if means == Naming::GrantsNothing && !application.may_be_called(&id).await? {
            continue;
        }
        // What was installed keeps to what was granted then; of what is built in, finding it usable grants what it asks.
        let grants_it = means == Naming::Grants && installed.lock.0.get(&id).is_none_or(|entry| entry.active.is_none());
        match declared.detect {
            Detect::Secret => {
                let Some(why) = key_at_hand(application, checked, &brought.environment)? else { continue };
                if grants_it {
                    let around = application.setting_sources_in(&brought.environment)?;
                    grant(application, checked, &around, &brought.settings, &why, events).await?;
                }
                say_led(application, checked, brought, events).await?;
                let why = Some(format!("using {id}:{model} because {why}"));
                return Ok(Chosen { id, model, why });
            }
            Detect::Port => {
                if let Some(chosen) = answering(application, checked, grants_it, brought, events).await? {
                    return Ok(chosen);
                }
            }
            Detect::Always => {
                let why =
                    format!("no model is configured: using `{id}`, which is not a language model; say `help` to it");
                return Ok(Chosen { id, model, why: Some(why) });
            }
        }
    }
    fail!(Conflict, "no provider is usable\nhint: name one with `--model`, or store a key with `cara secrets set`")
}

/// Why a key of the component counts as given: its variable is set, or a value is stored.
fn key_at_hand(application: &Application, checked: &Checked, environment: &Environment) -> Result<Option<String>> {
    let Some(secret) = checked.manifest().secrets().first() else { return Ok(None) };
    if let Some(variable) = secret.env.iter().find(|name| environment.get(name).is_some()) {
        return Ok(Some(format!("{variable} is set")));
    }
    let id = SecretId::component(checked.manifest().id().clone(), secret.name.clone());
    Ok(application.vault.holds(&id)?.then(|| format!("secret `{id}` is stored")))
}

/// A provider whose server answers: on this machine, or where the operator opened the way to it. It is asked with powers
/// that are recorded only when it does.
async fn answering(
    application: &Application,
    checked: &Arc<Checked>,
    is_granting: bool,
    brought: &Brought,
    events: &Events,
) -> Result<Option<Chosen>> {
    let (manifest, interfaces) = (checked.manifest(), checked.interfaces());
    let mut granted = application.ledger.granted(manifest.id()).await?;
    if is_granting {
        granted.extend(variables(checked));
    }
    let around = application.setting_sources_in(&brought.environment)?;
    let settings = around.settings(checked, &granted, &brought.settings)?;
    let server = |wish: &Capability| matches!(wish, Capability::Http(to) if to.origin().is_some());
    let Some(wish @ Capability::Http(place)) = &manifest.requested(&settings).into_iter().find(server) else {
        return Ok(None);
    };
    let only = std::slice::from_ref(wish);
    if let Err(closed) = grants::check_openings(manifest.id(), only, &granted) {
        events.note(closed.to_string());
        return Ok(None);
    }
    let opened = granted.into_iter().filter(|opening| grants::stays_open(opening, only));
    let asked: Vec<Capability> = std::iter::once(wish.clone()).chain(opened).collect();
    let overrides = around.config.component.get(manifest.id()).map(|config| config.limits.clone()).unwrap_or_default();
    let grants = Arc::new(Grants::intersect(manifest, interfaces, &asked, settings.clone(), &overrides));
    let component = application.component(manifest.id()).await?;
    let Ok(returned) = component.models(&grants, &application.services_for(brought)).await else { return Ok(None) };
    let Ok(models) = returned.answer else { return Ok(None) };
    learn(application, manifest.id(), &models);
    let wanted = manifest.provider().map(|provider| provider.default_model.clone()).unwrap_or_default();
    let has = models.iter().any(|offered| is_wanted(&offered.id, &wanted));
    let model = if has { Some(wanted) } else { models.first().map(|model| model.id.clone()) };
    let Some(model) = model else { return Ok(None) };
    if is_granting {
        let act = format!("a server answers at {place}");
        grant(application, checked, &around, &brought.settings, &act, events).await?;
    }
    let id = manifest.id().clone();
    let here = place.origin().is_some_and(|origin| origin.is_loopback());
    let why = Some(match here {
        true => format!("using {id}:{model}, served on this machine"),
        false => format!("using {id}:{model}, served at {place}"),
    });
    Ok(Some(Chosen { id, model, why }))
}

/// Grants what the manifest asks with settings as they are, and says what is new in one line.
pub(crate) async fn grant(
    application: &Application,
    checked: &Checked,
    around: &SettingSources,
    run: &BTreeMap<String, String>,
    act: &str,
    events: &Events,
) -> Result<()> {
    let new = record(application, checked, around, run, act).await?;
    if !new.is_empty() {
        let (id, new): (_, Vec<String>) = (checked.manifest().id(), new.iter().map(ToString::to_string).collect());
        events.note(format!("granted to `{id}`: {} ({act})", new.join(", ")));
    }
    Ok(())
}

/// Records what the manifest asks with settings as they are; gives what is new. An address that a variable of the request
/// names is not recorded: a terminal says where its own words go, and nobody else's.
pub(crate) async fn record(
    application: &Application,
    checked: &Checked,
    around: &SettingSources,
    run: &BTreeMap<String, String>,
    act: &str,
) -> Result<Vec<Capability>> {
    let named = around.named_by_request(checked, &variables(checked), run)?;
    let mut requested = checked.manifest().requested(&around.asking(checked, run)?);
    requested.retain(|wish| !named.contains(wish));
    if requested.is_empty() {
        return Ok(Vec::new());
    }
    Ok(application.ledger.grant(checked.manifest().id(), &requested, act, None).await?)
}

/// A model of a component, which is met with its grants at each call. Grants nothing.
pub(crate) async fn provider(
    application: &Application,
    id: &ComponentId,
    model: &str,
    brought: &Brought,
) -> Result<Provider> {
    let checked = application.checked(id)?;
    let live = application.live(&brought.environment);
    live.open_vault(&checked, &brought.settings, &application.ledger.granted(id).await?).await?;
    application.component(id).await?;
    let facts = facts::facts(application, &checked, model)?;
    if facts.is_named {
        application.telemetry.models.learn(id, [model]);
    }
    let component = Arc::new(LiveComponent { live, id: id.clone(), set: brought.settings.clone() });
    Ok(Provider {
        id: id.clone(),
        component,
        services: application.services_for(brought),
        model: model.to_owned(),
        context_tokens: facts.context_tokens,
        price: facts.price,
    })
}

/// Says which variables a component would read if they were granted, so that nobody wonders why they do nothing.
pub(crate) async fn say_unread(
    application: &Application,
    checked: &Checked,
    environment: &Environment,
    events: &Events,
) -> Result<()> {
    let id = checked.manifest().id();
    let granted = application.ledger.granted(id).await?;
    for wish in variables(checked).into_iter().filter(|wish| !granted.is_empty() && !granted.contains(wish)) {
        if let Capability::Environment(name) = &wish
            && environment.get(name.as_str()).is_some()
        {
            events.note(format!("{name} is set, and `{id}` may not read it: `cara grant {id} {wish}`"));
        }
    }
    Ok(())
}

/// Where variables of the request lead a component, and which: the addresses and the variables, each as one text.
async fn led(application: &Application, checked: &Checked, brought: &Brought) -> Result<Option<(String, String)>> {
    if !brought.environment.brings() {
        return Ok(None);
    }
    let manifest = checked.manifest();
    let granted = application.ledger.granted(manifest.id()).await?;
    let sources = application.setting_sources_in(&brought.environment)?;
    let named = sources.named_by_request(checked, &granted, &brought.settings)?;
    let places = named.iter().filter_map(|wish| match wish {
        Capability::Http(place) => Some(place.to_string()),
        _ => None,
    });
    let places: Vec<String> = places.collect();
    let is_brought = |name: &&VariableName| {
        granted.contains(&Capability::Environment((*name).clone()))
            && brought.environment.brought(name.as_str()).is_some()
    };
    let names: Vec<&str> = naming_addresses(manifest).filter(is_brought).map(VariableName::as_str).collect();
    Ok((!places.is_empty()).then(|| (places.join(", "), names.join(", "))))
}

/// Writes into the audit log where variables of a request lead the components that its run may call.
pub(crate) async fn record_led(
    application: &Application,
    run: &RunId,
    called: impl Fn(&Checked) -> bool,
    brought: &Brought,
) -> Result<()> {
    for checked in application.installed()?.usable.values().filter(|checked| called(checked)) {
        // One whose variable does not fit is not called.
        if let Ok(Some((to, variables))) = led(application, checked, brought).await {
            let detail = json!({ "run": run, "to": to, "variables": variables });
            application.ledger.append("address-from-environment", checked.manifest().id().as_str(), detail).await?;
        }
    }
    Ok(())
}

/// Says where the words go when the request's own environment names the address, and that a key which is stored stays where
/// it is.
pub(crate) async fn say_led(
    application: &Application,
    checked: &Checked,
    brought: &Brought,
    events: &Events,
) -> Result<()> {
    let (manifest, environment) = (checked.manifest(), &brought.environment);
    let granted = application.ledger.granted(manifest.id()).await?;
    if let Some((places, variables)) = led(application, checked, brought).await? {
        events.note(format!("`{}` sends to {places}, as {variables} of this terminal says", manifest.id()));
    }
    for secret in manifest.secrets().iter().filter(|secret| environment.brought_secret(secret).is_none()) {
        let id = SecretId::component(manifest.id().clone(), secret.name.clone());
        if let Some(led) = environment.leads(manifest, secret, &brought.settings, &granted)
            && (application.vault.holds(&id)? || environment.secret(secret).is_some())
        {
            let (variable, cure) = (&led.variable, led.cure());
            events.note(format!("secret `{id}` is not sent: {variable} of this terminal says where to\nhint: {cure}"));
        }
    }
    Ok(())
}
