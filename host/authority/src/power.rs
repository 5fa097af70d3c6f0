//! The host's own services that a tool may be granted: one power an interface.

use crate::id::ComponentId;
use crate::manifest::Effect;
use serde::Deserialize;
use std::fmt;

/// A service of the host that needs a grant; named like its interface in `wit/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// Asking a person.
    Approvals,
    /// Reading what the person attached.
    Attachments,
    /// Reading the configuration.
    Configuration,
    /// Remembering things about the person.
    Memory,
    /// Sending messages to channels.
    Messaging,
    /// Asking a model.
    Models,
    /// Reading the person's earlier conversations.
    Sessions,
}

impl Power {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Approvals,
        Self::Attachments,
        Self::Configuration,
        Self::Memory,
        Self::Messaging,
        Self::Models,
        Self::Sessions,
    ];

    /// Its name in `wit/`, in manifests and in grants.
    pub fn name(self) -> &'static str {
        match self {
            Self::Approvals => "approvals",
            Self::Attachments => "attachments",
            Self::Configuration => "configuration",
            Self::Memory => "memory",
            Self::Messaging => "messaging",
            Self::Models => "models",
            Self::Sessions => "sessions",
        }
    }

    /// What using it can do; first what every use of it does. Asking a model has no effect here: the budgets of the run
    /// count it and bound it.
    pub fn effects(self) -> &'static [Effect] {
        match self {
            Self::Approvals | Self::Models => &[],
            Self::Attachments | Self::Configuration | Self::Sessions => &[Effect::ReadsPrivate],
            Self::Memory => &[Effect::ReadsPrivate, Effect::ChangesState],
            Self::Messaging => &[Effect::SendsOutside],
        }
    }

    /// The power of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|power| power.name() == name)
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Having a `Powered` tells you: this component's manifest asks for this power, its binary imports it and the operator
/// granted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Powered {
    component: ComponentId,
    power: Power,
}

impl Powered {
    pub(crate) fn new(component: ComponentId, power: Power) -> Self {
        Self { component, power }
    }

    /// Whose call it is.
    pub fn component(&self) -> &ComponentId {
        &self.component
    }

    /// What it may use.
    pub fn power(&self) -> Power {
        self.power
    }
}
