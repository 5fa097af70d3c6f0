//! The operator's commands, each end to end:
//! the real binary on a home of its own.
//!
//! A scripted provider stands in for the model (docs/rehearsal-script.md); nothing leaves the machine.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, one that is skipped says so"
)]

#[path = "../../../signing/tests/support/instance.rs"]
mod instance;
#[path = "../../../signing/tests/support/mod.rs"]
mod support;

#[cfg(unix)]
mod kill;

#[cfg(unix)]
#[path = "commands/anchor.rs"]
mod anchor;
#[path = "commands/approvals.rs"]
mod approvals;
#[path = "commands/audit.rs"]
mod audit;
#[path = "commands/authority.rs"]
mod authority;
#[cfg(unix)]
#[path = "commands/brought.rs"]
mod brought;
#[path = "commands/config.rs"]
mod config;
#[path = "commands/cures.rs"]
mod cures;
#[path = "commands/docs.rs"]
mod docs;
#[cfg(unix)]
#[path = "commands/doors.rs"]
mod doors;
#[cfg(unix)]
#[path = "commands/every.rs"]
mod every;
#[path = "commands/explain.rs"]
mod explain;
#[cfg(unix)]
#[path = "commands/first_hour.rs"]
mod first_hour;
#[cfg(unix)]
#[path = "commands/golden.rs"]
mod golden;
#[cfg(target_os = "linux")]
#[path = "commands/holders.rs"]
mod holders;
#[path = "commands/home.rs"]
mod home;
#[cfg(target_os = "linux")]
#[path = "commands/idle.rs"]
mod idle;
#[path = "commands/keys.rs"]
mod keys;
#[path = "commands/lan.rs"]
mod lan;
#[cfg(unix)]
#[path = "commands/ledger.rs"]
mod ledger;
#[cfg(unix)]
#[path = "commands/listen.rs"]
mod listen;
#[cfg(target_os = "linux")]
#[path = "commands/locked.rs"]
mod locked;
#[cfg(unix)]
#[path = "commands/lost.rs"]
mod lost;
#[cfg(unix)]
#[path = "commands/newcomer.rs"]
mod newcomer;
#[cfg(unix)]
#[path = "commands/outbox.rs"]
mod outbox;
#[path = "commands/packages.rs"]
mod packages;
#[cfg(unix)]
#[path = "commands/people.rs"]
mod people;
#[path = "commands/plugin_kill.rs"]
mod plugin_kill;
#[path = "commands/plugin_test.rs"]
mod plugin_test;
#[path = "commands/plugins.rs"]
mod plugins;
#[cfg(unix)]
#[path = "commands/poison.rs"]
mod poison;
#[path = "commands/policy.rs"]
mod policy;
#[cfg(unix)]
#[path = "commands/readme.rs"]
mod readme;
#[path = "commands/registry.rs"]
mod registry;
#[cfg(unix)]
#[path = "commands/runs.rs"]
mod runs;
#[path = "commands/sessions.rs"]
mod sessions;
#[cfg(unix)]
#[path = "commands/streams.rs"]
mod streams;
#[path = "commands/supply_chain.rs"]
mod supply_chain;
#[cfg(unix)]
#[path = "commands/takeover.rs"]
mod takeover;
#[cfg(unix)]
#[path = "commands/telegram.rs"]
mod telegram;
#[cfg(unix)]
#[path = "commands/terminal.rs"]
mod terminal;
#[path = "commands/tools.rs"]
mod tools;
#[cfg(unix)]
#[path = "commands/traces.rs"]
mod traces;
#[path = "commands/trust.rs"]
mod trust;
#[path = "commands/usage.rs"]
mod usage;
#[cfg(unix)]
#[path = "commands/vault.rs"]
mod vault;
#[path = "commands/wasm.rs"]
mod wasm;
#[path = "commands/watch.rs"]
mod watch;
