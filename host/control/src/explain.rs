//! Why a run did what it did.

use crate::application::Application;
use crate::error::{Result, error};
use crate::event::Events;
use crate::operation::{Operation, Route};
use crate::sessions;
use cara_assistant::explain::{Explained, explain};
use cara_authority::id::BadName;
use cara_authority::{Principal, RunId};
use cara_records::{Records, Run};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The name of the run that began last.
const LAST: &str = "last";

/// In how many sessions, those that changed last, the last run is looked for.
const LOOKED_AT: u32 = 50;

/// Explains a run: what it saw, what was decided by which line, what it did.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainRun {
    /// The run, or `last`.
    pub run: String,
}

impl ExplainRun {
    /// What names a run: its id, or `last`.
    pub fn named(text: &str) -> std::result::Result<String, BadName> {
        if text == LAST { Ok(text.to_owned()) } else { RunId::parse(text).map(|id| id.to_string()) }
    }
}

impl Operation for ExplainRun {
    type View = Explained;
    const ROUTE: Route = Route::get(
        "runs.explain",
        "/control/v1/runs/{run}/explain",
        "Explain a run: what it saw, what was decided by which line, what it did.",
    );

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let records = application.records().await?;
        let id = match self.run.as_str() {
            LAST => last(records).await?,
            id => RunId::parse(id)?,
        };
        let none =
            || error!(NotFound, "there is no run `{id}`\nhint: `cara sessions show` shows the runs of a session");
        let run = records.run(&id).await?.ok_or_else(none)?;
        let mut explained = explain(records, &id).await?.ok_or_else(none)?;
        explained.state = sessions::state(application, run.state, &run.process).name().into();
        Ok(explained)
    }
}

/// The run that began last.
async fn last(records: &Records) -> Result<RunId> {
    let mut newest: Option<Run> = None;
    for session in records.recent_sessions(None, LOOKED_AT).await? {
        let runs = records.runs(&session.id).await?;
        newest = newest.into_iter().chain(runs).max_by_key(|run| run.began_ms);
    }
    let none = || error!(NotFound, "nothing was asked yet\nhint: `cara chat` begins a conversation");
    newest.map(|run| run.id).ok_or_else(none)
}
