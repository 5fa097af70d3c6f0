//! What a credential may be used for: a part of what its person may.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

crate::words! {
    /// A kind of use. None is in another: what shall do two things has two.
    Scope {
        /// See what is kept and configured.
        Read = "read",
        /// Talk to the assistant.
        Chat = "chat",
        /// Answer requests for approval.
        Approve = "approve",
        /// Change what is kept, and run the daemon.
        Operate = "operate",
        /// Change who may do what: grants, trust, secrets, people, configuration, components and credentials.
        Admin = "admin",
    }
}

/// What may be done with a credential, of what its person may.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Allowance {
    /// The uses.
    pub scopes: BTreeSet<Scope>,
    /// The only agents that are talked to; any when left out.
    #[serde(default)]
    pub agents: Option<BTreeSet<String>>,
    /// Tokens of models in one day; as many as its person may use when left out.
    #[serde(default)]
    pub tokens_per_day: Option<u64>,
}

impl Allowance {
    /// All that the person may.
    pub fn whole() -> Self {
        Self::of(Scope::ALL)
    }

    /// These uses, with nothing else held back.
    pub fn of(scopes: &[Scope]) -> Self {
        Self { scopes: scopes.iter().copied().collect(), agents: None, tokens_per_day: None }
    }

    /// Whether nothing is in it that is not in the other. Many small budgets are more than one: nothing is in an allowance
    /// that has one.
    pub fn is_within(&self, other: &Self) -> bool {
        let agents = match (&self.agents, &other.agents) {
            (_, None) => true,
            (Some(own), Some(of_other)) => own.is_subset(of_other),
            (None, Some(_)) => false,
        };
        other.tokens_per_day.is_none() && agents && self.scopes.is_subset(&other.scopes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_within_another_where_nothing_is_more() {
        let of = |scopes: &[Scope], agents: Option<&[&str]>, tokens_per_day| Allowance {
            agents: agents.map(|agents| agents.iter().map(|agent| (*agent).to_owned()).collect()),
            tokens_per_day,
            ..Allowance::of(scopes)
        };
        let (read, both) = ([Scope::Read], [Scope::Read, Scope::Chat]);
        assert!(of(&read, None, None).is_within(&of(&both, None, None)));
        assert!(!of(&both, None, None).is_within(&of(&read, None, None)));
        // Administering is not reading.
        assert!(!of(&read, None, None).is_within(&of(&[Scope::Admin], None, None)));
        assert!(of(&read, Some(&["a"]), None).is_within(&of(&read, Some(&["a", "b"]), None)));
        assert!(!of(&read, Some(&["a", "c"]), None).is_within(&of(&read, Some(&["a", "b"]), None)));
        assert!(!of(&read, None, None).is_within(&of(&read, Some(&["a"]), None)));
        assert!(of(&read, None, Some(1)).is_within(&of(&read, None, None)));
        assert!(!of(&read, None, Some(1)).is_within(&of(&read, None, Some(2))), "two of them are twice as much");
        assert!(of(&both, Some(&[]), Some(0)).is_within(&Allowance::whole()));
    }
}
