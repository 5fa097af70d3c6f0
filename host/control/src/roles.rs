//! The tools that a run for somebody has: those that their role may use.
//!
//! It is asked about at each look for tools: before each step of a model, and once more when a call is made. The role is the
//! one that the registry has at that moment, and what it may use is what the configuration says then.

use crate::configuration::Rights;
use crate::current_components::Live;
use crate::error::Result;
use cara_assistant::{Failure, Toolbox, Tools};
use cara_authority::{ComponentId, PersonId};
use cara_records::Records;
use std::sync::{Arc, Mutex, PoisonError};

/// The tools of a run for somebody: those that they may use when they are looked for.
pub(crate) struct Permitted {
    pub(crate) tools: Arc<dyn Tools>,
    pub(crate) live: Live,
    pub(crate) records: Records,
    pub(crate) person: PersonId,
    /// The agent that answers.
    pub(crate) agent: String,
    /// The model that answers, as `provider:model`.
    pub(crate) model: (ComponentId, String),
    /// What was permitted last, so that it is only put together anew when something changes.
    last: Mutex<Option<Last>>,
}

/// What was permitted of which tools.
struct Last {
    all: Arc<Toolbox>,
    rights: Rights,
    permitted: Arc<Toolbox>,
}

impl Permitted {
    /// The tools of a run of `agent` and `model` for `person`.
    pub(crate) fn new(
        tools: Arc<dyn Tools>,
        live: Live,
        records: Records,
        person: PersonId,
        agent: String,
        model: (ComponentId, String),
    ) -> Self {
        Self { tools, live, records, person, agent, model, last: Mutex::default() }
    }

    /// What the person may use now.
    async fn rights(&self) -> Result<Rights> {
        let role = self.records.role(&self.person).await?;
        Ok(self.live.config()?.role.of(role))
    }

    /// A run goes on only with the agent and the model that may answer the person.
    fn check(&self, rights: &Rights) -> std::result::Result<(), Failure> {
        let (component, model) = &self.model;
        if rights.agent.as_ref().is_some_and(|agent| *agent != self.agent)
            || !rights.permit_model(component, Some(model))
        {
            return Err(Failure::own(
                "role",
                "the role of the person was changed meanwhile\nhint: send the message again",
            ));
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Tools for Permitted {
    async fn now(&self) -> std::result::Result<Arc<Toolbox>, Failure> {
        let rights = self.rights().await.map_err(|error| Failure::own("role", error.to_string()))?;
        self.check(&rights)?;
        if rights.tools.is_none() {
            return self.tools.now().await;
        }
        if rights.have_no_tools() {
            // They need not even be loaded.
            return Ok(Arc::default());
        }
        let all = self.tools.now().await?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &*last
            && Arc::ptr_eq(&last.all, &all)
            && last.rights == rights
        {
            return Ok(last.permitted.clone());
        }
        let permitted = Arc::new(all.only(|offered| rights.permit_tool(offered)));
        *last = Some(Last { all, rights, permitted: permitted.clone() });
        Ok(permitted)
    }
}
