//! Who answers, by the name that a program gives; and what it may name.
//!
//! `provider:model` is a model. So is `model` alone, where one provider that may be called offers it, and no other.
//! `agent:NAME` is the whole assistant.

use crate::application::Application;
use crate::configuration::Rights;
use crate::error::{Result, error, fail};
use crate::model_selection::{learn, not_granted};
use crate::names::AGENT;
use crate::near_names::near_names;
use crate::preparations::{MOST, Prepared};
use cara_assistant::LanguageModel;
use cara_authority::{ComponentId, PersonRole, Principal, display_safe};
use cara_kernel::bindings::provider::Model;
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// What stands before the name of an agent.
const PREFIX: &str = "agent:";

/// How long a list of models holds.
const HOLDS: Duration = Duration::from_secs(60);

/// How long a provider may take to say what it offers.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest name, bytes.
const LONGEST: usize = 256;

/// Who is meant by a name.
pub(super) enum Named {
    Model(ComponentId, String),
    Agent(String),
}

/// What a program may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedModel {
    /// The name: `provider:model` or `agent:NAME`.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// Who offers it: the provider, or `cara` for agents.
    pub owner: String,
    /// Tokens that prompt and answer have together, where that is known.
    pub context_tokens: Option<u32>,
}

/// Whether a name is that of an agent, which answers with its own tools and as the operator set it.
pub fn is_agent(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The agents that somebody may talk to: the owner to all, others to the one that their role has.
fn agents(prepared: &Prepared, rights: &Rights, by: &Principal) -> BTreeSet<String> {
    let config = &prepared.config;
    match by.role() {
        PersonRole::Owner => config.agent.keys().cloned().chain([AGENT.to_owned()]).collect(),
        _ => [rights.agent(config.chat.agent.as_deref()).to_owned()].into(),
    }
}

impl Prepared {
    fn rights(&self, by: &Principal) -> Rights {
        self.config.role.of(Some(by.role()))
    }

    /// Who is meant, if this person may have them answer.
    pub(super) async fn named(&self, application: &Arc<Application>, by: &Principal, name: &str) -> Result<Named> {
        if name.is_empty() || name.len() > LONGEST || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            let shown = display_safe(name);
            fail!(Invalid, "`{shown}` names no model\nhint: write `provider:model` or `agent:NAME`");
        }
        let rights = self.rights(by);
        if let Some(agent) = name.strip_prefix(PREFIX) {
            let may = agents(self, &rights, by);
            if !may.contains(agent) {
                let may: Vec<String> = may.iter().map(|agent| format!("`{PREFIX}{agent}`")).collect();
                let shown = display_safe(name);
                fail!(NotFound, "there is no agent `{shown}` for you\nhint: there is {}", may.join(", "));
            }
            return Ok(Named::Agent(agent.to_owned()));
        }
        let (id, model) = self.model(application, by, name, &rights).await?;
        if !rights.permit_model(&id, Some(&model)) {
            fail!(
                Refused,
                "your role may not use `{id}:{model}`\nhint: the owner names what it may in `[role]` of `config.toml`"
            );
        }
        Ok(Named::Model(id, model))
    }

    async fn model(
        &self,
        application: &Arc<Application>,
        by: &Principal,
        name: &str,
        rights: &Rights,
    ) -> Result<(ComponentId, String)> {
        if let Some((provider, model)) = name.split_once(':')
            && let Ok(id) = ComponentId::parse(provider)
            && let Some(checked) = self.installed.usable.get(&id)
            && checked.manifest().provider().is_some()
            && !model.is_empty()
        {
            if !self.granted.contains(&id) {
                return Err(not_granted(&id));
            }
            return Ok((id, model.to_owned()));
        }
        let known = self.meant.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let id = match known.filter(|id| rights.permit_model(id, Some(name))) {
            Some(id) => id,
            None => self.only_one(application, by, name, rights).await?,
        };
        Ok((id, name.to_owned()))
    }

    /// The one provider that offers a model of this name, to somebody with these rights.
    async fn only_one(
        &self,
        application: &Arc<Application>,
        by: &Principal,
        name: &str,
        rights: &Rights,
    ) -> Result<ComponentId> {
        let offered = self.listed(application).await;
        let may = |id: &&ComponentId| rights.permit_model(id, Some(name));
        let offers = |id: &&ComponentId| {
            let declared = self.installed.usable.get(*id).and_then(|checked| checked.manifest().provider());
            let is_declared = declared.is_some_and(|provider| {
                provider.default_model == name || provider.model.iter().any(|facts| facts.name == name)
            });
            is_declared || offered.iter().any(|(of, model)| of == *id && model.id == name)
        };
        let found: Vec<&ComponentId> = self.granted.iter().filter(may).filter(offers).collect();
        let shown = || display_safe(name);
        match &found[..] {
            [one] => {
                let mut meant = self.meant.lock().unwrap_or_else(PoisonError::into_inner);
                if meant.len() >= MOST {
                    meant.clear();
                }
                meant.insert(name.to_owned(), (*one).clone());
                Ok((*one).clone())
            }
            [] => {
                let all = self.offered(application, by).await?;
                let near = near_names(name, all.iter().map(|offered| offered.id.as_str()));
                let near: Vec<String> = near.iter().map(|near| format!("`{near}`")).collect();
                let meant =
                    if near.is_empty() { String::new() } else { format!("did you mean {}? ", near.join(" or ")) };
                Err(error!(
                    NotFound,
                    "no provider offers `{}` to you\nhint: {meant}write `provider:model`; `GET /v1/models` lists what there is",
                    shown()
                ))
            }
            several => {
                let shown = shown();
                let names: Vec<String> = several.iter().map(|id| format!("`{id}:{shown}`")).collect();
                Err(error!(Invalid, "several providers offer `{shown}`\nhint: write {}", names.join(" or ")))
            }
        }
    }

    /// All that the providers offer which may be called; one that does not answer is left out.
    async fn listed(&self, application: &Arc<Application>) -> Vec<(ComponentId, Model)> {
        let now = Instant::now();
        let kept = || self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let old: Vec<&ComponentId> = {
            let lists = kept();
            let holds = |id: &&ComponentId| lists.get(*id).is_some_and(|(at, _)| now.duration_since(*at) < HOLDS);
            self.granted.iter().filter(|id| !holds(id)).collect()
        };
        let asked = old.into_iter().map(async |id| {
            let list = async {
                let provider = self.provider(application, id, "").await.ok()?;
                provider.models().await.ok()
            };
            (id, timeout(PATIENCE, list).await.ok().flatten().unwrap_or_default())
        });
        let answers = join_all(asked).await;
        let mut lists = kept();
        for (id, models) in answers {
            learn(application, id, &models);
            lists.insert(id.clone(), (now, models));
        }
        lists.iter().flat_map(|(id, (_, models))| models.iter().map(|model| (id.clone(), model.clone()))).collect()
    }

    /// What somebody may name.
    pub(super) async fn offered(&self, application: &Arc<Application>, by: &Principal) -> Result<Vec<OfferedModel>> {
        let rights = self.rights(by);
        let mut all = Vec::new();
        let agent = |name: String| OfferedModel {
            id: format!("{PREFIX}{name}"),
            name,
            owner: "cara".to_owned(),
            context_tokens: None,
        };
        all.extend(agents(self, &rights, by).into_iter().map(agent));
        let listed = self.listed(application).await;
        let may = |(id, model): &(ComponentId, Model)| rights.permit_model(id, Some(&model.id));
        all.extend(listed.into_iter().filter(may).map(|(id, model)| OfferedModel {
            id: format!("{id}:{}", model.id),
            name: model.name,
            owner: id.to_string(),
            context_tokens: model.context_tokens,
        }));
        Ok(all)
    }
}
