//! The process that holds the home: what it does, and ending it.

use crate::anchor_state::AnchorState;
use crate::application::Application;
use crate::configuration::Configuration;
use crate::error::{Result, fail};
use crate::event::Events;
use crate::holder::Role;
use crate::machine;
use crate::operation::{Done, Operation, Route};
use crate::reachable::Reachable;
use cara_authority::Principal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Says who answers, without looking at anything: a client asks it first, so that it knows it was let in, and by whom.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShowReady {}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Ready {
    /// The version of the program. Another version may take and give other things.
    pub version: String,
    /// What the process is to others.
    pub role: Role,
}

impl Operation for ShowReady {
    type View = Ready;
    const ROUTE: Route =
        Route::get("ready", "/control/v1/ready", "Say which version answers, and what it is to others.").stable();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        Ok(Ready { version: env!("CARGO_PKG_VERSION").to_owned(), role: application.holder.role })
    }
}

/// Tells the events that concern the whole home, until the process that holds it ends: a configuration that cannot be used, an
/// update that was taken back. Every call that is told events hears of these as well, while it goes on.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct FollowEvents {}

impl Operation for FollowEvents {
    type View = Done;
    const ROUTE: Route =
        Route::get("events.follow", "/control/v1/events", "Follow the events that concern the whole home.").following();

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        application.in_use.say(events);
        application.events.ended().await;
        Ok(Done {})
    }
}

/// Says what the process does that holds the home.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShowStatus {}

/// The process that holds a home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// Whether a process holds the home: it does, since it answers.
    pub held: bool,
    /// The version of the program.
    pub version: String,
    /// The process's number.
    pub pid: u32,
    /// What was typed to start it: `cara chat`, `cara start`.
    pub command: String,
    /// What it is to others.
    pub role: Role,
    /// The folder it holds.
    pub home: String,
    /// Since when, Unix milliseconds.
    pub since_ms: u64,
    /// How much memory it has resident, bytes, where the system says so.
    pub memory_bytes: Option<u64>,
    /// How other programs reach it, beside the socket; nothing where it is no daemon.
    pub reachable: Option<Reachable>,
    /// How the configuration stands.
    pub configuration: Configuration,
    /// How many components are installed and can be used.
    pub installed: u64,
    /// Components that were called and are kept.
    pub components: Vec<ComponentStatus>,
    /// Components that cannot be used, and why.
    pub broken: Vec<[String; 2]>,
    /// Runs that go on, with their sessions.
    pub runs: Vec<[String; 2]>,
    /// How many conversations are kept.
    pub sessions: u64,
    /// How many requests wait for a person.
    pub approvals_waiting: u64,
    /// How the audit log is anchored; nothing where the configuration names no place and none was tried.
    pub anchored: Option<AnchorState>,
    /// Whether the vault waits for its password, so that nothing in it can be used.
    pub vault_locked: bool,
}

/// A component that was called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ComponentStatus {
    /// The component's id.
    pub id: String,
    /// The version.
    pub version: String,
    /// Milliseconds for which it is not called after repeated faults; nothing when it is ready.
    pub rests_ms: Option<u64>,
}

impl ComponentStatus {
    fn of((id, version, rests): (cara_authority::ComponentId, String, Option<std::time::Duration>)) -> Self {
        let rests_ms = rests.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1));
        Self { id: id.to_string(), version, rests_ms }
    }
}

impl Status {
    /// The same fields for a home that nobody holds: `held` is false, and all else says nothing.
    pub fn nobody() -> Value {
        let schema = schemars::schema_for!(Self).to_value();
        let names = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
        let mut fields: Map<String, Value> = names.map(|name| (name, Value::Null)).collect();
        fields.insert("held".to_owned(), false.into());
        fields.into()
    }
}

impl Operation for ShowStatus {
    type View = Status;
    const ROUTE: Route = Route::get("status", "/control/v1/status", "Say what the process does that holds the home.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let records = application.records().await?;
        let installed = application.installed()?;
        Ok(Status {
            held: true,
            reachable: application.reachable(),
            configuration: application.configuration(),
            installed: installed.usable.len() as u64,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            command: application.holder.command.clone(),
            role: application.holder.role,
            home: application.home().path().display().to_string(),
            since_ms: application.holder.began_ms,
            memory_bytes: machine::resident(),
            components: application.plugins.called().into_iter().map(ComponentStatus::of).collect(),
            broken: installed.broken.iter().map(|(id, why)| [id.to_string(), why.clone()]).collect(),
            runs: application
                .active_runs
                .all()
                .into_iter()
                .map(|(run, session)| [run.to_string(), session.to_string()])
                .collect(),
            sessions: records.session_count().await?,
            approvals_waiting: records.waiting_approvals().await?.len() as u64,
            anchored: application.anchored(),
            // What else is wrong with it, says whoever needs it.
            vault_locked: application.is_vault_locked().await.unwrap_or(false),
        })
    }
}

/// Ends the process: no run begins any more, and those that go on end first, or are left to be resumed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct StopHolder {}

impl Operation for StopHolder {
    type View = Done;
    const ROUTE: Route =
        Route::post("stop", "/control/v1/stop", "End the process that holds the home.").once().stable();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let (command, role) = (&application.holder.command, application.holder.role);
        if role != Role::Daemon {
            fail!(Refused, "`{command}` holds the home, and is not stopped from elsewhere\nhint: {}", role.ending());
        }
        application.holder.stop.cancel();
        Ok(Done {})
    }
}
