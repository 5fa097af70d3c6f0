//! Follows what changes in the home, also after a while of not listening:
//! each change has a number.
//!
//! Numbers mean something in one process. Whoever comes back to another one, or after more changes than are kept, hears that
//! changes were missed, and looks at everything anew.

use crate::application::Application;
use crate::error::Result;
use crate::event::{Event, Events};
use crate::operation::{Done, Operation, Route};
use cara_authority::Principal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Follows what changes in the home, until the process that holds it ends. The first event is `position`; each `changed`
/// has a number, one more than the one before: where a number is left out, a change was missed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FollowChanges {
    /// Go on after this change, with what happened since; with what happens from now on when left out.
    #[serde(default)]
    pub after: Option<u64>,
    /// The process in which that change has its number, as `position` said it.
    #[serde(default)]
    pub process: Option<String>,
}

impl Operation for FollowChanges {
    type View = Done;
    const ROUTE: Route =
        Route::get("changes.follow", "/control/v1/changes", "Follow what changes in the home, by number.").following();

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        let (log, process) = (&application.changes, &application.holder.process);
        let is_same = self.process.as_ref().is_none_or(|named| named == process);
        let (first, last) = log.numbers();
        let (seq, missed) = match self.after {
            None => (last, false),
            Some(after) if is_same && (first..=last).contains(&after) => (after, false),
            Some(_) => (last, true),
        };
        events.tell(Event::Position { process: process.clone(), seq, missed });
        events.follow(log, usize::try_from(seq).unwrap_or(usize::MAX));
        tokio::select! {
            () = log.ended() => {}
            () = application.keep_looking() => {}
        }
        Ok(Done {})
    }
}
