//! Whether the daemon can do its work: as a whole, and part by part.
//!
//! What stops all of it makes it `down`; what stops a part of it, such as one component, makes it `degraded`.

use crate::application::Application;
use crate::change::Topic;
use crate::configuration::Configuration;
use crate::error::Result;
use crate::event::Events;
use crate::operation::{Operation, Route};
use crate::vault::LOCKED;
use cara_authority::{Principal, words};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How often it is looked how the parts are, while somebody follows the changes of the home.
const LOOK: Duration = Duration::from_secs(30);

words! {
    /// How something is.
    Condition {
        /// It works.
        Ok = "ok",
        /// A part of it does not.
        Degraded = "degraded",
        /// It does not work.
        Down = "down",
    }
}

/// Says how the daemon and its parts are.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShowHealth {}

/// How the daemon is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// All of it.
    pub condition: Condition,
    /// What was looked at.
    pub parts: Vec<HealthPart>,
}

/// A part of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthPart {
    /// Its name: `daemon`, `ledger`, `configuration`, `components`, `vault`, `audit anchor`, `component search`.
    pub name: String,
    /// How it is.
    pub condition: Condition,
    /// What is wrong with it, with the cure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl HealthPart {
    fn new(name: impl Into<String>, wrong: Option<(Condition, String)>) -> Self {
        let (condition, why) = wrong.map_or((Condition::Ok, None), |(condition, why)| (condition, Some(why)));
        Self { name: name.into(), condition, why }
    }
}

impl Operation for ShowHealth {
    type View = Health;
    const ROUTE: Route = Route::get("health", "/control/v1/health", "Say how the daemon and its parts are.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        Ok(application.health().await)
    }
}

impl Application {
    /// How this process and its parts are.
    pub async fn health(&self) -> Health {
        let (down, degraded) = (Condition::Down, Condition::Degraded);
        let stopping = self.stopping().is_cancelled().then(|| (down, "the daemon stops".to_owned()));
        let reader = match self.ledger.reader().await {
            Ok(_) => None,
            Err(error) => Some((down, error.to_string())),
        };
        let mut parts = vec![HealthPart::new("daemon", stopping), HealthPart::new("ledger", reader)];
        let Configuration { problem, .. } = self.configuration();
        parts.push(HealthPart::new("configuration", problem.map(|problem| (degraded, problem.message))));
        match self.installed() {
            Err(error) => parts.push(HealthPart::new("components", Some((down, error.message)))),
            Ok(installed) => {
                let broken = installed.broken.iter();
                parts.extend(
                    broken.map(|(id, why)| HealthPart::new(format!("component {id}"), Some((degraded, why.clone())))),
                );
                for (id, _, rests) in self.plugins.called() {
                    let rests = rests.map(|left| {
                        let seconds = left.as_secs().max(1);
                        let hint = "hint: `cara logs` says which faults";
                        (degraded, format!("it is not called for {seconds} s, after repeated faults\n{hint}"))
                    });
                    parts.push(HealthPart::new(format!("component {id}"), rests));
                }
            }
        }
        let vault = match self.is_vault_locked().await {
            Ok(false) => None,
            Ok(true) => Some(LOCKED.to_owned()),
            Err(error) => Some(error.to_string()),
        };
        parts.extend(vault.map(|why| HealthPart::new("vault", Some((degraded, why)))));
        if let Some(problem) = self.anchoring.state().problem {
            parts.push(HealthPart::new("audit anchor", Some((degraded, problem.to_string()))));
        }
        let condition = parts.iter().map(|part| part.condition).max().unwrap_or(Condition::Ok);
        self.tell_of(&parts);
        Health { condition, parts }
    }

    /// Tells a change where other parts do not work than at the last look.
    fn tell_of(&self, parts: &[HealthPart]) {
        let ill = parts.iter().filter(|part| part.condition != Condition::Ok);
        let ill: Vec<String> = ill.map(|part| format!("{} {}", part.condition, part.name)).collect();
        let mut last = self.ill.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != ill {
            *last = ill;
            self.changes.changed(Topic::Health, "health.changed", None);
        }
    }

    /// Looks again and again how its parts are, for whoever follows the changes; one of them all does.
    pub(crate) async fn keep_looking(&self) {
        let _one = self.looking.lock().await;
        loop {
            tokio::time::sleep(LOOK).await;
            self.health().await;
        }
    }
}
