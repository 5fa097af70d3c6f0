//! Where the ledger is, which versions of its tables it has, and the way back.

use crate::application::Application;
use crate::error::{Result, error, fail};
use crate::event::Events;
use crate::holder::Role;
use crate::operation::{Operation, Route};
use cara_authority::Principal;
use cara_services::ledger::{MIGRATIONS, Place};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// What keeps the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// A file of the home.
    Sqlite,
    /// A server.
    Postgresql,
}

/// The ledger, as what keeps it is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LedgerView {
    /// What keeps it.
    pub store: Store,
    /// The file, or the address of the server.
    pub place: String,
    /// The versions of its tables, the first first.
    pub versions: Vec<LedgerVersion>,
}

impl LedgerView {
    /// The newest version, and the one before it.
    pub fn newest(&self) -> (u32, u32) {
        let newest = u32::try_from(self.versions.len()).unwrap_or(u32::MAX);
        (newest, newest.saturating_sub(1))
    }

    /// What is lost on the way back to a version, in a sentence for each that goes.
    pub fn lost_on_the_way_to(&self, to: u32) -> Vec<String> {
        let gone = self.versions.iter().rev().filter(|version| version.number > u64::from(to));
        let said = |version: &LedgerVersion| {
            let lost = version.lost.as_deref().unwrap_or("there is no way back from it");
            format!("version {}, {}: {lost}", version.number, version.name)
        };
        gone.map(said).collect()
    }

    /// Each version on a line, with what is lost on the way back from it.
    pub fn lines(&self) -> Vec<String> {
        let said = |version: &LedgerVersion| {
            let back = version.lost.as_deref().map(|lost| format!(" (on the way back: {lost})")).unwrap_or_default();
            format!("{:>3}  {}{back}", version.number, version.name)
        };
        self.versions.iter().map(said).collect()
    }
}

/// A version of the tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LedgerVersion {
    /// Its number, from 1.
    pub number: u64,
    /// What it is about.
    pub name: String,
    /// What is lost on the way back from it; nothing where there is no way back.
    pub lost: Option<String>,
}

/// Shows where the ledger is, and which versions of its tables it has.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShowLedger {}

impl Operation for ShowLedger {
    type View = LedgerView;
    const ROUTE: Route = Route::get("ledger.show", "/control/v1/ledger", "Show where the ledger is, and its versions.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        // Its tables are made or brought up to date by the first look.
        application.ledger.reader().await?;
        let store = match application.ledger.place() {
            Place::Server(_) => Store::Postgresql,
            _ => Store::Sqlite,
        };
        let version = |known: &cara_services::ledger::Migration| LedgerVersion {
            number: known.number.unsigned_abs(),
            name: known.name.to_owned(),
            lost: known.down.map(|_| known.lost().unwrap_or("what only this version knows").to_owned()),
        };
        let versions = MIGRATIONS.iter().map(version).collect();
        Ok(LedgerView { store, place: application.ledger.place().to_string(), versions })
    }
}

/// Takes the ledger back to an older version of its tables, for an older cara. This one uses it no more until its next
/// start, which brings it up to date again.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DowngradeLedger {
    /// The version it has then.
    pub to: u32,
}

impl Operation for DowngradeLedger {
    type View = LedgerVersion;
    const ROUTE: Route =
        Route::post("ledger.downgrade", "/control/v1/ledger/downgrade", "Take the ledger back to an older version.")
            .once()
            .admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let to = i64::from(self.to);
        let newest = MIGRATIONS.last().map_or(0, |version| version.number);
        let Some(target) = MIGRATIONS.iter().find(|version| version.number == to && to < newest) else {
            fail!(
                Invalid,
                "there is no way from version {newest} of the ledger to version {to}\nhint: `cara ledger show` lists the versions"
            );
        };
        if application.holder.role != Role::Command || application.busy() > 0 {
            let command = &application.holder.command;
            fail!(
                Conflict,
                "the ledger is in use by `{command}`\nhint: {}, then do it again",
                application.holder.role.ending()
            );
        }
        let mut change = application.ledger.change().await?;
        // Last of all known versions, so that the older cara finds in its log who did it.
        change.event("ledger-downgraded", &to.to_string(), json!({ "from": newest, "to": to })).await?;
        for version in MIGRATIONS.iter().rev().take_while(|version| version.number > to) {
            if !version.undo(&mut change.sql()).await? {
                let back = version.number;
                return Err(error!(
                    Invalid,
                    "there is no way back from version {back} of the ledger\nhint: put a copy of it from before back"
                ));
            }
        }
        change.commit().await?;
        application.ledger.close().await;
        Ok(LedgerVersion { number: target.number.unsigned_abs(), name: target.name.to_owned(), lost: None })
    }
}
