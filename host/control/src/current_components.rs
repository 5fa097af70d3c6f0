//! What may be called now: installed, switched on and granted at this
//! moment, so that a change counts from the next call on.

use crate::component_settings::SettingSources;
use crate::configuration::{Config, Followed};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::installed::{Installed, Plugins};
use crate::missing_secret::giving;
use crate::near_names::near_names;
use crate::tool_offer::Offer;
use crate::variables::Environment;
use cara_assistant::language_model::Granted;
use cara_assistant::{Failure, Toolbox, Tools};
use cara_authority::{Capability, ComponentId, Grants, Settings};
use cara_kernel::bindings::provider::Model;
use cara_kernel::{Checked, Component};
use cara_services::ledger::Ledger;
use cara_services::vault::{SecretId, Vault};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// All that says what may be called.
#[derive(Clone)]
pub struct Live {
    pub(crate) plugins: Arc<Plugins>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) settings: Followed,
    pub(crate) environment: Environment,
    pub(crate) events: Events,
    pub(crate) vault: Arc<Vault>,
}

impl Live {
    /// Opens the vault if a secret of this component is in it and would be sent: here, between calls, a person can be asked
    /// for the password. `set` are the settings of the request.
    pub(crate) async fn open_vault(
        &self,
        checked: &Checked,
        set: &BTreeMap<String, String>,
        granted: &[Capability],
    ) -> Result<()> {
        let manifest = checked.manifest();
        for secret in manifest.secrets() {
            let id = SecretId::component(manifest.id().clone(), secret.name.clone());
            if self.environment.secret(secret).is_none()
                && self.environment.leads(manifest, secret, set, granted).is_none()
                && self.vault.at_hand(&id)?.is_none()
                && self.vault.holds(&id)?
            {
                let vault = self.vault.clone();
                tokio::task::spawn_blocking(move || vault.get(&id)).await??;
            }
        }
        Ok(())
    }

    /// What each component is granted now.
    async fn granted(&self) -> Result<BTreeMap<ComponentId, Vec<Capability>>> {
        let now_ms = self.ledger.now_ms();
        let mut granted: BTreeMap<ComponentId, Vec<Capability>> = BTreeMap::new();
        for grant in self.ledger.grants().await?.into_iter().filter(|grant| grant.holds(now_ms)) {
            granted.entry(grant.component).or_default().push(grant.capability);
        }
        Ok(granted)
    }

    /// The configuration as it is now.
    pub(crate) fn config(&self) -> Result<Arc<Config>> {
        self.settings.now(&self.events)
    }

    fn intersect(&self, config: &Config, checked: &Checked, granted: &[Capability], settings: Settings) -> Arc<Grants> {
        let manifest = checked.manifest();
        let overrides = config.component.get(manifest.id()).map(|config| config.limits.clone()).unwrap_or_default();
        Arc::new(Grants::intersect(manifest, checked.interfaces(), granted, settings, &overrides))
    }
}

/// One component with what is granted to it.
pub(crate) struct LiveComponent {
    pub(crate) live: Live,
    pub(crate) id: ComponentId,
    /// Settings of this run.
    pub(crate) set: BTreeMap<String, String>,
}

#[async_trait::async_trait]
impl Granted for LiveComponent {
    async fn now(&self) -> Result<(Arc<Component>, Arc<Grants>), Failure> {
        let now = async {
            let checked = self.live.plugins.checked(&self.id)?;
            let granted = self.live.ledger.granted(&self.id).await?;
            self.live.open_vault(&checked, &self.set, &granted).await?;
            let installed = self.live.plugins.now()?;
            let config = self.live.config()?;
            let settings =
                SettingSources { config: config.clone(), installed, environment: self.live.environment.clone() };
            let granted = settings.granted(&checked, &granted, &self.set)?;
            let settings = settings.settings(&checked, &granted, &self.set)?;
            let grants = self.live.intersect(&config, &checked, &granted, settings);
            Ok::<_, Error>((self.live.plugins.component(&self.id).await?, grants))
        };
        now.await.map_err(|error| Failure::own("plugin", error.to_string()))
    }

    async fn cure(&self, failure: &Failure, model: &str, offered: &[Model]) -> Option<String> {
        match &*failure.kind {
            // With a refusal, nothing was sent: it names its own cure.
            "auth" if failure.refusals.is_empty() => self.refused_key().await,
            "bad-request" if !offered.is_empty() && offered.iter().all(|other| other.id != model) => {
                let near = near_names(model, offered.iter().map(|other| other.id.as_str()));
                let near: Vec<String> = near.iter().map(|near| format!("`{}:{near}`", self.id)).collect();
                let meant =
                    if near.is_empty() { String::new() } else { format!("did you mean {}? ", near.join(" or ")) };
                Some(format!("{meant}`cara models --model {}` shows what is on offer", self.id))
            }
            _ => None,
        }
    }
}

