//! The suite on PostgreSQL; where there is none, on SQLite once more.

#![allow(clippy::duplicate_mod, reason = "each suite runs on each kind of database")]

use super::*;

type Fixture = super::Fixture<Server>;
type Place = super::Place<Server>;

#[path = "approvals.rs"]
mod approvals;
#[path = "attachments.rs"]
mod attachments;
#[path = "calls.rs"]
mod calls;
#[path = "credentials.rs"]
mod credentials;
#[path = "everything.rs"]
mod everything;
#[path = "forgetting.rs"]
mod forgetting;
#[path = "inbox.rs"]
mod inbox;
#[path = "keys.rs"]
mod keys;
#[path = "kill.rs"]
mod kill;
#[path = "memory.rs"]
mod memory;
#[path = "outbox.rs"]
mod outbox;
#[path = "people.rs"]
mod people;
#[path = "responses.rs"]
mod responses;
#[path = "sessions.rs"]
mod sessions;
#[path = "tamper.rs"]
mod tamper;
#[path = "told.rs"]
mod told;
#[path = "usage.rs"]
mod usage;
