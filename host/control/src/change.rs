//! What changed in the home: what to look at again, not what is there now.

use cara_authority::words;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Use cases that are asked for with a body and change nothing that is shown.
const READS: [&str; 10] = [
    "audit.compare",
    "channels.test",
    "chat.open",
    "config.check",
    "models.list",
    "plugins.prepare",
    "plugins.push",
    "policy.explain",
    "tools.offered",
    "vault.prepare",
];

words! {
    /// What a change is about.
    Topic {
        /// A run began, or ended.
        Runs = "runs",
        /// Something is asked, or was decided.
        Approvals = "approvals",
        /// A conversation was renamed, pinned, forked or deleted.
        Sessions = "sessions",
        /// A component was installed, updated, removed, switched or granted something.
        Components = "components",
        /// The configuration in use is another one.
        Config = "config",
        /// People, or what is remembered about them.
        People = "people",
        /// A message in the inbox or the outbox was replayed, retried or dropped.
        Messages = "messages",
        /// An account of a channel was added, removed or paused, connected or failed.
        Channels = "channels",
        /// Secrets, the vault, credentials, trust.
        Access = "access",
        /// Another part works, or does not.
        Health = "health",
    }
}

impl Topic {
    /// What a use case changes, by the noun in its name. None for what changes nothing that is shown, and for runs: of them it
    /// is told when they begin and end, whoever asked.
    pub(crate) fn of_operation(name: &str) -> Option<Self> {
        if READS.contains(&name) {
            return None;
        }
        let (noun, _) = name.split_once('.')?;
        Some(match noun {
            "approvals" | "rules" => Self::Approvals,
            "sessions" => Self::Sessions,
            "plugins" | "tools" | "grants" => Self::Components,
            "config" => Self::Config,
            "people" | "memory" => Self::People,
            "inbox" | "outbox" => Self::Messages,
            "channels" => Self::Channels,
            "secrets" | "tls" | "vault" | "trust" | "tokens" | "devices" | "password" => Self::Access,
            _ => return None,
        })
    }
}

/// A change in the home. Its number is that of the event that tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// What it is about.
    pub topic: Topic,
    /// What happened: the name of a use case, or `runs.began`, `runs.ended`, `approvals.asked`,
    /// `approvals.expired`, `config.changed`, `channels.state`, `health.changed`.
    pub what: String,
    /// The id of what changed, where one thing did.
    pub subject: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_use_case_that_changes_something_is_told_or_known_to_change_nothing_that_is_shown() {
        let untold: BTreeSet<&str> = crate::operations()
            .iter()
            .filter(|entry| entry.route.method != http::Method::GET && Topic::of_operation(entry.route.name).is_none())
            .map(|entry| entry.route.name)
            .collect();
        let known = READS.iter().copied().chain([
            "audit.anchor",
            "keys.make",
            "keys.sign",
            "keys.sign-keyless",
            "ledger.downgrade",
            "runs.begin",
            "runs.resume",
            "runs.stop",
            "stop",
        ]);
        assert_eq!(untold, known.collect());
    }
}
