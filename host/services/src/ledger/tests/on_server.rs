//! The suite on PostgreSQL; where there is none, on SQLite once more.

#![allow(clippy::duplicate_mod, reason = "each suite runs on each kind of database")]

use super::*;

type Place = super::Place<Server>;

#[path = "events.rs"]
mod events;
#[path = "grants.rs"]
mod grants;
#[path = "race.rs"]
mod race;
#[path = "state.rs"]
mod state;
#[path = "versions.rs"]
mod versions;
