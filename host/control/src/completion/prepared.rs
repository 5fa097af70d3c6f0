//! Providers that are ready to be called, prepared once: nothing is looked up
//! for a call as long as configuration, components and grants stay as they are.

use super::unanswered::Unanswered;
use crate::application::Application;
use crate::component_settings::SettingSources;
use crate::error::Result;
use crate::home_files::HomeFiles;
use crate::installed::Installed;
use crate::model_selection::{self, not_granted};
use crate::preparations::{MOST, Now, Prepared};
use crate::variables::Brought;
use cara_assistant::language_model::Granted;
use cara_assistant::{Failure, Provider};
use cara_authority::{Capability, ComponentId, Grants};
use cara_kernel::bindings::provider::Model;
use cara_kernel::{Checked, Component};
use cara_services::files;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, MutexGuard, PoisonError};

/// A provider as it was prepared; what a person can do about a failure is looked up when there is one.
struct Ready {
    component: Arc<Component>,
    grants: Arc<Grants>,
    live: Arc<dyn Granted>,
}

#[async_trait::async_trait]
impl Granted for Ready {
    async fn now(&self) -> std::result::Result<(Arc<Component>, Arc<Grants>), Failure> {
        Ok((self.component.clone(), self.grants.clone()))
    }

    async fn cure(&self, failure: &Failure, model: &str, offered: &[Model]) -> Option<String> {
        self.live.cure(failure, model, offered).await
    }
}

impl Application {
    /// What can be called now.
    pub(super) async fn prepared(&self) -> Result<Arc<Prepared>> {
        let last = self.preparations.last().filter(|(last, _)| last.holds(self));
        if let Some((last, true)) = last {
            return Ok(last);
        }
        let now = (self.config()?, self.installed()?, files::stamp(&self.home().prices())?);
        let prepared = match last {
            Some((last, _)) if last.is_of(&now) => last,
            _ => Arc::new(Prepared::of(self, now).await?),
        };
        self.preparations.keep(&prepared);
        Ok(prepared)
    }

    /// Whether a provider was granted what it needs to be called.
    pub(crate) async fn may_be_called(&self, id: &ComponentId) -> Result<bool> {
        Ok(self.prepared().await?.granted.contains(id))
    }
}

impl Prepared {
    /// Whether what was granted is as it was.
    fn holds(&self, application: &Application) -> bool {
        self.grants == application.ledger.grants_changed() && application.services.clock.now_ms() < self.until_ms
    }

    /// Whether it was prepared of this.
    fn is_of(&self, (config, installed, prices): &Now) -> bool {
        Arc::ptr_eq(&self.config, config) && Arc::ptr_eq(&self.installed, installed) && self.prices == *prices
    }

    async fn of(application: &Application, (config, installed, prices): Now) -> Result<Self> {
        // Counted before they are read: what changes meanwhile is noticed at the next look.
        let grants = application.ledger.grants_changed();
        let now_ms = application.services.clock.now_ms();
        let mut until_ms = u64::MAX;
        let mut granted: BTreeMap<ComponentId, Vec<Capability>> = BTreeMap::new();
        for grant in application.ledger.grants().await?.into_iter().filter(|grant| grant.holds(now_ms)) {
            until_ms = until_ms.min(grant.expires_ms.unwrap_or(u64::MAX));
            granted.entry(grant.component).or_default().push(grant.capability);
        }
        let sources = application.setting_sources()?;
        let of = |id: &ComponentId| granted.get(id).map(Vec::as_slice).unwrap_or_default();
        let providers = installed.usable.iter().filter(|(_, checked)| checked.manifest().provider().is_some());
        let granted = providers.filter(|(id, checked)| may_be_called(&sources, checked, of(id)));
        let granted = granted.map(|(id, _)| id.clone()).collect();
        hide_variables(application, &installed);
        let (ready, meant, lists) = Default::default();
        Ok(Self { config, installed, grants, until_ms, prices, granted, ready, meant, lists })
    }

    fn ready(&self) -> MutexGuard<'_, HashMap<(ComponentId, String), Arc<Provider>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A model of a provider, ready to be asked.
    pub(super) async fn provider(
        &self,
        application: &Application,
        id: &ComponentId,
        model: &str,
    ) -> Result<Arc<Provider>, Unanswered> {
        let key = (id.clone(), model.to_owned());
        if let Some(ready) = self.ready().get(&key) {
            return Ok(ready.clone());
        }
        if !self.granted.contains(id) {
            return Err(not_granted(id).into());
        }
        let brought = Brought::of(&application.environment);
        let provider = model_selection::provider(application, id, model, &brought).await?;
        let live = provider.component.clone();
        let (component, grants) = live.now().await?;
        let provider = Arc::new(Provider { component: Arc::new(Ready { component, grants, live }), ..provider });
        let mut ready = self.ready();
        if ready.len() >= MOST {
            ready.clear();
        }
        ready.insert(key, provider.clone());
        Ok(provider)
    }
}

/// Whether a provider was granted the way to its server. A program that names it grants nothing.
fn may_be_called(sources: &SettingSources, checked: &Checked, granted: &[Capability]) -> bool {
    let Ok(settings) = sources.settings(checked, granted, &BTreeMap::new()) else { return false };
    let wanted = checked.manifest().requested(&settings);
    wanted.iter().filter(|wish| matches!(wish, Capability::Http(_))).all(|wish| granted.contains(wish))
}

/// Secrets in the variables of this process are known from now on, so that no program sends one to a model.
fn hide_variables(application: &Application, installed: &Installed) {
    let secrets = installed.usable.values().flat_map(|checked| checked.manifest().secrets());
    let values: Vec<_> = secrets.filter_map(|secret| application.environment.secret(secret)).map(Arc::new).collect();
    application.services.egress.known().register_all(&values);
}
