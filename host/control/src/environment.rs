//! Environment variables: of this process, and those that clients brought
//! along for the components whose manifests name them.

use crate::application::Application;
use crate::error::Result;
use crate::event::Events;
use crate::operation::{Done, Operation, Route};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

/// Variables as components may be given them; a clone is the same.
#[derive(Clone, Default)]
pub(crate) struct Environment(Arc<RwLock<BTreeMap<String, String>>>);

impl Environment {
    /// The value of a variable, if it is set and not empty: as a client brought it, else as this process has it.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let brought = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let value = brought.or_else(|| std::env::var(name).ok());
        value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }
}

/// The variables that hold secrets of installed components.
fn named(application: &Application) -> Result<BTreeSet<String>> {
    let installed = application.installed()?;
    let manifests = application.plugins.manifests(&installed);
    Ok(manifests
        .flat_map(|manifest| {
            // Not those of settings: where a key is sent must not be said by another terminal's environment.
            manifest.secrets().iter().flat_map(|secret| secret.env.clone()).collect::<Vec<_>>()
        })
        .collect())
}

/// Lists the variables whose values count, if they are set.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Wanted {}

impl Operation for Wanted {
    type View = Vec<String>;
    const ROUTE: Route =
        Route::get("environment.wanted", "/v1/environment", "List the environment variables that components name.");

    async fn run(self, application: &Arc<Application>, _: &Events) -> Result<Self::View> {
        Ok(named(application)?.into_iter().collect())
    }
}

/// Brings values of such variables along; they count until the holder of the home ends, and are stored nowhere.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bring {
    /// Values by name; names that no component has are left out.
    pub variables: BTreeMap<String, String>,
}

impl Operation for Bring {
    type View = Done;
    const ROUTE: Route = Route::put(
        "environment.bring",
        "/v1/environment",
        "Give values of environment variables, for as long as the home is held.",
    );

    async fn run(self, application: &Arc<Application>, _: &Events) -> Result<Self::View> {
        let named = named(application)?;
        let wanted = self.variables.into_iter().filter(|(name, _)| named.contains(name));
        application.environment.0.write().unwrap_or_else(PoisonError::into_inner).extend(wanted);
        Ok(Done {})
    }
}
