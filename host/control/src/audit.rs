//! What was done, and whether the log of it is whole, and the one that was
//! anchored.

use crate::anchors::{self, AnchorsHeld, Wanted};
use crate::application::Application;
use crate::error::{Result, fail};
use crate::event::Events;
use crate::operation::{Operation, Route};
use cara_authority::Principal;
use cara_records::{Event as Kept, events};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// An event of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AuditRow {
    /// The event's number, from 1.
    pub seq: u64,
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// What happened: `grant`, `approval-decided`.
    pub kind: String,
    /// To what.
    pub subject: String,
    /// The particulars.
    pub detail: Value,
}

impl From<Kept> for AuditRow {
    fn from(Kept { seq, at_ms, kind, subject, detail }: Kept) -> Self {
        Self { seq, at_ms, kind, subject, detail }
    }
}

/// Shows what was done; the newest comes first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowAudit {
    /// At most so many events.
    pub limit: u32,
    /// Only events of this kind.
    #[serde(default)]
    pub kind: Option<String>,
}

/// Events, and which kinds there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEvents {
    /// The events.
    pub events: Vec<AuditRow>,
    /// The kinds among those that were looked at.
    pub kinds: BTreeSet<String>,
}

impl Operation for ShowAudit {
    type View = AuditEvents;
    const ROUTE: Route = Route::get("audit.show", "/control/v1/audit", "Show what was done, the newest first.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let most = if self.kind.is_some() { u32::MAX } else { self.limit };
        let all = events(&application.ledger, most).await?;
        let kinds = all.iter().map(|event| event.kind.clone()).collect();
        let wanted = all.into_iter().filter(|event| self.kind.as_ref().is_none_or(|kind| event.kind == *kind));
        Ok(AuditEvents { events: wanted.take(self.limit as usize).map(AuditRow::from).collect(), kinds })
    }
}

/// Checks that no event was changed, removed or reordered.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct VerifyAudit {}

/// Whether the log is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerifiedAudit {
    /// Whether the log is whole.
    pub ok: bool,
    /// How many events were checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// What the anchors say that were compared with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<AnchorsHeld>,
    /// What is wrong, with its cure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Operation for VerifyAudit {
    type View = VerifiedAudit;
    const ROUTE: Route = Route::get("audit.verify", "/control/v1/audit/verify", "Check that the audit log is whole.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        Ok(match application.ledger.verify_events().await {
            Ok(count) => VerifiedAudit { ok: true, events: Some(count), held: None, problem: None },
            Err(problem) => VerifiedAudit::broken(&problem),
        })
    }
}

impl VerifiedAudit {
    fn broken(problem: &impl std::fmt::Display) -> Self {
        Self { ok: false, events: None, held: None, problem: Some(problem.to_string()) }
    }
}

/// Checks that the log is whole, and has every anchor that was made of it: that it is no older copy, and no other one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompareAudit {
    /// The anchors, each on a line, as `audit.anchor` wrote or sent them.
    pub anchors: String,
}

impl Operation for CompareAudit {
    type View = VerifiedAudit;
    const ROUTE: Route =
        Route::post("audit.compare", "/control/v1/audit/verify", "Compare the audit log with its anchors.")
            .reading()
            // Of a text in JSON, where quotes take two bytes.
            .up_to(anchors::MOST * 2);

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let (key, root) = (anchors::key(application.home())?, application.sigstore_root()?);
        let Ok(alone) = application.anchoring.comparing.clone().try_acquire_owned() else {
            fail!(Conflict, "anchors are being compared already\nhint: try again when that is done");
        };
        let wanted = spawn_blocking(move || {
            let _alone = alone;
            Wanted::of(key.as_ref(), &self.anchors, root.as_deref())
        });
        let held = match wanted.await? {
            Ok(wanted) => wanted.compare(&application.ledger).await,
            Err(problem) => Err(problem),
        };
        Ok(match held {
            Ok((events, held)) => VerifiedAudit { ok: true, events: Some(events), held: Some(held), problem: None },
            Err(problem) => VerifiedAudit::broken(&problem),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plugins::tests::{open, with_a_file_for_secrets};

    #[tokio::test]
    async fn anchors_are_compared_for_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let application = open(&with_a_file_for_secrets(folder.path()));
        let compare = async || {
            let operation = CompareAudit { anchors: String::new() };
            operation.run(&application, &Principal::of_account("a test"), &Events::nobody()).await
        };
        let other = application.anchoring.comparing.clone().try_acquire_owned().unwrap();
        let refused = compare().await.unwrap_err();
        assert!(refused.message.contains("anchors are being compared already"), "{refused}");
        drop(other);
        assert!(compare().await.unwrap().problem.unwrap().contains("there is no anchor in it"));
    }
}