impl LiveComponent {
    /// Whose key the server refused, by name, or why it was sent none, and how to give another.
    async fn refused_key(&self) -> Option<String> {
        let checked = self.live.plugins.checked(&self.id).ok()?;
        let (manifest, environment) = (checked.manifest(), &self.live.environment);
        let secret = manifest.secrets().first()?;
        let id = SecretId::component(self.id.clone(), secret.name.clone());
        let granted = self.live.ledger.granted(&self.id).await.ok()?;
        let wish = Capability::Secret(secret.name.clone());
        if !granted.contains(&wish) {
            return Some(format!("no key was sent: `{}` may not spend one; `cara grant {} {wish}`", self.id, self.id));
        }
        if environment.brought_secret(secret).is_none()
            && let Some(led) = environment.leads(manifest, secret, &self.set, &granted)
        {
            let cure = led.cure();
            return Some(format!("no key was sent: {} of this terminal names the address; {cure}", led.variable));
        }
        Some(match secret.env.iter().find(|name| environment.get(name).is_some()) {
            Some(variable) => format!(
                "the key is that of the environment variable {variable}, which counts before a stored one; correct or unset it"
            ),
            None if self.live.vault.holds(&id).ok()? => {
                format!("the key is the stored secret `{id}`; `cara secrets set {id}` replaces it")
            }
            None => format!("no key was sent, since there is none: {}", giving(&id, secret)),
        })
    }
}

/// The tools that are switched on.
pub(crate) struct LiveTools {
    live: Live,
    /// Who is told what is left out: who asked for the tools, since their environment can be the cause.
    events: Events,
    last: Mutex<Option<Last>>,
    /// Why components were left out, as it was said.
    left_out: Mutex<BTreeMap<ComponentId, String>>,
}

/// What the toolbox was made of, so that it is only made anew when that changes.
struct Last {
    config: Arc<Config>,
    installed: Arc<Installed>,
    granted: BTreeMap<ComponentId, Vec<Capability>>,
    toolbox: Arc<Toolbox>,
}

impl LiveTools {
    pub(crate) fn new(live: Live, events: Events) -> Self {
        Self { live, events, last: Mutex::default(), left_out: Mutex::default() }
    }

    async fn look(&self) -> Result<Arc<Toolbox>> {
        let (config, installed, granted) = (self.live.config()?, self.live.plugins.now()?, self.live.granted().await?);
        for (id, checked) in &installed.usable {
            let Some(granted) = granted.get(id) else { continue };
            if !checked.manifest().tools().is_empty()
                && let Err(error) = self.live.open_vault(checked, &BTreeMap::new(), granted).await
            {
                // The tool says so when it is called; a conversation can do without it.
                tracing::warn!(component = %id, %error, "the vault stays closed");
            }
        }
        if let Some(last) = &*self.last()
            && Arc::ptr_eq(&last.config, &config)
            && Arc::ptr_eq(&last.installed, &installed)
            && last.granted == granted
        {
            return Ok(last.toolbox.clone());
        }
        let around = SettingSources {
            config: config.clone(),
            installed: installed.clone(),
            environment: self.live.environment.clone(),
        };
        let mut toolbox = Toolbox::sharing(self.live.plugins.shared_names(&installed));
        for (id, checked) in &installed.usable {
            let granted = granted.get(id).map(Vec::as_slice).unwrap_or_default();
            match self.tools_of(&around, checked, granted).await {
                Ok(tools) => toolbox.join(tools),
                Err(error) => self.say_left_out(id, &error.to_string()),
            }
        }
        for (id, why) in &installed.broken {
            // What the operator switched off is missed by nobody.
            if installed.lock.0.get(id).is_some_and(|entry| entry.enabled && entry.active.is_some()) {
                self.say_left_out(id, why);
            }
        }
        let toolbox = Arc::new(toolbox);
        *self.last() = Some(Last { config, installed, granted, toolbox: toolbox.clone() });
        Ok(toolbox)
    }

    /// The tools of a component that are offered. They are put together apart from others', since a component whose second
    /// tool cannot be offered would leave its first one behind.
    async fn tools_of(
        &self,
        around: &SettingSources,
        checked: &Arc<Checked>,
        granted: &[Capability],
    ) -> Result<Toolbox> {
        let (config, manifest) = (&around.config, checked.manifest());
        if manifest.tools().is_empty() || !Offer::of(around, checked, granted)?.stands() {
            return Ok(Toolbox::default());
        }
        let granted = around.granted(checked, granted, &BTreeMap::new())?;
        let settings = around.settings(checked, &granted, &BTreeMap::new())?;
        let grants = self.live.intersect(config, checked, &granted, settings);
        let belief = config.belief(manifest.id(), &self.live.plugins.signer(checked));
        let component = self.load(checked).await?;
        let mut tools = Toolbox::default();
        tools.add(&component, &grants, &belief)?;
        Ok(tools)
    }

    /// Loads a component. When that fails the cause can be another one's code, so it is then compiled alone.
    async fn load(&self, checked: &Arc<Checked>) -> Result<Arc<Component>> {
        let (plugins, id) = (&self.live.plugins, checked.manifest().id());
        if let Ok(component) = plugins.component(id).await {
            return Ok(component);
        }
        let (kernel, cache) = plugins.engine();
        let (kernel, cache, checked) = (kernel.clone(), cache.clone(), checked.clone());
        tokio::task::spawn_blocking(move || kernel.compile(&checked, &cache)).await??;
        plugins.component(id).await
    }

    /// Says once that a component is left out, and why: a conversation can do without it.
    fn say_left_out(&self, id: &ComponentId, why: &str) {
        let mut said = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(id).map(String::as_str) != Some(why) {
            tracing::warn!(component = %id, error = %why, "the component is left out");
            self.events.note(format!("`{id}` is left out: {why}"));
            said.insert(id.clone(), why.to_owned());
        }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Tools for LiveTools {
    async fn now(&self) -> Result<Arc<Toolbox>, Failure> {
        self.look().await.map_err(|error| Failure::own("plugin", error.to_string()))
    }
}
