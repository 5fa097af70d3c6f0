//! The host's own services that a tool may be granted: one power an interface.

use crate::effect::Effect;
use crate::id::ComponentId;

crate::words! {
    /// A service of the host that needs a grant; named like its interface in `wit/`, in manifests and in grants.
    Power {
        /// Asking a person.
        Approvals = "approvals",
        /// Reading what the person attached.
        Attachments = "attachments",
        /// Reading the configuration.
        Configuration = "configuration",
        /// Remembering things about the person.
        Memory = "memory",
        /// Sending messages to channels.
        Messaging = "messaging",
        /// Asking a model.
        Models = "models",
        /// Reading the person's earlier conversations.
        Sessions = "sessions",
    }
}

impl Power {
    /// What using it can do. Asking a model has no effect here: the budgets of the run
    /// count it and bound it.
    pub fn effects(self) -> &'static [Effect] {
        match self {
            Self::Approvals | Self::Models => &[],
            Self::Attachments | Self::Configuration | Self::Sessions => &[Effect::ReadsPrivate],
            Self::Memory => &[Effect::ReadsPrivate, Effect::ChangesState],
            Self::Messaging => &[Effect::SendsOutside],
        }
    }
}

/// Having a `ServiceGrant` tells you: this component's manifest asks for this power, its binary imports it and the operator
/// granted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceGrant {
    component: ComponentId,
    power: Power,
}

impl ServiceGrant {
    pub(crate) fn new(component: ComponentId, power: Power) -> Self {
        Self { component, power }
    }

    /// Whose call it is.
    pub fn component(&self) -> &ComponentId {
        &self.component
    }

    /// The service that may be used.
    pub fn power(&self) -> Power {
        self.power
    }
}
