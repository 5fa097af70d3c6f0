//! Which environment variables a client may bring along with a request.

use crate::application::Application;
use crate::error::Result;
use crate::event::Events;
use crate::operation::{Operation, Route};
pub use crate::variables::Variables;
use crate::variables::named;
use cara_authority::Principal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Lists the variables whose values count, if they are set.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListEnvironmentVariables {}

impl Operation for ListEnvironmentVariables {
    type View = Vec<String>;
    const ROUTE: Route = Route::get(
        "environment.wanted",
        "/control/v1/environment",
        "List the environment variables that components name.",
    );

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let installed = application.installed()?;
        let named: BTreeSet<String> = application.plugins.manifests(&installed).flat_map(named).collect();
        Ok(named.into_iter().collect())
    }
}
