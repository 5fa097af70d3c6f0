//! The suite on SQLite.

#![allow(clippy::duplicate_mod, reason = "each suite runs on each kind of database")]

use super::*;

type Place = super::Place<File>;

#[path = "events.rs"]
mod events;
#[path = "grants.rs"]
mod grants;
#[path = "open.rs"]
mod open;
#[path = "race.rs"]
mod race;
#[path = "state.rs"]
mod state;
#[path = "versions.rs"]
mod versions;
